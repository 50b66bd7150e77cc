import Delivery
import Glibc
import Journal
import SQLite
import TestSupport
import Testing

/// A disk that takes no more.
///
/// It needs the right to mount.
@Suite(.enabled(if: getuid() == 0)) struct FullDiskTests {
    private let scratch: Scratch
    private let disk: SmallDisk
    private let clock = TestClock()
    private let store: Store

    init() async throws {
        scratch = try Scratch()
        disk = try await SmallDisk(at: "\(scratch.path)/disk", size: "1m")
        store = try Store(path: "\(disk.path)/hecate.db", now: clock.now)
    }

    /// Writes until the room the files have already is used up as well.
    private func exhaust() async throws -> StoreError? {
        try await disk.fill()
        for number in 0..<200 {
            do {
                try await store.record(testEvent("\(number) " + String(repeating: "x", count: 8000), subject: "filler"))
            } catch let error as StoreError {
                return error
            }
        }
        return nil
    }

    @Test func aFullDiskIsToldReadFromAndWrittenToAgain() async throws {
        let record = AppRecord(id: AppID(target: "t", name: "web"), source: "fleet")
        try await store.save(record, event: testEvent("before"))
        let error = try #require(try await exhaust())
        #expect(error.kind == .full)
        #expect(error.message.hasPrefix("the store '\(disk.path)/hecate.db' cannot be written: the disk is full; make"))
        #expect(try await store.records() == [record])
        let ill = await store.health
        #expect(!ill.isWritable && ill.failingSince == clock.now() && ill.error?.kind == .full)
        #expect(await nextIncident(store)?.kind == .full)
        for number in 1...3 {
            await #expect(throws: StoreError.self) {
                try await store.record(testEvent("\(number) " + String(repeating: "y", count: 20_000)))
            }
        }
        #expect(await store.health.queuedEvents == 4)

        clock.advance(10)
        #expect(await !store.health.isWritable, "still full")
        try await disk.makeRoom()
        #expect(await !store.health.isWritable, "tried every few seconds at most")
        clock.advance(10)
        #expect(await store.health == StoreHealth(), "the disk has room again")
        let messages = try await store.events(after: 0, subject: "t/web", limit: 9).map { $0.message.prefix(2) }
        #expect(messages == ["be", "1 ", "2 ", "3 "])
        #expect(await nextIncident(store)?.kind == .recovered)
    }

    /// What a person asked for is taken over once there is room for a new store, and it is told.
    @Test(.timeLimit(.minutes(1))) func aStoreThatIsDamagedOnAFullDiskKeepsItsHolds() async throws {
        let hold = Hold(app: AppID(target: "t", name: "web"), author: "anna", reason: "migration", since: Timestamp(9))
        try await store.hold(hold, event: testEvent("held"))
        for number in 0..<40 { try await store.record(testEvent("\(number) " + String(repeating: "x", count: 2000))) }
        let path = "\(disk.path)/hecate.db"
        let other = try Database(path: path)
        try other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        let root = try #require(
            try other.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'")[0][0].integer
        )
        other.close()
        let place = "seek=\(root - 1) bs=4096 count=1 conv=notrunc"
        try await shell(["sh", "-c", "dd if=/dev/urandom of=\(path) \(place) 2>/dev/null"])
        try await disk.fill()
        clock.advance(40)
        await store.look()
        #expect(try await fileNames(disk.path).filter { $0.contains("damaged") }.isEmpty, "nothing is set aside yet")
        try await disk.makeRoom()
        clock.advance(40)
        await store.look()
        #expect(try await store.holds() == [hold])
        #expect(await nextIncident(store)?.kind == .damaged)
        #expect(try await fileNames(disk.path).contains { $0.contains("damaged") })
    }

    @Test func aDiskThatBecomesReadOnlyIsTold() async throws {
        try await store.record(testEvent("before"))
        // A file system that is written to cannot be made read-only; one that is bound over it can.
        clock.advance(2)
        try await shell(["sh", "-c", "rm \(disk.path)/hecate.db*"])
        try await shell(["mount", "--bind", disk.path, disk.path])
        try await shell(["mount", "-o", "remount,bind,ro", disk.path])
        defer { umount2(disk.path, Int32(MNT_DETACH)) }
        do {
            try await store.record(testEvent("after"))
            Issue.record("written")
        } catch let error as StoreError {
            #expect(error.kind == .readOnly && error.message.contains("make its folder and file system writable"))
        }
        #expect(try await store.events(after: 0, subject: nil, limit: 9).map(\.message) == ["before"])
        #expect(await store.health.error?.kind == .readOnly)
        try await shell(["mount", "-o", "remount,bind,rw", disk.path])
        clock.advance(10)
        #expect(await store.health.isWritable)
        #expect(try await store.events(after: 0, subject: nil, limit: 9).map(\.message) == ["before", "after"])
    }

    @Test func askingForHealthChangesNothingThatIsSeen() async throws {
        try await store.record(testEvent("one"))
        let generation = try await store.generation()
        for _ in 0..<3 {
            clock.advance(10)
            #expect(await store.health.isWritable)
        }
        #expect(try await store.generation() == generation)
    }

    @Test func theQueueOfEventsIsBounded() async throws {
        _ = try #require(try await exhaust())
        for number in 0..<1100 {
            try? await store.record(testEvent("\(number) " + String(repeating: "y", count: 5000)))
        }
        let health = await store.health
        #expect(health.queuedEvents == 1000 && health.droppedEvents == 101)
    }
}
