internal import Documents
internal import Arguments
internal import Controller
internal import Delivery
internal import Journal

/// `hecate suspend` and `hecate resume`: a hold changes no target and lives in the store.
enum HoldCommand {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        if let remote = try Settings.remote(invocation) { return try await ask(remote, invocation) }
        let store = try Settings.existingStore(invocation)
        let record = try Settings.app(invocation.arguments[0], among: try await store.records())
        let author = Settings.author
        let now = currentTime()
        let reason = invocation["reason"] ?? ""
        if invocation.command.name == "suspend" {
            guard !reason.isEmpty else { throw lacksReason }
            try await store.suspend(record.id, commit: record.commit, by: author, because: reason, at: now)
            Terminal.print("\(record.id) is suspended")
        } else {
            let wasHeld = try await store.resume(
                record.id,
                commit: record.commit,
                by: author,
                because: reason,
                at: now
            )
            Terminal.print(wasHeld ? "\(record.id) is resumed" : "\(record.id) was not suspended")
        }
        _ = try await store.ask("holds", subject: record.id.description, author: author, at: now)
        _ = ControllerLock.wake(folder: try Settings.storeFolder(invocation))
        return .success
    }
}

extension HoldCommand {
    private static let lacksReason = UsageError(
        description: "'suspend' needs --reason; the next person on call reads it"
    )

    /// The same of a controller elsewhere, which knows by its token who asks.
    private static func ask(_ remote: RemoteClient, _ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let id = try Settings.app(invocation.arguments[0], among: try await remote.records()).id
        if invocation.command.name == "suspend" {
            guard let reason = invocation["reason"], !reason.isEmpty else { throw lacksReason }
            try await remote.suspend(id, reason)
            Terminal.print("\(id) is suspended")
        } else {
            Terminal.print(
                try await remote.resume(id, invocation["reason"] ?? "") ? "\(id) is resumed" : "\(id) was not suspended"
            )
        }
        return .success
    }
}
