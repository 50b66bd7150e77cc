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
}
