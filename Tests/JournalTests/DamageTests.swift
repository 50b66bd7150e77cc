import Delivery
import Glibc
import Journal
import SQLite
import TestSupport
import Testing

/// What befalls the store's file, and what becomes of it.
@Suite struct DamageTests {
    private let scratch: Scratch
    private let clock = TestClock()
    private let id = AppID(target: "t", name: "web")
    private var path: String { "\(scratch.path)/store/hecate.db" }

    init() throws { scratch = try Scratch() }

    private func store() throws -> Store { try Store(path: path, now: clock.now) }

    /// Writes garbage over a part of a file.
    private func garble(_ path: String, at offset: Int, count: Int) throws {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Unmet("no \(path)") }
        defer { close(descriptor) }
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        #expect(pwrite(descriptor, bytes, bytes.count, off_t(offset)) == count)
    }

    @Test func aFileThatIsNoStoreIsSetAsideAndAnEmptyOneBegun() async throws {
        try writeFile("this is not a database, and long enough to be looked at as one", to: path)
        let store = try store()
        let aside = try #require(store.setAside)
        #expect(aside.hasPrefix("\(path).damaged-20270115T080000Z"))
        #expect(fileText(aside)?.hasPrefix("this is not") ?? false)
        try await store.record(testEvent("one"))
        #expect(try Store(path: path).setAside == nil)
    }

    @Test func whoeverOnlyReadsLeavesADamagedStoreWhereItIs() throws {
        try writeFile("this is not a database, and long enough to be looked at as one", to: path)
        #expect(throws: Failure.self) { try Store(path: path, repairs: false) }
        #expect(fileText(path)?.hasPrefix("this is not") ?? false)
    }

    @Test func damageInsideTheFileIsFoundAfterAnUncleanEnd() async throws {
        try await filled()
        // A log that was left behind tells of the unclean end.
        try await shell(["cp", path, "\(scratch.path)/copy.db"])
        try garble("\(scratch.path)/copy.db", at: 3 * 4096, count: 12 * 4096)
        try writeFile("left behind", to: "\(scratch.path)/copy.db-wal")
        let store = try Store(path: "\(scratch.path)/copy.db")
        #expect(store.setAside != nil)
        #expect(try await store.records().isEmpty)
    }

    /// A store with enough in it to damage, that was closed.
    private func filled() async throws {
        let store = try store()
        for number in 0..<300 {
            try await store.record(testEvent("\(number) " + String(repeating: "x", count: 200)))
        }
        let record = AppRecord(id: id, source: "fleet")
        try await store.save(record, event: nil)
    }

    @Test func damageMetWhileRunningIsSetAsideAndTold() async throws {
        let store = try store()
        for number in 0..<300 { try await store.record(testEvent("\(number) " + String(repeating: "x", count: 200))) }
        // Everything is written back into the file, so that what is read comes from there.
        let other = try Database(path: path)
        try other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        try garble(path, at: 0, count: 40 * 4096)
        try await store.record(testEvent("after"))
        #expect(try await store.events(after: 0, subject: nil, limit: 500).map(\.message) == ["after"])
        let incident = try #require(await nextIncident(store))
        #expect(incident.kind == .damaged && incident.message.contains("\(path).damaged-"), "\(incident.message)")
        #expect(try await fileNames("\(scratch.path)/store").contains { $0.hasPrefix("hecate.db.damaged-") })
    }

    /// Whoever looks at the holds again must not take an empty store for somebody's word that they are over.
    @Test func holdsThatWereKnownOutliveTheStoreThatHadThem() async throws {
        let store = try store()
        let hold = Hold(app: id, author: "ann", reason: "backup", since: Timestamp(7))
        try await store.hold(hold, event: testEvent("held"))
        for number in 0..<300 { try await store.record(testEvent("\(number) " + String(repeating: "x", count: 200))) }
        let other = try Database(path: path)
        try other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        try garble(path, at: 0, count: 60 * 4096)
        try await store.record(testEvent("after"))
        let incident = try #require(await nextIncident(store))
        #expect(incident.kind == .damaged && incident.message.contains("1 of its holds"), "\(incident.message)")
        #expect(try await store.holds() == [hold])
        #expect(try await store.release(id, event: testEvent("let go")))
        #expect(try await store.holds().isEmpty)
    }

    /// Another process let go of it since; the damaged store can still say so.
    @Test func aHoldThatAnotherProcessEndedDoesNotComeBack() async throws {
        let store = try store()
        for number in 0..<300 { try await store.record(testEvent("\(number) " + String(repeating: "x", count: 200))) }
        let hold = Hold(app: id, author: "ann", reason: "backup", since: Timestamp(7))
        try await store.hold(hold, event: testEvent("held"))
        #expect(try await store.holds() == [hold])
        let other = try Store(path: path, repairs: false, now: clock.now)
        #expect(try await other.resume(id, by: "bob", at: Timestamp(9)))
        try garble(table: "revisions")
        clock.advance(40)
        await store.look()
        #expect(try #require(await nextIncident(store)).kind == .damaged)
        #expect(try await store.holds().isEmpty)
    }

    /// Somebody copies an old state over the open file: that nothing was held then is no word about now.
    @Test func aHoldOutlivesAnOldStateInPlaceOfTheStore() async throws {
        let store = try store()
        for number in 0..<300 { try await store.record(testEvent("\(number) " + String(repeating: "x", count: 200))) }
        try emptyLog()
        try await shell(["cp", path, "\(scratch.path)/old.db"])
        let hold = Hold(app: id, author: "ann", reason: "backup", since: Timestamp(7))
        try await store.hold(hold, event: testEvent("held"))
        #expect(try await store.holds() == [hold])
        try emptyLog()
        try await shell(["sh", "-c", "cat '\(scratch.path)/old.db' > '\(path)'"])
        try garble(table: "events")
        clock.advance(40)
        await store.look()
        _ = try? await store.record(testEvent("after"))
        #expect(try #require(await nextIncident(store)).kind == .damaged)
        #expect(try await store.holds() == [hold])
    }

    private func emptyLog() throws {
        let database = try Database(path: path)
        defer { database.close() }
        try database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// Writes rubbish over the first page of a table.
    private func garble(table: String) throws {
        let database = try Database(path: path)
        try database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        let root = try database.execute("SELECT rootpage FROM sqlite_schema WHERE name = '\(table)'")[0][0].integer
        database.close()
        try garble(path, at: (Int(try #require(root)) - 1) * 4096, count: 4096)
    }

    /// Nobody asks the store for anything; damage is found by looking at its file.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: ["rubbish in the file", "rubbish in the log", "file cut short", "file emptied"]
    )
    func damageIsFoundBeforeAnybodyReadsIt(what: String) async throws {
        let store = try store()
        try await store.expect([SourceRecord(name: "fleet", url: "u")], [])
        let source = SourceRecord(name: "fleet", url: "u", commit: "c", lastSuccess: Timestamp(7))
        try await store.save(source)
        for number in 0..<300 { try await store.record(testEvent("\(number) " + String(repeating: "x", count: 200))) }
        let other = try Database(path: path)
        try other.execute("PRAGMA wal_checkpoint(PASSIVE)")
        other.close()
        clock.advance(2)
        await store.look()
        switch what {
        case "rubbish in the file": try garble(path, at: 0, count: 40 * 4096)
        case "rubbish in the log":
            for number in 0..<30 {
                try await store.record(testEvent("\(number) " + String(repeating: "y", count: 200)))
            }
            try garble("\(path)-wal", at: 0, count: 100 * 4096)
        case "file cut short": try await shell(["truncate", "-s", "5000", path])
        default: try await shell(["truncate", "-s", "0", path])
        }
        clock.advance(40)
        await store.look()
        let incident = try #require(await nextIncident(store))
        #expect(incident.kind == .damaged, "\(incident.message)")
        #expect(try await store.events(after: 0, subject: nil, limit: 500).isEmpty)
        try await store.expect([SourceRecord(name: "fleet", url: "u")], [])
        #expect(try await store.sources() == [source])
    }

    /// Such as a backup that holds its snapshot for long.
    @Test(.timeLimit(.minutes(1))) func whoeverReadsForLongHoldsNobodyUp() async throws {
        let store = try store()
        try await store.record(testEvent("one"))
        let reader = try Database(path: path)
        try reader.execute("BEGIN")
        _ = try reader.execute("SELECT count(*) FROM events")
        let writer = try Database(path: path)
        try writer.execute("DELETE FROM requests")
        try writer.execute("INSERT OR REPLACE INTO probe (number, time) VALUES (2, 1)")
        writer.close()
        let start = ContinuousClock.now
        for number in 0..<5 {
            clock.advance(40)
            await store.look()
            try await store.record(testEvent("\(number)"))
        }
        #expect(ContinuousClock.now - start < .seconds(3))
        #expect(try await store.events(after: 0, subject: nil, limit: 9).count == 6)
        reader.close()
    }

    @Test(arguments: [false, true]) func holdsThatCanStillBeReadAreTakenOver(whileRunning: Bool) async throws {
        try await filled()
        let hold = Hold(app: id, author: "anna", reason: "migration", since: Timestamp(9))
        var store: Store? = try store()
        try await store?.hold(hold, event: testEvent("held"))
        let other = try Database(path: path)
        try other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        let root = try other.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'")[0][0].integer
        other.close()
        if !whileRunning { store = nil }
        try garble(path, at: (Int(root ?? 0) - 1) * 4096, count: 4096)
        if whileRunning {
            #expect(try await store?.events(after: 0, subject: nil, limit: 9) == [])
            #expect(try await store?.holds() == [hold])
        } else {
            try writeFile("left behind", to: "\(path)-wal")
            let next = try self.store()
            #expect(next.setAside != nil)
            #expect(try await next.holds() == [hold])
        }
    }

    @Test(arguments: ["file", "all", "folder", "replaced"])
    func aStoreThatGoesMissingIsWrittenAgainWhole(how: String) async throws {
        let store = try store()
        let record = AppRecord(id: id, source: "fleet")
        try await store.save(record, event: testEvent("before"))
        switch how {
        case "file": try await shell(["rm", path])
        case "all": try await shell(["sh", "-c", "rm \(path)*"])
        case "folder": try await shell(["mv", "\(scratch.path)/store", "\(scratch.path)/elsewhere"])
        default: try await shell(["sh", "-c", "echo another > \(path).x && mv \(path).x \(path)"])
        }
        clock.advance(2)
        try await store.record(testEvent("after"))
        #expect(await nextIncident(store)?.kind == .deleted)
        let reopened = try Store(path: path, now: clock.now)
        #expect(reopened.setAside == nil)
        #expect(try await reopened.records() == [record])
        #expect(try await reopened.events(after: 0, subject: nil, limit: 9).map(\.message) == ["before", "after"])
        #expect(fileMode(path) == 0o600)
        if how == "folder" { #expect(fileMode("\(scratch.path)/store") == 0o700) }
        if how == "replaced" {
            #expect(try await fileNames("\(scratch.path)/store").contains { $0.hasPrefix("hecate.db.replaced-") })
        }
    }

    @Test func aLogWithoutItsDatabaseIsNotReadIntoANewOne() async throws {
        try await filled()
        try await shell(["mv", path, "\(scratch.path)/gone"])
        try writeFile("left behind", to: "\(path)-wal")
        let store = try store()
        #expect(store.setAside != nil)
        #expect(try await store.records().isEmpty)
    }

    @Test func damagedStoresDoNotPileUp() async throws {
        for _ in 0..<6 {
            try writeFile("this is not a database, and long enough to be looked at as one", to: path)
            #expect(try store().setAside != nil)
            clock.advance(60)
        }
        let aside = try await fileNames("\(scratch.path)/store").filter { $0.hasPrefix("hecate.db.damaged-") }
        #expect(aside.count == 3)
    }

    @Test func whatIsMadeIsItsOwnersAlone() async throws {
        let store = try store()
        try await store.record(testEvent("one"))
        #expect(fileMode("\(scratch.path)/store") == 0o700)
        for suffix in ["", "-wal", "-shm"] { #expect(fileMode(path + suffix) == 0o600) }
        var open = 0
        for name in try await fileNames("/proc/\(getpid())/fd") {
            guard let number = Int32(name), let target = linkTarget("/proc/self/fd/\(number)") else { continue }
            guard target.hasPrefix(path) else { continue }
            open += 1
            #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0, "\(target) is handed on to other programs")
        }
        #expect(open >= 2)
    }

    private func linkTarget(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }
}
