import Testing

@testable import Delivery

/// What attempts leave behind that failed, were overtaken or died, and what goes.
extension AppStateTests {
    @Test func whatAFailedAttemptLeftIsCollectedOnceTheLastGoodStateIsBack() {
        var script = deployed()
        script.declare("v2")
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        script.pass()
        #expect(script.asked("collect") == 0)
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.running == "v1" && script.asked("collect") == 1)
    }

    @Test func whatAnOvertakenAttemptLeftIsCollectedAndIsNoDrift() {
        var script = deployed()
        script.declare("v2")
        script.pass()
        #expect(script.running == "v2")
        script.declare("v1")
        script.run()
        #expect(script.running == "v1" && script.asked("collect") == 1)
        #expect(!script.reasons.contains(.driftDetected) && !script.reasons.contains(.driftRepaired))
    }

    @Test func whatAnAttemptLeftWhoseControllerDiedIsNoDrift() {
        var script = deployed()
        script.declare("v2")
        script.pass()
        script.restart()
        script.clear()
        script.declare("v1")
        script.run()
        #expect(script.running == "v1")
        #expect(!script.reasons.contains(.driftDetected), "\(script.reasons)")
    }

    @Test func whatAnOvertakenFirstAttemptLeftIsNoStateToReturnTo() {
        var script = AppScript()
        script.declare("v1")
        script.health = .progressing("service web: 0 of 1 running")
        script.pass()
        #expect(script.running == "v1" && script.asked("capture") == 1)
        script.restart()
        script.health = .healthy(runsNothing: false)
        script.declare("v2")
        script.run()
        #expect(script.asked("capture") == 1, "nobody knows whether it was well")
        #expect(script.kept == ["v2"])
    }

    @Test func aFailureToTidyUpIsNoFailureOfTheApp() {
        var script = deployed()
        script.declare("v2")
        script.failures["collect"] = Failure(.unavailable, "the Engine is away")
        script.run()
        #expect(script.asked("collect") > 0)
        #expect(script.state.record.isSettled && script.kept.first == "v2")
        #expect(script.reasons == [.applying, .deployed])
    }

    // MARK: What goes

    /// That a network of it goes was told with the deployment.
    @Test func thatAnAppGoesIsToldThoughSomethingOfItWasToGo() {
        var script = deployed()
        script.declaredServices = 3
        script.undeclared = [Change(.remove, "network", "n")]
        script.declare("v2")
        script.pass()
        script.clear()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        script.run()
        #expect(script.running == nil && script.reasons.first == .pruned, "\(script.reasons)")
    }

    /// The disk is full: what could not be told does not go.
    @Test func anAppGoesOnlyOnceThatCouldBeToldAndWrittenDown() {
        var script = deployed()
        script.clear()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        script.failures["save"] = Failure(.journalFailed, "the disk is full")
        script.run(for: .seconds(120))
        #expect(script.running == "v1" && script.asked("prune") == 0)
        script.failures = [:]
        script.run()
        #expect(script.running == nil && script.asked("forget and release") == 1)
        #expect(script.reasons.contains(.pruned))
    }

    @Test func anEntryThatCannotBeReadAndIsTakenOutGoes() {
        var script = deployed()
        let failure = Failure(.invalid, "unknown key", next: .needsChange)
        script.state.leaveAlone(because: failure, source: "fleet", commit: "commit2")
        script.run()
        #expect(script.running == "v1")
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        script.run()
        #expect(script.running == nil && script.asked("forget and release") == 1)
    }

    @Test func whatIsDeclaredAnewWhileItIsForgottenIsDeployedAnew() {
        var script = deployed()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        var outcome = Outcome.rest
        for _ in 0..<20 where script.asked("forget and release") == 0 {
            outcome = script.pass { name, script in
                if name == "forget and release" { script.declare("v2") }
            }
        }
        #expect(outcome == .again(.zero), "it is not gone")
        script.kept = []
        script.run()
        #expect(script.running == "v2" && script.kept == ["v2"])
        #expect(script.state.record.isSettled)
    }

    /// A container takes its time to end, or hangs.
    @Test(arguments: ["a service", "the whole app"]) func whoeverWaitsIsNotHeldUpByWhatStopsSlowly(what: String) {
        var script = deployed()
        script.pruning = .waits("task 0123456789ab has not stopped yet")
        if what == "a service" {
            script.declaredServices = 3
            script.undeclared = [Change(.remove, "network", "n")]
            script.declare("v2")
        } else {
            script.state.remove(because: "it is no longer declared", at: script.now.time)
        }
        let start = script.now.instant
        var answered: Duration?
        for _ in 0..<600 where answered == nil {
            switch script.pass() {
            case .again(let delay): script.advance(max(delay, .milliseconds(10)))
            default: answered = script.now.instant - start
            }
        }
        #expect(answered.map { $0 < .seconds(600) } ?? false, "whoever waits for it is answered")
        let asked = script.asked("prune")
        #expect((1...60).contains(asked), "\(asked)")
        script.pruning = .done
        script.run()
        #expect(script.undeclared.isEmpty && (what == "a service" || script.running == nil))
    }

    // MARK: What was approved while nobody ran

    /// An app that was to lose two of its three services when the controller ended.
    private func waiting() -> AppScript {
        var script = deployed()
        script.undeclared = [Change(.remove, "service", "a"), Change(.remove, "service", "b")]
        script.declare("v2")
        script.run(for: .seconds(30))
        script.restart()
        script.clear()
        return script
    }

    @Test func anApprovalGivenWhileNobodyRanIsForWhatWasToldThen() {
        var script = waiting()
        // It is taken up before anybody looked.
        let isApproved = script.state.approve()
        #expect(isApproved)
        script.declare("v2")
        script.targetProblem = "the Engine cannot be reached"
        script.pass()
        script.targetProblem = nil
        script.run()
        #expect(script.asked("prune") == 1 && script.state.record.isSettled)
    }

    @Test func anApprovalGivenWhileNobodyRanIsForNothingElse() {
        var script = waiting()
        _ = script.state.approve()
        script.undeclared.append(Change(.remove, "service", "c"))
        script.declare("v3")
        script.run(for: .seconds(30))
        #expect(script.asked("prune") == 0 && script.reasons.contains(.awaitingApproval))
        // Nor is it kept for another time.
        script.undeclared = []
        script.declare("v4")
        script.run()
        script.undeclared = [Change(.remove, "service", "a"), Change(.remove, "service", "b")]
        script.declare("v5")
        script.run(for: .seconds(30))
        #expect(script.asked("prune") == 0)
        script.restart()
        script.undeclared = []
        script.declare("v5")
        script.run()
        let isApproved = script.state.approve()
        #expect(!isApproved, "nothing waits any more")
    }
}
