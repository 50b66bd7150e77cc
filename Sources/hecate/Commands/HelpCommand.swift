internal import Arguments

/// `hecate help`; a command's own help is `hecate COMMAND --help` as well.
enum HelpCommand {
    static let command = Subcommand(
        "help",
        summary: "show this overview, or a command's help",
        arguments: ["[COMMAND...]"],
        example: "hecate help plan"
    ) { try execute($0) }

    private static func execute(_ invocation: Invocation) throws -> HecateProgram.ExitCode {
        let table = HecateProgram.table
        guard !invocation.arguments.isEmpty else {
            Terminal.print(table.overview)
            return .success
        }
        Terminal.print(table.help(try table.parse(invocation.arguments + ["--help"]).command))
        return .success
    }
}
