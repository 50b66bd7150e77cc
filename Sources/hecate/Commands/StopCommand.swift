internal import Arguments
internal import Systemd

/// `hecate stop`: stops a service of this node.
enum StopCommand {
    static let command = Subcommand(
        "stop",
        summary: "stop a service of this node, and have the agent leave it so",
        arguments: ["[SERVICE]"],
        options: [Option("reason", value: "TEXT", help: "why; shown to everybody")],
        discussion: NodeService.names,
        example: "hecate stop traderd --reason 'backup until 14:00'",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let service = try await NodeService.named(in: invocation)
        // The agent would start it again: it is held until somebody starts it.
        try await service.hold(because: invocation["reason"] ?? "stopped by hand")
        return try await service.run(.stop)
    }
}
