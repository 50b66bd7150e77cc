package import Delivery
package import JSON
package import Quadlet
package import Swarm
internal import Systemd

/// One target of whatever kind, with what is asked of it beside what the domain asks.
package struct Target: Sendable {
    package let platform: any Platform
    /// Where it is, for people.
    package let endpoint: String
    /// How many of its apps are worked on at once; nil for what `Limits` says.
    package let parallelism: Int?
    /// Asks whether it can be worked with; gives its version.
    let probe: @Sendable () async throws -> String
    /// An app's services and tasks, or its unit, as it reports them now; null when it cannot be asked.
    let describe: @Sendable (AppID) async -> JSON
    /// The last lines an app wrote.
    let logs: @Sendable (AppID) async -> [String]

    package init(
        platform: any Platform,
        endpoint: String,
        parallelism: Int? = nil,
        probe: @escaping @Sendable () async throws -> String,
        describe: @escaping @Sendable (AppID) async -> JSON = { _ in .null },
        logs: @escaping @Sendable (AppID) async -> [String] = { _ in [] }
    ) {
        self.platform = platform
        self.endpoint = endpoint
        self.parallelism = parallelism
        self.probe = probe
        self.describe = describe
        self.logs = logs
    }

    package var name: String { platform.name }

    /// A Docker Swarm.
    package static func swarm(_ platform: SwarmPlatform) -> Target {
        Target(
            platform: platform,
            endpoint: platform.engine.endpoint,
            probe: {
                let (engine, api) = try await platform.probe()
                return "Docker \(engine), API \(api)"
            },
            describe: { (try? await platform.describe($0)) ?? .null },
            logs: { await platform.logs(of: $0, lines: 50) }
        )
    }

    /// This node: systemd and Podman.
    package static func node(_ platform: NodePlatform) -> Target {
        Target(
            platform: platform,
            endpoint: "systemd (\(platform.layout.scope.rawValue))",
            // A pass waits for systemd and holds nothing meanwhile; many at once share one reading of the units.
            parallelism: 1024,
            probe: {
                let version = try await platform.systemd.managerVersion()
                return "systemd \(version), Podman \(platform.podmanVersion)"
            },
            describe: { (try? await platform.describe($0)) ?? .null },
            logs: { await platform.logs(of: await platform.service(of: $0), lines: 50) }
        )
    }
}
