package import Delivery
internal import JSON
internal import SQLite
internal import Threads

/// The journal in an SQLite file. The connection lives on a thread of its own.
package actor Store: Journal {
    private let executor = ThreadExecutor(name: "store")
    private let database: Database
    /// How many verified revisions of an app are kept.
    private let keptRevisions = 5
    /// How many events are kept.
    private let keptEvents = 20_000

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Opens the store, making it when there is none.
    /// - Throws: `Failure` that names the file when it cannot be opened.
    package init(path: String) throws {
        do {
            database = try Database(path: path)
            try database.migrate(migrations)
        } catch {
            throw Failure(.unavailable, "the store cannot be opened: \(error)", next: .needsChange)
        }
    }

    /// Changes with whatever is written, by this program or another.
    package func generation() throws -> String {
        let others = try database.execute("PRAGMA data_version").first?.first?.integer ?? 0
        let own = try database.execute("SELECT total_changes()").first?.first?.integer ?? 0
        return "\(others).\(own)"
    }

    /// What the store is built on, for the parts of it that stand in files of their own.
    func query(_ sql: String, _ arguments: [Value] = []) throws -> [[Value]] { try database.execute(sql, arguments) }
    func together<Result>(_ body: () throws -> Result) throws -> Result { try database.transaction(body) }

    // MARK: Apps

    package func records() throws -> [AppRecord] {
        try database.execute("SELECT \(recordColumns) FROM apps ORDER BY target, name").compactMap(decodeRecord)
    }

    package func record(of id: AppID) throws -> AppRecord? {
        let sql = "SELECT \(recordColumns) FROM apps WHERE target = ? AND name = ?"
        return try database.execute(sql, [.text(id.target), .text(id.name)]).compactMap(decodeRecord).first
    }

    package func save(_ record: AppRecord, event: Event?) throws {
        try database.transaction {
            try write(record)
            if let event { try insert(event) }
        }
    }

    package func commit(_ revision: DeployedRevision, record: AppRecord, event: Event) throws {
        try database.transaction {
            try write(record)
            try insert(event)
            let app: [Value] = [.text(revision.app.target), .text(revision.app.name)]
            // A revision deployed again becomes the newest; it is not kept twice.
            try database.execute(
                "DELETE FROM revisions WHERE target = ? AND name = ? AND fingerprint = ?",
                app + [.text(revision.fingerprint)]
            )
            try database.execute(
                "INSERT INTO revisions (target, name, fingerprint, commit_id, deployed_at, payload) VALUES (?,?,?,?,?,?)",
                app + [
                    .text(revision.fingerprint), .text(revision.commit), .real(revision.deployedAt.seconds),
                    .blob(revision.payload),
                ]
            )
            try database.execute(
                """
                DELETE FROM revisions WHERE target = ?1 AND name = ?2 AND number NOT IN
                (SELECT number FROM revisions WHERE target = ?1 AND name = ?2 ORDER BY number DESC LIMIT \(keptRevisions))
                """,
                app
            )
        }
    }

    package func revisions(of id: AppID) throws -> [DeployedRevision] {
        try database.execute(
            """
            SELECT fingerprint, commit_id, deployed_at, payload FROM revisions
            WHERE target = ? AND name = ? ORDER BY number DESC
            """,
            [.text(id.target), .text(id.name)]
        ).map { row in
            DeployedRevision(
                app: id,
                fingerprint: row[0].text ?? "",
                commit: row[1].text ?? "",
                deployedAt: Timestamp(row[2].real ?? 0),
                payload: row[3].blob ?? []
            )
        }
    }

    package func forget(_ id: AppID, event: Event) throws {
        try database.transaction {
            let app: [Value] = [.text(id.target), .text(id.name)]
            for table in ["apps", "revisions"] {
                try database.execute("DELETE FROM \(table) WHERE target = ? AND name = ?", app)
            }
            try insert(event)
        }
    }

    private let recordColumns =
        "target, name, source, commit_id, deployed, deployed_commit, deployed_at, attempt, quarantine, facts, conditions, details"

    private func write(_ record: AppRecord) throws {
        try database.execute(
            "INSERT OR REPLACE INTO apps (\(recordColumns)) VALUES (?,?,?,?,?,?,?,?,?,?,'[]','[]')",
            [
                .text(record.id.target), .text(record.id.name), .text(record.source), .text(record.commit),
                Value(record.deployed), Value(record.deployedCommit),
                record.deployedAt.map { .real($0.seconds) } ?? .null,
                Value(record.attempt.map { encode($0).text() }), Value(record.quarantine.map { encode($0).text() }),
                .text(encodeFacts(record).text()),
            ]
        )
    }

    private func decodeRecord(_ row: [Value]) -> AppRecord? {
        guard let target = row[0].text, let name = row[1].text, let source = row[2].text else { return nil }
        var record = AppRecord(id: AppID(target: target, name: name), source: source)
        record.commit = row[3].text ?? ""
        record.deployed = row[4].text
        record.deployedCommit = row[5].text
        record.deployedAt = row[6].real.map(Timestamp.init)
        record.attempt = parsed(row[7]).flatMap(decodeAttempt)
        record.quarantine = parsed(row[8]).flatMap(decodeQuarantine)
        decodeFacts(parsed(row[9]) ?? [:], into: &record)
        return record
    }

    private func parsed(_ value: Value) -> JSON? { value.text.flatMap { try? JSON(parsing: $0) } }

    // MARK: Events

    package func record(_ event: Event) throws {
        let last = try database.execute(
            "SELECT reason, commit_id, message FROM events WHERE subject = ? ORDER BY number DESC LIMIT 1",
            [.text(event.subject)]
        ).first
        let fact: [Value] = [.text(event.reason.rawValue), .text(event.commit), .text(event.message)]
        guard last != fact else { return }
        try insert(event)
    }

    /// Events after a number, oldest first; the newest `limit` of them.
    package func events(after number: Int, subject: String?, limit: Int) throws -> [Event] {
        try events(after: number, subject: subject, limit: limit, order: "DESC").reversed()
    }

    /// The events that follow a number, oldest first; the next `limit` of them.
    package func nextEvents(after number: Int, subject: String?, limit: Int) throws -> [Event] {
        try events(after: number, subject: subject, limit: limit, order: "ASC")
    }

    private func events(after number: Int, subject: String?, limit: Int, order: String) throws -> [Event] {
        try database.execute(
            """
            SELECT number, time, severity, reason, subject, commit_id, message, details, correlation FROM events
            WHERE number > ? AND (?2 IS NULL OR subject = ?2) ORDER BY number \(order) LIMIT ?
            """,
            [.integer(Int64(number)), Value(subject), .integer(Int64(limit))]
        ).map { row in
            var event = Event(
                time: Timestamp(row[1].real ?? 0),
                severity: row[2].text.flatMap(Event.Severity.init) ?? .info,
                reason: row[3].text.flatMap(Reason.init) ?? .unknown,
                subject: row[4].text ?? "",
                commit: row[5].text ?? "",
                message: row[6].text ?? "",
                details: parsed(row[7])?.array?.compactMap(\.string) ?? [],
                correlation: row[8].text ?? ""
            )
            event.number = Int(row[0].integer ?? 0)
            return event
        }
    }

    private func insert(_ event: Event) throws {
        try database.execute(
            """
            INSERT INTO events (time, severity, reason, subject, commit_id, message, details, correlation)
            VALUES (?,?,?,?,?,?,?,?)
            """,
            [
                .real(event.time.seconds), .text(event.severity.rawValue), .text(event.reason.rawValue),
                .text(event.subject), .text(event.commit), .text(event.message), .text(JSON(event.details).text()),
                .text(event.correlation),
            ]
        )
        try database.execute("DELETE FROM events WHERE number <= last_insert_rowid() - \(keptEvents)")
    }

    // MARK: Holds and requests

    package func holds() throws -> [Hold] {
        try database.execute("SELECT target, name, author, reason, since FROM holds").map { row in
            Hold(
                app: AppID(target: row[0].text ?? "", name: row[1].text ?? ""),
                author: row[2].text ?? "",
                reason: row[3].text ?? "",
                since: Timestamp(row[4].real ?? 0)
            )
        }
    }

    /// Keeps a hold with the event that tells of it.
    package func hold(_ hold: Hold, event: Event) throws {
        try database.transaction {
            try database.execute(
                "INSERT OR REPLACE INTO holds (target, name, author, reason, since) VALUES (?,?,?,?,?)",
                [
                    .text(hold.app.target), .text(hold.app.name), .text(hold.author), .text(hold.reason),
                    .real(hold.since.seconds),
                ]
            )
            try insert(event)
        }
    }

    /// Takes a hold away; false when there was none.
    package func release(_ id: AppID, event: Event) throws -> Bool {
        let app: [Value] = [.text(id.target), .text(id.name)]
        return try database.transaction {
            let found = try database.execute("SELECT 1 FROM holds WHERE target = ? AND name = ?", app)
            guard !found.isEmpty else { return false }
            try database.execute("DELETE FROM holds WHERE target = ? AND name = ?", app)
            try insert(event)
            return true
        }
    }

    /// What a person asked the controller for.
    package struct Request: Sendable, Hashable {
        package var number: Int
        package var kind: String
        package var subject: String
        package var author: String
    }

    /// Leaves a request for the controller and returns its number.
    package func ask(_ kind: String, subject: String, author: String, at time: Timestamp) throws -> Int {
        try database.transaction {
            try database.execute(
                "INSERT INTO requests (kind, subject, author, time) VALUES (?,?,?,?)",
                [.text(kind), .text(subject), .text(author), .real(time.seconds)]
            )
            return Int(try database.execute("SELECT last_insert_rowid()")[0][0].integer ?? 0)
        }
    }

    /// The requests nobody has answered yet.
    package func openRequests() throws -> [Request] {
        try database.execute("SELECT number, kind, subject, author FROM requests WHERE done IS NULL ORDER BY number")
            .map {
                Request(
                    number: Int($0[0].integer ?? 0),
                    kind: $0[1].text ?? "",
                    subject: $0[2].text ?? "",
                    author: $0[3].text ?? ""
                )
            }
    }

    package func answer(_ number: Int, at time: Timestamp) throws {
        try database.execute(
            "UPDATE requests SET done = ? WHERE number = ?",
            [.real(time.seconds), .integer(Int64(number))]
        )
    }

    package func isAnswered(_ number: Int) throws -> Bool {
        try !database.execute(
            "SELECT 1 FROM requests WHERE number = ? AND done IS NOT NULL",
            [.integer(Int64(number))]
        ).isEmpty
    }

    // MARK: Sources and targets

    /// Has exactly these sources and targets on record: what is configured no more goes, what is new was not looked at yet.
    package func expect(_ sources: [SourceRecord], _ targets: [TargetRecord]) throws {
        try database.transaction {
            let knownSources = try self.sources().map(\.name)
            for name in knownSources where !sources.contains(where: { $0.name == name }) {
                try database.execute("DELETE FROM sources WHERE name = ?", [.text(name)])
            }
            for source in sources where !knownSources.contains(source.name) { try save(source) }
            let knownTargets = try self.targets().map(\.name)
            for name in knownTargets where !targets.contains(where: { $0.name == name }) {
                try database.execute("DELETE FROM targets WHERE name = ?", [.text(name)])
            }
            for target in targets where !knownTargets.contains(target.name) { try save(target) }
        }
    }

    package func save(_ source: SourceRecord) throws {
        try database.execute(
            "INSERT OR REPLACE INTO sources (name, url, commit_id, last_success, error) VALUES (?,?,?,?,?)",
            [
                .text(source.name), .text(source.url), .text(source.commit),
                source.lastSuccess.map { .real($0.seconds) } ?? .null, Value(source.error),
            ]
        )
    }

    package func sources() throws -> [SourceRecord] {
        try database.execute("SELECT name, url, commit_id, last_success, error FROM sources ORDER BY name").map { row in
            SourceRecord(
                name: row[0].text ?? "",
                url: row[1].text ?? "",
                commit: row[2].text ?? "",
                lastSuccess: row[3].real.map(Timestamp.init),
                error: row[4].text
            )
        }
    }

    package func save(_ target: TargetRecord) throws {
        try database.execute(
            "INSERT OR REPLACE INTO targets (name, endpoint, version, last_success, error) VALUES (?,?,?,?,?)",
            [
                .text(target.name), .text(target.endpoint), .text(target.version),
                target.lastSuccess.map { .real($0.seconds) } ?? .null, Value(target.error),
            ]
        )
    }

    package func targets() throws -> [TargetRecord] {
        try database.execute("SELECT name, endpoint, version, last_success, error FROM targets ORDER BY name").map {
            row in
            TargetRecord(
                name: row[0].text ?? "",
                endpoint: row[1].text ?? "",
                version: row[2].text ?? "",
                lastSuccess: row[3].real.map(Timestamp.init),
                error: row[4].text
            )
        }
    }
}
