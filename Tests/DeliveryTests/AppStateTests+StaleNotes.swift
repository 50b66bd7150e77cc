import Testing

@testable import Delivery

/// What stands on the target of a rejection while others changed what runs.
extension AppStateTests {
    private var note: Rejection {
        Rejection(fingerprint: "v2", reason: .healthCheckFailed, failure: "bad", isRolledBack: true)
    }

    /// A person put v2 there by hand, after mending what it needs; the note is of the past, but stays.
    @Test func whatWasAdoptedSinceIsNotRejectedAfterTheStoreIsLost() {
        var script = deployed()
        script.noted = note
        script.restart()
        script.running = "v2"
        script.declare("v2")
        script.run()
        #expect(script.state.record.deployed == "v2" && script.state.record.isReady, "\(script.reasons)")
        // The store is lost, and something drifted meanwhile.
        var other = AppScript()
        (other.running, other.noted) = ("v2 scaled by hand", script.noted)
        other.declare("v2")
        other.run()
        #expect(other.running == "v2" && other.state.record.isReady, "\(other.reasons) \(other.kept)")
    }

    /// f again, without the script's short comparison.
    @Test func whatWasRejectedAndNotRolledBackIsNotAdopted() {
        var other = deployed()
        other.restart()
        other.noted = note
        other.noted?.isRolledBack = false
        other.running = "v2"
        other.declare("v2")
        other.clear()
        other.run()
        #expect(other.running == "v1", "\(other.reasons) \(other.state.record.deployed ?? "")")
    }

    /// A person erases, the controller dies right after the claim, before the attempt is saved.
    @Test func aPersonsWishSurvivesAConflict() {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        script.pass(); script.pass()
        script.health = good
        script.run()
        script.state.force()
        script.failures["claim"] = Failure(.conflict, "moves", next: .retry)
        script.pass()
        script.failures = [:]
        script.run()
        #expect(script.running == "v2", "\(script.reasons) \(script.running ?? "")")
    }

    /// A held app: v2 rejected, then person retries while it waits for dependency.
    @Test func aPersonsWishWhileItsDependencyIsNotReady() {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        script.pass(); script.pass()
        script.health = good
        script.run()
        script.state.force()
        script.unmetDependency = "db"
        script.run(for: .seconds(20))
        script.unmetDependency = nil
        script.run()
        #expect(script.running == "v2", "\(script.reasons) \(script.running ?? "")")
    }

    /// First rejected, rolled back; journal away while another begins.
    @Test func rejectedWithJournalAway() {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        script.pass(); script.pass()
        script.failures["save"] = Failure(.journalFailed, "full", next: .retry)
        script.health = good
        script.run(for: .seconds(60))
        #expect(script.running == "v1" && script.noted?.fingerprint == "v2", "\(String(describing: script.noted))")
    }

    /// The target rolled back by itself, and the controller is started again before it said so.
    @Test func whatTheTargetRolledBackIsNotedAfterARestart() {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        script.pass(); script.pass()
        script.running = "v1"
        script.health = good
        script.restart()
        script.commits -= 1
        script.declare("v2")
        script.run()
        #expect(script.state.record.quarantine?.isRolledBack == true)
        #expect(script.noted?.fingerprint == "v2", "\(script.done.suffix(8))")
        script.advance(.seconds(300))
        script.pass()
        #expect(script.noted?.fingerprint == "v2", "\(script.done.suffix(8))")
    }

    /// Rolled back, and the note that it is could not be written: the claim conflicts once, then a restart.
    @Test func thatItIsRolledBackIsNotedAfterARestart() {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        script.pass(); script.pass()
        script.health = good
        for _ in 0..<200 where script.state.record.quarantine?.isRolledBack != true {
            script.pass { name, script in
                if name == "save", script.state.record.quarantine?.isRolledBack == true {
                    script.failures["claim"] = Failure(.unavailable, "away", next: .retry)
                }
            }
            script.advance(.seconds(1))
        }
        script.failures = [:]
        script.restart()
        script.commits -= 1
        script.declare("v2")
        for _ in 0..<5 { script.run(); script.advance(.seconds(300)) }
        #expect(script.state.record.quarantine?.isRolledBack == true)
        #expect(script.noted?.isRolledBack == true, "\(String(describing: script.noted)) \(script.done.suffix(8))")
    }

}
