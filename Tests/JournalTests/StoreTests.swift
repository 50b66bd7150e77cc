import Delivery
import JSON
@testable import Journal
import SQLite
import TestSupport
import Testing

@Suite struct StoreTests {
    private let scratch: Scratch
    private let store: Store
    private let id = AppID(target: "t", name: "web")

    init() throws {
        scratch = try Scratch()
        store = try Store(path: "\(scratch.path)/hecate.db")
    }

    private func event(_ message: String) -> Event {
        Event(time: Timestamp(1), severity: .info, reason: .deployed, subject: "t/web", commit: "c", message: message)
    }

    @Test func recordsReadBackAsTheyWere() async throws {
        var record = AppRecord(id: id, source: "fleet")
        record.commit = "abc"
        record.deployed = "f"
        record.deployedAt = Timestamp(12.5)
        record.hasBaseline = true
        record.failedFingerprint = "h"
        record.attempt = Attempt(
            fingerprint: "g",
            commit: "abc",
            purpose: .repair,
            since: Timestamp(3),
            mark: "m",
            phase: .verifying,
            message: "1 of 2"
        )
        record.quarantine = Quarantine(
            fingerprint: "q",
            commit: "x",
            since: Timestamp(4),
            failure: "why",
            details: ["log"]
        )
        record.quarantine?.isRolledBack = true
        record.quarantine?.refused = ["r"]
        record.hold = Hold(app: id, author: "anna", reason: "disks", since: Timestamp(6))
        let failure = Failure(.timedOut, "late", next: .needsChange, details: ["a", "b"])
        record.problem = Problem(failure, since: Timestamp(5))
        record.waiting = Waiting(.dependencyNotReady, "db", since: Timestamp(7))
        record.drift = Drift(message: "x", isFight: true, since: Timestamp(8))
        record.removal = Removal(why: "gone", since: Timestamp(9))
        record.result = .init(.deployed, "deployed in 1s", since: Timestamp(10))
        try await store.save(record, event: event("one"))
        #expect(try await store.records() == [record])
        let reopened = try Store(path: "\(scratch.path)/hecate.db")
        #expect(try await reopened.record(of: id) == record)
    }

    @Test func fiveRevisionsAreKeptNewestFirst() async throws {
        let record = AppRecord(id: id, source: "fleet")
        for number in 1...7 {
            let revision = DeployedRevision(
                app: id,
                fingerprint: "f\(number)",
                commit: "c\(number)",
                deployedAt: Timestamp(0),
                payload: [UInt8(number)]
            )
            try await store.commit(revision, record: record, event: event("\(number)"))
        }
        #expect(try await store.revisions(of: id).map(\.fingerprint) == ["f7", "f6", "f5", "f4", "f3"])
        let again = DeployedRevision(app: id, fingerprint: "f4", commit: "c8", deployedAt: Timestamp(0), payload: [8])
        try await store.commit(again, record: record, event: event("8"))
        #expect(try await store.revisions(of: id).map(\.fingerprint) == ["f4", "f7", "f6", "f5", "f3"])
    }

    @Test func aTextComesBackWhole() async throws {
        try await store.record(event("before\u{0}after"))
        #expect(try await store.events(after: 0, subject: nil, limit: 1).first?.message == "before\u{0}after")
    }

    @Test func theNextEventsFollowInTheirOrder() async throws {
        for number in 1...5 { try await store.record(event("\(number)")) }
        #expect(try await store.nextEvents(after: 1, subject: nil, limit: 2).map(\.message) == ["2", "3"])
        #expect(try await store.events(after: 1, subject: nil, limit: 2).map(\.message) == ["4", "5"])
    }

