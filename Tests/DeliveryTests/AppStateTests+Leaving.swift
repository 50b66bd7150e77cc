import Testing

@testable import Delivery

/// Apps that are on their way out, or on their way to another source.
extension AppStateTests {
    private var gone: Failure { Failure(.notFound, "nothing says that it is ours", next: .needsChange) }

    /// Another controller removed it while this one had no lease: it waits here for its successor, and is not made again.
    @Test func whatNoSourceDeclaresIsNotMadeAgain() {
        var script = deployed()
        script.state.leave()
        script.running = nil
        script.failures["claim what is ours"] = gone
        script.clear()
        script.run(for: .seconds(60))
        #expect(script.asked("apply") == 0 && script.asked("claim") == 0, "\(script.done)")
        #expect(script.state.record.drift == nil && script.state.record.problem == nil)
        #expect(script.reasons.isEmpty, "nor is it told of at each look: \(script.reasons)")
        // As long as the target says that it is ours it is kept as it was.
        script.failures = [:]
        script.run(for: .seconds(60))
        #expect(script.running == "v1")
        // Once it is declared again nobody has to have it.
        script.running = nil
        script.declare("v1")
        script.failures["claim what is ours"] = gone
        script.run()
        #expect(script.running == "v1")
    }

    /// The app is taken out while a part of it that is not declared any more is about to go: nothing goes before the whole.
    @Test func whatIsAboutToGoInsideAnAppThatIsTakenOutStays() {
        var script = deployed()
        script.undeclared = [Change(.remove, "service", "old")]
        script.declaredServices = 5
        script.declare("v2")
        script.run { name, script in if name == "claim", script.state.isAboutToRemove { script.state.leave() } }
        #expect(script.state.isLeaving && script.asked("prune") == 0, "\(script.done)")
        // Back again, it goes.
        script.declare("v2")
        script.run()
        #expect(script.asked("prune") == 1, "\(script.done)")
    }

    /// The target says that it is the former source's until somebody claims it: a store that is lost would give it back.
    @Test func whatMovedToAnotherSourceIsClaimedAtOnce() {
        var script = deployed()
        script.clear()
        script.declare("v1", source: "other")
        script.run()
        #expect(script.asked("claim") == 1 && script.asked("apply") == 0, "\(script.done)")
        script.clear()
        script.run()
        #expect(script.asked("claim") == 0)
    }

    /// What was found before the first change is back, and the next revision cannot even be planned: nothing was taken over.
    @Test func whatIsKeptForWantOfAnImageIsNotAdoptedAtANewCommit() {
        var script = AppScript()
        script.running = "found"
        script.declare("v1")
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.pass()
        script.pass()
        script.health = .healthy(runsNothing: false)
        script.run()
        #expect(script.running == "found" && script.state.record.deployed == nil)
        script.declare("v2")
        script.clear()
        let missing = Failure(.imageNotResolved, "no image", next: .needsChange)
        for _ in 0..<5 {
            script.failures["observe"] = missing
            script.pass { name, script in if name == "restore" { script.failures = [:] } }
            script.advance(.seconds(5))
        }
        #expect(!script.reasons.contains(.adopted), "\(script.reasons)")
        #expect(script.state.record.deployed == nil && script.kept == ["found"])
        #expect(!script.state.record.isReady && script.state.record.ready?.reason == .imageNotResolved)
    }

    /// A full disk between two failures of one kind makes the second no news.
    @Test func whatCannotBeWrittenDownIsToldOnce() {
        var script = AppScript()
        script.declare("v1")
        script.health = .failed(Failure(.healthCheckFailed, "bad", next: .needsChange))
        script.run(for: .seconds(30))
        #expect(script.reasons.count { $0 == .healthCheckFailed } == 1)
        script.clear()
        for _ in 0..<3 {
            script.failures["save"] = Failure(.journalFailed, "full")
            script.pass()
            script.failures = [:]
            script.advance(.seconds(60))
            script.run(for: .seconds(60))
        }
        #expect(!script.reasons.contains(.healthCheckFailed), "\(script.reasons)")
    }

    /// The whole app waits for a person: nothing of it goes before that.
    @Test func ofWhatIsToGoNothingGoesBeforeIt() {
        var script = AppScript()
        script.declaredServices = 5
        script.running = "v1"
        script.undeclared = [Change(.remove, "service", "old")]
        script.declare("v1")
        script.pass()
        script.state.leave()
        script.run(for: .seconds(60))
        #expect(script.asked("prune") == 0, "\(script.done)")
        script.declare("v1")
        script.run(for: .seconds(60))
        #expect(script.asked("prune") == 1)
    }

    /// The claim could not be asked about: what is to stand there is written soon.
    @Test func whatCouldNotBeTidiedIsTidiedSoon() {
        var script = deployed()
        script.declare("v1", source: "other")
        script.failures["claim"] = Failure(.unavailable, "away")
        #expect(script.pass() == .check(after: .seconds(60)))
        script.failures = [:]
        script.advance(.seconds(60))
        script.run()
        #expect(script.asked("claim") == 2 && script.asked("collect") == 1, "\(script.done)")
    }
}

extension AppStateTests {
    @Test func driftOfWhatIsToGoAndIsStillOursIsTold() {
        var script = deployed()
        script.state.leave()
        script.running = "by hand"
        script.run(for: .seconds(60))
        #expect(script.reasons == [.driftDetected, .applying, .driftRepaired])
    }

    /// Whose it was could not be asked; then it is declared again.
    @Test func driftThatCouldNotBeToldIsToldLater() {
        var script = deployed()
        script.state.leave()
        script.running = "by hand"
        script.failures["claim what is ours"] = Failure(.unavailable, "away")
        script.pass()
        #expect(!script.reasons.contains(.driftDetected))
        script.failures = [:]
        script.declare("v1")
        script.run()
        #expect(script.reasons.count { $0 == .driftDetected } == 1)
    }

    @Test func whatSomebodyElseMendedWasNotRepaired() {
        var script = deployed()
        script.running = nil
        script.failures["apply"] = Failure(.conflict, "started by somebody else meanwhile")
        script.pass()
        script.failures = [:]
        script.running = "v1"
        script.run()
        #expect(script.events.last?.message.hasPrefix("as declared again after ") == true)
    }
}

extension AppStateTests {
    /// It goes, and is declared again when half of it is gone.
    @Test(arguments: [false, true]) func whatItsOwnRemovalTookAwayIsNoDrift(isRestarted: Bool) {
        var script = deployed()
        script.state.remove(because: "it is no longer declared", at: script.now.time)
        script.pass()
        script.running = "half of it"
        if isRestarted { script.restart() }
        script.declare("v1")
        script.clear()
        script.run()
        #expect(script.running == "v1" && !script.reasons.contains(.driftDetected), "\(script.reasons)")
    }

    /// Nothing of it was taken away yet when it was declared again: the next difference is somebody else's.
    @Test func aRemovalThatTookNothingAwayIsForgotten() {
        var script = deployed()
        script.state.record.isInterrupted = true
        script.pass()
        #expect(!script.state.record.isInterrupted && script.asked("compare") == 0)
        script.running = "by hand"
        script.run()
        #expect(script.reasons.contains(.driftDetected))
    }
}

extension AppState {
    /// Whether the pass asks for the leave to remove something inside the app.
    fileprivate var isAboutToRemove: Bool { if case .claiming(.removals)? = pass?.stage { true } else { false } }
}
