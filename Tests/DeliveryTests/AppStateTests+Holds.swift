import Testing

@testable import Delivery

/// What is made of a person who has an app left alone, at whatever moment.
extension AppStateTests {
    /// It is held while a pass is about to apply.
    @Test func aHoldEndsThePassUnderWay() {
        var script = deployed()
        script.declare("v2")
        let hold = Hold(app: AppScript.id, author: "ann", reason: "backup", since: script.now.time)
        script.pass { name, script in if name == "claim" { script.state.hold(hold) } }
        script.pass()
        #expect(script.asked("apply") == 0 && script.running == "v1", "\(script.done)")
    }

    /// It is removed, and a person holds it at that very moment.
    @Test func aHoldAtTheLastMomentBringsNothingBack() {
        var script = deployed()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        let hold = Hold(app: AppScript.id, author: "ann", reason: "backup", since: script.now.time)
        var last = Outcome.retry
        for _ in 0..<10 where last != .gone {
            last = script.pass { name, script in if name.hasPrefix("forget") { script.state.hold(hold) } }
            script.advance(.seconds(5))
        }
        #expect(last == .gone && script.state.record.hold == hold, "\(last)")
    }

    /// It is declared anew and held while the last of it goes.
    @Test func aHoldStandsForWhatIsDeclaredAnew() {
        var script = deployed()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        let hold = Hold(app: AppScript.id, author: "ann", reason: "backup", since: script.now.time)
        for _ in 0..<10 where script.state.record.hold == nil {
            script.pass { name, script in
                guard name.hasPrefix("forget") else { return }
                script.declare("v2")
                script.state.hold(hold)
            }
            script.advance(.seconds(5))
        }
        script.pass()
        #expect(script.state.record.hold == hold && script.running != "v2", "\(script.done)")
    }

    /// What a person did while it was held is no drift.
    @Test func whatWasDoneDuringAHoldIsNoDrift() {
        var script = deployed()
        script.state.hold(Hold(app: AppScript.id, author: "ann", reason: "backup", since: script.now.time))
        script.pass()
        script.running = nil
        script.advance(.seconds(60))
        script.clear()
        script.state.hold(nil)
        script.run()
        #expect(script.running == "v1" && script.reasons == [.applying, .deployed], "\(script.reasons)")
    }

    /// It is held while something of it goes.
    @Test func whatWentAsItWasHeldIsToldAndSpendsItsApproval() {
        var script = deployed()
        script.declaredServices = 10
        script.declare("v2")
        script.undeclared = [Change(.remove, "service", "old")]
        let hold = Hold(app: AppScript.id, author: "ann", reason: "backup", since: script.now.time)
        script.run { name, script in
            guard name == "prune" else { return }
            script.state.approvedRemovals = ["service old"]
            script.state.hold(hold)
        }
        #expect(script.undeclared.isEmpty && script.reasons.contains(.pruned), "\(script.reasons)")
        #expect(script.state.approvedRemovals.isEmpty && script.state.announcedRemovals.isEmpty)
    }

    /// Its services went, and their network still waited, as it was held; somebody deployed it again by hand.
    @Test func whatWasGoingAsItWasHeldSpendsItsApproval() {
        var script = deployed()
        let services = [Change(.remove, "service", "a"), Change(.remove, "service", "b")]
        script.undeclared = services
        script.declare("v2")
        script.run(for: .seconds(60))
        let isApproved = script.state.approve()
        #expect(isApproved)
        script.pruning = .waits("a task has not stopped yet")
        script.pass { name, script in
            if name == "prune" { script.undeclared = [Change(.remove, "network", "n")] }
        }
        script.state.hold(Hold(app: AppScript.id, author: "ann", reason: "a mistake", since: script.now.time))
        script.pass()
        script.undeclared = services
        script.pruning = .done
        script.clear()
        script.advance(.seconds(3600))
        script.state.hold(nil)
        script.run(for: .seconds(60))
        #expect(script.asked("prune") == 0 && script.undeclared == services, "\(script.done)")
        #expect(script.state.record.waiting?.reason == .awaitingApproval && script.reasons.contains(.awaitingApproval))
    }

    /// Its services went, and came back while their network still waited.
    @Test func anApprovalIsForWhatWasThereThen() {
        var script = deployed()
        let services = [Change(.remove, "service", "a"), Change(.remove, "service", "b")]
        script.undeclared = services
        script.declare("v2")
        script.run(for: .seconds(60))
        _ = script.state.approve()
        script.pruning = .waits("a task has not stopped yet")
        script.pass { name, script in
            if name == "prune" { script.undeclared = [Change(.remove, "network", "n")] }
        }
        script.pass()
        script.undeclared = services + [Change(.remove, "network", "n")]
        script.pruning = .done
        script.clear()
        script.run(for: .seconds(60))
        #expect(script.asked("prune") == 0 && script.undeclared.count == 3, "\(script.done)")
    }

    /// It is under way, and somebody stops it by hand while it is held.
    @Test func whatWasStoppedDuringAHoldIsNoFailureOfWhatIsUnderWay() {
        var script = begun()
        script.state.hold(Hold(app: AppScript.id, author: "ann", reason: "backup", since: script.now.time))
        script.pass()
        script.running = nil
        script.health = bad
        script.advance(.seconds(3600))
        script.state.hold(nil)
        script.run { name, script in if name == "apply" { script.health = .healthy(runsNothing: false) } }
        #expect(script.state.record.quarantine == nil && script.running == "v2", "\(script.reasons)")
    }

