import Testing

@testable import Delivery

/// Removals inside an app: who has to approve them, and what is seen while they cannot be made.
extension AppStateTests {
    private var leftovers: [Change] { [Change(.remove, "service", "a"), Change(.remove, "service", "b")] }

    /// An app whose second state wants most services to go, which waits for a person, and whose third state was rejected.
    private func rejectedWhileItWaits() -> AppScript {
        var script = deployed()
        script.undeclared = leftovers
        script.declare("v2")
        script.run(for: .seconds(60))
        #expect(script.asked("prune") == 0 && script.running == "v2")
        script.declare("v3")
        script.health = bad
        script.pass()
        script.pass()
        script.health = good
        return script
    }

    @Test func aRejectionApprovesNothing() {
        var script = rejectedWhileItWaits()
        script.run(for: .seconds(60))
        script.run(for: .seconds(60))
        #expect(script.running == "v2" && script.state.record.quarantine != nil)
        #expect(script.asked("prune") == 0)
        script.restart()
        script.declare("v3")
        script.run(for: .seconds(60))
        #expect(script.asked("prune") == 0)
    }

    @Test(arguments: [false, true]) func whatAFailedCommitAddedGoesWithIt(isRestarted: Bool) {
        var script = deployed()
        script.added = ["a", "b"]
        script.declare("v2")
        script.health = bad
        script.pass()
        script.pass()
        script.health = good
        if isRestarted {
            script.restart()
            script.declare("v2")
        }
        script.undeclared = leftovers
        script.run()
        script.run()
        #expect(script.running == "v1" && script.asked("prune") == 1)
        #expect(!script.reasons.contains(.awaitingApproval))
    }

    /// What was made by an attempt that succeeded is as good as anything else from then on.
    @Test func whatASuccessAddedIsGuardedAsAllElse() {
        var script = deployed()
        script.added = ["a", "b"]
        script.declare("v2")
        script.run()
        script.added = []
        script.declare("v3")
        script.health = bad
        script.pass()
        script.pass()
        script.health = good
        script.undeclared = leftovers
        script.run(for: .seconds(60))
        #expect(script.asked("prune") == 0 && script.reasons.contains(.awaitingApproval))
    }

    /// The last task of a service that goes is on a node that is away, and so its network stays.
    @Test func whatWaitsToBeRemovedHidesNoIllness() {
        var script = deployed()
        script.declaredServices = 3
        script.undeclared = [Change(.remove, "network", "old")]
        script.pruning = .waits("a task has not stopped yet")
        script.declare("v2")
        script.run(for: .seconds(60))
        #expect(script.asked("prune") > 3 && script.state.record.isReady)
        script.clear()
        script.health = bad
        script.run(for: .seconds(60))
        #expect(script.reasons == [.healthCheckFailed] && !script.state.record.isReady)
        script.clear()
        script.health = good
        script.run(for: .seconds(120))
        #expect(script.reasons == [.recovered] && script.state.record.isReady)
        #expect(script.asked("prune") > 3, "and it is tried on")
        script.pruning = .done
        script.run(for: .seconds(60))
        #expect(script.undeclared.isEmpty)
    }

    /// Another stack uses a network that goes.
    @Test func whatCannotBeRemovedHidesNoIllnessAndIsToldOnce() {
        var script = deployed()
        script.declaredServices = 3
        script.undeclared = [Change(.remove, "network", "old")]
        script.pruning = .blocked(["network old": "it is in use"])
        script.declare("v2")
        script.run(for: .seconds(60))
        #expect(script.asked("prune") == 1, "whoever waits is answered")
        script.health = bad
        script.clear()
        script.run(for: .seconds(60))
        #expect(script.reasons == [.healthCheckFailed])
        script.health = good
        script.clear()
        script.run(for: .seconds(1200))
        #expect(script.asked("prune") <= 5 && !script.reasons.contains(.conflict))
    }

    /// Another controller brought to a good end what this one had begun.
    @Test func whatOthersBroughtToAGoodEndIsGuardedAsAllElse() {
        var script = deployed()
        script.added = ["a", "b"]
        script.declare("v2")
        script.failures["apply"] = Failure(.unavailable, "gone")
        script.pass()
        script.failures = [:]
        let own = script.leave
        script.leave = .waiting(holder: "another")
        script.pass()
        script.running = "v2"
        script.added = []
        script.leave = own
        script.declare("v3")
        script.health = bad
        for _ in 0..<3 { script.pass() }
        script.health = good
        script.undeclared = leftovers
        for _ in 0..<2 { script.run(for: .seconds(60)) }
        #expect(script.asked("prune") == 0 && script.reasons.contains(.awaitingApproval))
    }
}

/// Options that change alone.
extension AppStateTests {
    @Test func anotherTreatmentIsKeptWithoutAnAttempt() {
        var script = deployed()
        script.treatment = "prune: false"
        script.declare("v1")
        script.run()
        #expect(script.asked("commit") == 1 && script.asked("apply") == 0 && script.asked("capture") == 0)
        #expect(script.state.record.treatment == "prune: false" && script.state.record.isReady)
        script.clear()
        for _ in 0..<3 { script.run() }
        #expect(script.asked("commit") == 0 && script.events.isEmpty)
    }

    /// It drifts, and somebody changes how it is treated: what is repaired is kept with that.
    @Test func anotherTreatmentIsKeptThoughSomethingIsRepairedAsWell() {
        var script = deployed()
        script.treatment = "prune: false"
        script.running = "by hand"
        script.declare("v1")
        script.run()
        #expect(script.running == "v1" && script.asked("commit") == 1)
        #expect(script.state.record.treatment == "prune: false")
        script.clear()
        script.restart()
        script.declare("v1")
        script.run()
        #expect(script.asked("commit") == 0)
    }

    /// Its database is away, and somebody changes how it is treated meanwhile.
    @Test func anotherTreatmentOfWhatIsIllIsNotRejected() {
        var script = deployed()
        script.health = bad
        script.treatment = "prune: false"
        script.declare("v1")
        script.run(for: .seconds(200))
        #expect(script.state.record.quarantine == nil && script.asked("commit") == 0)
        script.health = good
        script.run(for: .seconds(600))
        #expect(script.state.record.isReady && script.asked("commit") == 1)
    }

    @Test func aTreatmentThatCouldNotBeKeptIsKeptLater() {
        var script = deployed()
        script.treatment = "prune: false"
        script.failures["commit"] = Failure(.journalFailed, "the disk is full")
        script.declare("v1")
        script.run(for: .seconds(60))
        #expect(script.state.record.treatment.isEmpty)
        script.failures = [:]
        script.restart()
        script.declare("v1")
        script.run(for: .seconds(60))
        #expect(script.state.record.treatment == "prune: false" && script.state.record.isReady)
    }

    /// Its files are saved once more, with the same meaning, while the first of it is made.
    @Test func aChangeThatWasOvertakenAmidItsApplicationIsNotJudgedAsMade() {
        var script = deployed()
        script.declare("v2")
        script.failures["apply"] = Failure(.conflict, "the files changed meanwhile")
        script.pass { name, script in if name == "apply" { script.declare("v2") } }
        script.failures = [:]
        script.health = bad
        script.pass()
        script.health = good
        script.run()
        #expect(script.running == "v2" && script.state.record.quarantine == nil)
    }
}
