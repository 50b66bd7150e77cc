import Delivery
import JSON
import Testing

@testable import Swarm

/// What services that need others are judged by.
extension HealthTests {
    private var order: [String: [String]] { ["s_app": ["s_db"]] }

    @Test func failuresWhileADependencyIsNotHealthyDoNotCount() {
        let services = [service("app"), service("db")]
        let app = crashes(4, from: 120, of: "app")
        #expect(
            judge(services, app + [task("starting", at: 130, of: "db")], dependsOn: order)
                == .progressing("service s_db: 0 of 1 running, 1 starting")
        )
        // The database runs at last: only what fails from then on counts.
        let db = task("running", at: 165, of: "db")
        #expect(message(judge(services, app + [db], dependsOn: order)) == nil)
        #expect(message(judge(services, app + (crashes(2, from: 170, of: "app")) + [db], dependsOn: order)) == nil)
        #expect(message(judge(services, app + (crashes(3, from: 170, of: "app")) + [db], dependsOn: order)) != nil)
        #expect(message(judge(services, app + [db])) != nil)
    }

    @Test func dependenciesOfDependenciesCountAsWell() {
        let services = [service("app"), service("mig", restart: migration), service("db")]
        let order = ["s_app": ["s_mig"], "s_mig": ["s_db"]]
        var tasks = crashes(4, from: 120, of: "app") + crashes(3, from: 120, of: "mig")
        #expect(message(judge(services, tasks + [task("starting", of: "db")], dependsOn: order)) == nil)
        tasks.append(task("running", at: 160, of: "db"))
        #expect(message(judge(services, tasks, dependsOn: order)) == nil)
        tasks.append(task("complete", "shutdown", at: 170, of: "mig"))
        #expect(message(judge(services, tasks, dependsOn: order)) == nil)
        #expect(message(judge(services, tasks + (crashes(3, from: 180, of: "app")), dependsOn: order)) != nil)
    }

    @Test func aPauseBeforeTheDependencyWasThereIsNoFailure() {
        let app = service("app", version: 130, update: ["State": "paused"])
        let services = [app, service("db")]
        let failed = task("failed", "shutdown", at: 129, of: "app")
        let running = task("running", at: 150, of: "app")
        let db = task("running", at: 140, of: "db")
        #expect(judge(services, [failed, running, db], dependsOn: order) == .healthy(runsNothing: false))
        // Swarm updates no other task once it paused: the plan goes on with it when what failed runs.
        let left = task("running", at: 60, of: "app", image: "x:1", slot: 2)
        #expect(message(judge(services, [failed, running, db, left], dependsOn: order)) == nil)
        #expect(resumable(services, [failed, running, db, left], dependsOn: order) == ["s_app"])
        #expect(resumable(services, [failed, db, left, task("ready", "ready", of: "app")], dependsOn: order) == [])
        #expect(resumable(services, [failed, running, left], dependsOn: order) == [], "its dependency is not there")
        // Swarm was busy ending the task of before and paused only when the dependency was there.
        let slow = [service("app", version: 155, update: ["State": "paused"]), service("db")]
        #expect(message(judge(slow, [failed, running, db, left], dependsOn: order)) == nil)
        #expect(resumable(slow, [failed, running, db, left], dependsOn: order) == ["s_app"])
        // A deployment that gave way to this one left it so, and what it began is declared still.
        let before = [service("app", version: 90, update: ["State": "paused"]), service("db", version: 80)]
        let ended = task("failed", "shutdown", at: 89, of: "app")
        let on = [ended, task("running", at: 95, of: "app"), task("running", at: 94, of: "db")]
        #expect(resumable(before, on + [left], dependsOn: order) == ["s_app"])
        #expect(resumable(before, on, dependsOn: order) == [], "nothing of it is left to be updated")
        // It was made before, and took its time to fail.
        var early = task("failed", "shutdown", at: 145, of: "app")
        var ready = db
        early.createdAt = "2026-01-01T00:00:05Z"
        ready.time = "2026-01-01T00:00:07Z"
        #expect(message(judge(services, [early, running, ready, left], dependsOn: order)) == nil)
        // What fails with its dependency there is its own fault.
        let late = task("failed", "shutdown", at: 145, of: "app")
        #expect(message(judge(services, [late, running, db, left], dependsOn: order)) != nil)
    }

    @Test func whatCanNotStartAgainFailsOnceItsDependencyIsThere() {
        let services = [
            service("app", before: nil, restart: ["Condition": "none"]), service("db", before: nil),
        ]
        let failed = task("failed", "shutdown", at: 120, of: "app")
        let starting = [failed, task("starting", at: 130, of: "db")]
        #expect(message(judge(services, starting, dependsOn: order, hasEarlierRevision: false)) == nil)
        let running = [failed, task("running", at: 140, of: "db")]
        #expect(message(judge(services, running, dependsOn: order, hasEarlierRevision: false)) != nil)
    }

    @Test func servicesThatDependOnEachOtherWaitForNobody() {
        let services = [service("app"), service("db")]
        let order = ["s_app": ["s_db"], "s_db": ["s_app"]]
        let tasks = [task("running", of: "app"), task("running", of: "db")]
        #expect(judge(services, tasks, dependsOn: order) == .healthy(runsNothing: false))
    }

    private func resumable(
        _ services: [ObservedService],
        _ tasks: [ObservedTask],
        dependsOn: [String: [String]]
    ) -> Set<String> {
        Set(health(services, tasks, StackMark(text: "index 100"), dependsOn, [], true).resumable().keys)
    }
}
