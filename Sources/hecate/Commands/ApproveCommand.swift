internal import Arguments
internal import Documents
internal import Delivery
internal import Journal

/// `hecate approve`: lets a commit remove more apps than the guard allows.
enum ApproveCommand {
    static let command = Subcommand(
        "approve",
        summary: "let a commit remove more apps than the guard allows",
        arguments: ["SOURCE"],
        example: "hecate approve fleet"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let name = invocation.arguments[0]
        if let remote = try Settings.remote(invocation) {
            try await remote.approve(name)
            Terminal.print("approved the removals of \(name)")
            return .success
        }
        let store = try Settings.existingStore(invocation)
        guard let source = try await store.sources().first(where: { $0.name == name }) else {
            throw Failure(.notFound, "there is no source '\(name)'; see 'hecate list sources'")
        }
        _ = try await store.ask("approve", subject: name, author: Settings.author, at: currentTime())
        guard ControllerLock.wake(folder: try Settings.storeFolder(invocation)) else {
            Terminal.print("no controller runs; the next one takes the approval up")
            return .success
        }
        Terminal.print("approved the removals of \(name) at \(source.commit.prefix(12))")
        return .success
    }
}
