import JSON
import Subprocess
import TestSupport
import Testing

/// A Swarm of three managers with a controller on each of two: one of them acts, whichever manager is lost.
///
/// One after the other: six Engines and the elections of two Swarms are more than two cores do in time.
@Suite(.serialized) struct ManagerTests {
    @Test(.enabled(if: runsLongTests, "the nightly run sets HECATE_TEST_LONG=1"), .timeLimit(.minutes(8)))
    func managersAreLostOneAfterTheOther() async throws { try await withManagers(loseManagers) }

    /// The Swarm has to find another leader while the second controller waits for the lease to end.
    @Test(.enabled(if: runsLongTests, "the nightly run sets HECATE_TEST_LONG=1"), .timeLimit(.minutes(8)))
    func theLeaderIsLostWithTheControllerThatActs() async throws { try await withManagers(loseTheLeader) }

    private func loseTheLeader(_ folder: String) async throws {
        let first = try await Fleet(engine: "unix://\(folder)/1/docker.sock")
        let second = try await Fleet(engine: "unix://\(folder)/3/docker.sock")
        try await shell(["sed", "-i", "s|\(second.repository.path)|\(first.repository.path)|", second.config])
        try await first.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        let service = "\(first.prefix)a_one"
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await first.running { try await Task.sleep(for: .seconds(290)) }
            }
            defer { group.cancelAll() }
            try await first.settled("a")
            try await second.running {
                try await second.eventually("the second waits") { second.log.contains("this one waits") }
                let nodes = try await second.docker("node", "ls", "--format", "{{.ID}} {{.ManagerStatus}}")
                let id = try await first.docker("info", "-f", "{{.Swarm.NodeID}}")
                #expect(nodes.contains("\(trimmedLine(id)) Leader"), "the first manager leads")
                let killed = ContinuousClock.now
                _ = try await rig("kill", "\(folder)/1")
                try await second.eventually("the second takes over", within: .seconds(25)) {
                    second.log.contains("acts for this source on 'default' now")
                }
                #expect(ContinuousClock.now - killed < .seconds(16))
                try await first.commit(["a.yml": sleeper("A: 2")])
                try await second.eventually("the second deploys") {
                    try await second.docker("service", "inspect", service).contains("A=2")
                }
                try await Task.sleep(for: .seconds(10))
                let tasks = try await second.docker("service", "ps", "-q", service).split(separator: "\n")
                #expect(tasks.count == 2, "something was applied twice")
            }
        }
    }

    private func withManagers(_ body: (String) async throws -> Void) async throws {
        let scratch = try Scratch()
        let folder = "\(scratch.path)/managers"
        let environment = ["RIG_LIFETIME": "900"]
        try await shell(["\(checkout)/Rigs/managers.sh", "start", folder], environment: environment)
        do {
            try await body(folder)
        } catch {
            _ = try? await shell(["\(checkout)/Rigs/managers.sh", "stop", folder])
            throw error
        }
        try await shell(["\(checkout)/Rigs/managers.sh", "stop", folder])
    }

    private func loseManagers(_ folder: String) async throws {
        // All tasks run on the third manager's machine; the controllers ask the second and the third.
        let first = try await Fleet(engine: "unix://\(folder)/2/docker.sock")
        let second = try await Fleet(engine: "unix://\(folder)/3/docker.sock")
        try await shell(["sed", "-i", "s|\(second.repository.path)|\(first.repository.path)|", second.config])
        try await first.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        let stack = "\(first.prefix)a"
        @Sendable func variable() async throws -> String {
            try await second.docker(
                "service",
                "inspect",
                "-f",
                "{{.Spec.TaskTemplate.ContainerSpec.Env}}",
                "\(stack)_one"
            )
        }
        @Sendable func tasks() async throws -> Int {
            try await second.docker("service", "ps", "-q", "\(stack)_one").split(separator: "\n").count
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await first.running { try await Task.sleep(for: .seconds(290)) }
            }
            defer { group.cancelAll() }
            try await first.settled("a")
            try await second.running {
                try await second.eventually("the second waits") { second.log.contains("acts for this source on") }
                #expect(second.log.contains("this one waits"))
                #expect(try await tasks() == 1)

                // The acting controller's own Engine dies, which leads nothing.
                let killed = ContinuousClock.now
                _ = try await rig("kill", "\(folder)/2")
                try await second.eventually("the second takes over", within: .seconds(15)) {
                    second.log.contains("acts for this source on 'default' now")
                }
                #expect(ContinuousClock.now - killed < .seconds(16))
                try await first.commit(["a.yml": sleeper("A: 2")])
                try await second.eventually("the second deploys") { try await variable().contains("A=2") }
                try await second.eventually("one task was added") { try await tasks() == 2 }

                // It comes back and waits; then the leading manager dies.
                let network = trimmedLine(try await shell(["cat", "\(folder)/network-2"]))
                _ = try await rig("restart", "\(folder)/2", ["RIG_NETWORK": "/proc/\(network)/ns/net"])
                try await second.eventually("all managers are there") {
                    let nodes = try await second.docker("node", "ls", "-f", "role=manager")
                    return nodes.ranges(of: "Reachable").count == 2 && nodes.contains("Leader")
                }
                let nodes = try await second.docker("node", "ls", "--format", "{{.ID}} {{.ManagerStatus}}")
                var leader = "1"
                for number in ["1", "2", "3"] {
                    let socket = "unix://\(folder)/\(number)/docker.sock"
                    let id = try await shell(["docker", "-H", socket, "info", "-f", "{{.Swarm.NodeID}}"])
                    if nodes.contains("\(trimmedLine(id)) Leader") { leader = number }
                }
                #expect(leader == "1", "the manager that began the Swarm leads still")
                _ = try await rig("kill", "\(folder)/\(leader)")
                try await first.commit(["a.yml": sleeper("A: 3")])
                try await second.eventually("the commit arrives", within: .seconds(90)) {
                    (try? await variable())?.contains("A=3") == true
                }
                try await second.eventually("one task was added") { try await tasks() == 3 }
                let head = String(try await first.repository.head().prefix(7))
                func said() -> [Substring] {
                    [first.log, second.log].flatMap { $0.split(separator: "\n") }
                        .filter { $0.contains("Deployed") && $0.contains(head) }
                }
                try await second.eventually("it is deployed", within: .seconds(120)) { !said().isEmpty }
                // Both have had the time to do it again.
                try await Task.sleep(for: .seconds(15))
                #expect(try await tasks() == 3, "something was applied twice")
                #expect(said().count == 1, "\(said()) \(second.log)")
            }
        }
    }

    private func rig(_ command: String, _ folder: String, _ more: [String: String] = [:]) async throws -> String {
        let environment = ["RIG_LIFETIME": "900"].merging(more) { _, new in new }
        return try await shell(["\(checkout)/Rigs/swarm.sh", command, folder], environment: environment)
    }
}
