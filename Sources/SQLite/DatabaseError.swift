internal import CSQLite
internal import Glibc

/// A statement that SQLite refused.
package struct DatabaseError: Error, Sendable, CustomStringConvertible {
    /// What is wrong, as far as it says what to do.
    package enum Kind: Sendable, Hashable {
        /// The file is no database, or its content is inconsistent.
        case damaged
        /// The disk, or the quota on it, is full.
        case full
        /// The file, its folder or its file system cannot be written.
        case readOnly
        /// Another process has held the file's lock for too long.
        case busy
        /// The disk failed.
        case io
        /// The statement itself.
        case other
    }

    package var kind: Kind
    /// SQLite's extended result code.
    package var code: Int32
    package var description: String

    init(code: Int32, system: Int32, description: String) {
        self.code = code
        self.description = description
        kind =
            switch (code & 0xff, system) {
            case (SQLITE_NOTADB, _), (SQLITE_CORRUPT, _): .damaged
            case (SQLITE_FULL, _), (SQLITE_IOERR, ENOSPC), (SQLITE_IOERR, EDQUOT), (SQLITE_IOERR, EFBIG): .full
            case (SQLITE_READONLY, _), (SQLITE_PERM, _): .readOnly
            case (SQLITE_IOERR, EROFS), (SQLITE_IOERR, EACCES), (SQLITE_CANTOPEN, EROFS), (SQLITE_CANTOPEN, EACCES):
                .readOnly
            case (SQLITE_CANTOPEN, ENOSPC), (SQLITE_CANTOPEN, EDQUOT): .full
            case (SQLITE_BUSY, _), (SQLITE_LOCKED, _): .busy
            case (SQLITE_IOERR, _), (SQLITE_CANTOPEN, _): .io
            default: .other
            }
    }
}
