internal import Glibc
internal import SQLite

/// The store's file with the files beside it (`-wal`, `-shm`): made, set aside, written anew.
struct StoreFile: Sendable {
    /// An absolute path.
    let path: String

    private static let suffixes = ["", "-wal", "-shm"]
    /// How many damaged stores are kept beside the present one.
    private static let keptAside = 3

    init(path: String) {
        self.path = path.hasPrefix("/") ? path : "\(currentFolder())/\(path)"
    }

    var folder: String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "." }
    private var name: String { path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path }

    var exists: Bool { access(path, F_OK) == 0 }
    /// Whether the last program that had it open did not close it, or another has it open now.
    var wasLeftOpen: Bool {
        var status = stat()
        return stat("\(path)-wal", &status) == 0 && status.st_size > 0
    }

    /// How the file and its log look from outside, without opening them: to close them would end SQLite's locks.
    var trace: Trace { Trace(main: .init(path), log: .init("\(path)-wal")) }

    /// What changes whenever somebody writes into the store.
    struct Trace: Sendable, Hashable {
        struct Mark: Sendable, Hashable {
            private var size: Int64
            private var seconds: Int
            private var nanoseconds: Int

            /// Nil when nothing is there.
            init?(_ path: String) {
                var status = stat()
                guard stat(path, &status) == 0 else { return nil }
                size = Int64(status.st_size)
                (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
            }
        }

        var main: Mark?
        var log: Mark?
    }

    /// Opens the file and brings its schema up to date; a missing one is made first, whole or not at all.
    func open(creates: Bool = true) throws -> Database {
        if creates, !exists { try make() }
        let database = try Database(path: path, creates: false)
        do {
            try database.migrate(migrations)
        } catch {
            database.close()
            throw error
        }
        return database
    }

    /// Makes an empty store: built under another name, so that one write to the disk is enough.
    private func make() throws {
        let fresh = try makeBeside()
        defer { discard(fresh) }
        // Whoever was faster has made it.
        guard link(fresh, path) != 0, errno != EEXIST else { return }
        try move(fresh, to: path)
    }

    /// Makes an empty store beside the present one.
    /// - Returns: Its path.
    func makeBeside() throws -> String {
        try makeFolder()
        let fresh = try emptyFile()
        do {
            let database = try Database(path: fresh, creates: false, durability: .none)
            defer { database.close() }
            try database.migrate(migrations)
            database.close()
            try writeThrough(fresh)
        } catch {
            discard(fresh)
            throw error
        }
        return fresh
    }

    /// Gives a store that was made beside it this one's name.
    func place(_ fresh: String) throws { try move(fresh, to: path) }

    func discard(_ fresh: String) { for suffix in Self.suffixes { unlink(fresh + suffix) } }

    /// Writes everything a connection still sees into a new file at the path, and ends the connection.
    ///
    /// `walIdentity`: That of the connection's own log, which is not to be mistaken for another file's.
    func rewrite(from database: Database, walIdentity: FileIdentity?, at time: Double) throws {
        try makeFolder()
        let fresh = try emptyFile()
        defer { unlink(fresh) }
        try database.copy(to: fresh)
        try writeThrough(fresh)
        // A log that is not the new file's must never lie beside it; the connection has its own open without a name.
        if FileIdentity("\(path)-wal") == walIdentity { unlink("\(path)-wal") }
        if exists { _ = try setAside("replaced", at: time) }
        unlink("\(path)-wal")
        unlink("\(path)-shm")
        try move(fresh, to: path)
        // It removes its log by name as it ends, so it ends before there is another of that name.
        database.close()
        syncFolder()
    }

    /// Gives the file and those beside it another name.
    /// - Returns: The file's new path.
    func setAside(_ why: String, at time: Double) throws -> String {
        let stem = "\(path).\(why)-\(utcText(time))"
        var aside = stem
        var number = 2
        while access(aside, F_OK) == 0 || access("\(aside)-wal", F_OK) == 0 {
            aside = "\(stem)-\(number)"
            number += 1
        }
        for suffix in Self.suffixes where rename(path + suffix, aside + suffix) != 0 && errno != ENOENT {
            throw StoreError(system: errno, path: path, "the store '\(path)' cannot be set aside as '\(aside)'")
        }
        removeOldest(why)
        return aside
    }

    private func removeOldest(_ why: String) {
        let prefix = "\(name).\(why)-"
        let all = names(in: folder).filter { $0.hasPrefix(prefix) && !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm") }
        for old in all.sorted().dropLast(Self.keptAside) {
            for suffix in Self.suffixes { unlink("\(folder)/\(old)\(suffix)") }
        }
    }

    func makeFolder() throws {
        var made = ""
        for part in folder.split(separator: "/") {
            made += "/\(part)"
            if mkdir(made, 0o700) != 0, errno != EEXIST {
                // A part above may be there and still refuse; only what is missing counts.
                guard access(made, F_OK) != 0 else { continue }
                throw StoreError(system: errno, path: path, "the store's folder '\(made)' cannot be made")
            }
        }
    }

    /// An empty file beside the store, which only its owner may read; what SQLite makes beside it takes its permissions.
    private func emptyFile() throws -> String {
        let fresh = "\(path).new-\(getpid())"
        for suffix in Self.suffixes { unlink(fresh + suffix) }
        let descriptor = Glibc.open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw StoreError(system: errno, path: path, "the store '\(path)' cannot be made")
        }
        Glibc.close(descriptor)
        return fresh
    }

    private func writeThrough(_ file: String) throws {
        let descriptor = Glibc.open(file, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0, fdatasync(descriptor) == 0 else {
            let number = errno
            if descriptor >= 0 { Glibc.close(descriptor) }
            throw StoreError(system: number, path: path, "the store '\(path)' cannot be written to the disk")
        }
        Glibc.close(descriptor)
    }

    private func syncFolder() {
        let descriptor = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        Glibc.close(descriptor)
    }

    private func move(_ file: String, to other: String) throws {
        guard rename(file, other) == 0 else {
            throw StoreError(system: errno, path: path, "the store '\(path)' cannot be put in its place")
        }
    }

    private func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var result: [String] = []
        while let entry = readdir(stream) {
            result.append(
                withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
            )
        }
        return result
    }
}

/// Which file a path leads to, whatever it is called.
package struct FileIdentity: Sendable, Hashable {
    private var device: UInt64
    private var number: UInt64

    /// Nil when nothing is there.
    package init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        (device, number) = (UInt64(status.st_dev), UInt64(status.st_ino))
    }

    /// That of an open file; nil when the descriptor is none.
    package init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        (device, number) = (UInt64(status.st_dev), UInt64(status.st_ino))
    }
}

extension StoreError {
    static func sorted(_ number: Int32) -> (Kind, String) {
        switch number {
        case ENOSPC, EDQUOT, EFBIG: (.full, "make room on its file system")
        case EROFS, EACCES, EPERM: (.readOnly, "make its folder and file system writable for this user")
        default: (.io, "check the path and the disk")
        }
    }
}

func errorText(_ number: Int32) -> String { String(cString: strerror(number)) }

/// The system's wall clock.
package func systemSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Such as `20261121T140202Z`.
private func utcText(_ seconds: Double) -> String {
    var (whole, parts, buffer) = (time_t(seconds), tm(), [CChar](repeating: 0, count: 32))
    gmtime_r(&whole, &parts)
    let count = strftime(&buffer, buffer.count, "%Y%m%dT%H%M%SZ", &parts)
    return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

private func currentFolder() -> String {
    guard let path = getcwd(nil, 0) else { return "." }
    defer { free(path) }
    return String(cString: path)
}
