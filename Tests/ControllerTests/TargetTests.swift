@testable import Controller
import Delivery
import Diagnostics
import Journal
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct TargetTests {
    /// A target that never says a word, and one that does.
    private func targets() -> [Target] {
        [
            Target(platform: NoPlatform(name: "mute"), endpoint: "nowhere") {
                await Task { try? await Task.sleep(for: .seconds(600)) }.value
                return ""
            },
            Target(platform: NoPlatform(name: "default"), endpoint: "here") { "Test 1" },
        ]
    }

    @Test func onceGoesOnWithTheTargetsThatAnswer() async throws {
        let source = ScriptedSource("fleet", head: .success("1"), apps: ["1": ["web"]])
        let rig = try Rig([source], targets: targets())
        let outcome = try await rig.controller.once()
        #expect(outcome.failures.map(\.reason) == [.timedOut])
        #expect(outcome.failures.first?.message.contains("'mute' at nowhere did not answer within 20s") == true)
        let records = try await rig.store.targets()
        #expect(records.first { $0.name == "mute" }?.error != nil)
        #expect(records.first { $0.name == "default" }?.version == "Test 1")
        #expect(outcome.records.map(\.id.description) == ["default/web"])
    }

    @Test func theWatchdogIsFedOnlyWhilePassesEnd() async throws {
        let source = ScriptedSource("fleet", head: .success("1"), apps: ["1": ["web"]])
        source.set { $0.neverPrepares = true }
        let rig = try Rig([source], targets: [targets()[1]])
        let controller = rig.controller
        #expect(await controller.passesEnd())
        try await rig.running {
            try await eventually("a pass is under way") { await controller.context.reconciler.oldestPass != nil }
            try await eventually("it stays") { await !controller.passesEnd(at: .now + .seconds(601)) }
            #expect(await controller.passesEnd(at: .now + .seconds(60)))
        }
        #expect(await controller.context.reconciler.oldestPass == nil)
    }

    @Test func theWatchdogIsNotFedWhileAReadingDoesNotEnd() async throws {
        let source = ScriptedSource("folder", head: .success(""), apps: ["": ["web"]])
        source.set { $0.neverReads = true }
        let rig = try Rig([source], targets: [targets()[1]])
        let controller = rig.controller
        try await rig.running {
            try await eventually("a reading is under way") { await !controller.passesEnd(at: .now + .seconds(601)) }
            #expect(await controller.passesEnd(at: .now + .seconds(60)))
        }
    }

    /// A folder in which a part cannot be read.
    @Test func whatIsPassedOverInAFolderIsToldOnce() async throws {
        let source = ScriptedSource("folder", head: .success(""), apps: ["": ["web"]])
        let warning = Diagnostic(.error, at: Place(file: "apps/locked"), "the folder cannot be read")
        source.set { ($0.isPartial, $0.warnings) = (true, [warning]) }
        let rig = try Rig([source], targets: [targets()[1]])
        try await rig.running {
            for number in 1...3 {
                await rig.controller.hurry("folder")
                try await eventually("it is read") { source.log.count { $0 == "read " } >= number }
            }
            try await eventually("it is an error of the source") {
                try await rig.store.sources().first?.error?.contains("apps/locked: the folder cannot be read") == true
            }
            let told = try await rig.store.events(after: 0, subject: nil, limit: 1000).count {
                $0.message.contains("apps/locked")
            }
            #expect(told == 1)
        }
    }

    /// It answers nothing about its apps and does not say whose they are, and there are more of them than are worked on at
    /// once.
    @Test func aTargetThatHangsHoldsUpNoOther() async throws {
        let most = Limits().parallelism
        let all = (0..<2 * most).map { "stuck/app\($0)" } + ["web"]
        let source = ScriptedSource("fleet", head: .success("1"), apps: ["1": all])
        source.set { $0.stuck = ["stuck"] }
        let stuck = Target(platform: NoPlatform(name: "stuck", claimsAfter: .seconds(600)), endpoint: "there") {
            "Test 1"
        }
        let rig = try Rig([source], targets: [stuck, targets()[1]])
        try await rig.running {
            try await eventually("the hanging ones are begun") {
                source.log.count { $0.hasPrefix("prepare stuck/") } >= most
            }
            let begun = ContinuousClock.now
            try await eventually("the other one is looked at") {
                try await rig.events(about: "default/web").map(\.reason) == [.notFound]
            }
            #expect(ContinuousClock.now - begun < .seconds(10))
            #expect(source.log.count { $0.hasPrefix("prepare stuck/") } == most)
        }
    }

    @Test func aTargetThatGoesIsToldOnceAndThatItCameBackToo() async throws {
        let isThere = Mutex(true)
        let target = Target(platform: NoPlatform(name: "default"), endpoint: "here") {
            guard isThere.withLock({ $0 }) else { throw Failure(.unavailable, "\(ContinuousClock.now): gone") }
            return "Test 1"
        }
        let rig = try Rig([], targets: [target])
        try await rig.running {
            try await eventually("it is known") { try await rig.store.targets().first?.lastSuccess != nil }
            isThere.withLock { $0 = false }
            try await eventually("it is missed") { try await rig.store.targets().first?.error != nil }
            let first = try await rig.store.targets().first?.error
            try await eventually("it is asked on") { try await rig.store.targets().first?.error != first }
            // What kept it away reads differently each time, and is one fact.
            #expect(try await rig.events(about: "default").map(\.reason) == [.unavailable])
            isThere.withLock { $0 = true }
            try await eventually("it is back") { try await rig.store.targets().first?.error == nil }
            try await eventually("it is told") {
                try await rig.events(about: "default").map(\.reason) == [.unavailable, .sourceReady]
            }
        }
    }
}

