internal import Arguments

/// `hecate version`.
enum VersionCommand {
    static let command = Subcommand(
        "version",
        summary: "print the version",
        example: "hecate version"
    ) { try execute($0) }

    private static func execute(_ invocation: Invocation) throws -> HecateProgram.ExitCode {
        Terminal.print("hecate \(HecateProgram.version)")
        return .success
    }
}
