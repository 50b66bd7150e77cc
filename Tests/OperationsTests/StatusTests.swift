import Delivery
import Documents
import JSON
import Journal
import Operations
import Synchronization
import TestSupport
import Testing

/// The state of commits at forges, and the sign of life.
@Suite struct StatusTests {
    @Test(arguments: Channel.Forge.Kind.allCases) func aForgeShowsHowACommitFared(kind: Channel.Forge.Kind) async throws
    {
        let scratch = try Scratch()
        let store = try Store(path: "\(scratch.path)/hecate.db")
        let receivers = try Receivers()
        let forge = Channel.Forge(
            kind: kind,
            api: "\(receivers.base)/\(kind.rawValue)",
            repository: "ops/fleet",
            token: "forge-token"
        )
        var channel = Channel(name: "forge", kind: .commitStatus(forge))
        channel.group = .zero
        let (changes, signal) = AsyncStream.makeStream(of: Void.self)
        let complaints = Mutex<[String]>([])
        let notifier = Notifier(
            [channel],
            store: store,
            base: "https://hecate.example.org",
            now: currentTime,
            report: { event in complaints.withLock { $0.append(event.message) } },
            count: { _, _ in }
        )
        let running = Task { await notifier.run(changes: changes) }
        while try await store.seen(by: "forge") == nil { try await Task.sleep(for: .milliseconds(10)) }
        let commit = String(repeating: "c", count: 40)
        func happen(_ reason: Reason, _ message: String) async throws {
            try await store.record(
                Event(
                    time: currentTime(),
                    severity: .info,
                    reason: reason,
                    subject: "default/web",
                    commit: commit,
                    message: message
                )
            )
            signal.yield()
        }
        let good = kind == .gitlab ? ["running", "success"] : ["pending", "success"]
        try await happen(.applying, "1 to update")
        try await happen(.verifying, "nothing a forge knows")
        for _ in 0..<300 where receivers.taken.count < 1 { try await Task.sleep(for: .milliseconds(20)) }
        try await happen(.applying, "1 to update, again")
        for _ in 0..<300 where receivers.attempts < 2 { try await Task.sleep(for: .milliseconds(20)) }
        try await happen(.deployed, String(repeating: "deployed ", count: 50))
        let count = kind == .gitlab ? 2 : 3
        for _ in 0..<300 where receivers.taken.count < count { try await Task.sleep(for: .milliseconds(20)) }
        let taken = receivers.taken
        let states = kind == .gitlab ? good : [good[0]] + good
        #expect(taken.map { $0.body["state"]?.string } == states, "\(complaints.withLock { $0 })")
        let name = taken.first?.body[kind == .gitlab ? "name" : "context"]?.string
        #expect(name == "hecate/default/web")
        #expect(taken.allSatisfy { $0.path.hasSuffix("/statuses/\(commit)") && $0.path.contains("ops/fleet") })
        #expect(taken.first?.body["target_url"]?.string == "https://hecate.example.org/apps/default/web")
        running.cancel()
        await running.value
        await receivers.stop()
    }

    @Test func theSignOfLifeEndsWithTheLife() async throws {
        let receivers = try Receivers()
        let heartbeat = Heartbeat(url: "\(receivers.base)/beat", interval: .milliseconds(100))
        let alive = Shared(isAlive: true)
        receivers.refuse(503)
        let running = Task {
            await heartbeat.run(
                isAlive: { alive.isAlive.withLock { $0 } },
                changed: { problem in alive.failures.withLock { $0.append(problem ?? "well") } }
            )
        }
        for _ in 0..<200 where receivers.taken.count < 3 { try await Task.sleep(for: .milliseconds(20)) }
        #expect(receivers.taken.count >= 3)
        #expect(alive.failures.withLock { $0 } == ["it answered 503", "well"])
        alive.isAlive.withLock { $0 = false }
        try await Task.sleep(for: .milliseconds(200))
        let count = receivers.taken.count
        try await Task.sleep(for: .milliseconds(500))
        #expect(receivers.taken.count == count, "who is stuck gives none")
        running.cancel()
        await running.value
        await receivers.stop()
    }

    private final class Shared: Sendable {
        let isAlive: Mutex<Bool>
        let failures = Mutex<[String]>([])
        init(isAlive: Bool) { self.isAlive = Mutex(isAlive) }
    }
}
