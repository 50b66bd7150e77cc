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
    private final class Room: Sendable {
        let scratch: Scratch
        let store: Store
        let receivers: Receivers
        let complaints = Mutex<[String]>([])
        private let running = Mutex<Task<Void, Never>?>(nil)
        private let bell = Mutex<AsyncStream<Void>.Continuation?>(nil)

        init(_ scratch: Scratch? = nil) throws {
            self.scratch = try scratch ?? Scratch()
            store = try Store(path: "\(self.scratch.path)/hecate.db")
            receivers = try Receivers()
        }

        func start(_ channels: Channel...) async throws {
            let (rings, bell) = AsyncStream.makeStream(of: Void.self)
            self.bell.withLock { $0 = bell }
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
            running.withLock { $0 = Task { await notifier.run(rings: rings) } }
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
            bell.withLock { _ = $0?.yield() }
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

    private func webhook(_ room: Room, _ name: String = "hook", group: Duration = .milliseconds(300)) -> Channel {
        var channel = Channel(name: name, kind: .webhook(url: "\(room.receivers.base)/hook", secret: "shared"))
        channel.group = group
        return channel
    }

    @Test func everyReceiverIsToldInItsOwnForm() async throws {
        let room = try Room()
        let base = room.receivers.base
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
        try await room.start(channels[0], channels[1], channels[2], channels[3], channels[4])
        try await room.happen(.healthCheckFailed, "task <web.1> failed & burned")
        try await room.eventually("all are told") { room.receivers.taken.count == 5 }
        let taken = Dictionary(room.receivers.taken.map { ($0.path.split(separator: "/").first ?? "", $0.body) }) { $1 }
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
        #expect(room.complaints.withLock { $0 }.isEmpty)
        await room.end()
    }

    @Test func aProgramIsToldWithASignature() async throws {
        let room = try Room()
        try await room.start(webhook(room))
        try await room.happen(.healthCheckFailed)
        try await room.eventually("it is told") { room.receivers.taken.count == 1 }
        let taken = room.receivers.taken[0]
        let time = taken.headers["x-timestamp"] ?? ""
        let code = hexadecimal(hmacSHA256(Array("\(time).".utf8) + taken.raw, key: Array("shared".utf8)))
        #expect(taken.headers["x-signature-256"] == "sha256=\(code)")
        #expect(taken.headers["x-delivery"] == taken.body["id"]?.string)
        let event = taken.body["events"]?.array?.first
        #expect(event?["reason"]?.string == "HealthCheckFailed" && event?["subject"]?.string == "default/web")
        await room.end()
    }

    @Test func whatHappensTogetherIsToldTogetherAndOnce() async throws {
        let room = try Room()
        try await room.happen(.healthCheckFailed, "before anybody listened")
        try await room.start(webhook(room))
        for name in ["a", "b", "c"] { try await room.happen(.healthCheckFailed, about: "default/\(name)") }
        // The same fact again, with another one of the same app between.
        try await room.happen(.healthCheckFailed, about: "default/a")
        try await room.happen(.deployed, "not asked for", .info, about: "default/d")
        try await room.eventually("they are told") { room.receivers.taken.count == 1 }
        let events = room.receivers.taken[0].body["events"]?.array ?? []
        #expect(events.map { $0["subject"]?.string } == ["default/a", "default/b", "default/c"])
        try await Task.sleep(for: .seconds(1))
        #expect(room.receivers.taken.count == 1)

        // Whoever heard that it broke hears that it is well; others need not.
        try await room.happen(.deployed, "well again", .info, about: "default/a")
        try await room.happen(.deployed, "never broke", .info, about: "default/z")
        try await room.eventually("the recovery is told") { room.receivers.taken.count == 2 }
        #expect(room.receivers.taken[1].body["events"]?.array?.count == 1)
        await room.end()
    }

    @Test func whatComesAgainAfterItsEndIsNews() async throws {
        let room = try Room()
        var silent = webhook(room, "silent", group: .zero)
        silent.reasons = [.healthCheckFailed]
        try await room.start(silent)
        try await room.happen(.healthCheckFailed, "the same words")
        try await room.eventually("it is told") { room.receivers.taken.count == 1 }
        try await room.happen(.recovered, "well again", .info)
        try await room.happen(.healthCheckFailed, "the same words")
        try await room.eventually("it is told again") { room.receivers.taken.count == 2 }
        await room.end()
    }

    @Test func onlyWhatIsAskedForIsTold() async throws {
        let room = try Room()
        var some = webhook(room, "some")
        some.apps = ["default/web*", "*/db"]
        some.severity = .error
        var reasons = webhook(room, "reasons")
        reasons.reasons = [.deployed]
        var source = webhook(room, "source")
        source.sources = ["fleet"]
        try await room.start(some, reasons, source)
        var record = AppRecord(id: AppID(target: "default", name: "web-1"), source: "fleet")
        record.commit = "x"
        try await room.store.save(record, event: nil)
        try await room.happen(.driftDetected, "a warning", .warning, about: "default/web-1")
        try await room.happen(.healthCheckFailed, about: "default/web-1")
        try await room.happen(.healthCheckFailed, about: "east/db")
        try await room.happen(.healthCheckFailed, about: "default/shop")
        try await room.happen(.deployed, "done", .info, about: "default/shop")
        try await room.eventually("all are told") { room.receivers.taken.count == 3 }
        let told = Dictionary(
            room.receivers.taken.map { taken in
                (
                    taken.body["channel"]?.string ?? "",
                    (taken.body["events"]?.array ?? []).map {
                        "\($0["subject"]?.string ?? "") \($0["reason"]?.string ?? "")"
                    }
                )
            }
        ) { $0 + $1 }
        #expect(told["some"] == ["default/web-1 HealthCheckFailed", "east/db HealthCheckFailed"])
        #expect(told["reasons"] == ["default/shop Deployed"])
        #expect(told["source"] == ["default/web-1 DriftDetected", "default/web-1 HealthCheckFailed"])
        await room.end()
    }

    @Test func aReceiverThatIsAwayIsToldLater() async throws {
        let room = try Room()
        for status in [500, 503] { room.receivers.refuse(status) }
        room.receivers.refuse(429, retryAfter: "1")
        try await room.start(webhook(room, group: .zero))
        let start = ContinuousClock.now
        try await room.happen(.healthCheckFailed)
        try await room.eventually("it is told") { !room.receivers.taken.isEmpty }
        #expect(room.receivers.attempts == 4 && ContinuousClock.now - start > .seconds(3), "later each time")
        try await room.eventually("its end is said") {
            room.complaints.withLock { $0.last?.contains("again") ?? false }
        }
        #expect(room.complaints.withLock { $0 }.count == 2, "said once, and once that it is over")
        try await room.eventually("nothing is left") { try await room.store.outgoing().isEmpty }
        await room.end()
    }

    @Test func whatIsRefusedForGoodIsGivenUpAloud() async throws {
        let room = try Room()
        room.receivers.refuse(404)
        try await room.start(webhook(room, group: .zero))
        try await room.happen(.healthCheckFailed)
        try await room.eventually("it is given up") { !room.complaints.withLock { $0.isEmpty } }
        #expect(room.complaints.withLock { $0 } == ["was not told of default/web: it answered 404: not now"])
        try await room.happen(.timedOut)
        try await room.eventually("the next is told") { room.receivers.taken.count == 1 }
        let told = room.receivers.taken[0].body["events"]?.array?.compactMap { $0["reason"]?.string }
        #expect(told == ["TimedOut"], "nor is a channel told of its own troubles")
        await room.end()
    }

    @Test func whatIsUnderWayArrivesBeforeTheEnd() async throws {
        let room = try Room()
        room.receivers.hang()
        try await room.start(webhook(room, group: .zero))
        try await room.happen(.healthCheckFailed)
        try await room.eventually("it is under way") { room.receivers.taken.count == 1 }
        let stopping = Task { await room.stop() }
        try await Task.sleep(for: .milliseconds(300))
        #expect(try await room.store.outgoing().first?.state == .sending)
        room.receivers.goOn()
        await stopping.value
        #expect(try await room.store.outgoing().isEmpty, "it was told, and that was written down")
        await room.end()
    }

    @Test func aRestartLosesNothingAndRepeatsNothing() async throws {
        let room = try Room()
        let slack = {
            var channel = Channel(name: "slack", kind: .slack(url: "\(room.receivers.base)/slack/x"))
            channel.group = .milliseconds(50)
            return channel
        }()
        let matrix = {
            let kind = Channel.Kind.matrix(server: room.receivers.base, room: "!ops:example.org", token: "matrix-token")
            var channel = Channel(name: "matrix", kind: kind)
            channel.group = .milliseconds(50)
            return channel
        }()
        // Told, and stopped before anything else happens.
        try await room.start(slack, matrix)
        try await room.happen(.healthCheckFailed, "one")
        try await room.eventually("both are told") { room.receivers.taken.count == 2 }
        await room.stop()
        // What happens meanwhile is told afterwards, and what was told is not.
        try await room.happen(.timedOut, "two")
        try await room.start(slack, matrix)
        try await room.eventually("both are told the rest") { room.receivers.taken.count == 4 }
        try await Task.sleep(for: .milliseconds(700))
        #expect(room.receivers.taken.count == 4)
        await room.stop()

        // Killed while they had taken it and not answered: as far as the journal knows, nobody was told.
        try await room.happen(.refused, "three")
        room.receivers.hang()
        try await room.start(slack, matrix)
        try await room.eventually("both have it") { room.receivers.taken.count == 6 }
        let open = try await room.store.outgoing()
        #expect(open.count == 2 && open.allSatisfy { $0.state == .sending })
        let copy = try Scratch()
        try await shell(["sh", "-c", "cp \(room.scratch.path)/hecate.db* \(copy.path)/"])
        let next = try Room(copy)
        var (slackAgain, matrixAgain) = (slack, matrix)
        slackAgain.kind = .slack(url: "\(next.receivers.base)/slack/x")
        matrixAgain.kind = .matrix(server: next.receivers.base, room: "!ops:example.org", token: "matrix-token")
        try await next.start(slackAgain, matrixAgain)
        try await next.eventually("Matrix is told again") { !next.receivers.taken.isEmpty }
        try await Task.sleep(for: .milliseconds(700))
        #expect(
            next.receivers.taken.first?.path
                == room.receivers.taken.suffix(2).map(\.path).first { $0.contains("_matrix") },
            "by the same number"
        )
        let also = next.receivers.taken.dropFirst().map { $0.body["body"]?.string ?? "" }
        #expect(also.allSatisfy { $0.contains("notifications:slack") }, "others hear of Slack's trouble: \(also)")
        #expect(
            next.complaints.withLock { $0 }
                == ["the program ended while it was told of default/web; it may or may not know"],
            "Slack cannot know a second telling"
        )
        await next.end()
        await room.end()
    }
}
