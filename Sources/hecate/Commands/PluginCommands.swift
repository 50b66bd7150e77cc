internal import Documents
internal import Arguments
internal import Controller
internal import Delivery
internal import Diagnostics
internal import Files
internal import Journal
internal import Quadlet

/// `hecate install` and `hecate remove`: plug-ins into the gitops folder and out of it.
enum PluginCommands {
    static func install(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let installation = try requireNode(invocation)
        let catalogue = try await installation.catalogue()
        let plugin = try find(invocation.arguments[0], catalogue.registry)
        if installation.isInstalled(plugin) {
            Terminal.print("\(plugin.name) is installed already")
            return .success
        }
        // Everything is read before anything is written.
        var contents: [(file: String, bytes: [UInt8])] = []
        for file in plugin.files {
            guard let bytes = try await catalogue.read(file) else {
                throw Failure(
                    .notFound,
                    "'\(plugin.name)' lists '\(file)', and \(installation.origin) has no quadlet/apps/\(file); nothing was installed"
                )
            }
            contents.append((lastComponent(file), bytes))
        }
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
        return try await settle(installation, plugin.units)
    }

    static func remove(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let installation = try requireNode(invocation)
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
        let code = try await settle(installation, plugin.units.filter { present.contains($0) })
        for data in plugin.dataFolders where fileStatus("\(installation.root)/\(data)") != nil {
            Terminal.print("kept the data in \(installation.root)/\(data)")
        }
        return code
    }

    static func requireNode(_ invocation: Invocation) throws -> NodeInstallation {
        guard let settings = try Settings.node(invocation) else {
            throw Failure(.notFound, "this is no node: there is no gitops folder; make one with 'hecate init node'")
        }
        return NodeInstallation(settings: settings)
    }

    private static func find(_ name: String, _ registry: PluginRegistry) throws -> Plugin {
        guard let plugin = registry[name] else {
            let hint =
                suggestion(for: name, among: registry.plugins.map(\.name)) ?? "see 'hecate list apps --available'"
            throw Failure(.notFound, "there is no plug-in '\(name)'; \(hint)")
        }
        return plugin
    }

    /// Has units brought to what the folder says now, by the agent that runs or here, and tells how that went.
    static func settle(_ installation: NodeInstallation, _ units: [String]) async throws -> HecateProgram.ExitCode {
        let store = try Settings.ownStore(installation.settings.store)
        if ControllerLock.wake(folder: installation.settings.store) {
            let number = try await store.askReconcile(units, author: Settings.author)
            _ = ControllerLock.wake(folder: installation.settings.store)
            try await store.waitForAnswer(to: number)
        } else {
            let lock = try ControllerLock(folder: installation.settings.store)
            _ = try await Wiring(installation.settings, store: store, log: Log(nil)).once(lock, only: units)
        }
        var code = HecateProgram.ExitCode.success
        let records = try await store.records()
        for unit in units {
            guard let record = records.first(where: { $0.id.name == unit }) else {
                Terminal.print("\(unit): gone")
                continue
            }
            Terminal.print("\(unit): \(record.isReady ? "ready" : "not ready"): \(record.ready?.message ?? "")")
            for detail in record.details where !record.isReady { Terminal.print("  \(detail)") }
            if !record.isSettled { code = .failure }
        }
        return code
    }
}
