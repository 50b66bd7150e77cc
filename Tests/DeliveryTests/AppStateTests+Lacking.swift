import Testing

@testable import Delivery

/// What is made of a desired state that lacks something: it cannot be planned, and what was good stands in for it.
extension AppStateTests {
    /// A node's unit cannot be brought about for want of a secret: its link leads to the last good version meanwhile.
    @Test func whatIsOnlyToBeStartedNextIsNoDrift() {
        var script = deployed()
        var link = Change(.update, "link", "web.container")
        link.isForNextStart = true
        script.standIn = link
        script.declare("v2")
        script.clear()
        let missing = Failure(.notFound, "there is no secret 'key'")
        for _ in 0..<4 {
            script.pass { name, script in
                let isDeclared = name == "observe" && script.state.pass?.role == .declared
                script.failures["observe"] = isDeclared ? missing : nil
            }
            script.advance(.seconds(20))
        }
        #expect(script.reasons == [.notFound], "\(script.events.map(\.message))")
        #expect(script.standIn == nil && script.running == "v1", "it is done")
        script.failures = [:]
        script.run()
        #expect(script.running == "v2" && script.state.record.isReady)
    }

    /// Whoever keeps the target pointed a link elsewhere meanwhile: it is put right, however often, and is no drift and no fight.
    @Test func whatNobodyElseChangedIsNoDrift() {
        var script = deployed()
        var link = Change(.update, "link", "web.container")
        link.isOwnDoing = true
        script.clear()
        for _ in 0..<6 {
            script.moved = link
            script.run()
            script.advance(.seconds(20))
        }
        #expect(script.moved == nil && script.running == "v1", "it is done")
        #expect(Set(script.reasons).isSubset(of: [.applying, .deployed]), "\(script.events.map(\.message))")
        #expect(script.state.record.drift == nil && script.state.record.isReady)
    }

    /// A unit that was begun and cannot be planned any more, for want of something that went meanwhile.
    @Test func whatIsBegunAndCannotBePlannedIsGivenUpInTime() {
        var script = deployed()
        script.declare("v2")
        script.health = .progressing("web.service is starting")
        script.pass()
        #expect(script.running == "v2" && script.state.record.attempt != nil)
        script.health = .healthy(runsNothing: false)
        for _ in 0..<60 {
            script.pass { name, script in
                let isDeclared = name == "observe" && script.state.pass?.role == .declared
                script.failures["observe"] = isDeclared ? Failure(.notFound, "there is no secret 'key'") : nil
            }
            script.advance(.seconds(5))
        }
        #expect(script.state.record.quarantine?.fingerprint == "v2" && script.running == "v1", "\(script.reasons)")
    }

    /// The registry went while it was under way.
    @Test func whatIsBegunWaitsForARegistryThatIsAway() {
        var script = begun()
        for _ in 0..<200 {
            script.failures["observe"] = Failure(.imageNotResolved, "the registry is away")
            script.pass()
            script.advance(.seconds(20))
        }
        #expect(script.state.record.quarantine == nil)
        script.failures = [:]
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.running == "v2" && script.state.record.isReady)
    }

    /// Something else points the link elsewhere again and again, while the change lacks something.
    @Test func whatTakesBackWhatStandsInIsAFight() {
        var script = deployed()
        var link = Change(.update, "link", "web.container")
        link.isForNextStart = true
        script.declare("v2")
        script.clear()
        for _ in 0..<30 {
            script.standIn = link
            script.pass { name, script in
                let isDeclared = name == "observe" && script.state.pass?.role == .declared
                script.failures["observe"] = isDeclared ? Failure(.notFound, "there is no secret 'key'") : nil
            }
            script.advance(.seconds(30))
        }
        #expect(script.reasons.contains(.driftFight), "\(script.reasons)")
        #expect(script.asked("apply") < 15, "\(script.asked("apply"))")
    }

    /// The time in which it was held, or the registry away, is not the time in which it could not be planned.
    @Test(arguments: [true, false]) func aPauseGivesWhatCannotBePlannedItsWholeTime(isHeld: Bool) {
        var script = begun()
        let failure = Failure(.notFound, "there is no secret 'key'")
        script.failures["observe"] = failure
        script.pass()
        if isHeld {
            script.state.hold(Hold(app: AppScript.id, author: "ann", reason: "to make it", since: script.now.time))
        } else {
            script.failures["observe"] = Failure(.imageNotResolved, "the registry is away")
        }
        script.pass()
        script.advance(.seconds(3600))
        script.state.hold(nil)
        script.failures["observe"] = failure
        for _ in 0..<5 {
            script.pass()
            script.advance(.seconds(10))
        }
        #expect(script.state.record.quarantine == nil, "\(script.reasons)")
        for _ in 0..<5 {
            script.pass()
            script.advance(.seconds(10))
        }
        #expect(script.state.record.quarantine?.fingerprint == "v2", "\(script.reasons)")
    }

    /// What it lacked came, and is lacking again: that its place is taken anew is no drift.
    @Test func whatIsLackingAgainIsStoodInForAgain() {
        var script = deployed()
        var link = Change(.update, "link", "web.container")
        link.isForNextStart = true
        for version in ["v2", "v1", "v2"] {
            script.declare(version)
            script.standIn = version == "v2" ? link : nil
            script.pass { name, script in
                let isLacking = name == "observe" && script.state.pass?.role == .declared && version == "v2"
                script.failures["observe"] = isLacking ? Failure(.notFound, "there is no secret 'key'") : nil
            }
            script.advance(.seconds(30))
        }
        #expect(!script.reasons.contains(.driftDetected), "\(script.reasons)")
    }

    /// What was good before needs a secret that somebody removed: the rollback is tried again and again, and told once.
    @Test func whatKeepsARollbackFromBeingMadeIsToldOnce() {
        var script = deployed()
        script.declare("v2")
        script.health = bad
        for _ in 0..<180 {
            script.pass { name, script in
                if name == "apply", script.state.record.quarantine != nil {
                    script.failures["apply"] = Failure(.notFound, "the secret 'key' does not exist")
                }
            }
            script.advance(.seconds(20))
        }
        let told = Dictionary(grouping: script.reasons, by: \.rawValue).mapValues(\.count)
        #expect(told["NotFound"] == 1 && told["RollingBack"] == 1, "\(told)")
        // Once for the revision, and once for what still stands there.
        #expect(told["HealthCheckFailed"] ?? 0 <= 2, "\(told)")
        script.failures = [:]
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.running == "v1" && script.reasons.last == .rolledBack, "\(script.reasons)")
    }

    /// Files are written one after the other: what changed amid a look is looked at again, and told when that lasts.
    @Test(arguments: [1, 5, 40]) func whatChangesAmidALookIsToldWhenThatLasts(times: Int) {
        var script = deployed()
        script.clear()
        script.running = "x"
        var left = times
        script.run(for: .seconds(600)) { name, script in
            guard name == "observe" else { return }
            left -= 1
            script.failures["observe"] = left >= 0 ? Failure(.conflict, "the files changed meanwhile") : nil
        }
        #expect(script.reasons.count { $0 == .conflict } == (times > 6 ? 1 : 0), "\(script.reasons)")
        #expect(script.running == "v1" || times > 6)
    }

    @Test func aNewStateWaitsForWhatItNeedsWhileTheOldOneIsKept() {
        var script = deployed()
        script.unmetDependency = "waits for t/db"
        script.declare("v2")
        script.running = "by hand"
        script.run(for: .seconds(30))
        #expect(script.running == "v1")
        script.unmetDependency = nil
        script.run()
        #expect(script.running == "v2")
    }
}