    @Test func whatJoinsADeliveryAsItBeginsGoesWithIt() async throws {
        func enqueue(_ name: String, _ number: Int) async throws {
            try await store.enqueue(
                [.string(name)],
                for: "ops",
                upTo: number,
                notified: [:],
                id: name,
                at: Timestamp(0),
                due: Timestamp(0),
                joins: true
            )
        }
        try await enqueue("one", 1)
        let seen = try #require(try await store.outgoing().first)
        try await enqueue("two", 2)
        #expect(try await store.begin(seen) == [.string("one"), .string("two")])
        #expect(try await store.begin(seen) == nil, "somebody is at it")
        try await enqueue("three", 3)
        #expect(try await store.outgoing().map(\.events) == [[.string("one"), .string("two")], [.string("three")]])
        try await store.close(seen)
        #expect(try await store.outgoing().count == 1)
        #expect(try await store.seen(by: "ops") == 3)
    }

    @Test func onlyWhatIsConfiguredIsOnRecord() async throws {
        try await store.save(SourceRecord(name: "old", url: "x", error: "gone"))
        try await store.save(SourceRecord(name: "kept", url: "x", lastSuccess: Timestamp(5)))
        try await store.expect([SourceRecord(name: "kept", url: "x"), SourceRecord(name: "new", url: "x")], [])
        #expect(try await store.sources().map(\.name) == ["kept", "new"])
        #expect(try await store.sources().first?.lastSuccess == Timestamp(5))
    }

    @Test func whoeverChangesTheAuditLogIsSeen() async throws {
        for number in 0..<5 {
            let entry = AuditEntry(
                time: Timestamp(Double(number) + 0.1),
                actor: "anna",
                role: "admin",
                client: "127.0.0.1",
                action: "POST /x",
                subject: "\(number)",
                outcome: "done",
                detail: "\u{0}'é"
            )
            try await store.record(entry)
        }
        let whole = try await store.verifyAudit()
        #expect(whole.entries == 5 && whole.broken == nil && whole.last.utf8.count == 64)
        let database = try Database(path: "\(scratch.path)/hecate.db")
        try database.execute("UPDATE audit SET actor = 'otto' WHERE number = 3", [])
        #expect(try await store.verifyAudit().broken == 3)
        try database.execute("UPDATE audit SET actor = 'anna' WHERE number = 3", [])
        #expect(try await store.verifyAudit().broken == nil)
        try database.execute("DELETE FROM audit WHERE number = 2", [])
        #expect(try await store.verifyAudit().broken == 3)
    }

    @Test func aFactIsRecordedOnce() async throws {
        for _ in 0..<3 { try await store.record(event("same")) }
        try await store.record(event("other"))
        try await store.record(event("same"))
        #expect(try await store.events(after: 0, subject: nil, limit: 10).map(\.message) == ["same", "other", "same"])
        #expect(try await store.events(after: 1, subject: "t/web", limit: 1).map(\.message) == ["same"])
    }

    @Test func holdsAndRequests() async throws {
        let hold = Hold(app: id, author: "anna", reason: "migration", since: Timestamp(9))
        try await store.hold(hold, event: event("held"))
        #expect(try await store.holds() == [hold])
        #expect(try await store.release(id, event: event("released")))
        #expect(try await !store.release(id, event: event("again")))
        let number = try await store.ask("reconcile", subject: "web", author: "anna", at: Timestamp(1))
        #expect(try await store.openRequests().map(\.number) == [number])
        try await store.answer(number, at: Timestamp(2))
        #expect(try await store.isAnswered(number))
    }

    @Test func aStoreOfTheThirdSchemaKeepsWhatItHolds() async throws {
        let path = "\(scratch.path)/third.db"
        do {
            let database = try Database(path: path)
            try database.migrate(Array(migrations.prefix(3)))
            try database.execute("INSERT INTO told VALUES ('ops', 't/web', 'broken', 'error')")
            try database.execute(
                "INSERT INTO events VALUES (1, 1, 'info', 'TurningBack', 't/web', 'c', 'message', '[]', '')"
            )
        }
        let store = try Store(path: path)
        #expect(try await store.notified(by: "ops") == ["t/web": Notified(fact: "broken", severity: "error")])
        #expect(try await store.events(after: 0, subject: nil, limit: 1).map(\.reason) == [.rollingBack])
    }

