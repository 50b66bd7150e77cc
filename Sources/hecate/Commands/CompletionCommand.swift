internal import Arguments

/// `hecate completion`: what a shell needs to complete the commands.
enum CompletionCommand {
    static let command = Subcommand(
        "completion",
        summary: "print a completion script",
        arguments: ["SHELL"],
        example: "source <(hecate completion bash)"
    ) { try execute($0) }

    private static func execute(_ invocation: Invocation) throws -> HecateProgram.ExitCode {
        let shell = invocation.arguments.first ?? ""
        guard CommandLineTable.shells.contains(shell) else {
            throw UsageError(description: "there is no completion for '\(shell)'; expected bash, zsh or fish")
        }
        Terminal.print(HecateProgram.table.completion(for: shell))
        return .success
    }
}
