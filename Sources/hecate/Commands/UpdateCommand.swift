internal import Arguments
internal import Delivery
internal import Files
internal import Quadlet
internal import Subprocess
internal import Systemd

/// `hecate update`: newer images for the units that ask for them.
enum UpdateCommand {
    static let command = Subcommand(
        "update",
        summary:
            "pull newer images for the units that have AutoUpdate, and roll back what is not well with them",
        discussion: "Registries are asked with ~/.hecate/secrets/ghcr-auth.json when that is there.",
        example: "hecate update",
        isLocal: true
    ) { try await execute($0) }

    /// Pulls newer images of the units that ask for it; what is not well afterwards gets its old image back.
    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let installation = try NodeInstallation.required(invocation)
        let platform = try await NodePlatform.found(layout: installation.layout, revisions: { _ in [] })
        let before = try await platform.containers()
        let file = "\(installation.root)/secrets/ghcr-auth.json"
        let authentication = fileStatus(file) == nil ? [] : ["--authfile", file]
        let result = try await platform.podman(["auto-update"] + authentication, timeout: .seconds(1800))
        if !result.outputText.isEmpty { Terminal.print(trimmedEnd(result.outputText)) }
        if result.code != 0 { Terminal.complain(trimmedEnd(result.errorText)) }
        let after = try await platform.containers()
        let changed = after.filter { new in before.contains { $0.name == new.name && $0.imageID != new.imageID } }
        var code = result.code == 0 ? HecateProgram.ExitCode.success : .failure
        for container in changed {
            guard let old = before.first(where: { $0.name == container.name }) else { continue }
            if try await platform.staysWell(container, for: installation.settings.defaults.verifyWindow) {
                Terminal.print(
                    "\(container.service): updated, \(old.imageID.prefix(12)) -> \(container.imageID.prefix(12))"
                )
            } else {
                code = .failure
                Terminal.complain(
                    "\(container.service): not well with the new image; rolling back to \(old.imageID.prefix(12))"
                )
                _ = try await platform.podman(["tag", old.imageID, old.image])
                _ = try await platform.systemd.run(.restart, container.service)
            }
        }
        if changed.isEmpty, result.code == 0 { Terminal.print("nothing to update") }
        return code
    }

    private static func trimmedEnd(_ text: String) -> String {
        var text = Substring(text)
        while text.last?.isNewline ?? false { text.removeLast() }
        return String(text)
    }
}
