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
}
