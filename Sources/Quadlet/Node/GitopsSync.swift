internal import Crypto
package import Delivery
internal import Diagnostics
internal import Files
internal import JSON
internal import YAML

/// Brings the files of a repository into the gitops folder.
///
/// Of one laid out as hecate-gitops is, `quadlet/system` always, of `quadlet/apps` what `nodes/<host>.yml` names; of any other
/// one all that is not hidden, or the folders that somebody named. What was installed by hand stays.
package struct GitopsSync: Sendable {
    let layout: NodeLayout

    package init(layout: NodeLayout) { self.layout = layout }

    private var manifestPath: String { "\(layout.kept)/from-git.json" }

    /// Writes what the snapshot wants and removes what it wanted before and wants no more.
    /// - Returns: What was done about files that somebody had edited here, in words.
    /// - Throws: `Invalid` when the node's own file is wrong; then nothing is written.
    package func bring(_ snapshot: any BrowsableSnapshot, registry: PluginRegistry?) async throws -> [String] {
        let isParted = layout.given.isEmpty ? try await isParted(snapshot) : false
        let wanted = try await isParted ? wanted(snapshot, registry) : everything(snapshot)
        // Where units lie is known before they do.
        if layout.given.isEmpty { try (isParted ? GitopsForm.parts : .whole).keep(layout) }
        let before = manifest()
        var after: [String: String] = [:]
        var notes: [String] = []
        // Environment files first, so that no unit is met before what it reads.
        for (path, (bytes, isProgram)) in wanted.sorted(by: {
            ($0.key.hasSuffix(".env") ? 0 : 1, $0.key) < ($1.key.hasSuffix(".env") ? 0 : 1, $1.key)
        }) {
            let digest = sha256(bytes)
            after[path] = digest
            let place = "\(layout.gitops)/\(path)"
            let present = try? fileContent(place)
            let mode: UInt32 = path.hasSuffix(".env") ? 0o600 : isProgram ? 0o755 : 0o644
            if present == bytes {
                if before[path] == digest, fileStatus(place)?.mode != mode { try setMode(place, mode) }
                continue
            }
            if let present, sha256(present) != before[path] {
                if path.hasSuffix(".env") {
                    // Settings of this very node are kept in them, keys too.
                    notes.append("kept '\(path)', which was edited here; the repository has another version")
                    after[path] = before[path]
                    continue
                }
                notes.append(try putAside(path, present))
            }
            try makeFolder(folder(of: place))
            try replaceFile(place, with: bytes, mode: mode)
        }
        for (path, digest) in before where wanted[path] == nil {
            // What a setting leaves out the repository may still have.
            guard isGiven(path) else {
                after[path] = digest
                continue
            }
            let place = "\(layout.gitops)/\(path)"
            if let present = try? fileContent(place), sha256(present) != digest {
                notes.append(try putAside(path, present))
            }
            try removeFile(place)
        }
        try makeFolder(layout.kept, mode: 0o700)
        let files = JSON(after)
        let manifest: JSON = ["commit": .string(snapshot.revision.commit), "files": files]
        try replaceFile(manifestPath, with: Array(manifest.text(pretty: true).utf8), mode: 0o600)
        return notes
    }

    private func putAside(_ path: String, _ content: [UInt8]) throws -> String {
        let copy = "\(layout.kept)/replaced/\(path).\(sha256(content).prefix(12))"
        try makeFolder(folder(of: copy), mode: 0o700)
        try replaceFile(copy, with: content, mode: 0o600)
        return "replaced '\(path)', which was edited here, by the repository's; the edited one is \(copy)"
    }

    private func manifest() -> [String: String] {
        guard let bytes = try? fileContent(manifestPath), let document = try? JSON(parsing: bytes) else { return [:] }
        return (document["files"]?.object ?? [:]).compactMapValues(\.string)
    }

    private typealias Content = (bytes: [UInt8], isProgram: Bool)

    private func content(_ path: String, _ snapshot: any BrowsableSnapshot) async throws -> Content {
        (try await snapshot.read(path), try await snapshot.isExecutable(path))
    }

    private func isParted(_ snapshot: any BrowsableSnapshot) async throws -> Bool {
        for part in ["quadlet/system", "quadlet/apps"] where try await !snapshot.files(below: part).isEmpty {
            return true
        }
        return false
    }

    /// The files of a repository that was not made for Hecate.
    private func everything(_ snapshot: any BrowsableSnapshot) async throws -> [String: Content] {
        var result: [String: Content] = [:]
        for file in try await snapshot.files(below: "") where isGiven(file) {
            let isHidden = file.split(separator: "/").contains { $0.hasPrefix(".") && $0 != ".config" }
            if !isHidden { result[file] = try await content(file, snapshot) }
        }
        return result
    }

    /// Whether a file lies in a folder that is read.
    private func isGiven(_ path: String) -> Bool {
        let given = layout.given.map { $0.split(separator: "/").filter { $0 != "." }.joined(separator: "/") }
        return given.isEmpty || given.contains { $0.isEmpty || path.hasPrefix("\($0)/") }
    }

    /// The files the node is to have, by their paths below the gitops folder.
    private func wanted(
        _ snapshot: any BrowsableSnapshot,
        _ registry: PluginRegistry?
    ) async throws -> [String: Content] {
        var result: [String: Content] = [:]
        for file in try await snapshot.files(below: "quadlet/system") where isTaken(file) {
            result["system/\(file)"] = try await content("quadlet/system/\(file)", snapshot)
        }
        let available = try await snapshot.files(below: "quadlet/apps")
        for app in try await apps(snapshot) {
            let files = registry?[app.name]?.files ?? available.filter { belongs($0, to: app.name) }
            let present = files.filter { available.contains($0) }
            guard !present.isEmpty else {
                let names = registry?.plugins.map(\.name) ?? available.filter { UnitName($0) != nil }
                throw Invalid(
                    at: app.place,
                    "'\(app.name)' is nothing that quadlet/apps has",
                    cure: suggestion(for: app.name, among: names)
                )
            }
            for file in present { result["apps/\(file)"] = try await content("quadlet/apps/\(file)", snapshot) }
        }
        return result
    }

    /// Documents and hidden files stay behind.
    private func isTaken(_ file: String) -> Bool { !file.hasSuffix(".md") && !lastComponent(file).hasPrefix(".") }

    /// Whether a file is a plug-in's: its folder, or by the names daemons and web parts have.
    private func belongs(_ file: String, to name: String) -> Bool {
        if file == name || file.hasPrefix("\(name)/") || file.hasPrefix("hecate-\(name)/") { return true }
        let stems = [name, "hecate-\(name)", "hecate-\(name)d", "hecate-\(name)w"]
        return stems.contains { stem in
            file == "\(stem).env" || file.hasPrefix("\(stem).") && UnitName(file) != nil
                || UnitKind.allCases.contains { file.hasPrefix("\(stem).\($0.rawValue).d/") }
        }
    }

    /// The apps that `nodes/<host>.yml` names.
    private func apps(_ snapshot: any BrowsableSnapshot) async throws -> [(name: String, place: Place)] {
        let host = layout.host.split(separator: ".").first.map(String.init) ?? layout.host
        for name in [layout.host, host] {
            let path = "nodes/\(name).yml"
            guard try await snapshot.identifier(of: path) != nil else { continue }
            let node = try parse(try await snapshot.read(path), file: path)
            let sink = Fields.Sink()
            let fields = Fields(node, into: sink)
            var result: [(String, Place)] = []
            for item in fields.node("apps")?.sequence ?? [] {
                if let text = item.scalar?.text {
                    result.append((text, item.place))
                } else {
                    sink.diagnostics.error(at: item.place, "an app is a name, found \(item.kind)")
                }
            }
            fields.finish()
            try sink.diagnostics.throwIfErrors()
            return result
        }
        return []
    }
}
