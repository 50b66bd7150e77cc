import Crypto
import Delivery
import Documents
import JSON
import Journal
import Operations
import Synchronization
import TestSupport
import Testing

@Suite struct NotifierTests {
    /// A real journal, a real clock, and receivers on real sockets.
    private final class Fixture: Sendable {
        let scratch: Scratch
        let store: Store
        let receivers: Receivers
        let complaints = Mutex<[String]>([])
        private let running = Mutex<Task<Void, Never>?>(nil)
        private let signal = Mutex<AsyncStream<Void>.Continuation?>(nil)

        init(_ scratch: Scratch? = nil) throws {
            self.scratch = try scratch ?? Scratch()
            store = try Store(path: "\(self.scratch.path)/hecate.db")
            receivers = try Receivers()
        }

        func start(_ channels: Channel...) async throws {
            let (changes, signal) = AsyncStream.makeStream(of: Void.self)
            self.signal.withLock { $0 = signal }
            let store = store
            let notifier = Notifier(
                channels,
                store: store,
                base: "https://hecate.example.org",
                now: currentTime,
                report: { event in
                    self.complaints.withLock { $0.append(event.message) }
                    try? await store.record(event)
                },
                count: { _, _ in }
            )
            running.withLock { $0 = Task { await notifier.run(changes: changes) } }
            for channel in channels {
                try await eventually("\(channel.name) listens") { try await store.seen(by: channel.name) != nil }
            }
        }

        func stop() async {
            let task = running.withLock { $0 }
            task?.cancel()
            await task?.value
        }

        func end() async {
            await receivers.stop()
            await stop()
        }

        func happen(
            _ reason: Reason,
            _ message: String = "it did",
            _ severity: Event.Severity = .error,
            about subject: String = "default/web",
            commit: String = String(repeating: "a", count: 40)
        ) async throws {
            try await store.record(
                Event(
                    time: currentTime(),
                    severity: severity,
                    reason: reason,
                    subject: subject,
                    commit: commit,
                    message: message,
                    details: ["log: <b>boom</b> & @everyone"]
                )
            )
            signal.withLock { _ = $0?.yield() }
        }

