internal import Glibc

/// A call to the file system that failed, with the path it was about.
package struct FileError: Error, Sendable, CustomStringConvertible {
    package var path: String
    package var number: Int32
    /// What is wrong, where the number does not say it.
    private var reason: String?

    package var isNotFound: Bool { number == ENOENT || number == ENOTDIR }
    package var description: String { "'\(path)': \(reason ?? String(cString: strerror(number)))" }

    /// What the call that was just made left in `errno`.
    package init(_ path: String) {
        self.path = path
        number = errno
    }

    fileprivate init(_ path: String, _ reason: String) {
        self.path = path
        self.reason = reason
        number = EINVAL
    }
}

/// What a path leads to.
package struct FileStatus: Sendable, Hashable {
    /// What lies there.
    package enum Kind: Sendable {
        case file, folder, link
        /// A named pipe.
        case pipe
        case socket
        /// A device, such as `/dev/null`.
        case device

        fileprivate init(_ status: stat) {
            switch status.st_mode & S_IFMT {
            case S_IFREG: self = .file
            case S_IFDIR: self = .folder
            case S_IFLNK: self = .link
            case S_IFIFO: self = .pipe
            case S_IFSOCK: self = .socket
            default: self = .device
            }
        }

        /// What it is, in words.
        package var name: String {
            switch self {
            case .file: "a file"
            case .folder: "a folder"
            case .link: "a link"
            case .pipe: "a named pipe"
            case .socket: "a socket"
            case .device: "a device"
            }
        }
    }

    package var kind: Kind
    package var size: Int
    /// How many names it has (hard links).
    package var names: Int
    /// The permissions, such as `0o644`.
    package var mode: UInt32
    /// Changes with the file: its number, size and times of change.
    ///
    /// Equal identities, equal content.
    package var identity: String
    /// When content or names last changed, in microseconds since 1970.
    package var changedMicroseconds: UInt64

    fileprivate init(_ status: stat) {
        kind = Kind(status)
        size = Int(status.st_size)
        names = Int(status.st_nlink)
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

/// Why a path cannot be looked at; nil when it can, or when nothing lies there.
package func lookError(_ path: String) -> FileError? {
    var status = stat()
    guard fstatat(AT_FDCWD, path, &status, 0) != 0, errno != ENOENT, errno != ENOTDIR else { return nil }
    return FileError(path)
}

/// Whether a path leads to something.
package func pathExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// A file's content; that of `/dev/null` is empty.
///
/// `limit`: A larger file is refused, in bytes. `waits`: Whether it may be a pipe, whose writer is waited for.
/// - Throws: `FileError`, also for what is no file: a pipe or a device may never end, or keep whoever opens it for ever.
package func fileContent(
    _ path: String,
    limit: Int = 16 * 1024 * 1024,
    waits: Bool = false
) throws(FileError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | (waits ? 0 : O_NONBLOCK))
    guard descriptor >= 0 else { throw FileError(path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(path) }
    switch FileStatus.Kind(status) {
    case .file: break
    case .pipe where waits: break
    case .folder:
        errno = EISDIR
        throw FileError(path)
    case .device where status.st_rdev == nullDevice: return []
    case let kind: throw FileError(path, "it is \(kind.name), and only files are read")
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

/// The number of `/dev/null` (null(4)): major 1, minor 3.
private let nullDevice: dev_t = 0x103

/// Writes a file so that whoever reads it sees the old content or the new, never a part.
///
/// `mode`: The permissions of the file.
package func replaceFile(_ path: String, with bytes: [UInt8], mode: UInt32 = 0o644) throws(FileError) {
    let temporary = temporaryPath(for: path)
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

/// A path beside another one for what is to take its place; the longest names are cut, because a name has 255 bytes at most.
private func temporaryPath(for path: String) -> String {
    let name = lastComponent(path)
    guard name.utf8.count > 230 else { return "\(path).\(getpid()).new" }
    return
        "\(folder(of: path))/\(String(decoding: name.utf8.prefix(200), as: UTF8.self)).\(getpid()).\(name.hashValue).new"
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
///
/// Those that are no UTF-8 are left out: no path with them could be written.
package func names(in folder: String) throws(FileError) -> [String] {
    try rawNames(in: folder).compactMap { String(validating: $0, as: UTF8.self) }.sorted()
}

/// The names in a folder that are no UTF-8 or have control characters, for people to read: such a byte as `\xE9`.
package func strangeNames(in folder: String) throws(FileError) -> [String] {
    try rawNames(in: folder)
        .filter { String(validating: $0, as: UTF8.self) == nil || $0.contains(where: isControl) }
        .map { bytes in
            bytes.map { byte in
                let isPlain = byte < 0x7F && !isControl(byte)
                let digits = String(byte, radix: 16, uppercase: true)
                return isPlain ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + digits
            }.joined()
        }
}

/// Whether a byte is a control character of ASCII.
package func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }

private func rawNames(in folder: String) throws(FileError) -> [[UInt8]] {
    guard let stream = opendir(folder) else {
        if errno == ENOENT || errno == ENOTDIR { return [] }
        throw FileError(folder)
    }
    defer { closedir(stream) }
    let (dot, dots) = ([UInt8(ascii: ".")], [UInt8(ascii: "."), UInt8(ascii: ".")])
    var result: [[UInt8]] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
        if name != dot, name != dots { result.append(name) }
    }
    return result
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
    let temporary = temporaryPath(for: path)
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

/// Removes a folder in which nothing lies; any other one stays.
package func removeEmptyFolder(_ path: String) { _ = rmdir(path) }

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
