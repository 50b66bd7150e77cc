internal import Crypto
package import Delivery
internal import Files
internal import JSON

/// Brings the files of a repository into the gitops folder.
///
/// Which files those are, `MachineFiles` says. What was installed by hand stays.
package struct GitopsSync: Sendable {
    let layout: NodeLayout

    package init(layout: NodeLayout) {
        var layout = layout
        // What was named once is read on when nobody names it any more: the rest of the repository is for others.
        if layout.given.isEmpty, case .given(let names) = GitopsForm(layout) { layout.given = names }
        self.layout = layout
    }

    private var manifestPath: String { "\(layout.kept)/from-git.json" }

    /// Writes what the snapshot wants and removes what it wanted before and wants no more.
    /// - Returns: What was done about files that somebody had edited here, in words.
    /// - Throws: `Invalid` when the node's own file is wrong; then nothing is written.
    package func bring(_ snapshot: any BrowsableSnapshot, registry: PluginRegistry?) async throws -> [String] {
        try await bring(try await MachineFiles(snapshot, layout, registry: registry), of: snapshot.revision.commit)
    }

    /// Writes what a machine gets of a commit.
    func bring(_ files: MachineFiles, of commit: String) async throws -> [String] {
        let wanted = try await files.contents()
        // Where units lie is known before they do.
        if layout.given.isEmpty { try (files.isLaidOut ? GitopsForm.parts : .whole).keep(layout) }
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
                // Who may read it, somebody here may have said.
                if before[path] == digest, let now = fileStatus(place)?.mode, now & 0o111 != mode & 0o111 {
                    try? setMode(place, now & ~0o111 | (mode & 0o111) & (now >> 2 | 0o100))
                }
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
            guard layout.gives(path) else {
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
        let manifest: JSON = ["commit": .string(commit), "files": JSON(after)]
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
}
