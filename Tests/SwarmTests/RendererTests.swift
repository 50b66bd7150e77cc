import Compose
import Delivery
import JSON
import Testing

@testable import Swarm

/// What `docker stack deploy` sends of fields that are easily lost.
@Suite struct RendererTests {
    private func spec(_ fields: String, tail: String = "") async throws -> JSON {
        try await stack("services: {a: {image: x, \(fields)}}\n\(tail)").services[0].spec
    }

    private func differences(_ desired: JSON, _ observed: JSON) -> [String] {
        SpecComparison.differences(desired: desired, observed: observed, networkNames: [:]).map(\.path)
    }

    @Test func zerosThatAreGivenAreSent() async throws {
        let spec = try await spec(
            "stop_grace_period: 0s, deploy: {restart_policy: {delay: 0s, window: 0s, max_attempts: 0}, update_config: {parallelism: 0, delay: 0s, monitor: 0s, max_failure_ratio: 0}}"
        )
        #expect(spec["TaskTemplate"]?["ContainerSpec"]?["StopGracePeriod"] == 0)
        #expect(spec["TaskTemplate"]?["RestartPolicy"] == ["Delay": 0, "Window": 0, "MaxAttempts": 0])
        // Docker's client leaves these two out, because the Engine has no other word for nothing.
        #expect(spec["UpdateConfig"] == ["Parallelism": 0, "MaxFailureRatio": .double(0)])
    }

    @Test func goingToZeroIsAChange() async throws {
        let without = try await spec("deploy: {restart_policy: {condition: any}}")
        let with = try await spec("stop_grace_period: 0s, deploy: {restart_policy: {delay: 0s, window: 0s}}")
        #expect(
            differences(with, without) == [
                "stop_grace_period", "deploy.restart_policy.delay", "deploy.restart_policy.window",
            ]
        )
        #expect(differences(with, with).isEmpty)
    }

    @Test func whatIsGivenAndEmptyIsSent() async throws {
        let spec = try await spec(
            "volumes: ['v:/v', {type: tmpfs, target: /t, tmpfs: {}}], deploy: {resources: {limits: {cpus: '0'}}, restart_policy: {}}",
            tail: "volumes: {v: {external: true}}"
        )
        let task = spec["TaskTemplate"]
        #expect(task?["ContainerSpec"]?["Mounts"]?.array?.first?["VolumeOptions"] == [:])
        #expect(task?["ContainerSpec"]?["Mounts"]?.array?.last?["TmpfsOptions"] == [:])
        #expect(task?["Resources"] == ["Limits": [:]])
        #expect(task?["RestartPolicy"] == [:])
    }

    @Test func optionsOfNamesAndGroupsAreSent() async throws {
        let container = try await spec("dns_opt: ['ndots:2'], group_add: [1000, video]")["TaskTemplate"]?[
            "ContainerSpec"
        ]
        #expect(container?["DNSConfig"] == ["Options": ["ndots:2"]])
        #expect(container?["Groups"] == ["1000", "video"])
    }

    /// `docker compose config` writes the short form of a secret with its whole path.
    @Test func oneFileUnderTwoNamesIsNoChange() async throws {
        let tail = "secrets: {s: {external: true}, t: {external: true}}\nconfigs: {c: {external: true}}"
        let short = try await spec("secrets: [s, {source: t, target: /run/x}], configs: [c]", tail: tail)
        let long = try await spec(
            "secrets: [{source: s, target: /run/secrets/s}, {source: t, target: /run/x}], configs: [{source: c, target: /c}]",
            tail: tail
        )
        #expect(differences(short, long).isEmpty, "\(differences(short, long))")
        let other = try await spec(
            "secrets: [{source: s, target: /run/s}, {source: t, target: x}], configs: [c]",
            tail: tail
        )
        #expect(!differences(short, other).isEmpty)
    }
}
