internal import Delivery
internal import Files
internal import JSON
package import Subprocess
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
}

extension NodePlatform {
    /// Asks Podman for its version, once for each Podman: it takes longer to answer than a whole pass.
    static func podmanVersion(_ layout: NodeLayout) async throws -> String {
        let programs = searchPath.split(separator: ":").map { "\($0)/podman" }
        guard let program = programs.first(where: pathExists), let identity = fileStatus(program)?.identity else {
            throw Failure(.notFound, "podman is not there; install it", next: .needsChange)
        }
        let note = "\(layout.runtime)/hecate/podman"
        let known = (try? fileContent(note)).map { String(decoding: $0, as: UTF8.self).split(separator: " ") } ?? []
        if known.count == 2, known[0] == identity { return String(known[1]) }
        let environment = ["PATH": searchPath, "HOME": layout.home, "XDG_RUNTIME_DIR": layout.runtime]
        let answer: Completion
        do {
            answer = try await run(Command(program, ["--version"], environment: environment, timeout: .seconds(30)))
        } catch {
            throw Failure(.unavailable, "podman cannot be run: \(error)")
        }
        let version = answer.outputText.split { $0 == " " || $0 == "\n" }.last.map(String.init) ?? ""
        if (try? makeFolder(folder(of: note), mode: 0o700)) != nil {
            try? replaceFile(note, with: Array("\(identity) \(version)".utf8), mode: 0o600)
        }
        return version
    }

    /// Asks Podman something.
    package func podman(_ arguments: [String], timeout: Duration = .seconds(30)) async throws -> Completion {
        let environment = [
            "PATH": Self.searchPath, "HOME": layout.home, "XDG_RUNTIME_DIR": layout.runtime,
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=\(layout.runtime)/bus",
        ]
        return try await machine.run(Command("podman", arguments, environment: environment, timeout: timeout))
    }
}

extension NodePlatform {
    /// The units that a service is bound to, such as the pod of a container.
    func bound(by service: String) async throws -> [String] {
        try await systemd.properties(of: service)["BindsTo"]?.split(separator: " ").map(String.init) ?? []
    }

    /// Starts a service whose restart found gone what it is bound to, as a pod is that ends with its last container.
    /// - Returns: How that ended, in systemd's words.
    func start(_ service: String, withBound bound: [String]) async throws -> String {
        // It was started as often as its containers were, which is no fault of its own.
        for other in bound { try? await systemd.resetFailed(other) }
        return try await systemd.run(.start, service)
    }
}