        func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
            let deadline = ContinuousClock.now + .seconds(15)
            while ContinuousClock.now < deadline {
                if try await holds() { return }
                try await Task.sleep(for: .milliseconds(20))
            }
            throw Unmet("not in time: \(what); complaints: \(complaints.withLock { $0 })")
        }
    }

    private func webhook(_ fixture: Fixture, _ name: String = "hook", group: Duration = .milliseconds(300)) -> Channel {
        var channel = Channel(name: name, kind: .webhook(url: "\(fixture.receivers.base)/hook", secret: "shared"))
        channel.group = group
        return channel
    }

    @Test func everyReceiverIsToldInItsOwnForm() async throws {
        let fixture = try Fixture()
        let base = fixture.receivers.base
        var channels: [Channel] = []
        for (name, kind) in [
            ("slack", Channel.Kind.slack(url: "\(base)/slack/T0/B0/x")),
            ("discord", .discord(url: "\(base)/discord/1/x")),
            ("matrix", .matrix(server: base, room: "!ops:example.org", token: "matrix-token")),
            ("teams", .teams(url: "\(base)/teams/x?sig=1")), ("ntfy", .ntfy(server: base, topic: "ops", token: nil)),
        ] {
            var channel = Channel(name: name, kind: kind)
            channel.group = .milliseconds(100)
            channels.append(channel)
        }
        try await fixture.start(channels[0], channels[1], channels[2], channels[3], channels[4])
        try await fixture.happen(.healthCheckFailed, "task <web.1> failed & burned")
        try await fixture.eventually("all are notified") { fixture.receivers.taken.count == 5 }
        let taken = Dictionary(fixture.receivers.taken.map { ($0.path.split(separator: "/").first ?? "", $0.body) }) {
            $1
        }
        let slack = taken["slack"]?["text"]?.string ?? ""
        #expect(
            slack.contains("task &lt;web.1&gt; failed &amp; burned")
                && slack.contains("https://hecate.example.org/apps/default/web")
        )
        #expect(taken["discord"]?["allowed_mentions"]?["parse"]?.array == [], "nobody is called by what an app wrote")
        #expect(taken["_matrix"]?["formatted_body"]?.string?.contains("&lt;web.1&gt;") ?? false)
        #expect(
            taken[""]?["priority"]?.int == 5 && taken[""]?["click"]?.string?.hasSuffix("/apps/default/web") ?? false
        )
        #expect(taken["teams"]?.text().contains("Attention") ?? false)
        #expect(fixture.complaints.withLock { $0 }.isEmpty)
        await fixture.end()
    }

    @Test func aProgramIsToldWithASignature() async throws {
        let fixture = try Fixture()
        try await fixture.start(webhook(fixture))
        try await fixture.happen(.healthCheckFailed)
        try await fixture.eventually("it is notified") { fixture.receivers.taken.count == 1 }
        let taken = fixture.receivers.taken[0]
        let time = taken.headers["x-timestamp"] ?? ""
        let code = hexadecimal(hmacSHA256(Array("\(time).".utf8) + taken.raw, key: Array("shared".utf8)))
        #expect(taken.headers["x-signature-256"] == "sha256=\(code)")
        #expect(taken.headers["x-delivery"] == taken.body["id"]?.string)
        let event = taken.body["events"]?.array?.first
        #expect(event?["reason"]?.string == "HealthCheckFailed" && event?["subject"]?.string == "default/web")
        await fixture.end()
    }

    @Test func whatHappensTogetherIsToldTogetherAndOnce() async throws {
        let fixture = try Fixture()
        try await fixture.happen(.healthCheckFailed, "before anybody listened")
        try await fixture.start(webhook(fixture))
        for name in ["a", "b", "c"] { try await fixture.happen(.healthCheckFailed, about: "default/\(name)") }
        // The same fact again, with another one of the same app between.
        try await fixture.happen(.healthCheckFailed, about: "default/a")
        try await fixture.happen(.deployed, "not asked for", .info, about: "default/d")
        try await fixture.eventually("they are notified") { fixture.receivers.taken.count == 1 }
        let events = fixture.receivers.taken[0].body["events"]?.array ?? []
        #expect(events.map { $0["subject"]?.string } == ["default/a", "default/b", "default/c"])
        try await Task.sleep(for: .seconds(1))
        #expect(fixture.receivers.taken.count == 1)

        // Whoever heard that it broke hears that it is well; others need not.
        try await fixture.happen(.deployed, "well again", .info, about: "default/a")
        try await fixture.happen(.deployed, "never broke", .info, about: "default/z")
        try await fixture.eventually("the recovery is notified") { fixture.receivers.taken.count == 2 }
        #expect(fixture.receivers.taken[1].body["events"]?.array?.count == 1)
        await fixture.end()
    }

    @Test func whatComesAgainAfterItsEndIsNews() async throws {
        let fixture = try Fixture()
        var silent = webhook(fixture, "silent", group: .zero)
        silent.reasons = [.healthCheckFailed]
        try await fixture.start(silent)
        try await fixture.happen(.healthCheckFailed, "the same words")
        try await fixture.eventually("it is notified") { fixture.receivers.taken.count == 1 }
        try await fixture.happen(.recovered, "well again", .info)
        try await fixture.happen(.healthCheckFailed, "the same words")
        try await fixture.eventually("it is notified again") { fixture.receivers.taken.count == 2 }
        await fixture.end()
    }

    @Test func onlyWhatIsAskedForIsTold() async throws {
        let fixture = try Fixture()
        var some = webhook(fixture, "some")
        some.apps = ["default/web*", "*/db"]
        some.severity = .error
        var reasons = webhook(fixture, "reasons")
        reasons.reasons = [.deployed]
        var source = webhook(fixture, "source")
        source.sources = ["fleet"]
        try await fixture.start(some, reasons, source)
        var record = AppRecord(id: AppID(target: "default", name: "web-1"), source: "fleet")
        record.commit = "x"
        try await fixture.store.save(record, event: nil)
        try await fixture.happen(.driftDetected, "a warning", .warning, about: "default/web-1")
        try await fixture.happen(.healthCheckFailed, about: "default/web-1")
        try await fixture.happen(.healthCheckFailed, about: "east/db")
        try await fixture.happen(.healthCheckFailed, about: "default/shop")
        try await fixture.happen(.deployed, "done", .info, about: "default/shop")
        try await fixture.eventually("all are notified") { fixture.receivers.taken.count == 3 }
        let notified = Dictionary(
            fixture.receivers.taken.map { taken in
                (
                    taken.body["channel"]?.string ?? "",
                    (taken.body["events"]?.array ?? []).map {
                        "\($0["subject"]?.string ?? "") \($0["reason"]?.string ?? "")"
                    }
                )
            }
        ) { $0 + $1 }
        #expect(notified["some"] == ["default/web-1 HealthCheckFailed", "east/db HealthCheckFailed"])
        #expect(notified["reasons"] == ["default/shop Deployed"])
        #expect(notified["source"] == ["default/web-1 DriftDetected", "default/web-1 HealthCheckFailed"])
        await fixture.end()
    }

    @Test func aReceiverThatIsAwayIsToldLater() async throws {
        let fixture = try Fixture()
        for status in [500, 503] { fixture.receivers.refuse(status) }
        fixture.receivers.refuse(429, retryAfter: "1")
        try await fixture.start(webhook(fixture, group: .zero))
        let start = ContinuousClock.now
        try await fixture.happen(.healthCheckFailed)
        try await fixture.eventually("it is notified") { !fixture.receivers.taken.isEmpty }
        #expect(fixture.receivers.attempts == 4 && ContinuousClock.now - start > .seconds(3), "later each time")
        try await fixture.eventually("its end is said") {
            fixture.complaints.withLock { $0.last?.contains("again") ?? false }
        }
        #expect(fixture.complaints.withLock { $0 }.count == 2, "said once, and once that it is over")
        try await fixture.eventually("nothing is left") { try await fixture.store.outgoing().isEmpty }
        await fixture.end()
    }

    @Test func whatIsRefusedForGoodIsGivenUpAloud() async throws {
        let fixture = try Fixture()
        fixture.receivers.refuse(404)
        try await fixture.start(webhook(fixture, group: .zero))
        try await fixture.happen(.healthCheckFailed)
        try await fixture.eventually("it is given up") { !fixture.complaints.withLock { $0.isEmpty } }
        #expect(fixture.complaints.withLock { $0 } == ["was not notified of default/web: it answered 404: not now"])
        try await fixture.happen(.timedOut)
        try await fixture.eventually("the next is notified") { fixture.receivers.taken.count == 1 }
        let notified = fixture.receivers.taken[0].body["events"]?.array?.compactMap { $0["reason"]?.string }
        #expect(notified == ["TimedOut"], "nor is a channel notified of its own troubles")
        await fixture.end()
    }

    @Test func whatIsUnderWayArrivesBeforeTheEnd() async throws {
        let fixture = try Fixture()
        fixture.receivers.hang()
        try await fixture.start(webhook(fixture, group: .zero))
        try await fixture.happen(.healthCheckFailed)
        try await fixture.eventually("it is under way") { fixture.receivers.taken.count == 1 }
        let stopping = Task { await fixture.stop() }
        try await Task.sleep(for: .milliseconds(300))
        #expect(try await fixture.store.outgoing().first?.state == .sending)
        fixture.receivers.goOn()
        await stopping.value
        #expect(try await fixture.store.outgoing().isEmpty, "it was notified, and that was written down")
        await fixture.end()
    }

    @Test func aRestartLosesNothingAndRepeatsNothing() async throws {
        let fixture = try Fixture()
        let slack = {
            var channel = Channel(name: "slack", kind: .slack(url: "\(fixture.receivers.base)/slack/x"))
            channel.group = .milliseconds(50)
            return channel
        }()
        let matrix = {
            let (server, room) = (fixture.receivers.base, "!ops:example.org")
            let kind = Channel.Kind.matrix(server: server, room: room, token: "matrix-token")
            var channel = Channel(name: "matrix", kind: kind)
            channel.group = .milliseconds(50)
            return channel
        }()
        // Notified, and stopped before anything else happens.
        try await fixture.start(slack, matrix)
        try await fixture.happen(.healthCheckFailed, "one")
        try await fixture.eventually("both are notified") { fixture.receivers.taken.count == 2 }
        await fixture.stop()
        // What happens meanwhile is notified afterwards, and what was notified is not.
        try await fixture.happen(.timedOut, "two")
        try await fixture.start(slack, matrix)
        try await fixture.eventually("both are notified the rest") { fixture.receivers.taken.count == 4 }
        try await Task.sleep(for: .milliseconds(700))
        #expect(fixture.receivers.taken.count == 4)
        await fixture.stop()

        // Killed while they had taken it and not answered: as far as the journal knows, nobody was notified.
        try await fixture.happen(.refused, "three")
        fixture.receivers.hang()
        try await fixture.start(slack, matrix)
        try await fixture.eventually("both have it") { fixture.receivers.taken.count == 6 }
        let open = try await fixture.store.outgoing()
        #expect(open.count == 2 && open.allSatisfy { $0.state == .sending })
        let copy = try Scratch()
        try await shell(["sh", "-c", "cp \(fixture.scratch.path)/hecate.db* \(copy.path)/"])
        let next = try Fixture(copy)
        var (slackAgain, matrixAgain) = (slack, matrix)
        slackAgain.kind = .slack(url: "\(next.receivers.base)/slack/x")
        matrixAgain.kind = .matrix(server: next.receivers.base, room: "!ops:example.org", token: "matrix-token")
        try await next.start(slackAgain, matrixAgain)
        try await next.eventually("Matrix is notified again") { !next.receivers.taken.isEmpty }
        try await Task.sleep(for: .milliseconds(700))
        #expect(
            next.receivers.taken.first?.path
                == fixture.receivers.taken.suffix(2).map(\.path).first { $0.contains("_matrix") },
            "by the same number"
        )
        let also = next.receivers.taken.dropFirst().map { $0.body["body"]?.string ?? "" }
        #expect(also.allSatisfy { $0.contains("notifications:slack") }, "others hear of Slack's trouble: \(also)")
        #expect(
            next.complaints.withLock { $0 }
                == ["the program ended while it was being notified of default/web; it may or may not know"],
            "Slack cannot know a second telling"
        )
        await next.end()
        await fixture.end()
    }
}
