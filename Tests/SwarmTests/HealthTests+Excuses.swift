import Delivery
import JSON
import Testing

@testable import Swarm

/// What excuses too much, or too little.
extension HealthTests {
    /// The Engine keeps the tasks of a specification that was deployed before and is deployed again.
    @Test func whatFailedBeforeTheDeploymentMakesNoPauseAFailure() {
        let paused = service("web", ["Replicated": ["Replicas": 2]], update: ["State": "paused"])
        let before = task("failed", "shutdown", at: 50, id: "old", error: "task: non-zero exit (1)")
        let lost = task("failed", "shutdown", at: 115, error: "No such container: 1")
        let again = task("running", at: 130)
        let left = task("running", at: 60, image: "x:1", slot: 2)
        let mark = StackMark(text: "index 100 ended old")
        #expect(message(judge([paused], [lost, again, left], mark: mark)) == nil)
        #expect(message(judge([paused], [before, lost, again, left], mark: mark)) == nil)
    }

    /// Read off an Engine of a machine with much to do.
    @Test func anEngineThatCannotMountWhatATaskNeedsIsToBlame() {
        let paused = service("web", ["Replicated": ["Replicas": 1]], update: ["State": "paused"])
        let error = "starting container failed: unable to remount dir as readonly: mount tmpfs: device or resource busy"
        let failed = task("failed", "shutdown", at: 120, error: error, exitCode: 128)
        #expect(judge([paused], [failed, task("running", at: 130)]) == .healthy(runsNothing: false))
        let wrong = "starting container failed: exec: not found"
        let bad = task("failed", "shutdown", at: 120, error: wrong, exitCode: 127)
        #expect(message(judge([paused], [bad, task("ready", "ready", at: 130)])) != nil)
    }

    @Test func eachFailureOfAPauseMayHaveAnExcuseOfItsOwn() {
        let paused = service("app", ["Replicated": ["Replicas": 3]], version: 130, update: ["State": "paused"])
        let early = task("failed", "shutdown", at: 129, of: "app")
        let lost = task("rejected", "shutdown", at: 145, of: "app", error: "No such container: 1", slot: 2)
        let running = [task("running", at: 150, of: "app"), task("running", at: 151, of: "app", slot: 2)]
        let left = task("running", at: 60, of: "app", image: "x:1", slot: 3)
        let db = task("running", at: 140, of: "db")
        let order = ["s_app": ["s_db"]]
        let tasks = running + [left, db]
        #expect(message(judge([paused, service("db")], tasks + [early], dependsOn: order)) == nil)
        #expect(message(judge([paused, service("db")], tasks + [lost], dependsOn: order)) == nil)
        #expect(message(judge([paused, service("db")], tasks + [early, lost], dependsOn: order)) == nil)
    }

    /// It lacked what was made later, though nobody declared that.
    @Test func whatWasPausedBeforeAllWasThereGoesOn() {
        let mark = StackMark(text: "index 100 since index 190")
        let paused = service("web", ["Replicated": ["Replicas": 2]], version: 120, update: ["State": "paused"])
        let failed = task("failed", "shutdown", at: 118, error: "task: non-zero exit (1)")
        let left = task("running", at: 60, image: "x:1", slot: 2)
        let again = task("running", at: 195)
        func resumable(_ tasks: [ObservedTask], _ mark: StackMark) -> Set<String> {
            Set(health([paused], tasks, mark, [:], [], true).resumable().keys)
        }
        #expect(message(judge([paused], [failed, again, left], mark: mark)) == nil)
        #expect(resumable([failed, again, left], mark) == ["s_web"])
        #expect(resumable([failed, task("ready", "ready", at: 195), left], mark) == [], "it does not run yet")
        #expect(resumable([failed, again, left], StackMark(text: "index 100")) == [], "all of it was there")
        #expect(resumable([failed, again, left], StackMark(text: "index 130")) == ["s_web"], "left so by one before")
    }

    /// Swarm keeps five tasks of a place, and this one ends every second.
    @Test func anUnchangedServiceThatEndsWith255AgainAndAgainCounts() {
        var web = service()
        web.updatedAt = "2026-01-01T00:00:10Z"
        var tasks = crashes(4, from: 120, of: "worker")
        for index in tasks.indices {
            tasks[index].exitCode = 255
            tasks[index].nodeID = "n"
            tasks[index].createdAt = "2026-01-01T00:00:2\(index)Z"
            tasks[index].time = "2026-01-01T00:00:2\(index)Z"
        }
        let services = [web, service("worker", version: 50)]
        #expect(message(judge(services, tasks + [task("running")])) != nil)
    }

    /// Swarm writes the service again as it rolls it back, so that what it rolls back looks like what ran before.
    @Test func whatEndsWith255AndIsRolledBackBySwarmCounts() {
        var web = service(version: 150, image: "x:1", before: nil)
        web.updateStatus = ["State": "rollback_completed", "StartedAt": "2026-01-01T00:00:10Z"]
        web.updatedAt = "2026-01-01T00:00:30Z"
        var bad = task("failed", "shutdown", at: 120, error: "task: non-zero exit (255)", exitCode: 255)
        (bad.nodeID, bad.createdAt, bad.time) = ("n", "2026-01-01T00:00:11Z", "2026-01-01T00:00:13Z")
        let back = task("running", at: 140, image: "x:1")
        #expect(message(judge([web], [bad, back], pending: ["s_web"])) != nil)
        var old = task("failed", "shutdown", at: 121, image: "x:0", exitCode: 255, slot: 2)
        (old.nodeID, old.createdAt, old.time) = ("n", "2025-12-31T00:00:00Z", "2026-01-01T00:00:13Z")
        #expect(message(judge([web], [bad, old, back], pending: ["s_web"])) == nil, "its Engine ended")
    }
}
