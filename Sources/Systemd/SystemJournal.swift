internal import CSystemd
internal import Glibc

/// The journal of the machine, spoken to in its own protocol.
///
/// Source: sd_journal_send(3), systemd.journal-fields(7).
package enum SystemJournal {
    /// How urgent an entry is; the numbers of syslog(3).
    package enum Priority: Int, Sendable {
        case error = 3
        case warning = 4
        case info = 6
    }

    /// Whether a program's standard error leads into the journal.
    ///
    /// `variable`: `$JOURNAL_STREAM`, the stream's device and inode.
    package static func isStandardError(_ variable: String?) -> Bool {
        var status = stat()
        guard let variable, fstat(2, &status) == 0 else { return false }
        return variable == "\(status.st_dev):\(status.st_ino)"
    }

    /// Writes one entry; the names of fields are upper-case letters, digits and underscores.
    package static func write(_ message: String, _ priority: Priority, _ fields: [String: String]) {
        let entries = [("MESSAGE", message), ("PRIORITY", "\(priority.rawValue)")] + fields.map { ($0.key, $0.value) }
        let texts = entries.map { strdup("\($0.0)=\($0.1)") }
        let vectors = texts.map { iovec(iov_base: $0, iov_len: $0.map { strlen($0) } ?? 0) }
        sd_journal_sendv(vectors, Int32(vectors.count))
        for text in texts { free(text) }
    }
}
