import JSON
import Subprocess
import TestSupport
import Testing

/// Fields that Swarm has and `docker stack deploy` refuses, so that nothing can be compared with it.
@Suite struct FieldTests {
    @Test(.timeLimit(.minutes(2))) func theEngineTakesThemAndNothingIsLeftToPlan() async throws {
        let fleet = try await Fleet()
        let fields = """
                dns_opt: ["ndots:2"]
                group_add: [1000, "2000"]
                extra_hosts: {a: [10.0.0.1, 10.0.0.2], b: "::1"}
                depends_on: {none: {condition: service_started, required: false}}
            """
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper(more: fields)])
        try await fleet.running { try await fleet.settled("a") }
        let container = try await fleet.services("a")["one"]?["Spec"]?["TaskTemplate"]?["ContainerSpec"]
        #expect(container?["DNSConfig"] == ["Options": ["ndots:2"]])
        #expect(container?["Groups"] == ["1000", "2000"])
        #expect(container?["Hosts"] == ["10.0.0.1 a", "10.0.0.2 a", "::1 b"])
        let plan = try await fleet.hecate("plan")
        #expect(plan.code == 0, "\(plan.outputText)")
        // What the process sees of it.
        let running = try await fleet.docker("ps", "-q", "--filter", "name=\(fleet.name("a"))_one")
        let resolver = try await fleet.docker("exec", trimmedLine(running), "cat", "/etc/resolv.conf")
        let groups = try await fleet.docker("exec", trimmedLine(running), "cat", "/proc/1/status")
        #expect(resolver.contains("ndots:2"), "\(resolver)")
        #expect(groups.contains("Groups:\t") && groups.contains("1000 2000"), "\(groups)")
        try await fleet.clean("a")
    }
}
