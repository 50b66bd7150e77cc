internal import CSQLite

/// A value SQLite stores.
package enum Value: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    package init(_ text: String?) { self = text.map { .text($0) } ?? .null }
    package init(_ integer: Int?) { self = integer.map { .integer(Int64($0)) } ?? .null }

    package var text: String? { if case .text(let value) = self { value } else { nil } }
    package var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    package var real: Double? {
        switch self {
        case .real(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }
    package var blob: [UInt8]? { if case .blob(let value) = self { value } else { nil } }
}

/// A statement that SQLite refused.
package struct DatabaseError: Error, Sendable, CustomStringConvertible {
    /// SQLite's extended result code.
    package var code: Int32
    package var description: String
}

/// One connection to a database file.
///
/// Not for two threads at once: an actor owns it.
package final class Database {
    private var handle: OpaquePointer?
    private var statements: [String: OpaquePointer] = [:]
    private let path: String

    /// Opens the file, making it when there is none, in write-ahead mode.
    /// - Throws: `DatabaseError` when the file cannot be opened or is no database.
    package init(path: String) throws {
        self.path = path
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        guard sqlite3_open_v2(path, &handle, flags, nil) == SQLITE_OK else {
            defer { sqlite3_close_v2(handle) }
            throw failure("open")
        }
        sqlite3_busy_timeout(handle, 5000)
        try execute("PRAGMA journal_mode = WAL")
        try execute("PRAGMA synchronous = NORMAL")
        try execute("PRAGMA foreign_keys = ON")
        try execute("PRAGMA cache_size = -512")
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    /// Runs a statement and returns its rows.
    ///
    /// Statements are prepared once and kept.
    @discardableResult
    package func execute(_ sql: String, _ arguments: [Value] = []) throws -> [[Value]] {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, argument) in arguments.enumerated() { bind(argument, to: statement, at: Int32(index + 1)) }
        var rows: [[Value]] = []
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: rows.append((0..<sqlite3_column_count(statement)).map { column(statement, $0) })
            case SQLITE_DONE: return rows
            default: throw failure(sql)
            }
        }
    }

    /// Runs the body in one transaction: all of it is kept, or none.
    package func transaction<Result>(_ body: () throws -> Result) throws -> Result {
        try execute("BEGIN IMMEDIATE")
        do {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            _ = try? execute("ROLLBACK")
            throw error
        }
    }

    /// Applies the migrations that the file has not seen, each in a transaction, in order.
    ///
    /// They only go forward.
    package func migrate(_ migrations: [[String]]) throws {
        for (index, statements) in migrations.enumerated() {
            guard try version() <= index else { continue }
            try transaction {
                // Another process may have been faster; asked again under the write lock.
                guard try version() == index else { return }
                for statement in statements { try execute(statement) }
                try execute("PRAGMA user_version = \(index + 1)")
            }
        }
        let found = try version()
        guard found <= migrations.count else {
            throw DatabaseError(
                code: SQLITE_SCHEMA,
                description: "\(path) was written by a newer version (schema \(found), known \(migrations.count)); "
                    + "upgrade this program or name another store"
            )
        }
    }

    private func version() throws -> Int { Int(try execute("PRAGMA user_version").first?.first?.integer ?? 0) }

    private func prepared(_ sql: String) throws -> OpaquePointer? {
        if let statement = statements[sql] { return statement }
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK else { throw failure(sql) }
        statements[sql] = statement
        return statement
    }

    private func bind(_ value: Value, to statement: OpaquePointer?, at index: Int32) {
        let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)  // SQLITE_TRANSIENT
        switch value {
        case .null: sqlite3_bind_null(statement, index)
        case .integer(let value): sqlite3_bind_int64(statement, index, value)
        case .real(let value): sqlite3_bind_double(statement, index, value)
        case .text(let value): sqlite3_bind_text(statement, index, value, Int32(value.utf8.count), copied)
        case .blob(let value): sqlite3_bind_blob(statement, index, value, Int32(value.count), copied)
        }
    }

    private func column(_ statement: OpaquePointer?, _ index: Int32) -> Value {
        switch sqlite3_column_type(statement, index) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, index))
        case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, index))
        case SQLITE_TEXT:
            guard let pointer = sqlite3_column_text(statement, index) else { return .text("") }
            // A text may hold a zero; its length is what counts.
            let bytes = UnsafeBufferPointer(start: pointer, count: Int(sqlite3_column_bytes(statement, index)))
            return .text(String(decoding: bytes, as: UTF8.self))
        case SQLITE_BLOB:
            let count = Int(sqlite3_column_bytes(statement, index))
            guard let pointer = sqlite3_column_blob(statement, index) else { return .blob([]) }
            return .blob(Array(UnsafeRawBufferPointer(start: pointer, count: count)))
        default: return .null
        }
    }

    private func failure(_ sql: String) -> DatabaseError {
        let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
        return DatabaseError(code: sqlite3_extended_errcode(handle), description: "\(path): \(message) (\(sql))")
    }
}
