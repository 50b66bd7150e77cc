import Testing

@testable import Delivery

/// How often it is told that what runs is not well.
extension AppStateTests {
    /// The first state is not well, and that was told.
    private func ill() -> AppScript {
        var script = AppScript()
        script.declare("v1")
        script.health = bad
        look(&script, 4)
        return script
    }

    private func look(_ script: inout AppScript, _ count: Int) {
        for _ in 0..<count {
            script.pass()
            script.advance(.seconds(3))
        }
    }

    private func loseTarget(_ script: inout AppScript) {
        script.failures["observe"] = Failure(.unavailable, "cannot be reached")
        script.pass()
        script.failures = [:]
    }

    /// Its target comes and goes while it is ill.
    @Test func anIllnessIsToldOnceHoweverOftenTheTargetIsAway() {
        var script = deployed()
        script.health = bad
        for round in 0..<8 {
            let isAway = round % 2 == 1
            script.failures["observe"] = isAway ? Failure(.unavailable, "cannot be reached") : nil
            script.pass()
            script.advance(.seconds(20))
        }
        #expect(script.reasons.count { $0 == .healthCheckFailed } == 1, "\(script.reasons)")
    }

    /// Each commit's failure is a fact of its own, also when the target was away in between.
    @Test func theNextCommitFailsInTheSameWordsAndIsToldOf() {
        var script = ill()
        script.declare("v2")
        script.health = .progressing("0 of 1")
        script.pass()
        loseTarget(&script)
        script.clear()
        script.health = bad
        look(&script, 20)
        #expect(script.reasons.contains(.healthCheckFailed), "\(script.reasons)")
    }

    /// Commits that say nothing of the app, while its target comes and goes.
    @Test func otherCommitsTellNothingOnceMore() {
        var script = ill()
        script.clear()
        for _ in 0..<10 {
            script.declare("v1")
            loseTarget(&script)
            script.advance(.seconds(70))
            look(&script, 60)
        }
        #expect(!script.reasons.contains(.healthCheckFailed), "\(script.reasons)")
    }

    /// A folder has none, and each of its states is another.
    @Test func eachStateOfASourceWithoutCommitsIsToldOf() {
        var script = deployed()
        script.health = bad
        let told = ["v2", "v3"].map { fingerprint in
            script.clear()
            script.declare(fingerprint, commit: "")
            script.run(for: .seconds(300))
            return script.reasons.count { $0 == .healthCheckFailed }
        }
        #expect(told[0] == told[1], "\(told)")
    }
}
