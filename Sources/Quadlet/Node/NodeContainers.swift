internal import JSON
internal import Subprocess
internal import Systemd

/// A container of a unit's, as Podman reports it.
package struct UnitContainer: Sendable, Hashable {
    package var name: String
    package var service: String
    package var image: String
    package var imageID: String
    package var digest: String
    /// `healthy`, `unhealthy`, `starting`, or empty without a health command.
    package var health: String
    package var isRunning: Bool
    /// How newer images are found (podman-auto-update(1)): `registry`, `image`, `local`; empty for not at all.
    package var updatePolicy: String
}

extension NodePlatform {
    /// The containers that systemd's services run.
    package func containers() async throws -> [UnitContainer] {
        let list = try await podman(["ps", "-q", "--filter", "label=PODMAN_SYSTEMD_UNIT"])
        let all = list.code == 0 ? list : try await podman(["ps", "-q"])
        let identifiers = all.outputText.split(separator: "\n").map(String.init)
        guard !identifiers.isEmpty else { return [] }
        let answer = try await podman(["container", "inspect"] + identifiers)
        return (try JSON(parsing: answer.output).array ?? []).compactMap { container in
            guard let service = container["Config"]?["Labels"]?["PODMAN_SYSTEMD_UNIT"]?.string else { return nil }
            let state = container["State"]
            return UnitContainer(
                name: container["Name"]?.string ?? "",
                service: service,
                image: container["ImageName"]?.string ?? "",
                imageID: container["Image"]?.string ?? "",
                digest: container["ImageDigest"]?.string ?? "",
                health: (state?["Health"] ?? state?["Healthcheck"])?["Status"]?.string ?? "",
                isRunning: state?["Running"]?.bool ?? false,
                updatePolicy: container["Config"]?["Labels"]?["io.containers.autoupdate"]?.string ?? ""
            )
        }
    }

    /// Whether a container's service is active and its health command does not fail, for as long as that is watched.
    package func staysWell(_ container: UnitContainer, for window: Duration) async throws -> Bool {
        let end = ContinuousClock.now + window
        repeat {
            guard try await systemd.units(named: [container.service]).first?.active == "active" else { return false }
            let now = try await containers().first { $0.service == container.service }
            guard let now, now.isRunning, now.health != "unhealthy" else { return false }
            try await Task.sleep(for: .milliseconds(500))
        } while ContinuousClock.now < end
        return true
    }
}
