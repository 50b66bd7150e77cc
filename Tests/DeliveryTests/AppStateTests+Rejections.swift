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

    @Test func aDifferenceBesideARejectionIsToldOf() {
        var script = rejected()
        script.advance(.seconds(3600))
        script.running = "drifted"
        script.run()
        #expect(script.running == "v1" && script.state.record.quarantine != nil)
        #expect(script.reasons.contains(.driftDetected) && script.reasons.contains(.driftRepaired), "\(script.reasons)")
        #expect(!script.reasons.contains(.rolledBack), "it is rolled back already")
    }

    /// Something keeps changing it back.
    private func fight(_ script: inout AppScript) {
        for _ in 0..<200 {
            script.running = "drifted"
            script.run(for: .seconds(15))
            script.advance(.seconds(5))
        }
    }

    /// What crashes comes up and goes down by itself, again and again.
    @Test func aFightIsToldOnceWhileItLasts() {
        var script = deployed()
        let begin = script.now.instant
        while script.now.instant < begin + .seconds(800) {
            for state in ["drifted", "v1"] {
                script.running = state
                script.pass()
                script.advance(.seconds(1))
            }
        }
        let told = script.reasons.count { $0 == .driftFight }
        #expect(told == 1 + script.reasons.count { $0 == .recovered }, "\(script.reasons)")
    }

    @Test func aFightBesideARejectionSlowsDown() {
        var script = rejected()
        fight(&script)
        #expect(script.asked("apply") < 150 && script.reasons.contains(.driftFight))
    }

    /// Another controller deployed it again, rejected it, and died before it was rolled back.
    @Test func aRollbackOfWhatAnotherRejectedIsToldOf() {
        var script = rejected()
        script.declare("v1")
        script.run()
        #expect(script.state.record.quarantine == nil)
        script.running = "v2"
        script.noted = Rejection(fingerprint: "v2", reason: .healthCheckFailed, failure: "bad", isRolledBack: false)
        script.noted?.controller = "other"
        script.clear()
        script.declare("v2")
        script.health = good
        script.run()
        #expect(script.running == "v1" && script.reasons.contains(.rollingBack), "\(script.reasons)")
    }

    /// What was deployed could not be kept, and is declared again after what came next was rolled back.
    @Test func whatIsDeployedAgainAfterAnOlderOneWasPutBackIsNoDrift() {
        var script = deployed()
        script.declare("v2")
        script.failures["commit"] = Failure(.journalFailed, "full", next: .retry)
        script.run(for: .seconds(60))
        #expect(script.state.record.deployed == "v2" && script.running == "v2")
        script.declare("v3")
        script.health = bad
        script.run(for: .seconds(10))
        script.health = good
        script.run(for: .seconds(60))
        #expect(script.running == "v1" && script.state.record.quarantine?.isRolledBack == true)
        script.failures = [:]
        script.clear()
        script.declare("v2")
        script.run(for: .seconds(60))
        #expect(script.running == "v2" && !script.reasons.contains(.driftDetected), "\(script.reasons)")
    }

    /// An app with two kept revisions, whose third state was rejected and rolled back.
    private func rejectedThird(unreadable: Set<String> = []) -> AppScript {
        var script = deployed()
        script.declare("v2")
        script.run(for: .seconds(60))
        script.declare("v3")
        script.health = bad
        script.pass()
        script.pass()
        script.unreadable = unreadable
        script.health = good
        script.run()
        return script
    }

    /// An older kept revision runs, and something keeps changing that back.
    @Test func aFightOverAnOlderRevisionSlowsDown() {
        var script = rejectedThird(unreadable: ["v2"])
        #expect(script.running == "v1" && script.state.record.deployed == "v2")
        script.clear()
        fight(&script)
        #expect(script.asked("apply") < 150 && script.reasons.contains(.driftFight))
        #expect(!script.reasons.contains(.rolledBack), "it is rolled back already")
    }

    @Test func aHoldBesideARejectionIsNoSecondRollback() {
        var script = rejected()
        script.state.hold(Hold(app: AppScript.id, author: "ann", reason: "x", since: script.now.time))
        script.pass()
        script.running = "by hand"
        script.state.hold(nil)
        script.run(for: .seconds(60))
        #expect(script.running == "v1" && !script.reasons.contains(.rolledBack), "\(script.reasons)")
    }

    /// Has everything that is put back be refused for as long as it is one of these.
    private func refuse(_ revisions: Set<String>, _ script: inout AppScript) {
        script.run(for: .seconds(900)) { name, script in
            guard name == "apply" else { return }
            let refusal = Failure(.refused, "its secret is gone", next: .needsChange)
            script.failures["apply"] = revisions.contains(script.current) ? refusal : nil
        }
    }

    /// What it needs went since it was put back, and so did its service: an older one takes its place, and that is told.
    @Test func aRepairBesideARejectionThatIsRefusedFallsBackFurther() {
        var script = rejectedThird()
        #expect(script.running == "v2" && script.state.record.quarantine?.isRolledBack == true)
        script.clear()
        script.running = "drifted"
        script.missing = ["web"]
        refuse(["v2"], &script)
        #expect(script.running == "v1" && script.reasons.contains(.rolledBack), "\(script.reasons)")
    }

    /// It runs, and merely differs: a proxy that forbids the repair for a while is no reason to go back further.
    @Test func whatRunsAgainIsNotGivenUpBecauseItsRepairIsRefused() {
        var script = rejectedThird()
        script.clear()
        script.running = "drifted"
        refuse(["v1", "v2"], &script)
        #expect(script.running == "drifted" && script.reasons.count { $0 == .refused } == 1, "\(script.reasons)")
        #expect(script.state.record.quarantine?.refused == [])
        script.failures = [:]
        script.run(for: .seconds(900))
        #expect(script.running == "v2", "it is repaired once that is taken again")
    }

    /// All kept revisions are refused, and later taken again.
    @Test func whatWasRefusedIsTriedAgainAndToldOnce() {
        var script = rejectedThird()
        script.clear()
        script.running = "drifted"
        script.missing = ["web"]
        refuse(["v1", "v2"], &script)
        let told = script.reasons.count { $0 == .refused }
        #expect(script.running == "drifted" && told <= 3, "\(script.reasons)")
        #expect(script.reasons.count { $0 == .rollingBack } <= 2)
        refuse([], &script)
        #expect(script.running == "v2" && script.reasons.contains(.rolledBack), "\(script.reasons)")
    }
}
