internal import Arguments

/// `hecate uninstall node`: takes back what made this machine a node.
enum UninstallNodeCommand {
    static let command = Subcommand(
        "uninstall node",
        summary: "stop and remove everything that init and the agent made; data stays",
        options: [Option("with-data", help: "remove ~/.hecate with all data as well")],
        example: "hecate uninstall node",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let withData = invocation.has("with-data")
        return try await InitNodeCommand.change(invocation) { try await $0.takeBack(withData: withData) }
    }
}
