internal import Crypto
package import Delivery
internal import JSON
internal import SQLite

/// Something that somebody did or was refused.
package struct AuditEntry: Sendable, Hashable {
    package var number = 0
    package var time: Timestamp
    package var actor: String
    package var role: String
    package var client: String
    /// What was asked for, such as `POST /api/v1/reconcile`.
    package var action: String
    package var subject: String
    /// `allowed`, `refused`, or `failed` after it was allowed.
    package var outcome: String
    package var detail: String
    /// The digest of this entry and of the chain before it.
    package var chain = ""

    package init(
        time: Timestamp,
        actor: String,
        role: String,
        client: String,
        action: String,
        subject: String,
        outcome: String,
        detail: String
    ) {
        self.time = time
        self.actor = actor
        self.role = role
        self.client = client
        self.action = action
        self.subject = subject
        self.outcome = outcome
        self.detail = detail
    }

    /// The chain with this entry at its end.
    fileprivate func chained(to last: String) -> String {
        let fields = ["\(time.seconds)", actor, role, client, action, subject, outcome, detail]
        return sha256("\(last)\n\(JSON(fields).text())")
    }
}

extension Store {
    /// Adds an entry at the end of the chain.
    package func record(_ entry: AuditEntry) throws {
        _ = try write { database in
            let last = try database.execute("SELECT chain FROM audit ORDER BY number DESC LIMIT 1").first?.first?.text
            return try database.execute(
                """
                INSERT INTO audit (time, actor, role, client, action, subject, outcome, detail, chain)
                VALUES (?,?,?,?,?,?,?,?,?)
                """,
                [
                    .real(entry.time.seconds), .text(entry.actor), .text(entry.role), .text(entry.client),
                    .text(entry.action), .text(entry.subject), .text(entry.outcome), .text(entry.detail),
                    .text(entry.chained(to: last ?? "")),
                ]
            )
        }
    }

    /// Entries after a number, oldest first.
    package func auditEntries(after number: Int, limit: Int) throws -> [AuditEntry] {
        try query(
            """
            SELECT number, time, actor, role, client, action, subject, outcome, detail, chain FROM audit
            WHERE number > ? ORDER BY number LIMIT ?
            """,
            [.integer(Int64(number)), .integer(Int64(limit))]
        ).map { row in
            var entry = AuditEntry(
                time: Timestamp(row[1].real ?? 0),
                actor: row[2].text ?? "",
                role: row[3].text ?? "",
                client: row[4].text ?? "",
                action: row[5].text ?? "",
                subject: row[6].text ?? "",
                outcome: row[7].text ?? "",
                detail: row[8].text ?? ""
            )
            entry.number = Int(row[0].integer ?? 0)
            entry.chain = row[9].text ?? ""
            return entry
        }
    }

    /// Follows the chain from its beginning, or from where older entries were cut off.
    /// - Returns: How many entries hold, and the number of the first that does not: one that was changed, or before which
    ///   one was taken out. What was cut off at the end is only seen by whoever knows the last digest.
    package func verifyAudit() throws -> (entries: Int, broken: Int?, last: String) {
        let start = try query("SELECT number, chain FROM audit_start").first
        var (count, number, last) = (0, Int(start?[0].integer ?? 0), start?[1].text ?? "")
        while true {
            let entries = try auditEntries(after: number, limit: 1000)
            for entry in entries {
                guard entry.number == number + 1, entry.chain == entry.chained(to: last) else {
                    return (count, entry.number, last)
                }
                (count, number, last) = (count + 1, entry.number, entry.chain)
            }
            if entries.count < 1000 { return (count, nil, last) }
        }
    }
}
