import Testing

@testable import Delivery

/// When what stands on the target of a rejection is written, and when it goes.
extension AppStateTests {
    /// git revert, then revert of the revert.
    @Test func revertAndBackIsTriedAgain() {
        var script = rejected()
        #expect(script.running == "v1" && script.noted?.fingerprint == "v2")
        script.declare("v1")
        script.run()
        #expect(script.state.record.isReady && script.state.record.quarantine == nil)
        #expect(script.noted == nil, "stale: \(String(describing: script.noted))")
        script.declare("v2")
        script.run()
        #expect(script.running == "v2" && script.state.record.isReady, "\(script.reasons) \(script.running ?? "")")
    }

    /// an attempt under way in the record of a controller that lost the lease; another one rejects it meanwhile.
    @Test func anAttemptThatAnotherControllerRejectedIsNotGoneOnWith() {
        var first = deployed()
        first.declare("v2")
        first.health = .progressing("starting")
        first.pass()
        first.pass()
        #expect(first.running == "v2" && first.state.record.attempt?.fingerprint == "v2")
        // The other one takes over, rejects v2 and brings v1 back.
        first.running = "v1"
        first.noted = Rejection(fingerprint: "v2", reason: .healthCheckFailed, failure: "bad", isRolledBack: true)
        first.leave = .waiting(holder: "other")
        first.pass()
        first.leave = .held(Claimant(owner: "fleet", controller: "c", until: .now + .seconds(3600)))
        first.clear()
        first.run(for: .seconds(30))
        #expect(first.asked("apply") == 0, "\(first.done) \(first.running ?? "")")
    }

    /// what another rejected is deployed in the record of this one.
    @Test func whatAnotherRejectedIsNotPutBackAsDriftRepair() {
        var first = AppScript()
        first.declare("v2")
        first.run()
        first.clear()
        first.running = "v1"
        first.noted = Rejection(fingerprint: "v2", reason: .healthCheckFailed, failure: "bad", isRolledBack: true)
        first.clear()
        first.run(for: .seconds(30))
        #expect(first.asked("apply") == 0, "\(first.done) \(first.reasons)")
    }

    /// a person asked long ago.
    @Test func whatAPersonAskedForOnceIsNotErasedForEver() {
        var script = rejected()
        script.state.force()
        script.run()
        #expect(script.running == "v2" && script.noted == nil)
        script.declare("v3")
        script.run()
        // Another controller rejects v2 now.
        script.noted = Rejection(fingerprint: "v2", reason: .healthCheckFailed, failure: "bad", isRolledBack: true)
        script.clear()
        script.declare("v2")
        script.run(for: .seconds(60))
        #expect(script.asked("apply") == 0, "\(script.done) \(script.reasons)")
    }

    /// rolled-back, the store is lost, and what is declared is the good one again.
    @Test func lostStoreAndRevertThenBack() {
        let script = rejected()
        var other = AppScript()
        (other.running, other.noted) = (script.running, script.noted)
        other.declare("v1")
        other.run()
        other.declare("v2")
        other.run()
        #expect(other.running == "v2", "\(other.reasons)")
    }

    /// the rejection of v2 is noted, v3 waits for a dependency meanwhile, and v2 comes back.
    @Test func viaWhatWaitsForItsDependency() {
        var script = rejected()
        script.unmetDependency = "waits for db"
        script.declare("v3")
        script.run(for: .seconds(10))
        script.unmetDependency = nil
        script.declare("v2")
        script.run()
        #expect(script.running == "v2", "\(script.reasons)")
    }

    /// v1 again while drifted: the claim leaves the note.
    @Test func restartAfterRevert() {
        var script = rejected()
        script.declare("v1")
        script.run()
        script.restart()
        script.declare("v2")
        script.run()
        #expect(script.running == "v2", "\(script.reasons)")
    }
}
