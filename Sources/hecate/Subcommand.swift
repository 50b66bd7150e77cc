internal import Arguments

/// One command of the program: how it is written, and what it does.
struct Subcommand: Sendable {
    /// Ends with the code that the program ends with.
    typealias Action = @Sendable (Invocation) async throws -> HecateProgram.ExitCode

    let syntax: CommandSyntax
    /// Whether it works on this machine and nowhere else.
    let isLocal: Bool
    private let action: Action

    init(
        _ words: String,
        summary: String,
        arguments: [String] = [],
        options: [Option] = [],
        discussion: String = "",
        example: String,
        isLocal: Bool = false,
        action: @escaping Action
    ) {
        syntax = CommandSyntax(
            words,
            summary: summary,
            arguments: arguments,
            options: options,
            discussion: discussion,
            example: example
        )
        self.isLocal = isLocal
        self.action = action
    }

    /// - Throws: `UsageError` when it works on this machine only and another one is named.
    func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        if isLocal { try Settings.requireHere(invocation) }
        return try await action(invocation)
    }
}

extension Option {
    /// How an answer is written; for every command that answers with data.
    static let format = Option("format", choices: ["text", "json", "yaml"], help: "how the answer is written")

    /// How the cluster is asked that a node takes over.
    static let kubectl = Option(
        "kubectl",
        value: "PROGRAM",
        help: "how the cluster is asked; kubectl, else k3s kubectl"
    )
}