    @Test func whatIsWrittenWaitsForTheDiskUnlessItSaysOtherwise() throws {
        let database = try Database(path: "\(scratch.path)/hecate.db")
        func synchronous() throws -> Int64? { try database.execute("PRAGMA synchronous")[0][0].integer }
        #expect(try synchronous() == 2, "FULL")
        try database.set(.exit)
        #expect(try synchronous() == 1, "NORMAL")
        try database.set(.powerLoss)
        #expect(try synchronous() == 2)
    }

    /// The first word of a new log need not wait for the disk, if it need not be promised; whatever is promised does.
    @Test func theBeginningOfALogIsWrittenWithWhatIsPromisedNext() async throws {
        func synchronous() async throws -> Int64? {
            try await store.read { try $0.execute("PRAGMA synchronous")[0][0].integer }
        }
        for _ in 0..<2 {
            try await store.answer(1, at: Timestamp(1))
            #expect(try await synchronous() == 1, "nothing else is done without waiting for anything")
        }
        let other = try Store(path: "\(scratch.path)/other.db")
        try await other.hold(
            Hold(app: id, author: "anna", reason: "migration", since: Timestamp(9)),
            event: Event(time: Timestamp(1), severity: .info, reason: .suspended, subject: "a", message: "b")
        )
        #expect(try await other.read { try $0.execute("PRAGMA synchronous")[0][0].integer } == 2)
    }

    /// An answer to a request may be lost with the power; what a person asked for, or an event tells of, may not.
    @Test func whatIsPromisedIsOnTheDisk() async throws {
        func isPromised(_ write: () async throws -> Void) async throws -> Bool {
            for _ in 0..<2 { try await store.answer(1, at: Timestamp(1)) }
            #expect(try await store.read { try $0.execute("PRAGMA synchronous")[0][0].integer } == 1)
            try await write()
            return try await store.read { try $0.execute("PRAGMA synchronous")[0][0].integer } == 2
        }
        let hold = Hold(app: id, author: "anna", reason: "migration", since: Timestamp(9))
        let entry = AuditEntry(
            time: Timestamp(1),
            actor: "anna",
            role: "admin",
            client: "::1",
            action: "POST /x",
            subject: "web",
            outcome: "done",
            detail: ""
        )
        var record = AppRecord(id: id, source: "fleet")
        record.quarantine = Quarantine(fingerprint: "q", commit: "x", since: Timestamp(4), failure: "why", details: [])
        let revision = DeployedRevision(app: id, fingerprint: "f", commit: "c", deployedAt: Timestamp(0), payload: [])
        #expect(try await isPromised { try await store.hold(hold, event: event("held")) })
        #expect(try await isPromised { _ = try await store.release(id, event: event("released")) })
        #expect(try await isPromised { try await store.record(entry) })
        #expect(try await isPromised { try await store.save(record, event: event("rejected")) })
        #expect(try await isPromised { try await store.commit(revision, record: record, event: event("deployed")) })
        #expect(try await isPromised { _ = try await store.ask("approve", subject: "", author: "", at: Timestamp(1)) })
    }

    @Test func aNewStoreIsMadeWholeBeforeItHasItsName() async throws {
        // Everything stands in the file itself; nothing is left to a log that may be lost.
        try await shell(["cp", "\(scratch.path)/hecate.db", "\(scratch.path)/copy.db"])
        let copy = try Database(path: "\(scratch.path)/copy.db")
        #expect(try copy.execute("PRAGMA user_version")[0][0].integer == Int64(migrations.count))
        #expect(try copy.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'probe'")[0][0].integer == 1)
        let names = try await fileNames(scratch.path)
        #expect(!names.contains { $0.contains(".new") }, "\(names)")
    }
}
