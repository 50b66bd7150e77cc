package import Delivery
internal import SQLite
internal import Threads

/// The journal in an SQLite file. The connection lives on a thread of its own.
///
/// What it is asked to keep is on the disk when the call returns. A file that is damaged or deleted is replaced while
/// the program runs; what befell it is told by `incidents`.
package actor Store: Journal {
    private let executor = ThreadExecutor(name: "store")
    private let file: StoreFile
    private let repairs: Bool
    private let secure: @Sendable () throws -> Void
    let now: @Sendable () -> Timestamp
    private var database: Database?
    /// The log of the present connection.
    private var walIdentity: FileIdentity?
    /// Whether nothing was written into it yet.
    private var isLogEmpty = false
    private var lastCheck = -Double.infinity
    /// How the file looked after the last access of our own, whether somebody else changed it since, and when it was last
    /// read in full for that.
    private var trace: StoreFile.Trace?
    private var isSuspect = false
    private var lastReading = -Double.infinity
    /// Why a file that is gone could not be written again; nothing is acknowledged until it is.
    private var placeError: StoreError?
    /// Set once another program works on the store: nothing of it is touched from then on.
    private var taken: StoreError?
    /// The sources and targets as they were recorded last: a store that begins anew knows how they are at once.
    var places: (sources: [String: SourceRecord], targets: [String: TargetRecord]) = ([:], [:])
    /// The holds as they were read or written last: a store that begins anew keeps to them.
    var knownHolds: [AppID: Hold] = [:]
    private var nextClean: Double
    /// Events that could not be written yet, oldest first.
    private var queue: [Event] = []
    private var state = StoreHealth()
    private var lastWrite = -Double.infinity
    private var lastProbe = -Double.infinity
    /// Connections so far, and the changes that say nothing.
    private var epoch = 0
    private var hiddenChanges: Int64 = 0

    /// Where a damaged store was put when this one was opened, and an empty one begun in its place.
    package nonisolated let setAside: String?
    /// What befalls the store while it is open; for one listener.
    package nonisolated let incidents: AsyncStream<StoreIncident>
    private nonisolated let incident: AsyncStream<StoreIncident>.Continuation

    /// How many events wait in memory while nothing can be written.
    private static let queueLimit = 1000

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Opens the store, making it when there is none.
    ///
    /// `repairs`: Whether a file that is damaged, deleted or replaced is dealt with; only its owner does that. `secure`: Makes
    /// sure, before that and once a second, that nobody else works on the store; throws a `Failure` with the reason
    /// `conflict` when somebody does, and nothing is overwritten then.
    /// - Throws: `Failure` that names the file and the cure when it cannot be opened.
    package init(
        path: String,
        repairs: Bool = true,
        secure: @escaping @Sendable () throws -> Void = {},
        now: @escaping @Sendable () -> Timestamp = { Timestamp(systemSeconds()) }
    ) throws {
        file = StoreFile(path: path)
        self.repairs = repairs
        self.secure = secure
        self.now = now
        nextClean = now().seconds + 60
        (incidents, incident) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(100))
        do {
            (database, setAside) = try Self.open(file, repairs: repairs, at: now().seconds)
        } catch {
            var message = "\(error)"
            if let error = error as? DatabaseError {
                message = error.kind == .other ? error.description : "\(StoreError(error, path: file.path))"
            }
            throw Failure(.unavailable, "the store cannot be opened: \(message)", next: .needsChange)
        }
        walIdentity = FileIdentity("\(file.path)-wal")
        isLogEmpty = !file.wasLeftOpen
        trace = file.trace
    }

    deinit { incident.finish() }

    private static func open(_ file: StoreFile, repairs: Bool, at time: Double) throws -> (Database, String?) {
        // A log without its database must not be read into a new one.
        if repairs, !file.exists, file.wasLeftOpen {
            let aside = try file.setAside("damaged", at: time)
            return (try file.open(), aside)
        }
        let wasLeftOpen = file.wasLeftOpen
        do {
            let database = try file.open(creates: repairs)
            // The whole file is read only when somebody did not close it; damage met later is dealt with then.
            guard repairs, wasLeftOpen else {
                return (database, nil)
            }
            do {
                if try database.findDamage() == nil { return (database, nil) }
            } catch let error as DatabaseError where error.kind != .damaged {
                return (database, nil)
            }
            database.close()
        } catch let error as DatabaseError where repairs && error.kind == .damaged {}
        let aside = try file.setAside("damaged", at: time)
        let database = try file.open()
        _ = Self.takeOver([:], from: aside, into: database)
        return (database, aside)
    }

    /// Changes with whatever is written, by this program or another.
    package func generation() throws -> String {
        try read { database in
            let others = try database.execute("PRAGMA data_version").first?.first?.integer ?? 0
            let own = try database.execute("SELECT total_changes()").first?.first?.integer ?? 0
            return "\(epoch).\(others).\(own - hiddenChanges)"
        }
    }

    // MARK: Reading and writing

    /// Reads; also while nothing can be written.
    /// - Throws: `StoreError`.
    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try? checkPlace()
        return try withRepair(body)
    }

    /// Writes in one transaction, after the events that wait for it.
    ///
    /// `about`: The event that tells of what happened; when it cannot be written it is kept in memory until it can.
    /// - Throws: `StoreError`.
    func write<Result>(
        _ durability: Database.Durability = .powerLoss,
        about event: Event? = nil,
        _ body: (Database) throws -> Result
    ) throws -> Result {
        do {
            try checkPlace()
            defer { trace = file.trace }
            let result = try withRepair { database in
                let isUrgent = durability == .powerLoss || !queue.isEmpty
                // SQLite writes the beginning of a log through to the disk, also where nobody has to wait for that. The next
                // who does has all of it written.
                try database.set(isUrgent ? .powerLoss : isLogEmpty ? .none : .exit)
                // Nothing else may be done in that way.
                defer { if !isUrgent { try? database.set(.exit) } }
                isLogEmpty = false
                return try database.transaction {
                    // A caller that tries again tells of it again.
                    for waiting in queue where waiting != event { try insertUnlessKnown(waiting, database) }
                    return try body(database)
                }
            }
            succeeded()
            return result
        } catch let error as StoreError {
            failed(error, event)
            throw error
        }
    }

    /// The rows of a statement that only reads.
    func query(_ sql: String, _ arguments: [Value] = []) throws -> [[Value]] {
        try read { try $0.execute(sql, arguments) }
    }

    /// The open connection, and a new one when the last attempt to make one failed.
    private func connection() throws -> Database {
        if let database { return database }
        try stayAlone()
        let fresh = try file.open(creates: repairs)
        database = fresh
        walIdentity = FileIdentity("\(file.path)-wal")
        isLogEmpty = !file.wasLeftOpen
        trace = file.trace
        epoch += 1
        hiddenChanges = 0
        return fresh
    }

    /// Does something, and once more on an empty store when the present one turns out to be damaged.
    private func withRepair<Result>(_ body: (Database) throws -> Result) throws -> Result {
        do {
            do {
                return try body(try connection())
            } catch let error as DatabaseError where repairs && error.kind == .damaged {
                try beginAnew(because: error.description)
                return try body(try connection())
            }
        } catch let error as DatabaseError {
            throw StoreError(error, path: file.path)
        }
    }

    private func beginAnew(because what: String) throws {
        try stayAlone()
        database?.close()
        database = nil
        // Nothing is set aside before there is something to put in its place.
        let fresh = try file.makeBeside()
        let aside: String
        do {
            aside = try file.setAside("damaged", at: now().seconds)
            try file.place(fresh)
        } catch {
            file.discard(fresh)
            throw error
        }
        let database = try connection()
        let holds = Self.takeOver(knownHolds, from: aside, into: database)
        let rest = holds == 0 ? "no hold could be read from it" : "\(holds) of its holds were taken over"
        incident.yield(
            StoreIncident(
                kind: .damaged,
                message: "the store '\(file.path)' was damaged (\(what)); it was set aside as '\(aside)' "
                    + "and an empty one begun, which adopts what runs; \(rest): see that all are there, and check the disk"
            )
        )
    }

    /// Takes holds over from a store that was set aside.
    ///
    /// What was known last stays held as well, unless a later release can be read: what is there may be an older state.
    /// - Returns: How many there are now.
    private static func takeOver(
        _ known: [AppID: Hold],
        from aside: String,
        into database: Database
    ) -> Int {
        var (holds, released) = (known, [String: Double]())
        if let old = try? Database(path: aside, creates: false, durability: .none) {
            defer { old.close() }
            let rows = try? old.execute(
                "SELECT subject, max(time) FROM events WHERE reason = ? GROUP BY subject",
                [.text(Reason.resumed.rawValue)]
            )
            for row in rows ?? [] { released[row[0].text ?? ""] = row[1].real }
            holds = holds.filter { app, hold in released[app.description].map { $0 < hold.since.seconds } ?? true }
            for hold in (try? readHolds(old)) ?? [] { holds[hold.app] = hold }
        }
        return holds.values.count { (try? insert($0, database)) != nil }
    }

    /// Looks after the file while nobody reads or writes: reads the whole of it after somebody else wrote into it, so that
    /// damage is known before anybody relies on what it says.
    package func look() {
        guard repairs else { return }
        try? checkPlace()
        // Nothing is open when a new store could not be made: what is there is opened again, and looked at like any other.
        if database == nil { _ = try? withRepair { _ in } }
        let time = now().seconds
        guard let open = database, isSuspect, abs(time - lastReading) >= 30 else { return }
        defer { lastReading = time }
        isSuspect = false
        var damage: String?
        do {
            // What the log still holds hides what the file has lost. Who reads from the log just now is not waited for:
            // then the two are looked at as one.
            try? open.emptyLog()
            open.forgetPages()
            damage = try open.findDamage()
        } catch let error as DatabaseError where error.kind == .damaged {
            damage = error.description
        } catch {
            isSuspect = true
        }
        trace = file.trace
        guard let damage else { return }
        do { try beginAnew(because: damage) } catch { isSuspect = true }
    }

    /// Writes the store anew when its file is no longer where it should be; looked at once a second at most.
    private func checkPlace() throws {
        let time = now().seconds
        if let taken { throw taken }
        guard repairs, let open = database else { return }
        if file.trace != trace { isSuspect = true }
        if abs(time - lastCheck) < 1 {
            if let placeError { throw placeError }
            return
        }
        lastCheck = time
        placeError = nil
        guard open.hasMoved else {
            // As long as the file is where it should be, only somebody else's lock matters.
            try? stayAlone()
            if let taken { throw taken }
            return
        }
        do {
            try stayAlone()
            try file.rewrite(from: open, walIdentity: walIdentity, at: time)
            database = nil
            _ = try connection()
        } catch let error as DatabaseError where error.kind == .damaged {
            return try beginAnew(because: error.description)
        } catch {
            let wrapped = (error as? DatabaseError).map { StoreError($0, path: file.path) } ?? error
            placeError = wrapped as? StoreError
            throw wrapped
        }
        incident.yield(
            StoreIncident(
                kind: .deleted,
                message: "the store '\(file.path)' was deleted, moved or replaced while it was open; "
                    + "everything in it was written there again"
            )
        )
    }

    /// Makes sure that nobody else works on the store, or has nothing of it touched from now on.
    private func stayAlone() throws {
        if let taken { throw taken }
        guard repairs else { return }
        do {
            // The lock lies in the folder, which may be gone with the file.
            if !file.exists { try file.makeFolder() }
            try secure()
        } catch let failure as Failure {
            guard failure.reason == .conflict else { throw StoreError(.io, path: file.path, failure.message) }
            let error = StoreError(.busy, path: file.path, failure.message)
            taken = error
            incident.yield(StoreIncident(kind: .taken, message: error.message))
            throw error
        }
    }

    private func succeeded() {
        queue = []
        lastWrite = now().seconds
        if let error = state.error {
            state.error = nil
            state.failingSince = nil
            incident.yield(
                StoreIncident(
                    kind: .recovered,
                    message: "the store '\(file.path)' can be written again (it was: \(error.kind))"
                )
            )
        }
        if lastWrite >= nextClean {
            nextClean = lastWrite + 3600
            try? clean()
        }
    }

    private func failed(_ error: StoreError, _ event: Event?) {
        if let event, !queue.contains(event) {
            queue.append(event)
            if queue.count > Self.queueLimit {
                queue.removeFirst()
                state.droppedEvents += 1
            }
        }
        // Who waits for the lock of another process is not ill.
        guard error.kind != .busy, error.kind != .other else { return }
        if state.error?.kind != error.kind {
            let kind: StoreIncident.Kind =
                switch error.kind {
                case .full: .full
                case .readOnly: .readOnly
                default: .failing
                }
            incident.yield(StoreIncident(kind: kind, message: error.message))
        }
        state.error = error
        state.failingSince = state.failingSince ?? now()
    }

    // MARK: Health

    /// Whether the store can be written: known from a write of the last five seconds, or tried now.
    package var health: StoreHealth {
        let time = now().seconds
        if abs(time - lastProbe) >= 5, abs(time - lastWrite) >= 5 {
            lastProbe = time
            probe()
        }
        state.queuedEvents = queue.count
        return state
    }

    /// A small write that changes nothing anybody reads.
    private func probe() {
        let isAlone = queue.isEmpty
        try? write(.exit) { database in
            let before = try database.execute("SELECT total_changes()").first?.first?.integer ?? 0
            try database.execute("INSERT OR REPLACE INTO probe (number, time) VALUES (1, ?)", [.real(now().seconds)])
            let after = try database.execute("SELECT total_changes()").first?.first?.integer ?? 0
            if isAlone { hiddenChanges += after - before }
        }
    }
}
