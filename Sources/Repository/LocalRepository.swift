internal import Files
internal import Glibc
internal import Synchronization
internal import Threads

/// A repository on this machine that is given as a path: what it says is read where it lies, before it is copied.
///
/// git makes the same difference: a path is reached directly, a `file://` address through the transport.
final class LocalRepository: Sendable {
    /// What stands there.
    struct Look: Sendable {
        /// The folder in which git keeps what belongs to the repository.
        var folder: String
        /// Whether it has the reference that was looked for: git itself answers for more names than those.
        var hasReference: Bool
    }

    private let path: String
    /// Whether somebody looks already, who may never come back from a file system that is away.
    private let isLooking = Mutex(false)
    private let patience = Duration.seconds(2)

    /// Nil when the address is no path.
    init?(_ url: String) {
        guard url.hasPrefix("/") else { return nil }
        path = url
    }

    /// Looks at what stands there, on a thread of its own; nil when only git's transport can tell, or nothing answers.
    ///
    /// `reference`: A full name to look for.
    func look(for reference: String?) async -> Look? {
        let isFirst = isLooking.withLock { isLooking in
            defer { isLooking = true }
            return !isLooking
        }
        guard isFirst else { return nil }
        let (looks, look) = AsyncStream.makeStream(of: Look?.self)
        startThread(named: "repository") { [self] in
            let found = Self.look(at: path, for: reference)
            // Whoever has the answer may look again at once.
            isLooking.withLock { $0 = false }
            look.yield(found)
            look.finish()
        }
        let timer = Task { [patience] in
            _ = try? await Task.sleep(for: patience)
            look.finish()
        }
        defer { timer.cancel() }
        for await found in looks { return found }
        return nil
    }

    private static func look(at path: String, for reference: String?) -> Look? {
        let folder = ["\(path)/.git", path].first { folder in
            // References that are not files, or in `packed-refs`, may be remembered by the process that reads them.
            access("\(folder)/HEAD", R_OK) == 0 && access("\(folder)/reftable", F_OK) != 0
                && isFolder("\(folder)/objects") && isFolder("\(folder)/refs/heads")
        }
        guard let folder else { return nil }
        return Look(folder: folder, hasReference: reference.map { has($0, in: folder) } ?? false)
    }

    /// Whether a reference stands there under just this name (gitrepository-layout).
    private static func has(_ reference: String, in folder: String) -> Bool {
        var status = stat()
        if stat("\(folder)/\(reference)", &status) == 0, status.st_mode & S_IFMT == S_IFREG { return true }
        guard let packed = try? fileContent("\(folder)/packed-refs") else { return false }
        let line = Array(" \(reference)".utf8)
        // Each line is an object's name, of SHA-1 or SHA-256, and a reference's.
        return packed.split(separator: 0x0A).contains { found in
            [40, 64].contains(found.count - line.count) && found.suffix(line.count).elementsEqual(line)
        }
    }

    /// Whether a reference's name means just itself where git takes an expression, as git's own rules for names want it.
    static func isPlain(_ name: String) -> Bool {
        !name.utf8.contains { $0 <= 0x20 || $0 == 0x7F || "~^:?*[\\".utf8.contains($0) } && !name.contains("@{")
            && !name.contains("..") && !name.hasSuffix("/")
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
