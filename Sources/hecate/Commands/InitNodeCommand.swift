internal import Arguments
internal import Delivery
internal import Quadlet

/// `hecate init node`: makes this machine a node.
enum InitNodeCommand {
    static let command = Subcommand(
        "init node",
        summary: "make this machine a node: folders, lingering, hardware, secrets, the agent's own service",
        options: [
            Option(
                "from",
                value: "REPOSITORY",
                help: "where the units of every node come from; a folder or a Git URL"
            )
        ],
        discussion: "What is there already stays as it is; a second time there is nothing to do.",
        example: "hecate init node --from https://git.example.org/gitops.git",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let origin = invocation["from"] ?? environmentVariable("HECATE_GITOPS_REPO")
        return try await change(invocation) { try await $0.make(from: origin) }
    }

    /// Changes what a node is made of, and says what was done, even when the rest fails.
    static func change(
        _ invocation: Invocation,
        _ body: (inout NodeSetup) async throws -> Void
    ) async throws -> HecateProgram.ExitCode {
        var settings = try AgentSettings.found()
        if let store = invocation["store"] { settings.store = store }
        var setup = NodeSetup(installation: NodeInstallation(settings: settings))
        do { try await body(&setup) } catch {
            for line in setup.done { Terminal.print(line) }
            throw error
        }
        for line in setup.done { Terminal.print(line) }
        if setup.done.isEmpty { Terminal.print("nothing to do: this is a node already") }
        return .success
    }
}
