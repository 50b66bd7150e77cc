package import Delivery
internal import Diagnostics
internal import Glibc

/// The files of a folder on disk, for checking a fleet repository before it is committed.
package struct FolderSnapshot: Snapshot {
    package let revision = Revision(source: "folder", commit: "")
    private let root: String

    /// - Throws: `Invalid` when there is no such folder.
    package init(_ folder: String) throws {
        guard let resolved = Self.real(folder) else {
            throw Invalid(
                at: Place(file: folder),
                "there is no such folder",
                cure: "name the root of the fleet repository"
            )
        }
        root = resolved
    }

    package func identifier(of path: String) async throws -> String? {
        Self.real("\(root)/\(path)").map { _ in path }
    }

    package func read(_ path: String) async throws -> [UInt8] {
        guard let resolved = Self.real("\(root)/\(path)") else {
            throw Invalid(at: nil, "there is no file '\(path)'", cure: "check the path")
        }
        guard resolved.hasPrefix(root + "/") else {
            throw Invalid(
                at: nil,
                "'\(path)' leads out of the repository through a symlink",
                cure: "point the link inside it"
            )
        }
        let descriptor = open(resolved, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Invalid(at: nil, "'\(path)' cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        fstat(descriptor, &status)
        guard status.st_mode & S_IFMT == S_IFREG else { throw Invalid(at: nil, "'\(path)' is a folder, not a file") }
        guard status.st_size <= 16 * 1024 * 1024 else {
            throw Invalid(
                at: nil,
                "'\(path)' has \(status.st_size) bytes, more than are read",
                cure: "keep large files elsewhere"
            )
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(descriptor, buffer.baseAddress.map { $0 + filled }, buffer.count - filled)
            }
            guard count > 0 else { break }
            filled += count
        }
        return Array(bytes.prefix(filled))
    }

    private static func real(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