/// A target on which nothing is, and whose events end at once.
struct NoPlatform: Platform {
    let name: String
    private let claimsAfter: Duration
    private let claimed: [AppID: Claim]
    private let unheard: Int
    private let asked = Counter()
    private let nothing = Failure(.unavailable, "nothing can be done here")

    /// What it says about whose its apps are, how long it takes for that, and how often it gives no answer first.
    init(name: String, claimed: [AppID: Claim] = [:], claimsAfter: Duration = .zero, unheard: Int = 0) {
        self.name = name
        self.unheard = unheard
        self.claimsAfter = claimsAfter
        self.claimed = claimed
    }

    func restore(_ id: AppID, payload: [UInt8]) async throws -> any Deployment { throw nothing }
    func removal(of id: AppID) async throws -> any Deployment { throw nothing }
    func isUntouched(
        _ id: AppID,
        fingerprint: String,
        observedSince moment: ContinuousClock.Instant
    ) async throws -> Bool { false }
    func claims() async throws -> [AppID: Claim] {
        try await Task.sleep(for: claimsAfter)
        if asked.next() <= unheard { throw nothing }
        return claimed
    }
    func claim(_ id: AppID, as claimant: Claimant) async throws -> Ownership { throw nothing }
    func capture(_ ownership: Ownership, before planned: any Planned) async throws -> [UInt8]? { nil }
    func collectGarbage(_ ownership: Ownership, keeping kept: [[UInt8]]) async throws {}
    func release(_ ownership: Ownership) async throws {}
    func lease(of owner: String) async throws -> LeaseRecord? { nil }
    func writeLease(_ lease: LeaseRecord, of owner: String, replacing version: String?) async throws -> LeaseRecord {
        lease
    }
    func changes() -> AsyncThrowingStream<AppID?, any Error> { AsyncThrowingStream { $0.finish() } }
}

/// Counts from one.
final class Counter: Sendable {
    private let value = Mutex(0)

    func next() -> Int {
        value.withLock { value in
            value += 1
            return value
        }
    }
}
