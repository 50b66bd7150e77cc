import Testing

@testable import Delivery

/// What was rejected before, met at odd moments: by a death, a wish, a new commit, a hold.
extension AppStateTests {
    private var killed: Failure { Failure(.unavailable, "killed") }

    private func amidChange(knows: Bool = false) -> AppScript {
        var other = taker(of: rejected(), knows: knows)
        (other.running, other.before) = ("v1", "broken")
        for _ in 0..<3 {
            other.pass()
            other.advance(.seconds(1))
        }
        return other
    }

    /// Nothing ran, and so it was tried; the controller died after the first of two services.
    @Test func whatIsTriedAllTheSameIsGoneOnWithAfterADeath() {
        var script = rejected()
        script.running = nil
        var other = taker(of: script)
        other.pass { name, script in if name == "apply" { script.failures["apply"] = killed } }
        other.failures = [:]
        #expect(other.noted == nil, "what is said of it goes before it is begun")
        other.running = "half of v2"
        other.restart()
        other.declare("v2")
        other.run()
        #expect(other.running == "v2" && !other.kept.contains("half of v2"))
    }

    /// A person mended what it needed and put it there: nothing is left that says otherwise.
    @Test func whatIsAdoptedIsNotSaidToBeRejected() {
        var script = rejected()
        script.running = "v2"
        var other = taker(of: script)
        other.run()
        #expect(other.noted == nil && other.state.record.deployed == "v2")
        other.restart()
        other.declare("v2")
        other.running = "v2, scaled by hand"
        other.run()
        #expect(other.running == "v2" && other.state.record.quarantine == nil)
    }

    @Test func whatIsWaitedForEndsWithARevert() {
        var other = amidChange(knows: true)
        #expect(other.state.record.waiting?.reason == .rollingBack)
        (other.running, other.before) = ("v1", nil)
        other.declare("v1")
        other.run()
        #expect(other.state.record.isSettled && other.noted == nil)
        other.declare("v2")
        other.run()
        #expect(other.running == "v2", "v1 came between")
    }

    @Test func aPersonMayAskBeforeAnybodyLooked() {
        var other = taker(of: rejected(), knows: true)
        other.state.force()
        other.run()
        #expect(other.running == "v2")
        var amid = amidChange(knows: true)
        amid.state.force()
        amid.before = nil
        amid.run()
        #expect(amid.running == "v2")
    }

    /// Of a controller that waits, and which acts a day later.
    @Test func whatWasAskedOfAStandbyIsNotDoneLater() {
        var other = taker(of: rejected())
        let leave = other.leave
        other.leave = .waiting(holder: "x")
        other.state.force()
        other.pass()
        other.advance(.seconds(86_400))
        other.leave = leave
        other.run()
        #expect(other.running == "v1")
    }

    /// What a person had tried again went well; another controller rejects it later.
    @Test func whatWasAskedForOnceIsOver() {
        var script = rejected()
        script.state.force()
        script.run()
        #expect(script.running == "v2")
        script.noted = Rejection(fingerprint: "v2", reason: .healthCheckFailed, failure: "leaks", isRolledBack: true)
        script.running = "v1"
        script.advance(.seconds(86_400))
        script.run()
        #expect(script.running == "v1")
    }

    /// Another commit comes while what runs is kept, and this app is the same in it.
    @Test(arguments: [nil, "v1"]) func aCommitAmidItLeavesNoRejectionWithoutAReturn(running: String?) {
        var script = rejected()
        script.running = running
        var other = taker(of: script)
        var isFirst = true
        other.pass { name, script in
            guard name == "capture", isFirst else { return }
            isFirst = false
            script.declare("v2")
            if running != nil { script.failures["capture"] = killed }
        }
        other.failures = [:]
        other.run(for: .seconds(600))
        #expect(other.running == running ?? "v2" && other.state.kept == other.kept, "\(other.kept)")
        if running != nil { #expect(other.kept == ["v1"]) }
    }

    /// Suspended, or without a lease: that time is nobody's.
    @Test func timeInWhichNobodyLooksDoesNotCount() {
        var held = amidChange()
        held.state.record.hold = Hold(app: AppScript.id, author: "a", reason: "b", since: held.now.time)
        held.run()
        held.advance(.seconds(3600))
        held.state.record.hold = nil
        held.pass()
        var waiting = amidChange()
        let leave = waiting.leave
        waiting.leave = .waiting(holder: "x")
        waiting.pass()
        waiting.advance(.seconds(300))
        waiting.leave = leave
        waiting.pass()
        #expect(held.asked("apply") == 0 && waiting.asked("apply") == 0)
    }

    @Test func aDeathAtAnyStepOfItChangesNothing() {
        for (knows, step) in [false, true].flatMap({ knows in (0..<40).map { (knows, $0) } }) {
            var other = taker(of: rejected(), knows: knows)
            var count = 0
            for _ in 0..<40 where count <= step {
                let outcome = other.pass { name, script in
                    count += 1
                    if count > step { script.failures[name] = killed }
                }
                if case .rest = outcome { break }
                other.advance(.seconds(1))
            }
            other.failures = [:]
            other.restart()
            other.declare("v2")
            other.run()
            #expect(other.running == "v1" && other.asked("apply") == 0, "after \(step) steps: \(other.done)")
        }
    }

    /// Nothing takes tasks: whoever waits is answered after the time a deployment has, and it goes on all the same.
    @Test func whoeverWaitsForWhatIsHeldIsAnswered() {
        var script = AppScript()
        script.declare("v1")
        script.health = .held("no node")
        var isAnswered = false
        for _ in 0..<100 {
            let outcome = script.pass()
            if case .check = outcome { isAnswered = true }
            script.advance(.seconds(1))
            guard !isAnswered else { break }
        }
        #expect(isAnswered)
        script.health = good
        script.run()
        #expect(script.state.record.isReady)
    }

    /// Nobody else has acted since: what is kept here is what was put back, and what differs from it is drift.
    @Test func whatOnesOwnRejectionPutBackIsKnown() {
        var script = deployed()
        script.noted = Rejection(fingerprint: "v2", reason: .healthCheckFailed, failure: "bad", isRolledBack: true)
        script.noted?.controller = "c"
        script.declare("v2")
        script.running = "v1, scaled by hand"
        script.run()
        #expect(script.running == "v1" && script.kept == ["v1"], "\(script.kept)")
        #expect(script.state.record.quarantine?.fingerprint == "v2")
    }

    /// Another controller rejected it: that this one has claimed the app since makes the rejection none of its own.
    @Test func aClaimMakesARejectionNobodysOwn() {
        var other = taker(of: rejected(), knows: true)
        other.noted?.controller = "another"
        (other.running, other.before) = ("v1.5", "broken")
        for _ in 0..<3 {
            #expect(other.pass() == .again(.seconds(1)))
            other.advance(.seconds(1))
        }
        other.before = nil
        other.run()
        #expect(other.running == "v1.5" && other.kept.first == "v1.5", "\(other.kept)")
        #expect(other.noted?.controller == "another")
    }
}
