import Testing

@testable import Delivery

/// What another controller did while it acted, and what this one must not make of it.
extension AppStateTests {
    /// Another controller has deployed `v2` while this one, which deployed `v1`, waited; now it is this one's turn.
    private func afterAnother() -> AppScript {
        var script = deployed()
        let own = script.leave
        script.leave = .waiting(holder: "other")
        script.pass()
        script.declare("v2")
        script.pass()
        script.running = "v2"
        script.leave = own
        script.clear()
        return script
    }

    @Test func whatAnotherDeployedIsNotPutBackWhileADependencyIsWaitedFor() {
        var script = afterAnother()
        script.unmetDependency = "waits for t/db"
        script.run()
        #expect(script.running == "v2" && !script.reasons.contains(.driftDetected), "\(script.reasons) \(script.done)")
        script.restart()
        script.declare("v2")
        script.run()
        #expect(script.running == "v2", "nor by an earlier life of this one: \(script.done) \(script.reasons)")
        script.unmetDependency = nil
        script.run()
        #expect(script.running == "v2" && script.state.record.deployed == "v2")
        #expect(!script.state.record.haveOthersActed)
    }

    @Test func whatAnotherDeployedIsNotPutBackForWantOfAnImage() {
        var script = afterAnother()
        for _ in 0..<3 {
            script.failures["observe"] = Failure(.imageNotResolved, "the registry is away")
            script.pass { name, script in if name == "restore" { script.failures = [:] } }
            script.advance(.seconds(20))
        }
        #expect(script.running == "v2" && script.asked("apply") == 0, "\(script.done)")
    }

    /// Its own last good state it may put back, once it has seen it run.
    @Test func whatItFoundAsItKnowsItIsKeptWhileADependencyIsWaitedFor() {
        var script = deployed()
        let own = script.leave
        script.leave = .waiting(holder: "other")
        script.pass()
        script.leave = own
        script.run()
        script.declare("v2")
        script.unmetDependency = "waits for t/db"
        script.running = "somebody's"
        script.run()
        #expect(script.running == "v1")
    }

    @Test func whatAnotherMadeOfAnAttemptWaitsForApprovalWhenItFailsAfterAll() {
        var script = deployed()
        script.added = ["y1", "y2"]
        script.health = .progressing("starting")
        script.declare("v2")
        script.pass()
        #expect(!script.state.record.addedServices.isEmpty)
        let own = script.leave
        script.leave = .waiting(holder: "other")
        script.pass()
        script.leave = own
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        #expect(script.state.record.quarantine != nil && script.state.record.addedServices.isEmpty)
    }

    @Test func whatWasBroughtToAGoodEndIsNoBodyElsesAnyMore() {
        var script = deployed()
        script.health = .progressing("starting")
        script.declare("v2")
        script.pass()
        let own = script.leave
        script.leave = .waiting(holder: "other")
        script.pass()
        script.leave = own
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.state.record.deployed == "v2" && !script.state.record.haveOthersActed)
    }

    // MARK: A journal that is behind

    /// `v2` was deployed and could not be kept; `v3` fails, and what is put back in its place is no `v2`.
    @Test func whatIsKeptIsKeptAsWhatItIs() {
        var script = deployed()
        script.failures["commit"] = Failure(.journalFailed, "the disk is full")
        script.declare("v2")
        script.run(for: .seconds(30))
        #expect(script.state.record.deployed == "v2" && script.kept == ["v1"])
        script.failures = [:]
        script.declare("v3")
        script.pass()
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.running == "v1" && script.kept == ["v1"], "\(script.kept)")
        #expect(!script.events.contains { $0.reason == .deployed && $0.message.contains("v2") })
    }

    @Test func anOlderRevisionIsNotPutOverAGoodOneThatCouldNotBeKept() {
        var script = deployed()
        script.failures["commit"] = Failure(.journalFailed, "the disk is full")
        script.declare("v2")
        script.run(for: .seconds(30))
        script.declare("v3")
        script.unmetDependency = "waits for t/db"
        script.run(for: .seconds(60))
        #expect(script.running == "v2")
    }

    // MARK: What came between

    /// Another commit came while the rest of what had been made in part was made.
    @Test func anApplyThatEndedMeanwhileIsNoted() {
        var script = deployed()
        script.declare("v2")
        script.failures["apply"] = Failure(.unavailable, "no answer")
        script.pass()
        #expect(script.state.isUnfinished)
        script.failures = [:]
        script.pass { name, script in if name == "apply" { script.declare("v2") } }
        #expect(!script.state.isUnfinished && !script.state.completion.isEmpty && script.state.applies == 1)
    }

    @Test func whatWasRejectedAndNotRolledBackYetIsNoDriftOnceItIsTakenBack() {
        var script = deployed()
        script.declare("v2")
        script.pass()
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        #expect(script.state.record.quarantine?.isRolledBack == false)
        script.targetProblem = "the Engine is away"
        script.pass()
        script.health = .healthy(runsNothing: false)
        script.declare("v1")
        script.targetProblem = nil
        script.clear()
        script.run()
        #expect(script.running == "v1" && !script.reasons.contains(.driftDetected), "\(script.reasons)")
    }

    @Test(arguments: [false, true]) func aRemovalThatWasOvertakenByAFaultyEntryIsNoDrift(isAbandoned: Bool) {
        var script = deployed()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        script.pruning = .waits("one of two")
        script.pass()
        script.running = "half of v1"
        if isAbandoned {
            script.state.abandon()
        } else {
            let fault = Failure(.invalid, "no such file", next: .needsChange)
            script.state.leaveAlone(because: fault, source: "fleet", commit: "faulty")
        }
        script.pass()
        script.clear()
        script.declare("v1")
        script.run()
        #expect(script.running == "v1" && !script.reasons.contains(.driftDetected), "\(script.reasons)")
    }
}
