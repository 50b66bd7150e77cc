import Delivery
import JSON
import Journal
import SQLite
import TestSupport
import Testing

/// What is removed by itself, and what it costs to keep something.
@Suite struct RetentionTests {
    private let scratch: Scratch
    private let clock = TestClock()
    private let store: Store
    private let id = AppID(target: "t", name: "web")

    init() throws {
        scratch = try Scratch()
        store = try Store(path: "\(scratch.path)/hecate.db", now: clock.now)
    }

    private func count(_ table: String) throws -> Int64? {
        try Database(path: "\(scratch.path)/hecate.db").execute("SELECT count(*) FROM \(table)")[0][0].integer
    }

    @Test func answeredRequestsGoAfterADayAndTheOthersAfterAWeek() async throws {
        let answered = try await store.ask("reconcile", subject: "web", author: "anna", at: clock.now())
        try await store.answer(answered, at: clock.now())
        let open = try await store.ask("reconcile", subject: "db", author: "anna", at: clock.now())
        clock.advance(86_000)
        try await store.clean()
        #expect(try await store.isAnswered(answered))
        clock.advance(4000)
        // Not asked for: any write has it cleaned when an hour has passed.
        try await store.record(testEvent("any"))
        #expect(try count("requests") == 1)
        #expect(try await store.openRequests().map(\.number) == [open])
        clock.advance(7 * 86_400)
        try await store.record(testEvent("other"))
        #expect(try await store.openRequests().isEmpty)
    }

    @Test func revisionsOfAppsThatAreNoMoreGo() async throws {
        let revision = DeployedRevision(app: id, fingerprint: "f", commit: "c", deployedAt: Timestamp(0), payload: [1])
        try await store.commit(revision, record: AppRecord(id: id, source: "fleet"), event: testEvent("one"))
        try Database(path: "\(scratch.path)/hecate.db").execute("DELETE FROM apps")
        try await store.clean()
        #expect(try count("revisions") == 0)
    }

    @Test func whatAChannelWasToldOfAGoneSubjectGoes() async throws {
        let notified = Notified(fact: "f", severity: "error")
        try await store.record(testEvent("one", subject: "fleet"))
        try await store.enqueue(
            [],
            for: "ops",
            upTo: 1,
            notified: ["fleet": notified, "t/gone": notified],
            id: "x",
            at: clock.now(),
            due: clock.now(),
            joins: false
        )
        try await store.clean()
        #expect(try await store.notified(by: "ops") == ["fleet": notified])
    }

    @Test func theAuditLogIsCutAtItsBeginningAndStillHolds() async throws {
        let database = try Database(path: "\(scratch.path)/hecate.db")
        for number in 0..<4 {
            try await store.record(
                AuditEntry(
                    time: clock.now(),
                    actor: "anna",
                    role: "admin",
                    client: "::1",
                    action: "POST /x",
                    subject: "\(number)",
                    outcome: "allowed",
                    detail: ""
                )
            )
        }
        let whole = try await store.verifyAudit()
        // As after a hundred thousand more: the numbers are what is counted.
        let chain = try database.execute("SELECT chain FROM audit WHERE number = 2")[0][0]
        try database.execute("INSERT INTO audit_start (id, number, chain) VALUES (1, 2, ?)", [chain])
        try database.execute("DELETE FROM audit WHERE number <= 2")
        let rest = try await store.verifyAudit()
        #expect(rest.entries == 2 && rest.broken == nil && rest.last == whole.last)
        try database.execute("DELETE FROM audit WHERE number = 3")
        #expect(try await store.verifyAudit().broken == 4)
    }

    @Test func rowsThatNameNoAppNeverComeBack() async throws {
        let record = AppRecord(id: id, source: "fleet")
        try await store.save(record, event: nil)
        let database = try Database(path: "\(scratch.path)/hecate.db")
        for (target, name) in [("default", ""), ("", "web"), ("default", "a/b"), ("default", "a\u{7}")] {
            try database.execute(
                "INSERT INTO apps (target, name, source, commit_id, conditions, details) VALUES (?,?,'s','c','[]','[]')",
                [.text(target), .text(name)]
            )
        }
        #expect(try await store.records() == [record])
        #expect(try count("apps") == 1)
        let events = try await store.events(after: 0, subject: "store", limit: 9)
        #expect(
            events.count == 4 && events.allSatisfy { $0.severity == .warning && $0.message.contains("names no app") }
        )
    }

    @Test func membersThatAreMissingOrUnknownAreReadAsTheirDefaults() async throws {
        try await store.save(AppRecord(id: id, source: "fleet"), event: nil)
        try Database(path: "\(scratch.path)/hecate.db").execute(
            """
            UPDATE apps SET attempt = '{"fingerprint":"f","novel":{"a":1}}', quarantine = '{"fingerprint":"q"}',
            facts = '{"novel":1,"removal":null}'
            """
        )
        let record = try #require(try await store.record(of: id))
        #expect(record.attempt?.fingerprint == "f" && record.attempt?.isRestoring == false)
        #expect(record.quarantine?.details == [])
        #expect(record.removal == nil && record.problem == nil && record.hasBaseline)
    }

    @Test func anOlderStoreIsTakenOver() async throws {
        let path = "\(scratch.path)/old.db"
        let old = try Database(path: path)
        for statement in [
            """
            CREATE TABLE apps (
                target TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, commit_id TEXT NOT NULL,
                deployed TEXT, deployed_commit TEXT, deployed_at REAL,
                attempt TEXT, quarantine TEXT, conditions TEXT NOT NULL, details TEXT NOT NULL,
                PRIMARY KEY (target, name)
            ) STRICT, WITHOUT ROWID
            """,
            "CREATE TABLE revisions (number INTEGER PRIMARY KEY, target TEXT, name TEXT) STRICT",
            "CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT, reason TEXT) STRICT",
            "CREATE TABLE requests (number INTEGER PRIMARY KEY AUTOINCREMENT, done REAL) STRICT",
            "INSERT INTO apps VALUES ('t','web','fleet','c',NULL,NULL,NULL,NULL,NULL,'[]','[]')",
            "PRAGMA user_version = 1",
        ] { try old.execute(statement) }
        old.close()
        let store = try Store(path: path)
        #expect(store.setAside == nil)
        #expect(try await store.records().map(\.id) == [id])
        #expect(try await store.verifyAudit().entries == 0)
    }
}
