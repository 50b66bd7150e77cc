internal import Arguments
internal import JSON

/// `hecate identity`: who the node's daemon is.
enum IdentityCommand {
    static let command = Subcommand(
        "identity",
        summary: "who this node's daemon is",
        arguments: ["[DAEMON]"],
        example: "hecate identity",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let answer = try await DaemonSocket.ask("/identity", invocation)
        Terminal.print(answer.text(pretty: true))
        return .success
    }
}
