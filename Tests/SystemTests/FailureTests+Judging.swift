import JSON
import Subprocess
import TestSupport
import Testing

/// What Swarm gave up, and what only takes its time.
extension FailureTests {
    @Test(.timeLimit(.minutes(2))) func swarmsOwnRollbackIsOneFailure() async throws {
        let fleet = try await Fleet(verify: "2s")
        let policy = "    deploy: {update_config: {failure_action: rollback, monitor: 2s}}"
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper(more: policy)])
        try await fleet.running {
            try await fleet.settled("a")
            let broken = sleeper("A: 2", more: policy).replacing("sh -c 'trap", with: "sh -c 'exit 3; trap")
            try await fleet.commit(["a.yml": broken], "Break it")
            try await fleet.eventually("it is rejected") { try await fleet.app("a")["rejected"] != nil }
            try await fleet.eventually("it is back") {
                let isRunning = try await fleet.docker(
                    "stack",
                    "services",
                    fleet.name("a"),
                    "--format",
                    "{{.Replicas}}"
                )
                return try await fleet.environment("a") == ["one": "A=1"] && isRunning == "1/1\n"
            }
            try await Task.sleep(for: .seconds(5))
            let log = fleet.log
            let told = log.split(separator: "\n").filter { $0.contains(fleet.name("a")) }
            #expect(told.count { $0.contains("HealthCheckFailed") } == 1, "\(log)")
            #expect(told.count { $0.contains(" Applying") } == 2, "\(log)")
            #expect(try await fleet.environment("a") == ["one": "A=1"])
        }
        try await fleet.clean("a")
    }

    /// The database needs longer than the time-out, and the application ends until it is there.
    ///
    /// By DNS alone, since the kernels of some build machines have no virtual addresses for services.
    @Test(.timeLimit(.minutes(5))) func aSlowFirstDeploymentIsNeverTornDown() async throws {
        let fleet = try await Fleet(verify: "1s", timeout: "20s")
        let compose = """
            services:
              app:
                image: web:1.0.0
                command: sh -c 'wget -q -O- http://db:8080/ || exit 1; trap exit TERM; while true; do sleep 0.2; done'
                stop_grace_period: 1s
                depends_on: [db]
              db:
                image: web:1.0.0
                command: sh -c 'sleep 25; exec httpd -f -p 8080 -h /www'
                healthcheck: {test: wget -q -O- http://127.0.0.1:8080/, interval: 1s, retries: 60, start_period: 30s}
                stop_grace_period: 1s
                deploy: {endpoint_mode: dnsrr}
            """
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": compose])
        try await fleet.running {
            try await fleet.eventually("it is deployed") { try await fleet.services("a").count == 2 }
            let first = try await fleet.services("a").mapValues { $0["ID"]?.string }
            let specs = try await fleet.services("a").mapValues { $0["Spec"] }
            try await fleet.settled("a", within: .seconds(180))
            #expect(try await fleet.services("a").mapValues { $0["ID"]?.string } == first)
            #expect(try await fleet.services("a").mapValues { $0["Spec"] } == specs)
        }
        try await fleet.clean("a")
    }

    /// Docker itself takes service names of 63 characters, so that 61 are the most a stack's name can have.
    @Test(.timeLimit(.minutes(2))) func namesMayBeAsLongAsDockerTakesThem() async throws {
        let fleet = try await Fleet(verify: "1s")
        let long = String(repeating: "n", count: 60 - fleet.prefix.utf8.count)
        let stacks = ["a", "b", "xyz"].map { "{name: PREFIX\(long)\($0), compose_file: \($0).yml}" }
        func compose(_ network: String) -> String {
            sleeper(services: ["s"], tail: "networks: {default: {name: PREFIX\(network)}}\n")
        }
        try await fleet.commit(
            stacks: stacks,
            ["a.yml": compose("net-a"), "b.yml": compose("net-b"), "xyz.yml": compose("net-c")]
        )
        try await fleet.running {
            try await fleet.settled("\(long)a", "\(long)b")
            #expect(
                fleet.log.contains("xyz.yml:2:3: the name of the service '\(fleet.name(long))xyz_s' has 65 characters")
            )
            let kept = try await fleet.tasks("\(long)b")
            try await fleet.commit(stacks: [stacks[1]])
            try await fleet.eventually("it goes") { try await fleet.services("\(long)a").isEmpty }
            try await fleet.settled("\(long)b")
            #expect(try await fleet.tasks("\(long)b") == kept)
        }
        try await fleet.clean("\(long)b")
        let configs = try await fleet.docker("config", "ls", "--format", "{{.Name}}")
        for name in configs.split(separator: "\n") where name.contains(fleet.prefix) {
            _ = try? await fleet.docker("config", "rm", String(name))
        }
    }
}
