internal import Arguments
internal import Documents
internal import Delivery
internal import Journal

/// `hecate resume`: ends a hold.
enum ResumeCommand {
    static let command = Subcommand(
        "resume",
        summary: "take a suspended app up again",
        arguments: ["APP"],
        options: [Option("reason", value: "TEXT", help: "why; kept in the journal")],
        example: "hecate resume web"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let reason = invocation["reason"] ?? ""
        if let remote = try Settings.remote(invocation) {
            let id = try Settings.app(invocation.arguments[0], among: try await remote.records()).id
            say(id, wasHeld: try await remote.resume(id, reason))
            return .success
        }
        let store = try Settings.existingStore(invocation)
        let known = try await store.records()
        // What is gone may be held still, and would be when it is declared anew.
        let gone = try await store.holds().map(\.app).filter { id in !known.contains { $0.id == id } }
        let record = try Settings.app(
            invocation.arguments[0],
            among: known + gone.map { AppRecord(id: $0, source: "") }
        )
        let (author, now) = (Settings.author, currentTime())
        let wasHeld = try await store.resume(
            record.id,
            commit: record.commit,
            by: author,
            because: reason,
            at: now
        )
        say(record.id, wasHeld: wasHeld)
        try await SuspendCommand.announceHolds(of: record.id, store, invocation)
        return .success
    }

    private static func say(_ id: AppID, wasHeld: Bool) {
        Terminal.print(wasHeld ? "\(id) is resumed" : "\(id) was not suspended")
    }
}
