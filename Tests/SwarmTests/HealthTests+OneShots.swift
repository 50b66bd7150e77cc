import Delivery
import JSON
import Testing

@testable import Swarm

/// Jobs, and services whose tasks end by themselves.
extension HealthTests {
    @Test func jobsAreDoneWhenTheyCompleted() {
        let job = service("web", ["ReplicatedJob": ["TotalCompletions": 1]])
        #expect(judge([job], [task("complete", "complete")]) == .healthy(runsNothing: true))
        #expect(judge([job], []) == .progressing("job s_web: 0 of 1 completed"))
    }

    @Test func aFailedTaskOfAJobThatIsStartedAgainIsNotTheEnd() {
        let job = service("web", ["ReplicatedJob": ["TotalCompletions": 1]], restart: ["MaxAttempts": 3])
        let failed = task("failed", "shutdown", error: "boom")
        #expect(message(judge([job], [failed, task("running", "complete", at: 121)])) == nil)
        #expect(message(judge([job], [failed])) != nil)
    }

    @Test(arguments: ["none", "on-failure"])
    func aOneShotServiceIsDoneWhenItCompleted(condition: String) {
        let once = service(restart: ["Condition": .string(condition)])
        #expect(judge([once], [task("complete", "shutdown")]) == .healthy(runsNothing: true))
        #expect(judge([once], [task("running")]) == .healthy(runsNothing: false))
        // What completed before is of the revision before.
        let before = task("complete", "shutdown", at: 60)
        #expect(judge([once], [before]) == .progressing("service s_web: 0 of 1 running"))
    }

    /// The next commit of a stack with a migration: the migration is not run again, and what it did long ago counts.
    @Test func theCompletionsOfAnUnchangedOneShotServiceCountWheneverTheyWere() {
        let tasks = [
            task("complete", "shutdown", at: 31, of: "mig"), task("running", of: "web"),
        ]
        let services = [service("mig", version: 11, before: nil, restart: migration), service("web")]
        #expect(judge(services, tasks) == .healthy(runsNothing: false))
        // Its history is reaped in the end.
        #expect(judge(services, Array(tasks.dropFirst())) == .healthy(runsNothing: false))
    }

    @Test func aChangedLabelDoesNotRunAMigrationAgain() {
        let labelled = service(before: "x:2", restart: migration)
        #expect(judge([labelled], [task("complete", "shutdown", at: 31)]) == .healthy(runsNothing: true))
        // Where no ended task is kept, Swarm starts one.
        #expect(judge([labelled], []) == .progressing("service s_web: 0 of 1 running"))
    }

    /// Swarm says "update paused due to failure or early termination" of every migration that is quick.
    @Test func aMigrationThatIsDoneBeforeSwarmStopsWatchingIsNoFailure() {
        let update: JSON = [
            "State": "paused", "Message": "update paused due to failure or early termination of task q1s6",
        ]
        let paused = service(version: 510, before: "x:1", restart: migration, update: update)
        let tasks = [
            task("complete", "shutdown", at: 31, image: "x:1"), task("complete", "shutdown", at: 513),
        ]
        #expect(judge([paused], tasks) == .healthy(runsNothing: true))
        #expect(message(judge([paused], [task("failed", "shutdown", at: 513), task("ready", "ready")])) != nil)
        // One that has a health check was to stay.
        let check: JSON = ["Test": ["CMD", "true"]]
        let checked = service(version: 510, restart: migration, update: update, check: check)
        #expect(
            message(judge([checked], [task("complete", "shutdown", at: 513, check: check)]))
                == "service s_web: Swarm paused the update: task s_web.1 ended with exit code 0 before its health check passed"
        )
    }

    /// The way back runs the old migration anew, and Swarm pauses that as well.
    @Test func theWayBackOfAOneShotServiceVerifies() {
        let back = service(
            version: 579,
            image: "x:1",
            before: "x:2",
            restart: migration,
            update: ["State": "paused"]
        )
        let history = [
            task("complete", "shutdown", at: 31, image: "x:1"), task("complete", "shutdown", at: 513),
        ]
        let began = StackMark(text: "index 513")
        #expect(
            judge([back], history + [task("complete", "shutdown", at: 585, image: "x:1")], mark: began)
                == .healthy(runsNothing: true)
        )
    }

    @Test func completionsAreCountedBySlot() {
        let two = service("web", ["Replicated": ["Replicas": 2]], version: 50, restart: migration)
        let first = (0..<3).map { task("complete", "shutdown", at: 60 + $0) }
        let second = task("running", at: 80, slot: 2)
        #expect(judge([two], first + [second]) == .healthy(runsNothing: false))
        let waiting = task("starting", at: 80, slot: 2)
        #expect(judge([two], first + [waiting]) == .progressing("service s_web: 0 of 2 running, 1 starting"))
    }
}
