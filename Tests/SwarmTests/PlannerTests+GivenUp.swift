import Delivery
import JSON
import Testing

@testable import Swarm

/// Updates that Swarm paused or took back.
extension PlannerTests {
    /// Swarm paused an update for a task that failed while the Engine came up; the mark says whether it did.
    @Test(arguments: ["index 0", "index 0 excused dead", "index 0 spared dead"])
    func anUpdateIsResumedOnlyWhenTheEngineIsToBlame(
        _ mark: String
    ) async throws {
        let desired = try await stack("services: {a: {image: 'x:2', deploy: {replicas: 2}}}")
        var observed = observation(of: desired, planned(desired))
        observed.services[0].updateStatus = ["State": "paused"]
        func task(_ id: String, _ state: String, _ image: String, _ slot: Int64) throws -> ObservedTask {
            let service = observed.services[0]
            var spec = service.spec["TaskTemplate"] ?? .null
            if var container = spec["ContainerSpec"] {
                container["Image"] = .string(image)
                spec["ContainerSpec"] = container
            }
            let status: JSON = ["State": .string(state), "ContainerStatus": ["ExitCode": .int(1)]]
            let json: JSON = [
                "ID": .string(id), "ServiceID": .string(service.id), "Version": ["Index": 7], "Slot": .int(slot),
                "DesiredState": .string(state), "Status": status, "Spec": spec,
            ]
            return try #require(ObservedTask(json))
        }
        observed.tasks = [try task("dead", "failed", "x:2", 1), try task("old", "running", "x:1", 2)]
        observed.tasks.append(try task("next", "ready", "x:2", 1))
        var context = PlanContext(apiVersion: APIVersion(1, 41), mark: StackMark(text: mark))
        let early = StackPlanner(desired: desired, observed: observed, context: context).plan().plan
        #expect(early.isEmpty, "what failed does not run yet")
        observed.tasks[2] = try task("next", "running", "x:2", 1)
        let changes = StackPlanner(desired: desired, observed: observed, context: context).plan().plan.changes
        #expect(changes.map(\.action) == (mark.contains("excused") ? [.update] : []))
        // Outside a deployment nothing is resumed: nobody knows what it died of.
        context.mark = nil
        #expect(StackPlanner(desired: desired, observed: observed, context: context).plan().plan.isEmpty)
    }

    /// Another service cannot be changed yet: what Swarm rolled back in the meantime is not put there again and again.
    @Test func whatSwarmTookBackIsNotMadeAgainBeforeTheRest() async throws {
        let before = try await stack("services: {a: {image: 'x:1'}, b: {image: 'y:1'}}")
        let desired = try await stack("services: {a: {image: 'x:2'}, b: {image: 'y:2'}}")
        var observed = observation(of: before, planned(before))
        let index = try #require(observed.services.firstIndex { $0.name == "s_a" })
        observed.services[index].updateStatus = ["State": "rollback_completed"]
        observed.services[index].version = 9
        func subjects(_ mark: String?) -> [String] {
            let mark = mark.map { StackMark(text: $0) }
            let context = PlanContext(apiVersion: APIVersion(1, 41), mark: mark)
            return StackPlanner(desired: desired, observed: observed, context: context).plan().plan.changes
                .map(\.subject).sorted()
        }
        #expect(subjects("index 5") == ["service s_b"])
        // Of an earlier deployment, or of none, it says nothing.
        #expect(subjects("index 9") == ["service s_a", "service s_b"])
        #expect(subjects(nil) == ["service s_a", "service s_b"])
        let other = try #require(observed.services.firstIndex { $0.name == "s_b" })
        let wanted = try #require(desired.services.first { $0.name == "s_b" })
        observed.services[other].spec = wanted.spec
        #expect(subjects("index 5") == ["service s_a"], "and then it is judged")
    }

    /// What it goes on with has to prove itself first, and nobody waits for that when there is something else to do.
    @Test func nothingIsResumedWithOtherChanges() async throws {
        let text = "services: {a: {image: 'x:2', deploy: {replicas: 2}}, b: {image: 'y:1'}}"
        let before = try await stack(text)
        let desired = try await stack(text.replacing("y:1", with: "y:2"))
        var observed = observation(of: before, planned(before))
        let index = try #require(observed.services.firstIndex { $0.name == "s_a" })
        observed.services[index].updateStatus = ["State": "paused"]
        let service = observed.services[index]
        func task(_ id: String, _ state: String, _ image: String, _ slot: Int64) throws -> ObservedTask {
            var spec = service.spec["TaskTemplate"] ?? .null
            if var container = spec["ContainerSpec"] {
                container["Image"] = .string(image)
                spec["ContainerSpec"] = container
            }
            return try #require(
                ObservedTask([
                    "ID": .string(id), "ServiceID": .string(service.id), "Version": ["Index": 7], "Slot": .int(slot),
                    "DesiredState": .string(state), "Status": ["State": .string(state)], "Spec": spec,
                ])
            )
        }
        observed.tasks = [
            try task("dead", "failed", "x:2", 1), try task("next", "running", "x:2", 1),
            try task("old", "running", "x:1", 2),
        ]
        let context = PlanContext(apiVersion: APIVersion(1, 41), mark: StackMark(text: "index 0 excused dead"))
        func names(_ desired: DesiredStack) -> [String] {
            StackPlanner(desired: desired, observed: observed, context: context).plan().plan.changes.map(\.name)
        }
        #expect(names(before) == ["s_a"])
        #expect(names(desired) == ["s_b"])
    }

    /// Swarm makes a task anew only of what is told apart from what the last one was made of.
    @Test func whatIsGoneWithItsNodeIsStartedAgain() async throws {
        let text = "services: {a: {image: 'x:2', deploy: {restart_policy: {condition: none}}}}"
        let desired = try await stack(text)
        var observed = observation(of: desired, planned(desired))
        let service = observed.services[0]
        observed.tasks = [
            try #require(
                ObservedTask([
                    "ID": "gone", "ServiceID": .string(service.id), "Version": ["Index": 7], "Slot": 1,
                    "DesiredState": "shutdown", "Status": ["State": "shutdown"],
                    "Spec": service.spec["TaskTemplate"] ?? .null,
                ])
            )
        ]
        var context = PlanContext(apiVersion: APIVersion(1, 41), mark: StackMark(text: "index 0"))
        let plan = StackPlanner(desired: desired, observed: observed, context: context).plan()
        guard case .updateService(_, _, _, let spec)? = plan.forward.first else {
            Issue.record("\(plan.plan)")
            return
        }
        #expect(plan.plan.changes.map(\.isResumption) == [true])
        #expect(spec["TaskTemplate"]?["ForceUpdate"]?.int == 1)
        // What is started again is no difference to anybody.
        observed.services[0].spec = spec
        observed.tasks = []
        #expect(StackPlanner(desired: desired, observed: observed, context: context).plan().plan.isEmpty)
        context.mark = nil
        observed.services[0].spec = service.spec
        #expect(StackPlanner(desired: desired, observed: observed, context: context).plan().plan.isEmpty)
    }
}
