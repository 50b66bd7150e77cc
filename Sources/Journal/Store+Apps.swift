package import Delivery
internal import JSON
internal import SQLite

// What is kept of the apps.
extension Store {
    /// How many verified revisions of an app are kept.
    private static let keptRevisions = 5

    /// Every app's record.
    ///
    /// A row whose name or target names nothing, which an earlier version may have written, is removed.
    /// - Throws: `StoreError`.
    package func records() throws -> [AppRecord] {
        let all = try read { database in
            try database.execute("SELECT \(columns) FROM apps ORDER BY target, name").compactMap(decodeRecord)
        }
        guard all.contains(where: { !$0.id.isValid }) else { return all }
        for record in all where !record.id.isValid { try? remove(record.id) }
        return all.filter(\.id.isValid)
    }

    /// The records of apps that may not be well, and of those about which something newer waits or is under way; those that are
    /// left out are as declared.
    package func openRecords() throws -> [AppRecord] {
        let facts = ["problem", "waiting", "removal"].map { "facts LIKE '%\"\($0)\"%'" }.joined(separator: " OR ")
        let open = "attempt IS NOT NULL OR quarantine IS NOT NULL OR deployed IS NULL OR \(facts)"
        let hasResult = "facts LIKE '%\"result\"%'"
        return try read { database in
            let sql = "SELECT \(columns) FROM apps WHERE \(open) OR NOT (\(hasResult)) ORDER BY target, name"
            return try database.execute(sql).compactMap(decodeRecord).filter(\.id.isValid)
        }
    }

    package func record(of id: AppID) throws -> AppRecord? {
        try read { database in
            let sql = "SELECT \(columns) FROM apps WHERE target = ? AND name = ?"
            return try database.execute(sql, arguments(id)).compactMap(decodeRecord).first
        }
    }

    package func save(_ record: AppRecord, event: Event?) throws {
        // What is worth no event may be lost with the power: the next pass finds it again.
        try write(event == nil ? .exit : .powerLoss, about: event) { database in
            try write(record, database)
            if let event { try insert(event, database) }
        }
    }

    package func commit(_ revision: DeployedRevision, record: AppRecord, event: Event) throws {
        try write(about: event) { database in
            try write(record, database)
            try insert(event, database)
            let app = arguments(revision.app)
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
                (SELECT number FROM revisions WHERE target = ?1 AND name = ?2
                 ORDER BY number DESC LIMIT \(Self.keptRevisions))
                """,
                app
            )
        }
    }

    package func revisions(of id: AppID) throws -> [DeployedRevision] {
        try read { database in
            try database.execute(
                """
                SELECT fingerprint, commit_id, deployed_at, payload FROM revisions
                WHERE target = ? AND name = ? ORDER BY number DESC
                """,
                arguments(id)
            )
        }.map { row in
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
        try write(about: event) { database in
            for table in ["apps", "revisions"] {
                try database.execute("DELETE FROM \(table) WHERE target = ? AND name = ?", arguments(id))
            }
            try insert(event, database)
        }
    }

    /// Removes what stands under a name that no app can have.
    private func remove(_ id: AppID) throws {
        let event = Event(
            time: now(),
            severity: .warning,
            reason: .warning,
            subject: "store",
            message: "removed a record that names no app ('\(printable(id.target))/\(printable(id.name))'), "
                + "left by an earlier version"
        )
        try write(about: event) { database in
            for table in ["apps", "revisions", "holds"] {
                try database.execute("DELETE FROM \(table) WHERE target = ? AND name = ?", arguments(id))
            }
            try insert(event, database)
        }
    }

    private func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 })
        )
    }

    private func arguments(_ id: AppID) -> [Value] { [.text(id.target), .text(id.name)] }

    private var columns: String {
        """
        target, name, source, commit_id, deployed, deployed_commit, deployed_at, attempt, quarantine, facts, conditions,
        details
        """
    }

    private func write(_ record: AppRecord, _ database: Database) throws {
        try database.execute(
            "INSERT OR REPLACE INTO apps (\(columns)) VALUES (?,?,?,?,?,?,?,?,?,?,'[]','[]')",
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
        record.attempt = row[7].json.flatMap(decodeAttempt)
        record.quarantine = row[8].json.flatMap(decodeQuarantine)
        decodeFacts(row[9].json ?? [:], into: &record)
        // Earlier versions did not write down who interrupted it; it may have been a person.
        if row[7].json?["held"] == nil, record.isInterrupted { record.attempt?.wasHeld = true }
        return record
    }
}

extension Value {
    /// The JSON a column holds, or nil.
    var json: JSON? { text.flatMap { try? JSON(parsing: $0) } }
}
