internal import Arguments
internal import Documents
internal import Controller
internal import Delivery
internal import Journal

/// `hecate suspend`: a hold changes no target and lives in the store.
enum SuspendCommand {
    static let command = Subcommand(
        "suspend",
        summary: "leave an app alone until it is resumed",
        arguments: ["APP"],
        options: [Option("reason", value: "TEXT", help: "why; required, and shown to everybody")],
        example: "hecate suspend web --reason 'migration until 14:00'"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        guard let reason = invocation["reason"], !reason.isEmpty else {
            throw UsageError(description: "'suspend' needs --reason; the next person on call reads it")
        }
        // A controller elsewhere knows by its token who asks.
        if let remote = try Settings.remote(invocation) {
            let id = try Settings.app(invocation.arguments[0], among: try await remote.records()).id
            try await remote.suspend(id, reason)
            Terminal.print("\(id) is suspended")
            return .success
        }
        let store = try Settings.existingStore(invocation)
        let record = try Settings.app(invocation.arguments[0], among: try await store.records())
        let (author, now) = (Settings.author, currentTime())
        try await store.suspend(record.id, commit: record.commit, by: author, because: reason, at: now)
        Terminal.print("\(record.id) is suspended")
        try await announceHolds(of: record.id, store, invocation)
        return .success
    }

    /// Has a running controller take up the holds that were changed.
    static func announceHolds(of id: AppID, _ store: Store, _ invocation: Invocation) async throws {
        _ = try await store.ask("holds", subject: id.description, author: Settings.author, at: currentTime())
        _ = ControllerLock.wake(folder: try Settings.storeFolder(invocation))
    }
}
