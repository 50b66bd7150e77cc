package import Delivery
internal import SQLite

// How the sources and the targets are. These records say nothing that is not found out again, so that no write to the
// disk is waited for.
extension Store {
    /// Has exactly these sources and targets on record: what is configured no more goes, what is new was not looked at yet.
    ///
    /// What was recorded of them while this store is open holds on, also after the file was lost.
    package func expect(_ sources: [SourceRecord], _ targets: [TargetRecord]) throws {
        try write(.exit) { database in
            let knownSources = try database.execute("SELECT name FROM sources").compactMap { $0[0].text }
            for name in knownSources where !sources.contains(where: { $0.name == name }) {
                try database.execute("DELETE FROM sources WHERE name = ?", [.text(name)])
            }
            for source in sources where !knownSources.contains(source.name) {
                try insert(places.sources[source.name] ?? source, database)
            }
            let knownTargets = try database.execute("SELECT name FROM targets").compactMap { $0[0].text }
            for name in knownTargets where !targets.contains(where: { $0.name == name }) {
                try database.execute("DELETE FROM targets WHERE name = ?", [.text(name)])
            }
            for target in targets where !knownTargets.contains(target.name) {
                try insert(places.targets[target.name] ?? target, database)
            }
        }
    }

    package func save(_ source: SourceRecord) throws {
        places.sources[source.name] = source
        try write(.exit) { try insert(source, $0) }
    }

    private func insert(_ source: SourceRecord, _ database: Database) throws {
        try database.execute(
            "INSERT OR REPLACE INTO sources (name, url, commit_id, last_success, error) VALUES (?,?,?,?,?)",
            [
                .text(source.name), .text(source.url), .text(source.commit),
                source.lastSuccess.map { .real($0.seconds) } ?? .null, Value(source.error),
            ]
        )
    }

    package func sources() throws -> [SourceRecord] {
        try read { try $0.execute("SELECT name, url, commit_id, last_success, error FROM sources ORDER BY name") }.map {
            row in
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
        places.targets[target.name] = target
        try write(.exit) { try insert(target, $0) }
    }

    private func insert(_ target: TargetRecord, _ database: Database) throws {
        try database.execute(
            "INSERT OR REPLACE INTO targets (name, endpoint, version, last_success, error) VALUES (?,?,?,?,?)",
            [
                .text(target.name), .text(target.endpoint), .text(target.version),
                target.lastSuccess.map { .real($0.seconds) } ?? .null, Value(target.error),
            ]
        )
    }

    package func targets() throws -> [TargetRecord] {
        try read { try $0.execute("SELECT name, endpoint, version, last_success, error FROM targets ORDER BY name") }
            .map {
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

    /// Keeps who acts for each source on each target, in place of what was known before.
    package func keep(_ leases: [LeaseStanding]) throws {
        try write(.exit) { database in
            try database.execute("DELETE FROM leases")
            for lease in leases {
                try database.execute(
                    "INSERT OR REPLACE INTO leases (source, target, holder, own) VALUES (?,?,?,?)",
                    [.text(lease.source), .text(lease.target), Value(lease.holder), .integer(lease.isOwn ? 1 : 0)]
                )
            }
        }
    }

    /// Who acts for each source on each target, as the controller that keeps this journal knew it last.
    package func leases() throws -> [LeaseStanding] {
        try read { try $0.execute("SELECT source, target, holder, own FROM leases ORDER BY target, source") }.map {
            row in
            LeaseStanding(
                source: row[0].text ?? "",
                target: row[1].text ?? "",
                holder: row[2].text,
                isOwn: row[3].integer == 1
            )
        }
    }
}
