internal import Arguments
internal import JSON

/// `hecate health`: what a daemon of the node says of its health.
enum HealthCommand {
    static let command = Subcommand(
        "health",
        summary: "what a daemon of this node says of its health; exit 1 when it is not well",
        arguments: ["[DAEMON]"],
        example: "hecate health",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let answer = try await DaemonSocket.ask("/health", invocation)
        Terminal.print(answer.text(pretty: true))
        let isWell = ["ok", "healthy"].contains(answer["status"]?.string ?? "") && answer["ready"]?.bool != false
        return isWell ? .success : .failure
    }
}
