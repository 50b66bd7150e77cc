package import Delivery
internal import Diagnostics
internal import Files

/// The files of a folder on disk, for checking a fleet repository before it is committed.
package struct FolderSnapshot: BrowsableSnapshot {
    package let revision = Revision(source: "folder", commit: "")
    private let root: String

    /// - Throws: `Invalid` when there is no such folder.
    package init(_ folder: String) throws {
        guard let resolved = realPath(folder) else {
            throw Invalid(
                at: Place(file: folder),
                "there is no such folder",
                cure: "name the root of the fleet repository"
            )
        }
        root = resolved
    }

    package func identifier(of path: String) async throws -> String? {
        realPath("\(root)/\(path)").map { _ in path }
    }

    package func read(_ path: String) async throws -> [UInt8] {
        guard let resolved = realPath("\(root)/\(path)") else {
            throw Invalid(at: nil, "there is no file '\(path)'", cure: "check the path")
        }
        guard resolved.hasPrefix(root + "/") else {
            throw Invalid(
                at: nil,
                "'\(path)' leads out of the repository through a symlink",
                cure: "point the link inside it"
            )
        }
        guard fileStatus(resolved)?.kind == .file else { throw Invalid(at: nil, "'\(path)' is a folder, not a file") }
        do throws(FileError) {
            return try fileContent(resolved)
        } catch {
            throw Invalid(at: nil, "'\(path)' cannot be read: \(error)", cure: "keep large files elsewhere")
        }
    }

    package func isExecutable(_ path: String) async throws -> Bool {
        fileStatus("\(root)/\(path)").map { $0.mode & 0o100 != 0 } ?? false
    }

    /// Whether a folder is a link that leads out of the repository, or to one that it lies in.
    private func leadsElsewhere(_ path: String) -> Bool {
        guard linkTarget(path) != nil else { return false }
        guard let real = realPath(path), let outer = realPath(Files.folder(of: path)) else { return true }
        return !real.hasPrefix("\(root)/") || outer == real || outer.hasPrefix("\(real)/")
    }

    package func files(below folder: String) async throws -> [String] {
        func walk(_ path: String, depth: Int) throws -> [String] {
            guard depth < 32 else { return [] }
            return try names(in: "\(root)/\(folder)/\(path)").flatMap { name in
                let inner = path.isEmpty ? name : "\(path)/\(name)"
                let place = "\(root)/\(folder)/\(inner)"
                let kind = fileStatus(place)?.kind
                // Git's own is no part of it; nor is what links lead to, but for folders beside them.
                if name == ".git" || kind == .folder && leadsElsewhere(place) { return [String]() }
                return kind == .folder ? try walk(inner, depth: depth + 1) : kind == .file ? [inner] : []
            }
        }
        return try walk("", depth: 0)
    }
}
