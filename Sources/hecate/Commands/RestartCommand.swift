internal import Arguments
internal import Systemd

/// `hecate restart`: restarts a service of this node.
enum RestartCommand {
    static let command = Subcommand(
        "restart",
        summary: "restart a service of this node",
        arguments: ["[SERVICE]"],
        discussion: NodeService.names,
        example: "hecate restart traderd",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        try await NodeService.named(in: invocation).run(.restart)
    }
}
