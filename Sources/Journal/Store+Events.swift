package import Delivery
internal import JSON
internal import SQLite

// The events, oldest first; the newest twenty thousand are kept.
extension Store {
    private static let keptEvents = 20_000

    package func record(_ event: Event) throws {
        // What is found out again after a power cut need not be waited for.
        let isFoundAgain = [.started, .newRevision, .sourceReady].contains(event.reason)
        try write(isFoundAgain ? .exit : .powerLoss, about: event) { try insertUnlessKnown(event, $0) }
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
        try read { database in
            try database.execute(
                """
                SELECT number, time, severity, reason, subject, commit_id, message, details, correlation FROM events
                WHERE number > ? AND (?2 IS NULL OR subject = ?2) ORDER BY number \(order) LIMIT ?
                """,
                [.integer(Int64(number)), Value(subject), .integer(Int64(limit))]
            )
        }.map { row in
            var event = Event(
                time: Timestamp(row[1].real ?? 0),
                severity: row[2].text.flatMap(Event.Severity.init) ?? .info,
                reason: row[3].text.flatMap(Reason.init) ?? .unknown,
                subject: row[4].text ?? "",
                commit: row[5].text ?? "",
                message: row[6].text ?? "",
                details: row[7].json?.array?.compactMap(\.string) ?? [],
                correlation: row[8].text ?? ""
            )
            event.number = Int(row[0].integer ?? 0)
            return event
        }
    }

    /// Adds an event, unless it says the same as the last about its subject.
    func insertUnlessKnown(_ event: Event, _ database: Database) throws {
        let last = try database.execute(
            "SELECT reason, commit_id, message FROM events WHERE subject = ? ORDER BY number DESC LIMIT 1",
            [.text(event.subject)]
        ).first
        let fact: [Value] = [.text(event.reason.rawValue), .text(event.commit), .text(event.message)]
        if last != fact { try insert(event, database) }
    }

    func insert(_ event: Event, _ database: Database) throws {
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
        try database.execute("DELETE FROM events WHERE number <= last_insert_rowid() - \(Self.keptEvents)")
    }
}
