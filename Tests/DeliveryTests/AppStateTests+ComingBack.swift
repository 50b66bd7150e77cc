import Testing

@testable import Delivery

/// What was good before comes back without an attempt of ours, and does not stay well.
extension AppStateTests {
    /// The target rolled back by itself, and something of what is back fails now and then between looks.
    @Test func whatIsBackButFailsBetweenLooksIsToldSomeDay() {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        script.pass()
        script.pass()
        script.running = "v1"
        script.health = good
        script.clear()
        var outcomes: Set<String> = []
        for number in 0..<3600 {
            script.failed = "t\(number)"
            let outcome = script.pass()
            outcomes.insert("\(outcome)".prefix(6).description)
            script.advance(.seconds(1))
        }
        #expect(!script.events.isEmpty, "an hour, and nothing was said: \(outcomes)")
        #expect(outcomes != ["again("], "whoever waits waits for ever: \(outcomes)")
    }

    /// The kept state flaps: it runs for four seconds, ends, and is started again.
    @Test func whatIsBackButFlapsIsToldSomeDay() {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        script.pass(); script.pass()
        script.running = "v1"
        script.clear()
        var outcomes: Set<String> = []
        for second in 0..<3600 {
            script.health = second % 5 == 4 ? .progressing("0 of 1 running") : good
            script.failed = "t\(second / 5)"
            outcomes.insert(String("\(script.pass())".prefix(6)))
            script.advance(.seconds(1))
        }
        #expect(!script.events.isEmpty && outcomes != ["again("], "\(script.reasons) \(outcomes)")
    }

    /// The next commit arrives before the target told of all that ended with it.
    @Test func whatANewerAttemptFindsOfTheOutageIsNotItsFault() {
        var script = backFromAnOutage()
        script.health = .progressing("0 of 1")
        script.pass()
        #expect(script.state.regained != nil)
        script.declare("v3")
        script.pass()
        script.advance(.seconds(1))
        script.pass()
        #expect(script.state.record.attempt?.fingerprint == "v3")
        #expect(script.state.regained != nil && script.state.sparing.hasPrefix("spared"), "\(script.state.sparing)")
        // Long after it, everything counts.
        script.advance(.seconds(60))
        script.pass()
        script.declare("v4")
        script.pass()
        #expect(script.state.record.attempt?.fingerprint == "v4" && script.state.regained == nil)
    }

    /// What gave way long ago during an outage excuses nothing now.
    @Test func anOutageOfAnOlderAttemptEndsWithItsTime() {
        var script = deployed()
        script.state.regainedBefore = script.now.instant
        script.advance(.seconds(120))
        script.declare("v2")
        script.health = .progressing("0 of 1")
        script.pass()
        script.pass()
        #expect(script.state.record.attempt?.fingerprint == "v2" && script.state.regained == nil)
        #expect(script.state.sparing.isEmpty && !script.state.needsSparing)
    }
}
