package import Delivery
internal import SQLite

/// Why the store could not do what it was asked to, with its path and the cure.
package struct StoreError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong.
    package enum Kind: String, Sendable {
        case full, readOnly, damaged, busy, io, other
    }

    package var kind: Kind
    package var path: String
    package var message: String

    package var description: String { message }

    init(_ error: DatabaseError, path: String) {
        self.path = path
        let (kind, what): (Kind, String) =
            switch error.kind {
            case .full: (.full, "cannot be written: the disk is full; make room on its file system")
            case .readOnly:
                (
                    .readOnly,
                    "cannot be written: it is read-only; make its folder and file system writable for this user"
                )
            case .damaged: (.damaged, "is damaged and cannot be set aside; move it away and start again")
            case .busy: (.busy, "is held by another process; see who has it open (fuser) and end that")
            case .io: (.io, "cannot be read or written: the disk failed; check it (dmesg)")
            case .other: (.other, "refuses a statement; this is a defect of the program, or of the file")
            }
        self.kind = kind
        message = "the store '\(path)' \(what) (\(error.description))"
    }

    init(_ kind: Kind, path: String, _ message: String) {
        (self.kind, self.path, self.message) = (kind, path, message)
    }

    /// A system call about the store that failed.
    init(system number: Int32, path: String, _ what: String) {
        self.path = path
        let (kind, cure) = Self.sorted(number)
        self.kind = kind
        message = "\(what): \(errorText(number)); \(cure)"
    }
}

/// Whether the store can be written.
package struct StoreHealth: Sendable, Hashable {
    /// Why the last write failed; nil when it did not.
    package var error: StoreError?
    /// Since when writes fail.
    package var failingSince: Timestamp?
    /// Events that are kept in memory until they can be written.
    package var queuedEvents = 0
    /// Events that were dropped because too many waited, since the program started.
    package var droppedEvents = 0

    package init() {}

    package var isWritable: Bool { error == nil }
}

/// Something that befell the store, of which whoever runs it should tell.
package struct StoreIncident: Sendable, Hashable {
    /// What it was.
    package enum Kind: String, Sendable {
        /// The file was deleted, moved or replaced under the program, and was written again; nothing is lost.
        case deleted
        /// The file was damaged, was set aside, and an empty store was begun: what is known should be saved again.
        case damaged
        /// Another program works on the store by now: nothing is written into it any more.
        case taken
        /// Writes fail because the disk is full.
        case full
        /// Writes fail because the file system or the folder is read-only.
        case readOnly
        /// Writes fail for another reason.
        case failing
        /// Writes succeed again.
        case recovered
    }

    package var kind: Kind
    package var message: String
}
