internal import Arguments

/// `hecate context use`: which controller the commands ask from now on.
enum ContextUseCommand {
    static let command = Subcommand(
        "context use",
        summary: "ask this controller from now on; 'here' is this machine's own store",
        arguments: ["NAME"],
        example: "hecate context use prod"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        var contexts = try Contexts.read()
        let name = invocation.arguments[0]
        if name != "here" { try contexts.require(name) }
        contexts.current = name == "here" ? "" : name
        try contexts.write()
        Terminal.print(name == "here" ? "the commands look at this machine's own store" : "in use: \(name)")
        return .success
    }
}
