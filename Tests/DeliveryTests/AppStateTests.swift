import Testing

@testable import Delivery

/// What is done with an app, step by step, without anything around it.
@Suite struct AppStateTests {
    /// An app whose first state runs, is verified and kept.
    func deployed() -> AppScript {
        var script = AppScript()
        script.declare("v1")
        script.run()
        script.clear()
        return script
    }

    /// The second version is under way and not well yet.
    func begun() -> AppScript {
        var script = deployed()
        script.declare("v2")
        script.health = .progressing("service web: 0 of 1 running")
        script.pass()
        return script
    }

    /// The second version is under way; the target was away meanwhile and says since that all is well.
    func backFromAnOutage() -> AppScript {
        var script = begun()
        script.failures["observe"] = Failure(.unavailable, "the Engine is away")
        script.pass()
        script.failures = [:]
        script.health = .healthy(runsNothing: false)
        return script
    }

    var bad: Health { .failed(Failure(.healthCheckFailed, "bad", next: .needsChange)) }
    var good: Health { .healthy(runsNothing: false) }

    /// An app whose second state was rejected and rolled back.
    func rejected() -> AppScript {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        script.pass()
        script.pass()
        script.health = good
        script.run()
        script.clear()
        return script
    }

    /// Another controller looks at the same target, with a store of its own; or one that had the first state deployed itself.
    func taker(of script: AppScript, knows: Bool = false) -> AppScript {
        var other = knows ? deployed() : AppScript()
        (other.running, other.noted) = (script.running, script.noted)
        other.noted?.controller = "another"
        other.declare(script.fingerprint)
        return other
    }

    @Test func aFirstDeploymentIsClaimedWrittenDownAppliedAndKept() {
        var script = AppScript()
        script.declare("v1")
        script.run()
        #expect(script.running == "v1" && script.kept == ["v1"])
        #expect(script.asked("apply") == 1)
        #expect(script.reasons == [.applying, .deployed])
        let order = script.done.filter { ["claim", "save", "apply", "commit"].contains($0) }
        #expect(Array(order.prefix(3)) == ["claim", "save", "apply"])
        #expect(script.state.record.isReady)
    }

    @Test func whatBelongsToOthersIsNotTouched() {
        var script = AppScript()
        script.running = "theirs"
        script.declare("v1")
        script.failures["claim"] = Failure(.refused, "the stack belongs to another source", next: .needsChange)
        script.run()
        #expect(script.running == "theirs")
        for never in ["apply", "prune", "capture", "collect", "commit"] { #expect(script.asked(never) == 0) }
        #expect(script.reasons == [.refused])
    }

    @Test func aStateThatFailsIsRolledBackAndNotTriedAgain() {
        var script = deployed()
        script.declare("v2")
        script.health = .failed(Failure(.healthCheckFailed, "service web failed 3 times", next: .needsChange))
        script.pass()
        script.pass()
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.running == "v1" && script.kept == ["v1"])
        #expect(script.reasons == [.applying, .healthCheckFailed, .rollingBack, .rolledBack])
        script.clear()
        script.run()
        #expect(script.asked("apply") == 0 && script.events.isEmpty)
        // The next state is tried as any other.
        script.declare("v3")
        script.run()
        #expect(script.running == "v3" && script.state.record.quarantine == nil)
    }

