package import Delivery
package import Diagnostics
internal import Files
internal import JSON

/// A plug-in: unit files that belong together and the data folders they use.
package struct Plugin: Sendable, Hashable {
    package var name: String
    package var description: String
    package var files: [String]
    package var dataFolders: [String]

    /// Its units, in the order of its files.
    package var units: [String] { files.filter { UnitName(lastComponent($0)) != nil }.map(lastComponent) }

    package init(name: String, description: String, files: [String], dataFolders: [String]) {
        self.name = name
        self.description = description
        self.files = files
        self.dataFolders = dataFolders
    }
}

/// What can be installed: `registry.json`.
package struct PluginRegistry: Sendable {
    package var plugins: [Plugin] = []

    /// Reads a registry as the old `hecate` CLI did: `{"trader": {"description", "files", "data_dirs"}}`.
    /// - Throws: `Invalid` with everything that is wrong in it.
    package init(_ bytes: [UInt8], file: String) throws(Invalid) {
        var diagnostics = Diagnostics()
        let place = Place(file: file)
        let document: JSON
        do {
            document = try JSON(parsing: bytes)
        } catch {
            throw Invalid(at: place, "the registry is no JSON: \(error)", cure: "write {\"NAME\": {\"files\": [...]}}")
        }
        guard let members = document.object else {
            throw Invalid(at: place, "the registry is no object", cure: "write {\"NAME\": {\"files\": [...]}}")
        }
        for (name, entry) in members.sorted(by: { $0.key < $1.key }) {
            let files = entry["files"]?.array?.compactMap(\.string) ?? []
            let folders = entry["data_dirs"]?.array?.compactMap(\.string) ?? []
            for path in [name] + files + folders where path.isEmpty || path.hasPrefix("/") || path.contains("..") {
                diagnostics.error(
                    at: place,
                    "'\(name)' names '\(path)'",
                    cure: "use plain names, without '..' and '/' at the start"
                )
            }
            if files.isEmpty {
                diagnostics.error(at: place, "'\(name)' has no 'files'", cure: "list its .container and .env files")
            }
            plugins.append(
                Plugin(name: name, description: entry["description"]?.string ?? "", files: files, dataFolders: folders)
            )
        }
        try diagnostics.throwIfErrors()
    }

    /// The registry that a repository has; nil when it has none.
    /// - Throws: `Invalid` with everything that is wrong in it.
    package init?(in snapshot: any Snapshot) async throws {
        for path in ["plugins/registry.json", "registry.json"] where try await snapshot.identifier(of: path) != nil {
            try self.init(try await snapshot.read(path), file: path)
            return
        }
        return nil
    }

    /// What files of a folder belong together by their names: `hecate-traderd.container`, `hecate-traderd.env` and
    /// `hecate-traderw.container` are the plug-in `trader`, whose daemon has a data folder of its own.
    package init(files: [String]) {
        var members: [String: [String]] = [:]
        for file in files.sorted() where file.hasPrefix("hecate-") && !file.contains("/") {
            guard UnitName(file) != nil || file.hasSuffix(".env"), let dot = file.lastIndex(of: ".") else { continue }
            var name = file[..<dot].dropFirst("hecate-".count)
            if name.hasSuffix("d") || name.hasSuffix("w") { name.removeLast() }
            if !name.isEmpty { members[String(name), default: []].append(file) }
        }
        plugins = members.sorted { $0.key < $1.key }.compactMap { name, files in
            let daemon = "hecate-\(name)d"
            let hasDaemon = files.contains("\(daemon).container")
            guard files.contains(where: { UnitName($0) != nil }) else { return nil }
            return Plugin(name: name, description: "", files: files, dataFolders: hasDaemon ? [daemon] : [])
        }
    }

    package subscript(name: String) -> Plugin? { plugins.first { $0.name == name } }
}

/// The names people use for services, as the old CLI had them, without its mistakes: an exact name always wins.
package enum ServiceNames {
    /// The services a word may mean, the likeliest first.
    package static func candidates(_ word: String) -> [String] {
        let plain = word.hasSuffix(".service") ? String(word.dropLast(8)) : word
        return [plain, "hecate-\(plain)", "hecate-\(plain)d", "hecate-\(plain)w"].map { "\($0).service" }
    }
}
