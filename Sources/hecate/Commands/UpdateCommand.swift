internal import Arguments
internal import Delivery
internal import Files
internal import Journal
internal import Quadlet

/// `hecate update`: newer images for the units that ask for them.
enum UpdateCommand {
    static let command = Subcommand(
        "update",
        summary:
            "pull newer images for the units that have AutoUpdate, and roll back what is not well with them",
        discussion: """
            One container after the other is restarted and watched for the verify window. An image that was rolled back is not tried \
            again. Registries are asked with ~/.hecate/secrets/ghcr-auth.json when that is there.
            """,
        example: "hecate update",
        isLocal: true
    ) { try await execute($0) }

    /// Gets newer images of the units that ask for it; what is not well with one gets its old image back.
    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let installation = try NodeInstallation.required(invocation)
        let platform = try await NodePlatform.found(layout: installation.layout, revisions: { _ in [] })
        let file = "\(installation.root)/secrets/ghcr-auth.json"
        let store = try store(installation)
        // Who cannot tell what is held touches nothing.
        _ = try await store?.holds()
        let defaults = installation.settings.defaults
        let settings = ImageUpdates.Settings(
            credentials: fileStatus(file) == nil ? nil : file,
            window: defaults.verifyWindow,
            timeout: defaults.timeout,
            isHeld: { unit in
                let holds = (try? await store?.holds()) ?? []
                return holds.contains { $0.app.name == unit }
            }
        )
        var updates = ImageUpdates(platform: platform, settings: settings)
        var code = HecateProgram.ExitCode.success
        var isAnything = false
        try await updates.run { subject, result in
            isAnything = true
            switch result {
            case .updated(let old, let new):
                Terminal.print("\(subject): updated, \(old.prefix(12)) -> \(new.prefix(12))")
            case .rolledBack(let new, let old):
                code = .failure
                let ids = "\(new.prefix(12)), rolled back to \(old.prefix(12))"
                Terminal.complain("\(subject): not well with the new image \(ids)")
            case .refused(let new):
                Terminal.print("\(subject) is still \(new.prefix(12)), and was rolled back from that one before")
            case .leftAlone: Terminal.print("\(subject): left alone, it is held, was stopped or changed meanwhile")
            case .failed(let why):
                code = .failure
                Terminal.complain("\(subject): \(why)")
            }
        }
        if !isAnything { Terminal.print("nothing to update") }
        return code
    }

    /// The agent's journal; nil where there was never an agent.
    private static func store(_ installation: NodeInstallation) throws -> Store? {
        do {
            return try Settings.existingStore(in: installation.settings.store)
        } catch let failure as Failure where failure.reason == .notFound {
            return nil
        }
    }
}