    /// An empty journal took the place of a damaged one, and the record alone was written again.
    @Test func whatIsDeployedAndNoLongerKeptIsKeptAgain() {
        var script = deployed()
        script.state = AppState(script.state.record)
        script.kept = []
        script.declare("v1")
        script.clear()
        script.run()
        #expect(script.kept == ["v1"] && script.reasons == [.recovered])
        script.clear()
        script.run()
        #expect(script.asked("commit") == 0 && script.events.isEmpty)
        script.declare("v2")
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        script.pass()
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.running == "v1", "what was good is put back")
    }

    /// A kept copy of a unit that cannot be parsed any more.
    @Test func aKeptRevisionThatCannotBeReadIsNotTriedAgainAtOnceForEver() {
        var script = deployed()
        script.declare("v2")
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        script.pass()
        script.failures["restore"] = Failure(.invalid, "no such section", next: .needsChange)
        script.clear()
        script.run(for: .seconds(5))
        #expect(script.asked("restore") < 20 && script.events.count < 20)
    }

    /// An app of which two states are kept, and a third was rejected.
    private func rejected(unreadable: Set<String>) -> AppScript {
        var script = deployed()
        script.declare("v2")
        script.run()
        script.unreadable = unreadable
        script.declare("v3")
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        script.pass()
        script.health = .healthy(runsNothing: false)
        script.clear()
        return script
    }

    @Test func anOlderRevisionIsPutBackWhenTheNewestCannotBeRead() {
        var script = rejected(unreadable: ["v2"])
        script.run()
        #expect(script.running == "v1")
        #expect(script.reasons == [.invalid, .rollingBack, .rolledBack])
        #expect(script.events.last?.message.contains("an older kept revision runs") == true)
        script.clear()
        for _ in 0..<3 { script.run() }
        #expect(script.events.isEmpty && script.asked("apply") == 0)
    }

    @Test func thatNoneCanBeReadIsToldOnce() {
        var script = rejected(unreadable: ["v1", "v2"])
        script.run(for: .seconds(300))
        #expect(script.reasons == [.invalid, .invalid, .refused])
        #expect(script.running == "v3" && script.asked("restore") < 50)
    }

    /// The newest kept revision is what is deployed: an older one would be a step back that nobody asked for.
    @Test func whatIsDeployedGivesWayToNoOlderRevisionWhileSomethingIsWaitedFor() {
        var script = deployed()
        script.declare("v2")
        script.run()
        script.clear()
        script.unreadable = ["v2"]
        script.declare("v3")
        script.unmetDependency = "waits for t/db"
        script.run(for: .seconds(100))
        #expect(script.running == "v2" && script.asked("apply") == 0)
        #expect(script.reasons == [.invalid])
        script.unmetDependency = nil
        script.run()
        #expect(script.running == "v3" && script.state.record.isSettled)
    }

    @Test func aPersonMayHaveARejectedStateTriedOnceMore() {
        var script = deployed()
        script.declare("v2")
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        script.pass()
        script.health = .healthy(runsNothing: false)
        script.run()
        script.state.force()
        script.run()
        #expect(script.running == "v2" && script.kept.first == "v2")
    }

    @Test func aFirstDeploymentThatTakesTooLongStaysAndIsReadyOnceItIsWell() {
        var script = AppScript()
        script.declare("v1")
        script.health = .progressing("service web: 0 of 1 running")
        script.run(for: .seconds(90))
        #expect(script.running == "v1")
        #expect(script.reasons == [.applying, .timedOut])
        #expect(script.asked("apply") == 1)
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.state.record.isReady)
        #expect(script.asked("apply") == 1)
        #expect(script.kept == ["v1"])
    }

    @Test func whatFailsAtOnceAndHasNothingToGoBackToIsTriedEverMoreRarely() {
        var script = AppScript()
        script.declare("v1")
        script.health = .failed(Failure(.healthCheckFailed, "Swarm rolled the update back", next: .needsChange))
        // What the target did by itself is an event, and every event is followed by a look.
        for _ in 0..<600 {
            script.running = nil
            script.pass()
            script.advance(.seconds(1))
        }
        #expect((5...10).contains(script.asked("apply")))
        script.clear()
        script.state.force()
        script.pass()
        #expect(script.asked("apply") == 1)
    }

    @Test func whatFailsWhileAPartCouldNotBeMadeIsNotRejectedForIt() {
        var script = deployed()
        script.declare("v2")
        script.failures["apply"] = Failure(.unavailable, "the Engine is away")
        script.pass()
        script.failures = [:]
        script.health = .failed(Failure(.healthCheckFailed, "no database", next: .needsChange))
        script.pass()
        #expect(script.state.record.quarantine == nil && script.running == "v2")
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.judgedBy?.contains(" since ") == true)
        #expect(script.kept.first == "v2")
    }

    @Test func whatIsNeverAsDeclaredIsGivenUpInTime() {
        var script = deployed()
        script.declare("v2")
        for _ in 0..<400 where script.state.record.quarantine == nil {
            script.pass()
            script.running = "somebody else's"
            script.advance(.milliseconds(500))
        }
        #expect(script.state.record.quarantine?.reason == .timedOut)
    }

    /// The target may have put the old state back by itself, as `failure_action: rollback` does.
    @Test func whatWasBegunIsJudgedBeforeItIsAppliedAgain() {
        var script = deployed()
        script.declare("v2")
        script.pass()
        #expect(script.asked("apply") == 1)
        script.running = "v1"
        script.health = .failed(Failure(.healthCheckFailed, "Swarm rolled the update back", next: .needsChange))
        script.pass()
        #expect(script.asked("apply") == 1)
        #expect(script.state.record.quarantine?.fingerprint == "v2")
    }

    @Test func mostServicesOfAnAppGoOnlyWhenAPersonLetsThem() {
        var script = deployed()
        script.undeclared = [Change(.remove, "service", "a"), Change(.remove, "service", "b")]
        script.declare("v2")
        script.run(for: .seconds(60))
        #expect(script.asked("prune") == 0)
        #expect(script.reasons.contains(.awaitingApproval))
        let isApproved = script.state.approve()
        #expect(isApproved)
        script.run()
        #expect(script.asked("prune") == 1)
        // The approval is spent.
        script.clear()
        script.undeclared = [Change(.remove, "service", "a"), Change(.remove, "service", "b")]
        script.declare("v3")
        script.run(for: .seconds(60))
        #expect(script.asked("prune") == 0)
    }

    @Test func oneServiceOfManyGoesAfterItWasTold() {
        var script = deployed()
        script.declaredServices = 3
        script.undeclared = [Change(.remove, "service", "a")]
        script.declare("v2")
        script.run()
        #expect(script.asked("prune") == 1)
        let told = script.events.firstIndex { $0.details.contains { $0.contains("remove service a") } }
        #expect(told != nil)
    }

    @Test func adoptionRemovesNothingBeforeItWasTold() {
        var script = AppScript()
        script.running = "v1"
        script.declaredServices = 3
        script.undeclared = [Change(.remove, "service", "a")]
        script.declare("v1")
        script.pass()
        #expect(script.asked("prune") == 0 && script.asked("apply") == 0)
        #expect(script.reasons == [.adopted])
        #expect(script.events[0].details.contains { $0.contains("remove service a") })
        script.run()
        #expect(script.asked("prune") == 1)
    }

    @Test func whatIsNotOursToRemoveIsForgottenAndStays() {
        var script = deployed()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        script.failures["claim what is ours"] = Failure(.refused, "it belongs to another source")
        script.run()
        #expect(script.running == "v1")
        #expect(script.asked("prune") == 0 && script.asked("forget") == 1 && script.asked("forget and release") == 0)
    }

    /// It is declared under another name of the same target, which has not taken it over yet.
    @Test func whatIsDeclaredUnderAnotherNameStaysUntilItIsTakenOver() {
        var script = deployed()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        script.failures["claim what is ours"] = Failure(.dependencyNotReady, "waiting for 'u/web' to take it over")
        script.run(for: .seconds(60))
        #expect(script.running == "v1" && script.asked("forget") == 0 && script.asked("save") == 1)
        #expect(script.events.isEmpty)
        #expect(script.state.record.reconciling?.message.hasSuffix("waiting for 'u/web' to take it over") == true)
        script.failures["claim what is ours"] = Failure(.superseded, "the stack 'web' is 'u/web' now")
        script.run()
        #expect(script.running == "v1" && script.asked("prune") == 0)
        #expect(script.asked("forget") == 1 && script.asked("forget and release") == 0)
        #expect(script.events.allSatisfy { $0.severity == .info })
    }

    /// It was declared elsewhere for a while, and then no more.
    @Test func whatNobodyTookOverIsRemovedWhenItIsDeclaredNowhere() {
        var script = deployed()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        script.failures["claim what is ours"] = Failure(.dependencyNotReady, "waiting for 'u/web' to take it over")
        script.run(for: .seconds(60))
        script.failures = [:]
        script.run()
        #expect(script.running == nil && script.asked("forget and release") == 1)
    }

    @Test func anAppThatIsToGoIsRemovedAndItsClaimGivenUp() {
        var script = deployed()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        script.run()
        #expect(script.running == nil)
        #expect(script.asked("claim") == 0, "nothing is claimed in order to be removed")
        #expect(script.asked("forget and release") == 1)
        #expect(script.reasons == [.pruned, .removed])
    }

    /// An Engine that became a worker, or went away, says nothing of whose the app is.
    @Test func aTargetThatIsAwayDuringARemovalLetsNothingBeForgotten() {
        var script = deployed()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        script.failures["claim what is ours"] = Failure(.unavailable, "it is a worker node")
        script.run(for: .seconds(120))
        #expect(script.asked("forget") == 0 && script.running == "v1")
        script.failures = [:]
        script.run()
        #expect(script.running == nil && script.asked("forget and release") == 1)
    }

    @Test func whoHasNoLeaseAsksNothing() {
        for leave in [Situation.Leave.waiting(holder: "other"), .nobody] {
            var script = deployed()
            script.leave = leave
            script.declare("v2")
            script.pass()
            #expect(Set(script.done).isSubset(of: ["save"]), "\(script.done)")
            #expect(script.running == "v1")
        }
    }

    @Test func whatCannotBeReadIsLeftAsItIs() {
        var script = deployed()
        let failure = Failure(.invalid, "stacks.yml:3: no compose_file", next: .needsChange)
        script.state.leaveAlone(because: failure, source: "fleet", commit: "c")
        script.run()
        #expect(Set(script.done).isSubset(of: ["save"]) && script.running == "v1")
        #expect(script.reasons == [.invalid])
    }

    @Test(arguments: ["prepare", "observe", "claim", "save", "list"])
    func anAnswerToWhatIsNoLongerWantedChangesNothing(during action: String) {
        var script = AppScript()
        script.declare("v1")
        var isTurned = false
        script.pass { name, script in
            guard name == action, !isTurned else { return }
            isTurned = true
            script.state.remove(because: "it is no longer declared", at: script.now.time)
        }
        #expect(isTurned)
        #expect(script.asked("apply") == 0 && script.running == nil)
    }

    @Test func theSameFailureIsToldOnce() {
        var script = deployed()
        script.declare("v2")
        script.failures["prepare"] = Failure(.imageNotResolved, "no such image", next: .retry)
        for _ in 0..<20 {
            script.pass()
            script.advance(.seconds(30))
        }
        #expect(script.reasons == [.imageNotResolved])
    }

    @Test func driftIsRepairedAndAFightIsLetRest() {
        var script = deployed()
        for _ in 0..<20 {
            script.running = "by hand"
            for _ in 0..<20 {
                if case .again(let delay) = script.pass() { script.advance(delay) }
            }
            script.advance(.seconds(1))
        }
        #expect(script.asked("apply") < 6, "\(script.asked("apply"))")
        #expect(script.reasons.contains(.driftRepaired) && script.reasons.count { $0 == .driftFight } == 1)
    }

    @Test func aSuccessThatCouldNotBeKeptIsKeptByTheNextController() {
        var script = deployed()
        script.declare("v2")
        script.failures["commit"] = Failure(.journalFailed, "the disk is full")
        script.run(for: .seconds(20))
        #expect(script.kept == ["v1"])
        // The record could be saved, and the controller dies.
        #expect(script.state.record.deployed == "v2")
        let record = script.state.record
        script.state = AppState(record)
        script.state.saved = record
        script.failures = [:]
        script.declare("v2")
        script.undeclared = [Change(.remove, "service", "old")]
        script.declaredServices = 4
        script.clear()
        script.run()
        #expect(script.kept == ["v2", "v1"])
        #expect(script.done.first { $0 == "commit" || $0 == "prune" } == "commit")
    }

    @Test func whatWasSeenWellBeforeItCouldNotBeReadIsWatchedAnew() {
        var script = AppScript()
        script.declare("v1")
        script.pass()
        script.pass()
        #expect(script.state.healthySince != nil)
        script.state.leaveAlone(because: Failure(.invalid, "unknown key"), source: "fleet", commit: "commit2")
        script.pass()
        script.advance(.seconds(100))
        script.declare("v1")
        script.pass()
        #expect(script.kept.isEmpty)
        script.run()
        #expect(script.kept == ["v1"])
    }

    @Test func aKeptStateThatIsRefusedGivesWayToAnOlderOne() {
        var script = deployed()
        script.declare("v2")
        script.run()
        script.declare("v3")
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        script.pass()
        #expect(script.state.record.quarantine?.fingerprint == "v3")
        script.health = .healthy(runsNothing: false)
        script.failures["apply"] = Failure(.refused, "the secret is gone", next: .needsChange)
        script.pass()
        script.failures = [:]
        script.run()
        #expect(script.running == "v1")
    }

    @Test func aJournalThatCannotBeWrittenBeginsNothingNew() {
        var script = deployed()
        script.declare("v2")
        script.failures["save"] = Failure(.journalFailed, "the disk is full")
        script.run(for: .seconds(60))
        #expect(script.asked("apply") == 0 && script.running == "v1")
        script.failures = [:]
        script.run()
        #expect(script.running == "v2")
    }
}
