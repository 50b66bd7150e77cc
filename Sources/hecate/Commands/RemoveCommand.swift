internal import Arguments
internal import Delivery
internal import Diagnostics
internal import Files
internal import Quadlet

/// `hecate remove`: a plug-in out of the gitops folder.
enum RemoveCommand {
    static let command = Subcommand(
        "remove",
        summary: "remove a plug-in from this node; its data is kept",
        arguments: ["NAME"],
        example: "hecate remove trader",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let installation = try NodeInstallation.required(invocation)
        let name = invocation.arguments[0]
        let registry = try? await installation.catalogue().registry
        // Without a registry only what carries the plug-in's very name is its own.
        let plugin =
            registry?[name]
            ?? Plugin(
                name: name,
                description: "",
                files: ["d", "w"].flatMap { ["hecate-\(name)\($0).container", "hecate-\(name)\($0).env"] },
                dataFolders: ["hecate-\(name)d"]
            )
        let apps = "\(installation.layout.gitops)/apps"
        let present = plugin.files.map(lastComponent).filter { fileStatus("\(apps)/\($0)", followsLinks: false) != nil }
        guard present.contains(where: { UnitName($0) != nil }) else {
            let installed = (registry?.plugins ?? []).filter { installation.isInstalled($0) }.map(\.name)
            let hint = suggestion(for: name, among: installed).map { "; \($0)" } ?? ""
            throw Failure(.notFound, "'\(name)' is not installed\(hint)")
        }
        for file in present { try removeFile("\(apps)/\(file)") }
        let code = try await installation.settle(plugin.units.filter { present.contains($0) })
        for data in plugin.dataFolders where fileStatus("\(installation.root)/\(data)") != nil {
            Terminal.print("kept the data in \(installation.root)/\(data)")
        }
        return code
    }
}
