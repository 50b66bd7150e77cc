internal import Arguments
internal import Delivery
internal import Quadlet

/// `hecate init node` and `hecate uninstall node`.
enum NodeSetupCommands {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        var settings = try AgentSettings.found()
        if let store = invocation["store"] { settings.store = store }
        var setup = NodeSetup(installation: NodeInstallation(settings: settings))
        do {
            if invocation.command.words.first == "init" {
                try await setup.make(from: invocation["from"] ?? environmentVariable("HECATE_GITOPS_REPO"))
            } else {
                try await setup.takeBack(withData: invocation.has("with-data"))
            }
        } catch {
            for line in setup.done { Terminal.print(line) }
            throw error
        }
        for line in setup.done { Terminal.print(line) }
        if setup.done.isEmpty { Terminal.print("nothing to do: this is a node already") }
        return .success
    }
}
