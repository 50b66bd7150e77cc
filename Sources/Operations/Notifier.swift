internal import Crypto
package import Delivery
internal import Documents
internal import JSON
package import Journal

/// Tells channels what happened: everything that is for them, each fact once, until they have it.
///
/// What is to be sent is written down with the events that were looked at, and is gone only when the receiver took it, so
/// that neither a restart nor a receiver that is away loses anything.
package actor Notifier {
    private let channels: [Channel]
    private let store: Store
    /// Where people reach the server.
    private let base: String?
    private let now: @Sendable () -> Timestamp
    private let report: @Sendable (Event) async -> Void
    private let count: @Sendable (_ channel: String, _ result: String) -> Void
    private let dispatcher = Dispatcher()
    private var busy: Set<String> = []
    /// What is being sent, by channel.
    private var underWay: [String: Task<Void, Never>] = [:]
    private var origins: [String: String] = [:]
    private var backoff = Backoff()
    /// After so long nobody wants to hear it any more.
    private let patience = 24.0 * 3600

    /// `report`: Writes down what goes wrong here.
    ///
    /// `count`: Counts what was sent.
    package init(
        _ channels: [Channel],
        store: Store,
        base: String?,
        now: @escaping @Sendable () -> Timestamp,
        report: @escaping @Sendable (Event) async -> Void,
        count: @escaping @Sendable (_ channel: String, _ result: String) -> Void
    ) {
        self.channels = channels
        self.store = store
        self.base = base
        self.now = now
        self.report = report
        self.count = count
    }

    /// How events about a channel itself are named; the channel is not notified of them.
    static func subject(of channel: String) -> String { "notifications:\(channel)" }

    /// Tells until the task is cancelled.
    ///
    /// `changes`: Yields whenever something was recorded.
    package func run(changes: AsyncStream<Void>) async {
        await recover()
        let (calls, call) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        await withDiscardingTaskGroup { group in
            group.addTask {
                for await _ in changes {
                    await self.look()
                    call.yield()
                }
            }
            group.addTask {
                // Whatever another process wrote is seen as well.
                while !Task.isCancelled {
                    await self.look()
                    call.yield()
                    try? await Task.sleep(for: .seconds(5))
                }
            }
            group.addTask {
                for await _ in calls {
                    while await self.send(), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(200)) }
                }
            }
        }
        await settle()
    }

    /// What was under way when the program ended may have arrived; only whoever knows a second notification is notified again.
    private func recover() async {
        for delivery in (try? await store.outgoing()) ?? [] where delivery.state == .sending {
            if channels.first(where: { $0.name == delivery.channel })?.isIdempotent ?? false {
                try? await store.postpone(delivery, until: now(), "the program ended meanwhile")
            } else {
                try? await store.close(delivery)
                await complain(
                    delivery.channel,
                    "the program ended while it was being notified of \(Self.subjects(delivery)); it may or may not know"
                )
            }
        }
    }

    // MARK: What is to be sent

    private func look() async {
        for channel in channels {
            guard busy.insert("look \(channel.name)").inserted else { continue }
            defer { busy.remove("look \(channel.name)") }
            do { try await look(for: channel) } catch { continue }
        }
    }

    private func look(for channel: Channel) async throws {
        guard var seen = try await store.seen(by: channel.name) else {
            // A new channel hears of what happens from now on.
            let last = try await store.events(after: 0, subject: nil, limit: 1).last?.number ?? 0
            return try await enqueue([], channel, upTo: last, notified: [:])
        }
        while true {
            let events = try await store.nextEvents(after: seen, subject: nil, limit: 500)
            guard let last = events.last else { return }
            var notified = try await store.notified(by: channel.name)
            var wanted: [Event] = []
            for event in events {
                let known = notified[event.subject]
                let severity = known.flatMap { Event.Severity(rawValue: $0.severity) }
                let isWanted = channel.wants(event, source: await origin(of: event), last: severity)
                // What is over may come again, and is news then; also to whoever does not hear of its end.
                if known != nil, Channel.recoveries.contains(event.reason) {
                    notified[event.subject] = Notified(fact: "", severity: Event.Severity.info.rawValue)
                }
                guard isWanted else { continue }
                let fact = sha256("\(event.reason.rawValue)\n\(event.commit)\n\(event.message)")
                guard known?.fact != fact else { continue }
                notified[event.subject] = Notified(fact: fact, severity: event.severity.rawValue)
                wanted.append(event)
            }
            try await enqueue(wanted, channel, upTo: last.number, notified: notified)
            seen = last.number
        }
    }

    private func enqueue(
        _ events: [Event],
        _ channel: Channel,
        upTo number: Int,
        notified: [String: Notified]
    ) async throws {
        let time = now()
        try await store.enqueue(
            events.map { document($0) },
            for: channel.name,
            upTo: number,
            notified: notified,
            id: hexadecimal(randomBytes(12)),
            at: time,
            due: Timestamp(time.seconds + channel.group.inSeconds),
            joins: channel.group > .zero
        )
    }

    private func origin(of event: Event) async -> String {
        let parts = event.subject.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return event.subject }
        if let record = try? await store.record(of: AppID(target: parts[0], name: parts[1])) {
            origins[event.subject] = record.source
        }
        return origins[event.subject] ?? ""
    }

    // MARK: ChannelRequest it

    /// Begins what is due.
    /// - Returns: Whether anything is left to be sent.
    private func send() async -> Bool {
        let time = now()
        guard let all = try? await store.outgoing() else { return false }
        var started: Set<String> = []
        for delivery in all where delivery.state == .waiting {
            // One after the other for each channel, so that they arrive in their order.
            guard started.insert(delivery.channel).inserted, delivery.due.seconds <= time.seconds,
                busy.insert(delivery.channel).inserted
            else { continue }
            guard let channel = channels.first(where: { $0.name == delivery.channel }) else {
                busy.remove(delivery.channel)
                try? await store.close(delivery)
                continue
            }
            underWay[channel.name] = Task {
                await self.tell(channel, delivery)
                self.free(channel.name)
            }
        }
        return !all.isEmpty
    }

    private func free(_ name: String) {
        busy.remove(name)
        underWay[name] = nil
    }

    /// Lets what is under way arrive before the program ends; what does not within ten seconds is left to `recover`.
    private func settle() async {
        let tasks = Array(underWay.values)
        guard !tasks.isEmpty else { return }
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        let waiting = Task {
            for task in tasks { await task.value }
            end.finish()
        }
        let clock = Task {
            try? await Task.sleep(for: .seconds(10))
            end.finish()
        }
        // The task that asks is cancelled already; one of its own is not.
        await Task { for await _ in ends {} }.value
        waiting.cancel()
        clock.cancel()
    }

    private func tell(_ channel: Channel, _ delivery: Outgoing) async {
        do {
            guard let events = try await store.begin(delivery) else { return }
            let message = Message(id: delivery.id, events: events, template: channel.template, base: base)
            try await dispatcher.dispatch(channel, message, at: now(), since: delivery.created)
            try await store.close(delivery)
            count(channel.name, "notified")
            if delivery.attempts > 2 {
                await say(.info, .recovered, channel.name, "takes notifications again")
            }
        } catch let refusal as Refusal {
            await handle(refusal, channel, delivery)
        } catch {
            await handle(Refusal(description: "\(error)", isFinal: false), channel, delivery)
        }
    }

    private func handle(_ refusal: Refusal, _ channel: Channel, _ delivery: Outgoing) async {
        let age = now() - delivery.created
        if refusal.isFinal || age > patience {
            try? await store.close(delivery)
            count(channel.name, "given_up")
            let what = Self.subjects(delivery)
            return await complain(channel.name, "was not notified of \(what): \(refusal.description)")
        }
        count(channel.name, "retried")
        let own = backoff.delay(afterFailures: delivery.attempts + 1, jitter: Double.random(in: 0..<1))
        let wait = max(own, refusal.wait ?? .zero)
        try? await store.postpone(delivery, until: Timestamp(now().seconds + wait.inSeconds), refusal.description)
        // Said once; what follows is the same.
        if delivery.attempts == 2 { await complain(channel.name, "cannot be notified: \(refusal.description)") }
    }

    private func complain(_ channel: String, _ message: String) async {
        await say(.warning, .unavailable, channel, message)
    }

    private func say(_ severity: Event.Severity, _ reason: Reason, _ channel: String, _ message: String) async {
        let subject = Self.subject(of: channel)
        await report(Event(time: now(), severity: severity, reason: reason, subject: subject, message: message))
    }

    private static func subjects(_ delivery: Outgoing) -> String {
        let all = Set(delivery.events.compactMap { $0["subject"]?.string }).sorted()
        return all.prefix(3).joined(separator: ", ") + (all.count > 3 ? " and \(all.count - 3) more" : "")
    }
}
