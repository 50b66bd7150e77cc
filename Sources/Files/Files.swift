internal import Glibc

/// A call to the file system that failed, with the path it was about.
package struct FileError: Error, Sendable, CustomStringConvertible {
    package var path: String
    package var number: Int32

    package var isNotFound: Bool { number == ENOENT || number == ENOTDIR }
    package var description: String { "'\(path)': \(String(cString: strerror(number)))" }

    /// What the call that was just made left in `errno`.
    package init(_ path: String) {
        self.path = path
        number = errno
    }
}

/// What a path leads to.
package struct FileStatus: Sendable, Hashable {
    /// What lies there.
    package enum Kind: Sendable { case file, folder, link, other }

    package var kind: Kind
    package var size: Int
    /// The permissions, such as `0o644`.
    package var mode: UInt32
    /// Changes with the file: its number, size and times of change.
    ///
    /// Equal identities, equal content.
    package var identity: String
    /// When content or names last changed, in microseconds since 1970.
    package var changedMicroseconds: UInt64

    fileprivate init(_ status: stat) {
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFDIR: kind = .folder
        case S_IFLNK: kind = .link
        default: kind = .other
        }
        size = Int(status.st_size)
        mode = status.st_mode & 0o7777
        changedMicroseconds = UInt64(status.st_ctim.tv_sec) * 1_000_000 + UInt64(status.st_ctim.tv_nsec) / 1000
        let (modified, changed) = (status.st_mtim, status.st_ctim)
        identity =
            "\(status.st_ino).\(size).\(modified.tv_sec).\(modified.tv_nsec).\(changed.tv_sec).\(changed.tv_nsec)"
    }
}

/// What lies at a path, or nil when nothing does.
///
/// `followsLinks`: Whether a link's own target is meant.
package func fileStatus(_ path: String, followsLinks: Bool = true) -> FileStatus? {
    var status = stat()
    guard fstatat(AT_FDCWD, path, &status, followsLinks ? 0 : AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
    return FileStatus(status)
}

/// Whether a path leads to something.
package func pathExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// A file's content.
///
/// `limit`: A larger file is refused.
package func fileContent(_ path: String, limit: Int = 16 * 1024 * 1024) throws(FileError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(path) }
    guard status.st_mode & S_IFMT != S_IFDIR else {
        errno = EISDIR
        throw FileError(path)
    }
    guard status.st_size <= limit else {
        errno = EFBIG
        throw FileError(path)
    }
    var bytes = [UInt8](repeating: 0, count: max(Int(status.st_size), 4096))
    var filled = 0
    while true {
        if filled == bytes.count {
            guard filled < limit else {
                errno = EFBIG
                throw FileError(path)
            }
            bytes += [UInt8](repeating: 0, count: bytes.count)
        }
        let count = bytes.withUnsafeMutableBytes { buffer in
            read(descriptor, buffer.baseAddress.map { $0 + filled }, buffer.count - filled)
        }
        guard count >= 0 else { throw FileError(path) }
        if count == 0 { return Array(bytes.prefix(filled)) }
        filled += count
    }
}

/// Writes a file so that whoever reads it sees the old content or the new, never a part.
///
/// `mode`: The permissions of the file.
package func replaceFile(_ path: String, with bytes: [UInt8], mode: UInt32 = 0o644) throws(FileError) {
    let temporary = "\(path).\(getpid()).new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
    guard descriptor >= 0 else { throw FileError(temporary) }
    fchmod(descriptor, mode)
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else {
            let error = FileError(temporary)
            close(descriptor)
            unlink(temporary)
            throw error
        }
        rest = rest.dropFirst(count)
    }
    fsync(descriptor)
    close(descriptor)
    guard rename(temporary, path) == 0 else { throw FileError(path) }
}

/// Gives a file or folder another name on the same file system, in one step.
package func renameFile(_ path: String, to other: String) throws(FileError) {
    guard rename(path, other) == 0 else { throw FileError(path) }
}

/// Sets the permissions of a file or folder, such as `0o600`.
package func setMode(_ path: String, _ mode: UInt32) throws(FileError) {
    guard chmod(path, mode) == 0 else { throw FileError(path) }
}

/// Makes a folder and those above it.
package func makeFolder(_ path: String, mode: UInt32 = 0o755) throws(FileError) {
    if mkdir(path, mode) == 0 { return }
    if errno == EEXIST, fileStatus(path)?.kind == .folder { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
        throw FileError(path)
    }
    try makeFolder(String(path[..<slash]), mode: mode)
    guard mkdir(path, mode) == 0 || errno == EEXIST else { throw FileError(path) }
}

/// The names in a folder, sorted; none when there is no such folder.
package func names(in folder: String) throws(FileError) -> [String] {
    guard let stream = opendir(folder) else {
        if errno == ENOENT || errno == ENOTDIR { return [] }
        throw FileError(folder)
    }
    defer { closedir(stream) }
    var result: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { result.append(name) }
    }
    return result.sorted()
}

/// Where a link points, as it is written; nil when the path is no link.
package func linkTarget(_ path: String) -> String? {
    withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
        let characters = buffer.bindMemory(to: CChar.self)
        guard let start = characters.baseAddress else { return nil }
        let count = readlink(path, start, characters.count)
        return count >= 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
    }
}

/// Makes a link, or points an existing one elsewhere, in one step.
package func replaceLink(_ path: String, to target: String) throws(FileError) {
    let temporary = "\(path).\(getpid()).new"
    unlink(temporary)
    guard symlink(target, temporary) == 0 else { throw FileError(temporary) }
    guard rename(temporary, path) == 0 else {
        let error = FileError(path)
        unlink(temporary)
        throw error
    }
}

/// Removes a file or a link; it is no error when there is none.
package func removeFile(_ path: String) throws(FileError) {
    guard unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR else { throw FileError(path) }
}

/// Removes a folder with everything in it, without following links; it is no error when there is none.
package func removeTree(_ path: String) throws(FileError) {
    guard let status = fileStatus(path, followsLinks: false) else { return }
    if status.kind == .folder {
        for name in try names(in: path) { try removeTree("\(path)/\(name)") }
        guard rmdir(path) == 0 || errno == ENOENT else { throw FileError(path) }
    } else {
        try removeFile(path)
    }
}

/// A path with every link in it followed, or nil when it leads nowhere.
package func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
}

/// A path without `.`, `..` and doubled slashes, by its text alone.
package func normalizedPath(_ path: String) -> String {
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
        if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
}

/// The part of a path after the last slash.
package func lastComponent(_ path: String) -> String {
    var bytes = path.utf8[...]
    while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return String(Substring(bytes)) }
    return String(Substring(bytes[bytes.index(after: slash)...]))
}

/// The part of a path before the last slash.
package func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// Adds to the end of a file, making it and its folder when they are not there; only its owner may read it.
package func appendToFile(_ path: String, _ bytes: [UInt8]) throws(FileError) {
    try makeFolder(folder(of: path), mode: 0o700)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError(path) }
    defer { close(descriptor) }
    guard bytes.withUnsafeBytes({ write(descriptor, $0.baseAddress, $0.count) }) == bytes.count else {
        throw FileError(path)
    }
}
