import Delivery
import JSON
import Testing

@testable import Swarm

extension HealthTests {
    private func made(_ second: Int, _ task: ObservedTask) -> ObservedTask {
        var task = task
        task.createdAt = "2026-01-01T00:00:\(10 + second)Z"
        return task
    }

    /// Only resources, networks or placement differ: the container specification is the same.
    @Test func whatAnUpdateOfResourcesReplacedWasNotMoved() {
        let paused: JSON = ["State": "paused", "Message": "update paused due to failure or early termination"]
        let check: JSON = ["Test": ["CMD", "true"]]
        let restart: JSON = ["Condition": "on-failure"]
        var web = service(version: 155, before: "x:2", restart: restart, update: paused, check: check)
        var tasks = [
            made(1, task("shutdown", "shutdown", at: 148, check: check)),
            made(5, task("complete", "shutdown", at: 154, check: check)),
        ]
        var template = web.spec["TaskTemplate"] ?? [:]
        template["Networks"] = [["Target": "n1"]]
        web.spec["TaskTemplate"] = template
        tasks[0].spec["Networks"] = [["Target": "n1"], ["Target": "n2"]]
        tasks[1].spec["Networks"] = [["Target": "n1"]]
        #expect(message(judge([web], tasks)) != nil, "\(judge([web], tasks))")
        let without = [tasks[1]]
        #expect(message(judge([web], without)) != nil, "baseline \(judge([web], without))")
    }

    /// Swarm scales what it rolls back down: nobody follows.
    @Test func whatARollbackScaledDownWasNotMoved() {
        let back: JSON = ["State": "rollback_completed", "Message": "rollback completed"]
        let web = service(version: 197, image: "x:1", before: nil, restart: ["Condition": "on-failure"], update: back)
        let tasks = [
            made(1, task("complete", "shutdown", at: 148)),
            made(1, task("shutdown", "shutdown", at: 149, slot: 2)),
            made(5, task("running", at: 154, image: "x:1")),
        ]
        #expect(message(judge([web], tasks, pending: ["s_web"])) != nil)
    }
}
