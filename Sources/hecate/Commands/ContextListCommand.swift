internal import Arguments

/// `hecate context list`: the controllers that have a name.
enum ContextListCommand {
    static let command = Subcommand(
        "context list",
        summary: "the controllers that have a name",
        example: "hecate context list"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let contexts = try Contexts.read()
        let rows = contexts.all.map { context in
            [context.name == contexts.current ? "*" : "", context.name, context.server, context.tokenFile ?? ""]
        }
        Terminal.print(Terminal.table(["", "NAME", "SERVER", "TOKEN FILE"], rows))
        return .success
    }
}
