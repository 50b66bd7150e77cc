internal import Arguments
internal import Delivery
internal import Documents
internal import Files
internal import JSON
internal import Quadlet

/// `hecate plugins`: what can be installed on this node, and what is.
enum PluginsCommand {
    static let command = Subcommand(
        "plugins",
        summary: "the plug-ins of this node: what can be installed, and what is",
        options: [.format],
        example: "hecate plugins",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let installation = try NodeInstallation.required(invocation)
        let (plugins, problem) = await known(installation)
        let documents = JSON.array(
            plugins.map { plugin in
                [
                    "name": .string(plugin.name), "description": .string(plugin.description),
                    "installed": .bool(installation.isInstalled(plugin)),
                ]
            }
        )
        if let problem { Terminal.complain("what can be installed is not known, only what is: \(problem)") }
        if let text = formatted(documents, as: invocation["format"]) {
            Terminal.print(text)
        } else {
            let rows = plugins.map { plugin in
                [plugin.name, installation.isInstalled(plugin) ? "installed" : "available", plugin.description]
            }
            Terminal.print(Terminal.table(["PLUGIN", "STATUS", "DESCRIPTION"], rows))
        }
        return problem == nil ? .success : .failure
    }

    /// Those of the catalogue and those of the gitops folder, with why the catalogue could not be read.
    private static func known(_ installation: NodeInstallation) async -> (plugins: [Plugin], problem: String?) {
        let present = PluginRegistry(files: (try? names(in: "\(installation.layout.gitops)/apps")) ?? []).plugins
        do {
            let listed = try await installation.catalogue().registry.plugins
            let others = present.filter { plugin in !listed.contains { $0.name == plugin.name } }
            return ((listed + others).sorted { $0.name < $1.name }, nil)
        } catch {
            return (present, "\(error)")
        }
    }
}
