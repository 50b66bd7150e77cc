internal import Synchronization

/// Read-only access to the files of one revision.
package protocol Snapshot: Sendable {
    var revision: Revision { get }

    /// A file's content.
    /// - Throws: `Invalid` that names the cure when the revision has no such file or it must not be read.
    func read(_ path: String) async throws -> [UInt8]

    /// What identifies a file's content, or nil when there is none at the path. Costs no reading.
    func identifier(of path: String) async throws -> String?
}

/// A snapshot whose folders can be looked through.
package protocol BrowsableSnapshot: Snapshot {
    /// Every file below a folder, by its path from the folder, sorted; none when there is no such folder.
    func files(below folder: String) async throws -> [String]

    /// Whether a file may be run as a program.
    func isExecutable(_ path: String) async throws -> Bool
}

extension BrowsableSnapshot {
    package func isExecutable(_ path: String) async throws -> Bool { false }
}

/// The files that a reading looked at and what identified each: when none of them changed, neither did the result.
package struct Inputs: Sendable, Hashable {
    package var settings: String
    package var files: [String: String?]

    /// Whether a reading of the snapshot would meet the same files again.
    package func stillHold(in snapshot: any Snapshot, settings: String) async throws -> Bool {
        guard self.settings == settings else { return false }
        for (path, identifier) in files where try await snapshot.identifier(of: path) != identifier { return false }
        return true
    }
}

/// A snapshot that remembers what was read from it.
package final class RecordingSnapshot: Snapshot {
    private let base: any Snapshot
    private let settings: String
    private let files = Mutex<[String: String?]>([:])

    package init(_ base: any Snapshot, settings: String) {
        self.base = base
        self.settings = settings
    }

    package var revision: Revision { base.revision }

    package var inputs: Inputs { Inputs(settings: settings, files: files.withLock { $0 }) }

    package func read(_ path: String) async throws -> [UInt8] {
        let identifier = try await base.identifier(of: path)
        files.withLock { $0[path] = .some(identifier) }
        return try await base.read(path)
    }

    package func identifier(of path: String) async throws -> String? {
        let identifier = try await base.identifier(of: path)
        files.withLock { $0[path] = .some(identifier) }
        return identifier
    }
}

/// Where desired state is read.
package protocol Source: Sendable {
    var name: String { get }

    /// The commit that the source is at now. The cheap question asked at every poll.
    func head() async throws -> String

    /// The files of a commit that `head()` gave.
    func snapshot(at commit: String) async throws -> any BrowsableSnapshot
}
