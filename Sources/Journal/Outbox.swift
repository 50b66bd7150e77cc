package import Delivery
package import JSON
internal import SQLite

/// Something a channel is to be notified of, until it was.
package struct Outgoing: Sendable, Hashable {
    /// How far it has come.
    package enum State: String, Sendable {
        /// More may be added until it is due.
        case waiting
        /// Somebody is at it, or was when the program ended.
        case sending
    }

    package var number: Int
    package var channel: String
    /// The same through all attempts, so that a receiver knows a second one.
    package var id: String
    /// The events in their machine-readable form, oldest first.
    package var events: [JSON]
    package var state: State
    package var attempts: Int
    package var created: Timestamp
    package var due: Timestamp
}

/// What a channel was last notified of about a subject.
package struct Notified: Sendable, Hashable {
    package var fact: String
    package var severity: String

    package init(fact: String, severity: String) {
        self.fact = fact
        self.severity = severity
    }
}

extension Store {
    /// The number of the last event a channel has looked at, or nil when it is new.
    package func seen(by channel: String) throws -> Int? {
        try query("SELECT seen FROM channels WHERE name = ?", [.text(channel)]).first?.first?.integer.map { Int($0) }
    }

    /// A channel has looked at everything up to an event, and will be notified of some of it: kept together, or not at all.
    ///
    /// Events join what already waits for its time, when `joins`.
    package func enqueue(
        _ events: [JSON],
        for channel: String,
        upTo number: Int,
        notified: [String: Notified],
        id: String,
        at now: Timestamp,
        due: Timestamp,
        joins: Bool
    ) throws {
        try write { database in
            _ = try database.execute(
                "INSERT OR REPLACE INTO channels (name, seen) VALUES (?,?)",
                [.text(channel), .integer(Int64(number))]
            )
            for (subject, last) in notified {
                _ = try database.execute(
                    "INSERT OR REPLACE INTO notified (channel, subject, fact, severity) VALUES (?,?,?,?)",
                    [.text(channel), .text(subject), .text(last.fact), .text(last.severity)]
                )
            }
            guard !events.isEmpty else { return }
            let open = try database.execute(
                "SELECT number, events FROM deliveries WHERE channel = ? AND state = 'waiting' AND attempts = 0 LIMIT 1",
                [.text(channel)]
            ).first
            if joins, let open, let known = open[1].text.flatMap({ try? JSON(parsing: $0) })?.array {
                let all = JSON.array(known + events)
                _ = try database.execute(
                    "UPDATE deliveries SET events = ? WHERE number = ?",
                    [.text(all.text()), open[0]]
                )
            } else {
                _ = try database.execute(
                    """
                    INSERT INTO deliveries (channel, id, events, state, attempts, created, due, error)
                    VALUES (?,?,?,'waiting',0,?,?,'')
                    """,
                    [
                        .text(channel), .text(id), .text(JSON.array(events).text()), .real(now.seconds),
                        .real(due.seconds),
                    ]
                )
            }
        }
    }

    /// What a channel was last notified of, by subject.
    package func notified(by channel: String) throws -> [String: Notified] {
        let rows = try query("SELECT subject, fact, severity FROM notified WHERE channel = ?", [.text(channel)])
        return Dictionary(
            rows.map { ($0[0].text ?? "", Notified(fact: $0[1].text ?? "", severity: $0[2].text ?? "")) }
        ) { first, _ in first }
    }

    /// Everything that was not delivered yet, oldest first.
    package func outgoing() throws -> [Outgoing] {
        try query(
            "SELECT number, channel, id, events, state, attempts, created, due FROM deliveries ORDER BY number"
        ).map { row in
            Outgoing(
                number: Int(row[0].integer ?? 0),
                channel: row[1].text ?? "",
                id: row[2].text ?? "",
                events: row[3].text.flatMap { try? JSON(parsing: $0) }?.array ?? [],
                state: row[4].text.flatMap(Outgoing.State.init) ?? .waiting,
                attempts: Int(row[5].integer ?? 0),
                created: Timestamp(row[6].real ?? 0),
                due: Timestamp(row[7].real ?? 0)
            )
        }
    }

    /// Somebody is at it now; nothing more joins it.
    /// - Returns: All of its events, those included that joined since it was read; nil when somebody else has it.
    package func begin(_ delivery: Outgoing) throws -> [JSON]? {
        let number = Value.integer(Int64(delivery.number))
        return try write { database in
            let row = try database.execute(
                "SELECT events FROM deliveries WHERE number = ? AND state = 'waiting'",
                [number]
            ).first
            guard let row else { return nil }
            _ = try database.execute(
                "UPDATE deliveries SET state = 'sending', attempts = attempts + 1 WHERE number = ?",
                [number]
            )
            return row[0].text.flatMap { try? JSON(parsing: $0) }?.array ?? []
        }
    }

    /// It is tried again later.
    package func postpone(_ delivery: Outgoing, until due: Timestamp, _ error: String) throws {
        _ = try write(.exit) { database in
            try database.execute(
                "UPDATE deliveries SET state = 'waiting', due = ?, error = ? WHERE number = ?",
                [.real(due.seconds), .text(error), .integer(Int64(delivery.number))]
            )
        }
    }

    /// It was delivered, or given up.
    package func close(_ delivery: Outgoing) throws {
        // With the power may go that it was delivered; then it is delivered again.
        _ = try write(.exit) { database in
            try database.execute("DELETE FROM deliveries WHERE number = ?", [.integer(Int64(delivery.number))])
        }
    }
}
