import Testing

@testable import Delivery

/// When an app that was not well is said to be well again.
extension AppStateTests {
    /// Looks at an app as its events would have it: it runs for a while, ends, is started again, and so on.
    private func crash(_ script: inout AppScript, times: Int, upFor up: Int) {
        for _ in 0..<times {
            script.health = bad
            script.pass()
            script.advance(.seconds(1))
            script.health = good
            for _ in 0..<up {
                script.pass()
                script.advance(.seconds(1))
            }
        }
    }

    /// It runs for seven seconds each time, longer than a deployment is watched.
    @Test func whatEndsAgainAndAgainIsNotToldWellEachTime() {
        var script = deployed()
        script.clear()
        crash(&script, times: 200, upFor: 7)
        #expect(script.events.count <= 4, "\(script.reasons)")
        #expect(!script.state.record.isReady)
        script.run()
        #expect(script.reasons.last == .recovered && script.state.record.isReady)
    }

    @Test func whatFailedOnceIsToldWellSoon() {
        var script = deployed()
        script.clear()
        crash(&script, times: 1, upFor: 3)
        #expect(script.reasons == [.healthCheckFailed] && !script.state.record.isReady)
        let before = script.now.instant
        script.run()
        #expect(script.reasons == [.healthCheckFailed, .recovered])
        #expect(script.now.instant - before <= .seconds(5))
    }

    @Test func whoeverWaitsForItIsNotAnsweredBeforeItIsKnown() {
        var script = deployed()
        script.health = bad
        script.pass()
        script.health = good
        script.state.force()
        for _ in 0..<10 where !script.state.record.isReady {
            guard case .again(let delay) = script.pass() else { break }
            script.advance(delay)
        }
        #expect(script.state.record.isReady)
    }

    /// A look meets it running each time; what failed in between is listed all the same.
    @Test func whatFailedBetweenTwoLooksBeginsTheTimeAnew() {
        var script = deployed()
        script.clear()
        script.health = bad
        script.pass()
        script.health = good
        for number in 0..<20 {
            script.failed += " t\(number)"
            script.pass()
            script.advance(.seconds(4))
        }
        #expect(script.reasons == [.healthCheckFailed])
    }

    /// The target itself puts the former state back, twice.
    @Test func eachRollbackIsProvedAnew() {
        var script = deployed()
        for version in ["v2", "v3"] {
            script.declare(version)
            script.pass()
            (script.running, script.health) = ("v1", bad)
            script.pass()
            #expect(script.state.record.quarantine?.fingerprint == version)
            script.clear()
            script.health = good
            let begun = script.now.instant
            script.run()
            #expect(script.reasons.contains(.rolledBack), "\(script.reasons)")
            #expect(script.now.instant - begun >= .seconds(5), "\(script.now.instant - begun)")
        }
    }

    /// What is gone back to fails as well, and runs for a moment each time.
    @Test func whatIsRolledBackToHasToStayWellBeforeThatIsSaid() {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        script.pass()
        script.pass()
        script.pass()
        #expect(script.running == "v1" && script.state.record.quarantine?.fingerprint == "v2")
        script.clear()
        for _ in 0..<30 {
            script.health = bad
            script.pass()
            script.advance(.seconds(20))
            script.health = good
            script.pass()
            script.advance(.seconds(2))
        }
        #expect(!script.reasons.contains(.rolledBack), "\(script.reasons)")
        script.run()
        #expect(script.reasons.contains(.rolledBack))
    }
}
