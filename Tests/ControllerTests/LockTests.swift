@testable import Controller
import Delivery
import Journal
import TestSupport
import Testing

/// One store is one controller's alone, whatever becomes of its files.
@Suite(.timeLimit(.minutes(1))) struct LockTests {
    private let scratch: Scratch
    private var folder: String { "\(scratch.path)/store" }

    init() throws {
        scratch = try Scratch()
        try scratch.write("", to: "store/another")
    }

    private func store(_ lock: ControllerLock) throws -> Store {
        try Store(path: "\(folder)/hecate.db", secure: { try lock.hold() })
    }

    private func event(_ message: String) -> Event {
        Event(time: Timestamp(1), severity: .info, reason: .deployed, subject: "t/web", commit: "c", message: message)
    }

    private func messages(_ store: Store) async throws -> [String] {
        try await store.events(after: 0, subject: nil, limit: 9).map(\.message)
    }

    /// The place of the file is looked at once a second.
    private func letSomeTimePass() async throws { try await Task.sleep(for: .milliseconds(1100)) }

    @Test func aStoreHasOneController() throws {
        let lock = try ControllerLock(folder: folder)
        #expect(throws: Failure.self) { try ControllerLock(folder: folder) }
        try lock.hold()
        withExtendedLifetime(lock) {}
    }

    @Test(arguments: ["store", "store/lock store/wake"])
    func theLockIsTakenAgainWhenItsFileIsGone(what: String) async throws {
        let lock = try ControllerLock(folder: folder)
        let store = try store(lock)
        try await store.record(event("before"))
        try await shell(["sh", "-c", "rm -rf \(what)"], directory: scratch.path)
        try await letSomeTimePass()
        try await store.record(event("after"))
        #expect(throws: Failure.self) { try ControllerLock(folder: folder) }
        #expect(ControllerLock.wake(folder: folder))
        var wakeups = lock.wakeups.makeAsyncIterator()
        #expect(await wakeups.next() != nil)
        #expect(try await messages(store) == ["before", "after"])
    }

    @Test(arguments: ["store", "store/lock"]) func whatAnotherControllerTookIsLeftAsItIs(what: String) async throws {
        var lock: ControllerLock? = try ControllerLock(folder: folder)
        var first: Store? = try store(try #require(lock))
        try await first?.record(event("ours"))
        try await shell(["rm", "-rf", "\(scratch.path)/\(what)"])
        if what == "store" { try scratch.write("", to: "store/another") }
        let other = try ControllerLock(folder: folder)
        let second = try store(other)
        try await second.record(event("theirs"))
        let before = try await messages(second)
        try await letSomeTimePass()
        await #expect(throws: StoreError.self) { try await first?.record(event("ours too")) }
        await first?.look()
        var incidents = try #require(first).incidents.makeAsyncIterator()
        let incident = try #require(await incidents.next())
        #expect(incident.kind == .taken && incident.message.contains("another controller works on it now"))
        (lock, first) = (nil, nil)
        #expect(ControllerLock.wake(folder: folder), "the socket is the other's")
        try await letSomeTimePass()
        try await second.record(event("theirs too"))
        #expect(try await messages(second) == before + ["theirs too"])
        let names = try await shell(["ls", folder])
        #expect(!names.contains("replaced") && !names.contains("damaged"), "\(names)")
    }

    @Test func aControllerWhoseStoreIsTakenEndsAndSaysSo() async throws {
        let taken = Failure(.conflict, "another controller works on it now")
        let rig = try Rig([], secure: { throw taken })
        let (wakeups, _) = AsyncStream.makeStream(of: Void.self)
        await #expect(throws: taken) { try await rig.follow(wakeups) }
    }
}
