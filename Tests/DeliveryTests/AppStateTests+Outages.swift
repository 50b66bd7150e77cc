import Testing

@testable import Delivery

/// What is made of a target that is away, slow, or was changed by somebody who is gone.
extension AppStateTests {
    @Test func timeInWhichTheTargetIsAwayDoesNotCount() {
        var script = begun()
        for _ in 0..<30 {
            script.failures["observe"] = Failure(.unavailable, "the Engine is away")
            script.pass()
            script.advance(.seconds(20))
        }
        script.failures = [:]
        script.pass()
        script.advance(.seconds(20))
        script.pass()
        #expect(script.state.record.quarantine == nil)
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.running == "v2" && script.kept.first == "v2")
    }

    /// The Engine was restarted: for some seconds it tells of tasks as running whose containers are gone.
    @Test func whatATargetSaysThatHasJustComeBackIsNotBelievedAtOnce() {
        var script = backFromAnOutage()
        for _ in 0..<8 {
            script.pass()
            script.advance(.seconds(1))
        }
        #expect(script.state.record.attempt != nil, "its window is over, and nobody knows")
        script.health = .failed(Failure(.healthCheckFailed, "service web failed 3 times", next: .needsChange))
        script.run()
        #expect(script.state.record.quarantine?.fingerprint == "v2" && script.running == "v1")
    }

    /// All nodes are drained: what is declared may be as good as any.
    @Test func timeInWhichNothingTakesWhatIsToRunDoesNotCount() {
        var script = begun()
        script.clear()
        script.health = .held("service web: 0 of 1 running, 1 pending (no suitable node)")
        for _ in 0..<120 {
            script.pass()
            script.advance(.seconds(9))
        }
        #expect(script.state.record.quarantine == nil)
        #expect(script.reasons == [.unavailable], "it is said once")
        #expect(script.state.record.attempt?.message.contains("no suitable node") == true)
        script.health = .progressing("service web: 0 of 1 running")
        for _ in 0..<3 {
            script.pass()
            script.advance(.seconds(9))
        }
        #expect(script.state.record.quarantine == nil)
        script.run()
        #expect(
            script.state.record.quarantine?.fingerprint == "v2",
            "what never becomes healthy is rolled back all the same"
        )
    }

    @Test func thatNothingTakesWhatIsToRunIsToldAlsoWhenApplyingTookTwoPasses() {
        var script = deployed()
        script.declare("v2")
        script.health = .held("service web: 0 of 1 running, 1 pending (no suitable node)")
        script.failures["apply"] = Failure(.conflict, "somebody changed it")
        script.pass()
        script.failures = [:]
        script.clear()
        script.run()
        #expect(script.running == "v2")
        #expect(script.reasons == [.unavailable])
    }

    /// Swarm rolls back for the task that went with its node: what is declared is made again once a node takes it.
    @Test func whatTheTargetTookBackIsMadeAgainOnceItIsTaken() {
        var script = deployed()
        script.declare("v2")
        script.pass()
        #expect(script.running == "v2")
        (script.running, script.health) = ("v1", .held("service web: 0 of 1 running, 1 pending (no suitable node)"))
        for _ in 0..<30 {
            script.pass()
            script.advance(.seconds(9))
        }
        #expect(script.running == "v1" && script.asked("apply") == 1 && script.state.record.quarantine == nil)
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.running == "v2" && script.state.record.isReady)
    }

    /// Its task was made an hour ago by the controller's clock, which is wrong, and has ended again and again.
    @Test func whatHasFailedAsItIsIsWatchedBeforeItIsTakenOver() {
        var script = AppScript()
        (script.running, script.failed) = ("v1", "t1 t2")
        script.changedAt = script.now.time.adding(.seconds(-3600))
        script.declare("v1")
        script.pass()
        #expect(script.state.record.deployed == nil && script.kept.isEmpty)
        script.failed += " t3"
        script.health = .failed(Failure(.healthCheckFailed, "it ended", next: .needsChange))
        script.run(for: .seconds(30))
        #expect(script.kept.isEmpty && !script.state.record.isReady)
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.kept == ["v1"] && script.state.record.isReady)
    }

    /// What ran for most of the time was ended with its node, and begins anew.
    @Test func whatBeginsAnewOnceItIsTakenHasItsWholeTime() {
        var script = deployed()
        script.declare("v2")
        func wait(_ health: Health, _ seconds: Int) {
            script.health = health
            for _ in 0..<seconds {
                script.pass()
                script.advance(.seconds(1))
            }
        }
        wait(.progressing("service web: 0 of 1 running"), 50)
        wait(.held("service web: 0 of 1 running, 1 pending (no suitable node)"), 30)
        wait(.progressing("service web: 0 of 1 running"), 50)
        #expect(script.state.record.quarantine == nil)
        for _ in 0..<6 where script.state.record.quarantine == nil {
            wait(.held("service web: 0 of 1 running, 1 pending (no suitable node)"), 30)
            wait(.progressing("service web: 0 of 1 running"), 50)
        }
        #expect(script.state.record.quarantine?.fingerprint == "v2", "not for ever")
    }

    /// What becomes of what was there when the target came back may be the outage's doing.
    @Test func afterAnOutageHealthIsJudgedByWhatHappensFromThenOn() {
        var script = begun()
        script.pass()
        let before = script.judgedBy ?? ""
        #expect(!before.contains("spared"))
        script.failures["observe"] = Failure(.unavailable, "the Engine is away")
        script.pass()
        script.failures = [:]
        script.pass()
        let after = script.judgedBy ?? ""
        #expect(after.hasPrefix("\(before) spared "), "the mark stands, and what is there is spared")
        script.advance(.seconds(20))
        script.pass()
        let settled = script.judgedBy ?? ""
        #expect(
            settled.hasPrefix("\(before) spared ") && settled != after,
            "the Engine is given time to come to itself"
        )
        #expect(script.plannedBy == after, "the plan knows of it, too")
        script.advance(.seconds(20))
        script.pass()
        #expect(script.judgedBy == settled, "and then no more")
        script.declare("v3")
        script.run(for: .seconds(1))
        #expect(script.judgedBy?.contains("spared") == false)
    }

    /// A slow look meets it while it runs, each time.
    @Test func whatFailedBetweenTwoLooksWasNotHealthyAllTheTime() {
        var script = begun()
        script.pass()
        script.health = .healthy(runsNothing: false)
        for number in 0..<5 {
            script.failed += " t\(number)"
            script.pass()
            script.advance(.seconds(9))
        }
        #expect(!script.kept.contains("v2"))
        script.run()
        #expect(script.kept.first == "v2", "once nothing fails any more")
    }

    /// Swarm keeps only the last few tasks of each place.
    @Test func aFailureThatIsForgottenIsNoNewOne() {
        var script = deployed()
        script.declare("v2")
        script.health = .progressing("service web: 0 of 1 running")
        script.failed = "t1 t2"
        for _ in 0..<6 {
            script.pass()
            script.advance(.seconds(9))
        }
        script.health = .healthy(runsNothing: false)
        script.pass()
        script.advance(.seconds(9))
        script.failed = "t2"
        script.pass()
        #expect(script.state.record.quarantine == nil)
        #expect(script.kept.first == "v2")
    }

    @Test func whatKeepsFailingBetweenTheLooksIsGivenUpWhenItsTimeIsOver() {
        var script = deployed()
        script.declare("v2")
        script.pass()
        for number in 0..<40 where script.state.record.quarantine == nil {
            script.failed += " t\(number)"
            script.pass()
            script.advance(.seconds(3))
        }
        #expect(script.state.record.quarantine?.fingerprint == "v2")
    }

    @Test func aTargetThatComesAndGoesIsToldOfOnceAMinute() {
        var script = begun()
        for _ in 0..<10 {
            script.failures["observe"] = Failure(.unavailable, "the Engine is away")
            script.pass()
            script.advance(.seconds(3))
            script.failures = [:]
            script.pass()
            script.advance(.seconds(3))
        }
        #expect(script.events.filter { $0.reason == .unavailable }.count == 1)
        // What went well in between makes the same failure news.
        script.health = .healthy(runsNothing: false)
        script.run()
        script.clear()
        script.declare("v3")
        script.failures["observe"] = Failure(.unavailable, "the Engine is away")
        script.pass()
        #expect(script.reasons.contains(.unavailable))
    }

    /// A controller that died had changed it a moment before, or still was about to.
    @Test(arguments: [nil, "v1"]) func whatSomebodyChangedJustNowIsWatchedBeforeItIsTakenOver(before: String?) {
        var script = AppScript()
        script.declare("v2")
        script.running = "v2"
        script.before = before
        script.changedAt = script.now.time.adding(.seconds(-12))
        script.pass()
        #expect(script.state.record.deployed == nil, "nobody has watched it")
        script.before = nil
        script.health = .failed(Failure(.healthCheckFailed, "it ends", next: .needsChange))
        script.run(for: .seconds(5))
        #expect(script.running == before ?? "v2", "what was there before is returned to, where the target knows it")
        #expect(!script.kept.contains("v2"))
    }

    @Test func whatRanForLongIsTakenOverAtOnce() {
        var script = AppScript()
        script.declare("v2")
        script.running = "v2"
        script.changedAt = script.now.time.adding(.seconds(-3600))
        script.pass()
        #expect(script.state.record.deployed == "v2")
    }

    /// An Engine that comes and goes keeps a bad state from being rejected for a while, not for ever.
    @Test func aTargetThatFlapsPutsOffTheTimeOutAFewTimesOnly() {
        var script = deployed()
        script.declare("v2")
        script.health = .progressing("service web: 0 of 1 running")
        for _ in 0..<60 where script.state.record.quarantine == nil {
            script.failures = [:]
            for _ in 0..<8 where script.state.record.quarantine == nil {
                script.pass()
                script.advance(.seconds(1))
            }
            script.failures["observe"] = Failure(.unavailable, "the Engine is away")
            script.pass()
        }
        #expect(script.state.record.quarantine?.fingerprint == "v2")
    }

    /// Nothing can be removed there, and nobody would ever take it off the list.
    @Test func anAppThatGoesFromATargetThatIsNoMoreIsForgotten() {
        var script = deployed()
        script.isTargetKnown = false
        script.leave = .unknown
        script.state.remove(because: "it is no longer in fleet", at: script.now.time)
        guard case .gone = script.pass() else {
            Issue.record("it is not forgotten")
            return
        }
        #expect(script.done == ["forget"] && script.running == "v1")
        #expect(script.events.map(\.severity) == [.warning])
    }

    /// Such as a power cut during a first deployment.
    @Test func timeSpentDownDoesNotCount() {
        var script = AppScript()
        script.declare("v1")
        script.health = .progressing("service web: 0 of 1 running")
        script.pass()
        script.advance(.seconds(5))
        script.pass()
        script.restart()
        script.advance(.seconds(300))
        script.declare("v1")
        script.run(for: .seconds(30))
        #expect(script.reasons == [.applying], "it has its whole time again")
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.kept == ["v1"] && script.asked("apply") == 1)
    }

    @Test(arguments: [-86_400, 86_400]) func aJumpOfTheClockChangesNothing(seconds: Int) {
        var script = begun()
        script.pass()
        script.now.time = script.now.time.adding(.seconds(seconds))
        script.run(for: .seconds(30))
        #expect(script.state.record.quarantine == nil && script.reasons == [.applying])
        script.health = .healthy(runsNothing: false)
        script.pass()
        script.now.time = script.now.time.adding(.seconds(seconds))
        script.pass()
        #expect(script.kept == ["v1"], "the window is not over")
        script.run(for: .seconds(10))
        #expect(script.kept == ["v2", "v1"])
    }

    @Test func aTargetThatIsKnownToBeAwayIsNotAsked() {
        var script = deployed()
        script.targetProblem = "the Engine cannot be reached"
        script.declare("v2")
        for _ in 0..<3 { #expect(script.pass() == .rest) }
        #expect(script.done == ["save"])
        script.targetProblem = nil
        script.run()
        #expect(script.running == "v2" && script.state.record.waiting == nil)
    }

    @Test func aConflictIsTriedAgainEverMoreSlowlyAndToldOfOnce() {
        var script = deployed()
        script.declare("v2")
        script.failures["apply"] = Failure(.conflict, "network web_default already exists")
        script.run(for: .seconds(50))
        #expect((3...15).contains(script.asked("apply")), "\(script.asked("apply"))")
        #expect(script.reasons == [.applying])
        script.failures = [:]
        script.run()
        #expect(script.running == "v2" && script.reasons == [.applying, .deployed])
    }

    @Test func whatIsTakenOverAndIsNeverWellIsToldInTime() {
        var script = AppScript()
        script.running = "v1"
        script.declare("v1")
        script.health = .progressing("service web: 0 of 1 running")
        let start = script.now.instant
        var outcome = Outcome.rest
        for _ in 0..<600 {
            outcome = script.pass()
            guard case .again(let delay) = outcome else { break }
            script.advance(max(delay, .milliseconds(10)))
        }
        #expect(outcome == .retry, "whoever waits for it is answered")
        #expect(script.now.instant - start < .seconds(75))
        #expect(script.reasons == [.timedOut] && script.asked("apply") == 0)
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.state.record.isSettled && script.kept == ["v1"])
    }

    @Test func whatIsBackAfterARejectionIsWatched() {
        var script = deployed()
        script.declare("v2")
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        script.pass()
        script.health = .healthy(runsNothing: false)
        script.run()
        script.clear()
        script.health = .progressing("service web: 0 of 1 running")
        for _ in 0..<10 {
            script.pass()
            script.advance(.seconds(1))
        }
        #expect(script.reasons == [.healthCheckFailed])
        #expect(script.state.record.problem?.message == "service web: 0 of 1 running")
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.reasons == [.healthCheckFailed, .recovered] && script.state.record.problem == nil)
    }

    // MARK: The journal

    @Test func whatIsGoodIsPutBackThoughNothingCanBeWrittenDown() {
        var script = deployed()
        script.failures["save"] = Failure(.journalFailed, "the disk is full")
        script.running = "by hand"
        script.run(for: .seconds(60))
        #expect(script.running == "v1" && script.asked("apply") == 1)
    }

    @Test func whatIsRepairedOnAFullDiskIsNoFightAfterwards() {
        var script = deployed()
        script.failures["save"] = Failure(.journalFailed, "the disk is full")
        script.running = "by hand"
        script.run(for: .seconds(300))
        script.failures = [:]
        script.run(for: .seconds(60))
        script.running = "by hand"
        script.run(for: .seconds(60))
        #expect(script.running == "v1" && script.asked("apply") == 2)
        #expect(!script.reasons.contains(.driftFight))
    }

    @Test func whatCouldNotBeRepairedIsNoFight() {
        var script = deployed()
        script.running = "by hand"
        script.failures["claim"] = Failure(.unavailable, "the Engine is away")
        for _ in 0..<20 {
            script.pass()
            script.advance(.seconds(5))
        }
        script.failures = [:]
        script.run()
        #expect(script.running == "v1" && script.reasons.contains(.driftRepaired))
        #expect(!script.reasons.contains(.driftFight))
    }

    /// What is kept in place of what cannot be had needs what is gone, at every turn.
    @Test func whatOnlyAChangeCanMendIsToldOnce() {
        var script = deployed()
        script.declare("v2")
        script.pass()
        #expect(script.state.record.attempt != nil)
        script.declare("v3")
        script.failures["apply"] = Failure(.notFound, "the secret of the kept revision is gone", next: .needsChange)
        script.clear()
        for _ in 0..<5 {
            script.pass { name, script in
                let isDeclared = name == "observe" && script.state.pass?.role == .declared
                script.failures["observe"] = isDeclared ? Failure(.imageNotResolved, "no image") : nil
            }
            script.advance(.seconds(300))
        }
        #expect(script.asked("apply") > 1, "it is tried again")
        #expect(script.reasons.count { $0 == .notFound } == 1)
    }

    /// A look that began before the target is to be believed, and was answered after.
    @Test func aSlowLookAtATargetThatHasJustComeBackSaysHowThingsWere() {
        var script = backFromAnOutage()
        for _ in 0..<6 {
            script.pass()
            script.advance(.seconds(1))
        }
        script.pass { name, script in if name == "judge" { script.advance(.seconds(6)) } }
        #expect(script.state.record.attempt != nil)
    }

    /// What was told before the app was taken over as it runs fails anew a day later.
    @Test func whatFailsAnewAfterItWentWellIsToldAgain() {
        var script = AppScript()
        script.running = "v1"
        script.declare("v1")
        let failure = Failure(.refused, "the network keeps its subnet", next: .needsChange)
        script.failures["observe"] = failure
        script.run()
        script.failures = [:]
        for _ in 0..<2 {
            script.advance(.seconds(3600))
            script.run()
        }
        #expect(script.state.record.isReady)
        script.clear()
        script.advance(.seconds(86400))
        (script.running, script.failures["observe"]) = ("x", failure)
        script.run()
        #expect(script.reasons == [.refused])
    }

    /// Each try makes events of its own, which wake the app at once.
    @Test func whatMeetsConflictsIsNotTriedAgainAtEachEvent() {
        var script = deployed()
        script.declare("v2")
        script.failures["apply"] = Failure(.conflict, "systemd knows no web.service")
        for _ in 0..<200 {
            script.pass()
            script.advance(.milliseconds(250))
        }
        #expect((8...16).contains(script.asked("apply")), "\(script.asked("apply")) times in 50 s")
        // A person need not wait.
        let before = script.asked("apply")
        script.state.force()
        script.pass()
        #expect(script.asked("apply") == before + 1)
        script.failures = [:]
        script.run()
        #expect(script.running == "v2")
    }
}