    /// What ran before is kept at the moment it is held.
    @Test func whatWasKeptAsItWasHeldIsToldOnce() {
        var script = AppScript()
        script.running = "theirs"
        script.declare("v1")
        let hold = Hold(app: AppScript.id, author: "ann", reason: "x", since: script.now.time)
        script.pass { name, script in if name == "capture" { script.state.hold(hold) } }
        script.pass()
        script.state.hold(nil)
        script.run()
        #expect(script.reasons.count { $0 == .adopted } == 1, "\(script.reasons)")
    }

    /// It is held while something of it goes, and taken up again before that is over.
    @Test func whatWentDuringAShortHoldIsTold() {
        var script = deployed()
        script.declaredServices = 10
        script.undeclared = [Change(.remove, "service", "old")]
        let hold = Hold(app: AppScript.id, author: "ann", reason: "x", since: script.now.time)
        script.declare("v2")
        script.run { name, script in
            guard name == "prune" else { return }
            script.state.hold(hold)
            script.state.hold(nil)
        }
        #expect(script.undeclared.isEmpty)
        #expect(
            script.events.contains { $0.message.hasPrefix("removed service old") },
            "\(script.events.map(\.message))"
        )
    }

    /// The journal fails as its deployment is told of, and another commit comes.
    @Test func whatCouldNotBeToldAsAnotherCommitCameIsToldBeforeItGoes() {
        var script = deployed()
        script.declaredServices = 10
        script.undeclared = [Change(.remove, "service", "old")]
        script.declare("v2")
        script.pass { name, script in
            guard name == "save" else { return }
            script.failures["save"] = Failure(.journalFailed, "the disk is full")
            script.declare("v2")
        }
        script.failures = [:]
        var isTold = false
        script.run { name, script in
            if name == "prune" { isTold = script.events.contains { $0.details.contains("remove service old") } }
        }
        #expect(isTold && script.undeclared.isEmpty, "\(script.reasons)")
    }

    /// The controller ends before what was stopped during a hold is made good.
    @Test func whatWasStoppedDuringAHoldIsNoFailureAfterARestartEither() {
        var script = begun()
        script.state.hold(Hold(app: AppScript.id, author: "ann", reason: "backup", since: script.now.time))
        script.pass()
        (script.running, script.health) = (nil, bad)
        script.advance(.seconds(3600))
        script.state.hold(nil)
        script.targetProblem = "it does not answer"
        script.pass()
        script.restart()
        script.targetProblem = nil
        script.declare("v2")
        script.run { name, script in if name == "apply" { script.health = .healthy(runsNothing: false) } }
        #expect(script.state.record.quarantine == nil && script.running == "v2", "\(script.reasons)")
    }

    /// A bad revision took the place of one under way, the target rolled it back by itself, and the controller starts anew.
    @Test func whatNobodyHeldIsNotBroughtAboutOnceMoreAfterARestart() {
        var script = begun()
        script.health = .progressing("0 of 1")
        script.declare("v3")
        script.pass()
        script.advance(.seconds(3))
        script.pass()
        #expect(script.state.record.attempt?.fingerprint == "v3")
        script.restart()
        (script.running, script.health) = ("v1", bad)
        script.clear()
        script.declare("v3")
        script.run(for: .seconds(60)) { name, script in
            if name == "apply" { #expect(script.state.record.quarantine != nil, "it is tried twice") }
        }
        #expect(script.state.record.quarantine?.fingerprint == "v3" && script.running == "v1")
    }

    /// Held for a moment and let go, and found as it should be since.
    private func heldForAMoment() -> AppScript {
        var script = begun()
        script.pass()
        script.advance(.seconds(1))
        script.pass()
        script.state.hold(Hold(app: AppScript.id, author: "ann", reason: "backup", since: script.now.time))
        script.pass()
        return script
    }

    /// Looks ten times, and then the target takes the bad revision back by itself.
    private func expectNoSecondTry(_ script: inout AppScript) {
        for _ in 0..<10 {
            script.pass()
            script.advance(.seconds(1))
        }
        script.clear()
        (script.running, script.health) = ("v1", bad)
        script.run(for: .seconds(60)) { name, script in
            if name == "apply" { #expect(script.state.record.quarantine != nil, "it is tried twice") }
        }
    }

    @Test func whatIsFoundAsDeclaredAfterAHoldIsNotTriedTwice() {
        var script = heldForAMoment()
        script.state.hold(nil)
        expectNoSecondTry(&script)
    }

    /// The answer is lost, and all of it was made.
    @Test func whatWasMadeWithoutAnAnswerIsNotTriedTwice() {
        var script = deployed()
        script.declare("v2")
        script.health = .progressing("0 of 1")
        script.failures["apply"] = Failure(.unavailable, "no answer")
        script.pass { name, script in if name == "apply" { script.running = "v2" } }
        script.failures = [:]
        expectNoSecondTry(&script)
    }

    /// After the next start it would be brought about once more.
    @Test(arguments: [true, false]) func whatWasBroughtAboutAfterAHoldIsWrittenDown(isChanged: Bool) {
        var script = heldForAMoment()
        if isChanged { script.running = nil }
        script.state.hold(nil)
        for _ in 0..<5 {
            script.pass()
            script.advance(.seconds(1))
        }
        #expect(script.running == "v2" && script.state.saved?.attempt?.wasHeld == false)
    }

    @Test func aHoldWithinOneApplyIsBroughtAboutOnceMore() {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        script.pass { name, script in
            guard name == "apply" else { return }
            script.state.hold(Hold(app: AppScript.id, author: "ann", reason: "backup", since: script.now.time))
            script.state.hold(nil)
            // What they did meanwhile.
            script.running = "by hand"
        }
        (script.running, script.health) = ("by hand", bad)
        script.run(for: .seconds(3))
        #expect(script.running == "v2" || script.asked("apply") > 1, "\(script.reasons)")
    }
}
