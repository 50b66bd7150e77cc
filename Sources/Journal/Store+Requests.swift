package import Delivery
internal import SQLite

/// What a store says is held.
func readHolds(_ database: Database) throws -> [Hold] {
    try database.execute("SELECT target, name, author, reason, since FROM holds").map { row in
        Hold(
            app: AppID(target: row[0].text ?? "", name: row[1].text ?? ""),
            author: row[2].text ?? "",
            reason: row[3].text ?? "",
            since: Timestamp(row[4].real ?? 0)
        )
    }
}

// Holds, and what other processes ask the controller for.
extension Store {
    package func holds() throws -> [Hold] {
        let found = try read(readHolds)
        knownHolds = Dictionary(found.map { ($0.app, $0) }) { _, last in last }
        return found
    }

    /// Keeps a hold with the event that tells of it.
    package func hold(_ hold: Hold, event: Event) throws {
        try write { database in
            try Self.insert(hold, database)
            try insert(event, database)
        }
        knownHolds[hold.app] = hold
    }

    static func insert(_ hold: Hold, _ database: Database) throws {
        try database.execute(
            "INSERT OR REPLACE INTO holds (target, name, author, reason, since) VALUES (?,?,?,?,?)",
            [
                .text(hold.app.target), .text(hold.app.name), .text(hold.author), .text(hold.reason),
                .real(hold.since.seconds),
            ]
        )
    }

    /// Takes a hold away; false when there was none.
    package func release(_ id: AppID, event: Event) throws -> Bool {
        let app: [Value] = [.text(id.target), .text(id.name)]
        let wasHeld = try write { database in
            let found = try database.execute("SELECT 1 FROM holds WHERE target = ? AND name = ?", app)
            guard !found.isEmpty else { return false }
            try database.execute("DELETE FROM holds WHERE target = ? AND name = ?", app)
            try insert(event, database)
            return true
        }
        knownHolds[id] = nil
        return wasHeld
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
        try write { database in
            try database.execute(
                "INSERT INTO requests (kind, subject, author, time) VALUES (?,?,?,?)",
                [.text(kind), .text(subject), .text(author), .real(time.seconds)]
            )
            return Int(try database.execute("SELECT last_insert_rowid()")[0][0].integer ?? 0)
        }
    }

    /// The requests nobody has answered yet.
    package func openRequests() throws -> [Request] {
        try read {
            try $0.execute("SELECT number, kind, subject, author FROM requests WHERE done IS NULL ORDER BY number")
        }
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
        // An answer that is lost with the power is given again.
        _ = try write(.exit) { database in
            try database.execute(
                "UPDATE requests SET done = ? WHERE number = ?",
                [.real(time.seconds), .integer(Int64(number))]
            )
        }
    }

    package func isAnswered(_ number: Int) throws -> Bool {
        try read { database in
            try !database.execute(
                "SELECT 1 FROM requests WHERE number = ? AND done IS NOT NULL",
                [.integer(Int64(number))]
            ).isEmpty
        }
    }
}
