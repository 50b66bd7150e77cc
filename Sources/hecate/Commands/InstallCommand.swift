internal import Arguments
internal import Delivery
internal import Diagnostics
internal import Files
internal import Quadlet
internal import Repository

/// `hecate install`: a plug-in into the gitops folder.
enum InstallCommand {
    static let command = Subcommand(
        "install",
        summary: "install a plug-in on this node and start it",
        arguments: ["NAME"],
        discussion: """
            Plug-ins come from $HECATE_GITOPS_REPO (a folder or a Git repository laid out as hecate-gitops is) and
            are listed in its plugins/registry.json, or in $HECATE_REGISTRY; where nothing lists them, its units in
            quadlet/apps are taken by their names. Environment files that are there already are kept.
            """,
        example: "hecate install trader",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let installation = try NodeInstallation.required(invocation)
        let catalogue = try await installation.catalogue()
        let plugin = try find(invocation.arguments[0], catalogue.registry)
        // Everything is read before anything is written.
        var contents: [(file: String, bytes: [UInt8])] = []
        var missing: [String] = []
        for file in plugin.files {
            guard let bytes = try await catalogue.read(file) else {
                missing.append(file)
                continue
            }
            contents.append((lastComponent(file), bytes))
        }
        let units = contents.map(\.file).filter { UnitName($0) != nil }
        let names = missing.map { "'\($0)'" }.joined(separator: ", ")
        let lacks =
            "'\(plugin.name)' lists \(names), and \(publicURL(installation.origin)) has no such file in quadlet/apps"
        guard !units.isEmpty else { throw Failure(.notFound, "\(lacks); nothing was installed") }
        if installation.areInstalled(units) {
            Terminal.print("\(plugin.name) is installed already")
            return .success
        }
        if !missing.isEmpty { Terminal.complain("\(lacks); the rest is installed") }
        for data in plugin.dataFolders {
            for part in NodeInstallation.dataFolders { try makeFolder("\(installation.root)/\(data)/\(part)") }
        }
        // Environment files first: no unit is seen before what it reads.
        for (file, bytes) in contents.sorted(by: { UnitName($0.file) == nil && UnitName($1.file) != nil }) {
            let path = "\(installation.layout.gitops)/apps/\(file)"
            if UnitName(file) == nil, fileStatus(path) != nil {
                Terminal.print("kept \(path), which was there already")
                continue
            }
            try makeFolder("\(installation.layout.gitops)/apps")
            try replaceFile(path, with: bytes, mode: UnitName(file) == nil ? 0o600 : 0o644)
            Terminal.print("wrote \(path)")
        }
        return try await installation.settle(units)
    }

    private static func find(_ name: String, _ registry: PluginRegistry) throws -> Plugin {
        guard let plugin = registry[name] else {
            let hint =
                suggestion(for: name, among: registry.plugins.map(\.name)) ?? "see 'hecate list apps --available'"
            throw Failure(.notFound, "there is no plug-in '\(name)'; \(hint)")
        }
        return plugin
    }
}
