internal import Files
internal import JSON
internal import Subprocess
internal import Systemd

/// Newer images for containers whose units ask for them with `AutoUpdate=`, one container after the other.
///
/// `podman auto-update` restarts everything that has a newer image, also with one that it was rolled back from the day before.
package struct ImageUpdates {
    private let platform: NodePlatform
    /// A file with what to say to registries.
    private let credentials: String?
    /// How long a container has to stay well with its new image.
    private let window: Duration
    private let note: String
    /// By image, the one of that name that was rolled back last.
    private var refused: [String: String]

    /// What became of one container.
    package enum Result: Equatable {
        case updated(from: String, to: String)
        /// It was not well with the newer image, and has the older one again.
        case rolledBack(from: String, to: String)
        /// The newer image is the one that it was rolled back from before.
        case refused(String)
        case notPulled(String)
    }

    package init(platform: NodePlatform, credentials: String?, window: Duration) {
        self.platform = platform
        self.credentials = credentials
        self.window = window
        note = "\(platform.layout.kept)/refused-images.json"
        let known = (try? fileContent(note)).flatMap { try? JSON(parsing: $0) }
        refused = (known?.object ?? [:]).compactMapValues(\.string)
    }

    /// Updates all containers that have newer images.
    ///
    /// `tell`: Called with what became of each one that has, or that cannot be asked for.
    package mutating func run(_ tell: (UnitContainer, Result) -> Void) async throws {
        for container in try await platform.containers() where !["", "disabled"].contains(container.updatePolicy) {
            if let result = try await update(container) { tell(container, result) }
        }
    }

    private mutating func update(_ container: UnitContainer) async throws -> Result? {
        if container.updatePolicy != "local" {
            let authentication = credentials.map { ["--authfile", $0] } ?? []
            let pulled = try await platform.podman(
                ["pull", "-q"] + authentication + [container.image],
                timeout: .seconds(1800)
            )
            guard pulled.code == 0 else { return .notPulled(trimmed(pulled.errorText.replacing("\n", with: " "))) }
        }
        let answer = try await platform.podman(["image", "inspect", "--format", "{{.Id}}", container.image])
        let newer = trimmed(answer.outputText.replacing("\n", with: ""))
        guard answer.code == 0, !newer.isEmpty, newer != container.imageID else { return nil }
        if refused[container.image] == newer {
            // Whatever starts it next starts what is good.
            _ = try await platform.podman(["tag", container.imageID, container.image])
            return .refused(newer)
        }
        _ = try await platform.systemd.run(.restart, container.service)
        if try await platform.staysWell(container, for: window) {
            return .updated(from: container.imageID, to: newer)
        }
        // What was not well before says nothing of the image. Noted first: who dies now finds the bad one refused.
        if container.health != "unhealthy" {
            refused[container.image] = newer
            try makeFolder(folder(of: note), mode: 0o700)
            try replaceFile(note, with: Array(JSON(refused).text(pretty: true).utf8), mode: 0o600)
        }
        _ = try await platform.podman(["tag", container.imageID, container.image])
        _ = try await platform.systemd.run(.restart, container.service)
        return .rolledBack(from: newer, to: container.imageID)
    }
}
