import Delivery
import JSON
import Testing

@testable import Swarm

/// Tasks that went with their node, as the real Engine lists them (20.10).
extension HealthTests {
    /// A task that was made at a second of the deployment.
    private func task(
        made second: Int,
        _ state: String,
        _ desired: String = "shutdown",
        at version: Int64,
        image: String = "x:2",
        error: String = "",
        slot: Int64 = 1
    ) -> ObservedTask {
        var task = task(state, desired, at: version, image: image, error: error, slot: slot)
        task.createdAt = "2026-01-01T00:00:\(10 + second)Z"
        return task
    }

    private var pending: String { "no suitable node (1 node not available for new tasks)" }
    private var two: JSON { ["Replicated": ["Replicas": 2]] }
    private var paused: JSON { ["State": "paused", "Message": "update paused due to failure or early termination"] }

    /// One of two tasks is new as the only node is drained; both are made anew from what is declared.
    @Test func aPauseForATaskThatWentWithItsNodeIsNoFailure() {
        let web = service("web", two, version: 155, update: paused)
        let drained = [
            task(made: 0, "shutdown", at: 48, image: "x:1", slot: 2), task(made: 1, "shutdown", at: 148),
            task(made: 5, "running", "running", at: 154), task(made: 6, "running", "running", at: 154, slot: 2),
        ]
        #expect(judge([web], drained) == .healthy(runsNothing: false))
        var waiting = drained
        for index in [2, 3] { (waiting[index].state, waiting[index].error) = ("pending", pending) }
        if case .held = judge([web], waiting) {} else { Issue.record("\(judge([web], waiting))") }
        // What fails there as well counts.
        let failed = task(made: 5, "failed", at: 150, error: "task: non-zero exit (1)")
        #expect(message(judge([web], drained + [failed])) != nil)
        let ended = task(made: 5, "complete", at: 150)
        #expect(message(judge([web], drained + [ended])) != nil)
    }

    /// Of two nodes one is drained: its task moves, and the other still runs the one before.
    @Test func whatWasPausedForATaskThatMovedGoesOn() {
        let web = service("web", two, version: 155, update: paused)
        let left = task(made: 0, "running", "running", at: 40, image: "x:1", slot: 2)
        let moved = [task(made: 1, "shutdown", at: 148), task(made: 5, "running", "running", at: 154)]
        func resumable(_ tasks: [ObservedTask]) -> [String: StackHealth.Resumption] {
            health([web], tasks, mark, [:], [], true).resumable()
        }
        #expect(message(judge([web], moved + [left])) == nil)
        #expect(resumable(moved + [left]) == ["s_web": .ofUpdate])
        // A task that the update itself replaced says nothing of a node.
        let replaced = [task(made: 1, "shutdown", at: 148, image: "x:1"), task(made: 5, "running", "running", at: 154)]
        #expect(message(judge([web], replaced + [left])) != nil)
        #expect(resumable(replaced + [left]) == [:])
    }

    /// `failure_action: rollback` puts the former one back for a task that went with its node.
    @Test func aRollbackForATaskThatWentWithItsNodeIsNoFailure() {
        let back: JSON = ["State": "rollback_completed", "Message": "rollback completed"]
        let web = service("web", two, version: 197, image: "x:1", before: nil, update: back)
        let drained = [
            task(made: 0, "shutdown", at: 95, image: "x:1", slot: 2),
            task(made: 1, "shutdown", at: 193), task(made: 2, "shutdown", at: 195, slot: 2),
            task(made: 5, "shutdown", at: 203), task(made: 5, "shutdown", at: 213, slot: 2),
        ]
        let running = [
            task(made: 9, "running", "running", at: 208, image: "x:1"),
            task(made: 9, "running", "running", at: 216, image: "x:1", slot: 2),
        ]
        #expect(message(judge([web], drained + running, pending: ["s_web"])) == nil)
        let failed = task(made: 3, "failed", at: 196, error: "task: non-zero exit (1)")
        #expect(message(judge([web], drained + running + [failed], pending: ["s_web"])) != nil)
        // Nothing but what the rollback itself replaced.
        let replaced = [task(made: 1, "shutdown", at: 193), task(made: 2, "shutdown", at: 195, slot: 2)]
        #expect(message(judge([web], replaced + running, pending: ["s_web"])) != nil)
    }

    /// A global service has one task a node, and none follows while the node is drained.
    @Test func aGlobalServiceLosesItsTaskWithItsNode() {
        var drained = task(made: 1, "shutdown", at: 148, slot: 0)
        var other = task(made: 1, "running", "running", at: 150, slot: 0)
        (drained.nodeID, other.nodeID) = ("n1", "n2")
        let web = service("web", ["Global": [:]], version: 155, update: paused)
        #expect(message(judge([web], [drained, other])) == nil)
    }

    // MARK: What nothing starts again

    private func stranded(_ service: ObservedService, _ tasks: [ObservedTask]) -> Bool {
        health([service], tasks, mark, [:], [], true).resumable() == ["s_web": .ofTasks]
    }

    @Test func aMigrationWhoseTaskIsGoneWithItsNodeOrEngineIsStartedAgain() {
        let none: JSON = ["Condition": "none"]
        let migration = service("web", before: nil, restart: none)
        let drained = task(made: 1, "shutdown", at: 122)
        #expect(stranded(migration, [drained]))
        #expect(stranded(migration, [task(made: 1, "failed", at: 122, error: "No such container: web.1.x")]))
        #expect(stranded(migration, [task(made: 1, "shutdown", at: 90)]), "also when that was before")
        // Swarm starts others by itself, or has not stopped this one yet.
        #expect(!stranded(service("web", before: nil), [drained]))
        #expect(!stranded(migration, [task(made: 1, "running", at: 122)]))
        #expect(!stranded(migration, [drained, task(made: 2, "ready", "ready", at: 123)]))
        // It failed, or has done what it had to do.
        #expect(!stranded(migration, [task(made: 1, "failed", at: 122, error: "task: non-zero exit (1)")]))
        #expect(!stranded(migration, [drained, task(made: 2, "failed", at: 125, error: "task: non-zero exit (1)")]))
        #expect(!stranded(migration, [task(made: 1, "complete", at: 122)]))
        // Nothing of it may be run twice because another part of it is gone.
        let pair = service("web", two, before: nil, restart: none)
        #expect(!stranded(pair, [drained, task(made: 1, "complete", at: 122, slot: 2)]))
        #expect(!stranded(pair, [drained, task(made: 1, "running", "running", at: 122, slot: 2)]))
        // Nobody wants it to run.
        #expect(!stranded(service("web", ["Replicated": ["Replicas": 0]], before: nil, restart: none), [drained]))
        // Outside a deployment it is left alone.
        #expect(health([migration], [drained], nil, [:], [], true).resumable() == [:])
    }
}
