internal import Arguments
internal import Systemd

/// `hecate start`: starts a service of this node.
enum StartCommand {
    static let command = Subcommand(
        "start",
        summary: "start a service of this node, and let the agent keep it running again",
        arguments: ["[SERVICE]"],
        discussion: NodeService.names,
        example: "hecate start traderd",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let service = try await NodeService.named(in: invocation)
        do {
            try await service.release()
        } catch {
            // A start needs no store.
            _ = try await service.run(.start)
            Terminal.complain("the agent could not be told, and may leave it alone: \(error)")
            return .failure
        }
        return try await service.run(.start)
    }
}
