internal import Arguments

/// `hecate context remove`: forgets a name.
enum ContextRemoveCommand {
    static let command = Subcommand(
        "context remove",
        summary: "forget a name",
        arguments: ["NAME"],
        example: "hecate context remove prod"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        var contexts = try Contexts.read()
        let name = invocation.arguments[0]
        try contexts.require(name)
        contexts.all.removeAll { $0.name == name }
        if contexts.current == name { contexts.current = "" }
        try contexts.write()
        Terminal.print("removed \(name)")
        return .success
    }
}
