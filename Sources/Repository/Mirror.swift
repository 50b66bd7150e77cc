internal import Delivery
internal import Files
internal import Glibc

/// Something that is wrong with the mirror itself, which a new one cures.
struct MirrorFault: Error, Sendable, CustomStringConvertible {
    var description: String

    /// What git says when the fault is the mirror's own: the marks of a power cut, of files removed, of a lock left behind.
    static func isNamed(in text: String) -> Bool {
        // What the server has to say is marked as its own.
        let lowered = text.lowercased().split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("remote:") }
            .joined(separator: "\n")
        return !others.contains { lowered.contains($0) } && phrases.contains { lowered.contains($0) }
    }

    private static let phrases = [
        "fatal: not a git repository", "object file", "bad object", "bad tree object", "unable to read tree",
        "unable to read sha1", "could not read object", "inflate:", "is corrupt", "cannot lock ref",
        "unable to create '", "index-pack failed", "index-pack died", "invalid index-pack", "unpack-objects failed",
        "unpack-objects abnormal exit", "did not send all necessary objects", "bad config", "bad ref", "broken ref",
        "unable to resolve reference", "does not point to a valid object", "packed-refs", "unable to unpack",
        "error: packfile", "is not a git packfile", "index file", "shallow file", "bad shallow line",
        "invalid shallow line", "invalid sha1 pointer", "unable to parse object", "missing blob", "missing tree",
        "hash mismatch", "commit-graph", "revision walk setup failed", "failed to read object", "unresolved deltas",
        "expected git repo version", "unknown repository extension",
    ]
    /// What says that it was the connection after all.
    private static let others = ["early eof", "hung up", "rpc failed"]
}

/// A bare repository's folder on disk: made and marked without a process for it.
struct Mirror: Sendable {
    let path: String

    /// Whether a commit was ever taken from it.
    var isUsed: Bool { reference("current") != nil }
    var exists: Bool { access("\(path)/HEAD", F_OK) == 0 }

    /// Makes an empty bare repository, as `git init --bare` does without its templates.
    ///
    /// `HEAD` comes last: a mirror that has one is complete.
    /// - Throws: `Failure` that names the path and the cure when it cannot be written.
    func make(sha256 isSHA256: Bool = false) throws {
        do throws(FileError) {
            for folder in ["refs", "objects"] { try makeFolder("\(path)/\(folder)", mode: 0o700) }
        } catch {
            throw refused(error.description)
        }
        let format =
            isSHA256
            ? "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
            : "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
        // References that are files of their own are those that `mark` knows.
        try write(format + "[gc]\n\tpackRefs = false\n", to: "config")
        try write("ref: refs/heads/main\n", to: "HEAD")
    }

    /// Points the references that keep commits from being collected at a commit and the one before it.
    func mark(_ commit: String) {
        guard commit != reference("current") else { return }
        if let current = reference("current") { try? write("\(current)\n", to: "refs/hecate/previous") }
        try? write("\(commit)\n", to: "refs/hecate/current")
    }

    /// Points one reference at a commit.
    /// - Throws: `Failure` when it cannot be written.
    func mark(_ commit: String, as name: String) throws {
        if reference(name) != commit { try write("\(commit)\n", to: "refs/hecate/\(name)") }
    }

    /// The commit that is kept whatever comes after it.
    var retained: String? { reference("retained") }

    /// The commit a reference of ours points at.
    private func reference(_ name: String) -> String? {
        let descriptor = open("\(path)/refs/hecate/\(name)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).prefix { $0 != "\n" }
        return [40, 64].contains(text.utf8.count) ? String(text) : nil
    }

    /// Takes this mirror's place with another, whole or not at all as far as readers see.
    func replace(with other: Mirror) throws {
        let old = "\(path).old"
        try? removeTree(old)
        if rename(path, old) != 0, errno != ENOENT { throw refused(errno) }
        if rename(other.path, path) != 0 { throw refused(errno) }
        try? removeTree(old)
    }

    func remove() { try? removeTree(path) }

    /// Writes a file as git writes a reference: beside it, under the name of its lock, and renamed.
    private func write(_ text: String, to name: String) throws {
        let (file, lock) = ("\(path)/\(name)", "\(path)/\(name).lock")
        if name.hasPrefix("refs/hecate/") { mkdir("\(path)/refs/hecate", 0o700) }
        let descriptor = open(lock, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw refused(errno) }
        let bytes = Array(text.utf8)
        let count = Glibc.write(descriptor, bytes, bytes.count)
        let number = errno
        close(descriptor)
        guard count == bytes.count else {
            unlink(lock)
            throw refused(count < 0 ? number : ENOSPC)
        }
        if rename(lock, file) != 0 { throw refused(errno) }
    }

    /// Why the folder cannot be written, and the cure.
    func refused(_ number: Int32) -> Failure { refused(String(cString: strerror(number))) }

    func refused(_ why: String) -> Failure {
        Failure(
            .unavailable,
            "the mirror '\(path)' cannot be written: \(why); make its folder writable for the user that runs hecate, "
                + "and see that its file system has room"
        )
    }
}

/// A lock on a mirror among processes and sources, which the kernel releases however its holder ends.
final class MirrorLock: Sendable {
    private let descriptor: Int32

    /// Waits until nobody else works on the mirror.
    /// - Throws: `Failure` when that takes longer than the deadline, or the lock's file cannot be made.
    init(_ mirror: Mirror, deadline: Duration) async throws {
        let path = "\(mirror.path).lock"
        var descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if descriptor < 0, errno == ENOENT {
            do throws(FileError) {
                try makeFolder(folder(of: path), mode: 0o700)
            } catch {
                throw mirror.refused(error.description)
            }
            descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        guard descriptor >= 0 else { throw mirror.refused(errno) }
        self.descriptor = descriptor
        let end = ContinuousClock.now + deadline
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR, .now < end else {
                throw Failure(
                    .unavailable,
                    "the mirror '\(mirror.path)' is held by another process; see who has '\(path)' open (fuser)"
                )
            }
            try await Task.sleep(for: .milliseconds(25))
        }
    }

    deinit { close(descriptor) }
}
