internal import CSQLite

/// One connection to a database file.
///
/// Not for two threads at once: an actor owns it. SQLite opens its files close-on-exec.
package final class Database {
    private var handle: OpaquePointer?
    private var statements: [String: OpaquePointer] = [:]
    private let path: String
    private var durability: Durability?

    /// When a transaction counts as kept.
    package enum Durability: Sendable {
        /// It is on the disk when it returns.
        case powerLoss
        /// It survives the end of the program; with the power goes what nothing durable came after.
        case exit
        /// Only for a file that nobody reads before `fsync`.
        case none
    }

    /// Opens a file in write-ahead mode.
    ///
    /// `creates`: Whether a missing file is made.
    /// - Throws: `DatabaseError` when the file cannot be opened or is no database.
    package init(path: String, creates: Bool = true, durability: Durability = .powerLoss) throws {
        self.path = path
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (creates ? SQLITE_OPEN_CREATE : 0)
        guard sqlite3_open_v2(path, &handle, flags, nil) == SQLITE_OK else {
            let error = failure("open")
            close()
            throw error
        }
        sqlite3_busy_timeout(handle, 5000)
        do {
            try set(durability)
            try run("PRAGMA cache_size = -512")
            // Written once into the file; afterwards this only reads.
            try run("PRAGMA journal_mode = WAL")
        } catch {
            close()
            throw error
        }
    }

    deinit { close() }

    /// Ends the connection; whatever is asked afterwards fails.
    package func close() {
        for statement in statements.values { sqlite3_finalize(statement) }
        statements = [:]
        sqlite3_close_v2(handle)
        handle = nil
    }

    /// Sets what the next transactions wait for; not inside of one.
    package func set(_ durability: Durability) throws {
        guard durability != self.durability else { return }
        switch durability {
        case .powerLoss: try run("PRAGMA synchronous = FULL")
        case .exit: try run("PRAGMA synchronous = NORMAL")
        case .none: try run("PRAGMA synchronous = OFF")
        }
        self.durability = durability
    }

    /// Whether the path no longer leads to the file that is open: it was deleted, moved away or replaced.
    package var hasMoved: Bool {
        var moved: Int32 = 0
        return sqlite3_file_control(handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0
    }

    /// Writes everything into another file, which must be empty or not there.
    ///
    /// It is not yet on the disk then.
    package func copy(to other: String) throws {
        // Not kept among the statements: the file is another one each time.
        try run(
            "VACUUM INTO '\(other.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''"))'"
        )
    }

    /// Writes what stands in the log into the file itself.
    ///
    /// - Throws: `DatabaseError` of kind `busy` when others read from the log or write just now; nobody is waited for.
    package func emptyLog() throws {
        sqlite3_busy_timeout(handle, 0)
        defer { sqlite3_busy_timeout(handle, 5000) }
        guard try execute("PRAGMA wal_checkpoint(TRUNCATE)").first?.first?.integer != 0 else { return }
        throw DatabaseError(code: SQLITE_BUSY, system: 0, description: "the log is in use")
    }

    /// Lets go of what was read before, so that the next reading is of the file itself.
    package func forgetPages() { sqlite3_db_release_memory(handle) }

    /// Reads the whole file.
    /// - Returns: The first thing that is wrong with it, or nil.
    package func findDamage() throws -> String? {
        let found = try execute("PRAGMA quick_check(1)").first?.first?.text
        return found == "ok" ? nil : found ?? "it cannot be checked"
    }

    /// Runs statements that must not be kept: SQLite carries out some as soon as it reads them.
    private func run(_ sql: String) throws {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure(sql) }
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
            // A full disk may have ended it already.
            if sqlite3_get_autocommit(handle) == 0 { _ = try? execute("ROLLBACK") }
            throw error
        }
    }

    /// Applies the migrations that the file has not seen, in order, all in one transaction.
    ///
    /// They only go forward.
    package func migrate(_ migrations: [[String]]) throws {
        if try version() < migrations.count {
            try transaction {
                // Another process may have been faster; asked again under the write lock.
                for statement in migrations.dropFirst(try version()).joined() { try execute(statement) }
                if try version() < migrations.count { try execute("PRAGMA user_version = \(migrations.count)") }
            }
        }
        let found = try version()
        guard found <= migrations.count else {
            throw DatabaseError(
                code: SQLITE_SCHEMA,
                system: 0,
                description: "\(path) was written by a newer version (schema \(found), known \(migrations.count)); "
                    + "upgrade this program or name another store"
            )
        }
    }

    private func version() throws -> Int { Int(try execute("PRAGMA user_version").first?.first?.integer ?? 0) }

    private func prepared(_ sql: String) throws -> OpaquePointer? {
        if let statement = statements[sql] { return statement }
        guard handle != nil else { throw failure(sql) }
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
        let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "the connection is closed"
        return DatabaseError(
            code: handle == nil ? SQLITE_MISUSE : sqlite3_extended_errcode(handle),
            system: sqlite3_system_errno(handle),
            description: "\(path): \(message) (\(sql))"
        )
    }
}
