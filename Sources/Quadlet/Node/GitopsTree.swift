package import Diagnostics
internal import Files

/// One unit file as it lies in the gitops folder, not read yet.
package struct UnitSource: Sendable, Hashable {
    package var name: UnitName
    /// Where it lies.
    package var path: String
    /// Folders of drop-ins that apply to it, the more general first.
    package var dropInFolders: [String]
    /// Why it cannot be used at all, such as another file of the same name.
    package var problem: Diagnostic?
    /// Changes with the file and its drop-ins.
    package var identity: String
}

/// What lies in the gitops folder: every unit file of `system` and `apps`, nested folders included.
package struct GitopsTree: Sendable {
    package private(set) var units: [UnitSource] = []
    /// Every folder there is, to be watched.
    package private(set) var folders: [String] = []
    private var dropIns: [String: String] = [:]
    private var found: [UnitName: [String]] = [:]

    /// Reads the folder's names and dates; no file is opened.
    /// - Throws: `Invalid` when the gitops folder is not there or a folder in it cannot be read: then nothing is known of
    /// what should run, and nothing may be removed.
    package init(_ layout: NodeLayout) throws(Invalid) {
        guard fileStatus(layout.gitops)?.kind == .folder else {
            throw Invalid(
                at: Place(file: layout.gitops),
                "there is no gitops folder",
                cure: "make it with 'hecate init node', or name another with HECATE_GITOPS_DIR"
            )
        }
        folders.append(layout.gitops)
        do {
            for source in layout.sources { try scan(source, depth: 0) }
        } catch {
            throw Invalid(
                at: Place(file: error.path),
                "the folder cannot be read: \(error)",
                cure: "check its permissions"
            )
        }
        for (name, paths) in found.sorted(by: { $0.key.description < $1.key.description }) {
            units.append(source(name, paths.sorted(), layout))
        }
    }

    private mutating func scan(_ folder: String, depth: Int) throws(FileError) {
        guard depth < 8, fileStatus(folder)?.kind == .folder else { return }
        folders.append(folder)
        for entry in try names(in: folder) where !entry.hasPrefix(".") {
            let path = "\(folder)/\(entry)"
            if let name = UnitName(entry) {
                if fileStatus(path)?.kind != .folder { found[name, default: []].append(path) }
            } else if fileStatus(path)?.kind == .folder {
                if entry.hasSuffix(".d") {
                    dropIns[entry] = path
                    folders.append(path)
                } else {
                    try scan(path, depth: depth + 1)
                }
            }
        }
    }

    private func source(_ name: UnitName, _ paths: [String], _ layout: NodeLayout) -> UnitSource {
        let path = paths[0]
        let folders = name.dropInFolders.compactMap { dropIns[$0] }
        var problem: Diagnostic?
        var identities = paths.map { "\($0) \(fileStatus($0)?.identity ?? "none")" }
        if paths.count > 1 {
            problem = Diagnostic(
                .error,
                at: Place(file: paths[1]),
                "'\(name)' stands twice; the other is \(paths[0])",
                cure: "remove or rename one of them"
            )
        } else if fileStatus(path) == nil {
            let target = linkTarget(path) ?? ""
            problem = Diagnostic(
                .error,
                at: Place(file: path),
                "the link leads to '\(target)', which is not there",
                cure: "mend or remove the link"
            )
        }
        for folder in folders {
            for file in (try? names(in: folder)) ?? [] where file.hasSuffix(".conf") {
                identities.append("\(folder)/\(file) \(fileStatus("\(folder)/\(file)")?.identity ?? "none")")
            }
        }
        return UnitSource(
            name: name,
            path: path,
            dropInFolders: folders,
            problem: problem,
            identity: identities.joined(separator: "\n")
        )
    }
}
