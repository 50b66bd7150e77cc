internal import Delivery
internal import SQLite

// What keeps the store from growing without bound. Events, revisions and the records of apps, sources and targets are
// bounded as they are written; the rest is cleaned now and then.
extension Store {
    /// How long answered requests are kept, and those nobody answers, in seconds.
    private static let answeredAge = 86_400.0
    private static let openAge = 7 * 86_400.0
    /// How many entries of the audit log are kept.
    private static let keptAudit: Int64 = 100_000

    /// Removes what is old or belongs to nothing: done by itself every hour.
    package func clean() throws {
        let time = now().seconds
        try write(.exit) { database in
            try database.execute("DELETE FROM requests WHERE done < ?", [.real(time - Self.answeredAge)])
            try database.execute(
                "DELETE FROM requests WHERE done IS NULL AND time < ?",
                [.real(time - Self.openAge)]
            )
            try database.execute(
                """
                DELETE FROM revisions WHERE NOT EXISTS
                (SELECT 1 FROM apps WHERE apps.target = revisions.target AND apps.name = revisions.name)
                """
            )
            // What a channel was told of a subject counts while more may be said about it.
            try database.execute(
                """
                DELETE FROM notified WHERE NOT EXISTS (SELECT 1 FROM events WHERE events.subject = notified.subject)
                AND NOT EXISTS (SELECT 1 FROM apps WHERE target || '/' || name = notified.subject)
                """
            )
            try cutAudit(database, keeping: Self.keptAudit)
        }
    }

    /// Removes the oldest audit entries; what remains is still tied to the digest of the last that went.
    func cutAudit(_ database: Database, keeping count: Int64) throws {
        let last = try database.execute("SELECT max(number) FROM audit").first?.first?.integer ?? 0
        let cut = last - count
        let entry = try database.execute("SELECT chain FROM audit WHERE number = ?", [.integer(cut)]).first
        guard cut > 0, let chain = entry?.first?.text else { return }
        try database.execute(
            "INSERT OR REPLACE INTO audit_start (id, number, chain) VALUES (1, ?, ?)",
            [.integer(cut), .text(chain)]
        )
        try database.execute("DELETE FROM audit WHERE number <= ?", [.integer(cut)])
    }
}
