internal import Delivery
internal import Diagnostics
internal import Files
internal import Journal
internal import Quadlet
internal import Repository

/// The folders of a node and what can be installed into them.
struct NodeInstallation: Sendable {
    let settings: AgentSettings

    var layout: NodeLayout { settings.layout }
    /// `~/.hecate`, or wherever the gitops folder lies in.
    var root: String { folder(of: layout.gitops) }

    /// The folders every daemon of the old layout has below its own.
    static let dataFolders = ["sqlite", "reckon-db", "sockets", "run", "connectors"]

    /// Where plug-ins come from: a folder laid out as hecate-gitops is, or a Git repository of that form.
    var origin: String {
        environmentVariable("HECATE_GITOPS_REPO") ?? "https://github.com/hecate-social/hecate-gitops.git"
    }

    /// Reads the catalogue: the files of the repository and its registry.
    func catalogue() async throws -> Catalogue {
        let snapshot = try await snapshot(of: origin)
        return Catalogue(snapshot: snapshot, registry: try await registry(snapshot))
    }

    /// The files of a folder, or of a Git repository at the head of its branch.
    func snapshot(of origin: String) async throws -> any BrowsableSnapshot {
        if fileStatus(origin)?.kind == .folder, fileStatus("\(origin)/.git") == nil, fileStatus("\(origin)/HEAD") == nil
        {
            return try FolderSnapshot(origin)
        }
        let source = try gitSource(origin)
        return try await source.snapshot(at: try await source.head())
    }

    /// A Git repository with the node's own credentials.
    func gitSource(_ origin: String) throws -> GitSource {
        let mirrors = "\(settings.store)/mirrors"
        try Settings.makeFolder(mirrors)
        let git = GitSettings(
            name: "gitops",
            url: origin,
            reference: .branch(environmentVariable("HECATE_GITOPS_BRANCH") ?? "main"),
            username: environmentVariable("HECATE_GITOPS_USERNAME"),
            password: try password(),
            sshKey: environmentVariable("HECATE_GITOPS_SSH_KEY"),
            knownHosts: environmentVariable("HECATE_GITOPS_KNOWN_HOSTS")
        )
        return GitSource(settings: git, directory: mirrors, base: "", askpass: Parts.ownPath())
    }

    private func password() throws -> String? {
        guard let path = environmentVariable("HECATE_GITOPS_PASSWORD_FILE") else {
            return environmentVariable("HECATE_GITOPS_PASSWORD")
        }
        guard let bytes = try? fileContent(path) else {
            throw Failure(.notFound, "the password file '\(path)' cannot be read; check HECATE_GITOPS_PASSWORD_FILE")
        }
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init)
    }

    /// What can be installed, or nil when nothing says so.
    func knownRegistry(_ snapshot: any Snapshot) async -> PluginRegistry? { try? await registry(snapshot) }

    private func registry(_ snapshot: any Snapshot) async throws -> PluginRegistry {
        if let path = environmentVariable("HECATE_REGISTRY") {
            guard let bytes = try? fileContent(path) else {
                throw Failure(.notFound, "the registry '\(path)' cannot be read; check HECATE_REGISTRY")
            }
            return try PluginRegistry(bytes, file: path)
        }
        if let registry = try await PluginRegistry(in: snapshot) { return registry }
        // The old CLI had its registry beside its own folder.
        let beside = "\(folder(of: folder(of: Parts.ownPath())))/plugins/registry.json"
        for path in ["\(root)/config/registry.json", beside] {
            if let bytes = try? fileContent(path) { return try PluginRegistry(bytes, file: path) }
        }
        // Where nothing lists them, the files themselves say what there is.
        if let browsable = snapshot as? any BrowsableSnapshot {
            for folder in ["quadlet/apps", "apps"] {
                let found = PluginRegistry(files: try await browsable.files(below: folder))
                if !found.plugins.isEmpty { return found }
            }
        }
        throw Failure(
            .notFound,
            "\(publicURL(origin)) has neither a plugins/registry.json nor units in quadlet/apps; name a registry with "
                + "HECATE_REGISTRY",
            next: .needsChange
        )
    }

    /// Whether every unit of a plug-in lies in the gitops folder.
    func isInstalled(_ plugin: Plugin) -> Bool { areInstalled(plugin.units) }

    /// Whether there are units, and each lies in the gitops folder.
    func areInstalled(_ units: [String]) -> Bool {
        !units.isEmpty && units.allSatisfy { fileStatus("\(layout.gitops)/apps/\($0)") != nil }
    }
}

/// What can be installed, and where its files are read.
struct Catalogue: Sendable {
    var snapshot: any BrowsableSnapshot
    var registry: PluginRegistry

    /// A plug-in's file, from `quadlet/apps` or from the registry's own path.
    func read(_ file: String) async throws -> [UInt8]? {
        for path in ["quadlet/apps/\(file)", "apps/\(file)", file] where try await snapshot.identifier(of: path) != nil
        {
            return try await snapshot.read(path)
        }
        return nil
    }
}
