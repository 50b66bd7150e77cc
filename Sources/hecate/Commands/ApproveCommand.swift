internal import Arguments
internal import Controller
internal import Delivery
internal import Diagnostics
internal import Documents
internal import Journal

/// `hecate approve`: lets removals go ahead that wait for a person, of a source's apps or of one app's services.
enum ApproveCommand {
    /// What a name means.
    private enum Subject {
        case source(String)
        case app(AppID)

        /// As the reconciler takes it.
        var name: String {
            switch self {
            case .source(let name): name
            case .app(let id): id.description
            }
        }
    }

    static let command = Subcommand(
        "approve",
        summary: "let removals go ahead that the guard stopped: apps of a source, or services of one app",
        arguments: ["NAME"],
        discussion: "NAME is a source, or an app with or without its target; a source's name goes first.",
        example: "hecate approve fleet"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let word = invocation.arguments[0]
        try Settings.checkName(word)
        let client = try Settings.client(invocation)
        let subject = try subject(word, try await client.sources(), try await client.records())
        if let remote = try Settings.remote(invocation) {
            switch subject {
            case .source(let name): try await remote.approve(name)
            case .app(let id): try await remote.approve(id)
            }
            Terminal.print("approved the removals of \(subject.name)")
            return .success
        }
        let store = try Settings.existingStore(invocation)
        _ = try await store.ask("approve", subject: subject.name, author: Settings.author, at: currentTime())
        guard ControllerLock.wake(folder: try Settings.storeFolder(invocation)) else {
            Terminal.print("no controller runs; the next one takes the approval up")
            return .success
        }
        Terminal.print("approved the removals of \(subject.name)")
        return .success
    }

    /// The source of this name, else the app.
    private static func subject(_ word: String, _ sources: [SourceRecord], _ records: [AppRecord]) throws -> Subject {
        if sources.contains(where: { $0.name == word }) { return .source(word) }
        do {
            return .app(try Settings.app(word, among: records).id)
        } catch let failure as Failure where failure.message.contains("there is no app") {
            let hint = suggestion(for: word, among: sources.map(\.name) + records.map(\.id.name))
            throw Failure(
                .notFound,
                "there is no source and no app '\(word)'; \(hint ?? "see 'hecate list sources' and 'hecate list apps'")"
            )
        }
    }
}
