import Testing

@testable import Delivery

/// What is known of rejections by whoever acts next: another controller, or the same one without its store.
extension AppStateTests {
    @Test func whatIsRejectedStandsBesideTheClaim() {
        var script = rejected()
        #expect(script.running == "v1" && script.noted?.fingerprint == "v2" && script.noted?.isRolledBack == true)
        script.declare("v3")
        script.run()
        #expect(script.running == "v3" && script.noted == nil, "it is of the past")
    }

    /// The commit is reverted, and then made again.
    @Test func whatIsDeclaredAnewAfterAnotherIsTriedAgain() {
        var script = rejected()
        script.declare("v1")
        script.run()
        #expect(script.running == "v1" && script.noted == nil)
        script.declare("v2")
        script.run()
        #expect(script.running == "v2" && script.state.record.isReady)
    }

    @Test func whoTakesOverDoesNotTryItAgain() {
        var other = taker(of: rejected())
        other.run()
        #expect(other.asked("apply") == 0 && other.running == "v1" && other.kept == ["v1"])
        #expect(other.state.record.quarantine?.fingerprint == "v2")
        #expect(other.reasons == [.healthCheckFailed, .rolledBack], "\(other.reasons)")
        // What comes next is deployed, and what was found is what it goes back to.
        other.declare("v3")
        other.health = bad
        other.pass()
        other.pass()
        other.health = good
        other.run()
        #expect(other.running == "v1" && other.noted?.fingerprint == "v3")
    }

    /// Somebody broke what was put back, and a controller died amid mending it: what Swarm replaces now was the broken one.
    @Test func whatIsAmidAChangeIsNotKeptAsWhatWasPutBack() {
        let script = rejected()
        var other = taker(of: script)
        (other.running, other.before) = ("v1", "broken")
        for _ in 0..<20 {
            #expect(other.pass() == .again(.seconds(1)))
            other.advance(.seconds(1))
        }
        #expect(other.kept.isEmpty && other.asked("apply") == 0)
        let waiting = other.state.record.conditions.first { $0.kind == .ready }
        #expect(waiting?.isTrue == false && waiting?.reason == .rollingBack, "\(String(describing: waiting))")
        #expect(waiting?.message == "was rejected before, and is being replaced: bad")
        #expect(other.asked("save") == 1, "once, and not at each look: \(other.done)")
        other.before = nil
        other.run()
        #expect(other.state.record.waiting == nil)
        #expect(other.kept == ["v1"] && other.asked("apply") == 0)
        // That does not end by itself: it is tried as by a controller that was told nothing.
        var late = taker(of: script)
        (late.running, late.before) = ("v1", "paused")
        late.run()
        #expect(late.running == "v2")
    }

    /// The one before died amid rolling back: nobody knows what runs.
    @Test func whatWasNotRolledBackIsTriedByWhoHasNothingToReturnTo() {
        var script = rejected()
        script.noted?.isRolledBack = false
        var other = taker(of: script)
        other.run()
        #expect(other.asked("apply") == 1 && other.running == "v2")
        var kept = taker(of: script)
        kept.kept = ["v0"]
        kept.run()
        #expect(kept.running == "v0", "who has something returns to that")
        #expect(kept.state.record.quarantine?.fingerprint == "v2")
    }

    @Test func aPersonMayHaveItTriedOnceMore() {
        var other = taker(of: rejected())
        other.run()
        other.state.force()
        other.run()
        #expect(other.running == "v2" && other.state.record.isReady && other.noted == nil)
    }

    @Test func aPersonMayHaveItTriedByWhoHasNotLookedYet() {
        var other = taker(of: rejected())
        other.state.force()
        other.run()
        #expect(other.running == "v2" && other.state.record.isReady)
    }

    @Test func aRejectionThatCannotBeWrittenDownIsHeededLater() {
        var other = taker(of: rejected())
        other.failures["capture"] = Failure(.journalFailed, "the disk is full")
        other.run(for: .seconds(90))
        #expect(other.asked("apply") == 0 && other.state.record.quarantine == nil)
        other.failures = [:]
        other.run()
        #expect(other.asked("apply") == 0 && other.state.record.quarantine?.fingerprint == "v2")
    }

    /// Where nothing runs there is nothing to lose.
    @Test func whatIsRejectedIsTriedWhereNothingRuns() {
        var script = rejected()
        script.running = nil
        var other = taker(of: script)
        other.run()
        #expect(other.running == "v2" && other.state.record.isReady)
    }
}
