internal import Documents
internal import Delivery
internal import HTTPServer
internal import JSON
package import Journal

/// Hands the journal's events to everybody who listens, as they are recorded.
///
/// Source: HTML, "Server-sent events".
package actor Feed {
    private let store: Store
    private var last = 0
    private var listeners: [ObjectIdentifier: Audience] = [:]
    /// The source an app came from, for those that are gone from the journal by the time it is told of.
    private var origins: [String: String] = [:]
    private var isReading = false
    private var isPoked = false

    /// Somebody who listens, and to what.
    private struct Audience {
        var stream: ByteStream
        var subject: String?
        /// Only what is about apps of these sources; nil for everything.
        var sources: Set<String>?
        /// Until when whoever listens may, in seconds since 1970; nil for as long as they like.
        var end: Double?
    }

    package init(store: Store) { self.store = store }

    /// How many listen.
    var count: Int { listeners.count }

    /// Begins where the journal ends, and reminds every connection that it is open.
    package func run() async {
        last = (try? await store.events(after: 0, subject: nil, limit: 1).last?.number) ?? 0
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(15))
            dismiss(at: currentTime().seconds)
            let words = SharedBytes(Array(": still here\n\n".utf8))
            for listener in listeners.values { listener.stream.send(words) }
            // Whatever another process wrote is seen as well.
            await poke()
        }
    }

    /// Ends the streams of those whose token or session has ended.
    func dismiss(at now: Double) {
        for listener in listeners.values where listener.end.map({ $0 <= now }) ?? false { listener.stream.finish() }
    }

    /// Something was recorded.
    package func poke() async {
        isPoked = true
        guard !isReading else { return }
        isReading = true
        defer { isReading = false }
        while isPoked {
            isPoked = false
            guard let events = try? await store.nextEvents(after: last, subject: nil, limit: 1000) else { return }
            for event in events { await tell(event) }
            if events.count == 1000 { isPoked = true }
        }
    }

    private func tell(_ event: Event) async {
        let bytes = SharedBytes(Self.encoded(event))
        let origin = await origin(of: event.subject)
        // From here on nobody else gets a turn, so that whoever joins hears it once.
        guard event.number > last else { return }
        last = event.number
        for listener in listeners.values where isFor(listener, event, origin) { listener.stream.send(bytes) }
    }

    private func isFor(_ listener: Audience, _ event: Event, _ origin: String) -> Bool {
        (listener.subject.map { $0 == event.subject } ?? true) && (listener.sources.map { $0.contains(origin) } ?? true)
    }

    /// The source an event is about, by itself or by its app.
    private func origin(of subject: String) async -> String {
        let parts = subject.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return subject }
        if let record = try? await store.record(of: AppID(target: parts[0], name: parts[1])) {
            origins[subject] = record.source
        }
        return origins[subject] ?? ""
    }

    private static func encoded(_ event: Event) -> [UInt8] {
        Array("id: \(event.number)\nevent: \(event.reason.rawValue)\ndata: \(document(event).text())\n\n".utf8)
    }

    /// Adds somebody who listens, and tells what was missed first.
    func listen(
        after number: Int?,
        subject: String?,
        sources: Set<String>?,
        until end: Double? = nil
    ) async -> ByteStream {
        let stream = ByteStream()
        let audience = Audience(stream: stream, subject: subject, sources: sources, end: end)
        stream.send(SharedBytes(Array("retry: 2000\n\n".utf8)))
        await poke()
        var seen = number ?? last
        // Nothing may fall between what is read here and what is told later.
        while seen < last {
            let end = last
            guard let events = try? await store.nextEvents(after: seen, subject: subject, limit: 1000) else { break }
            for event in events where event.number <= end {
                if isFor(audience, event, await origin(of: event.subject)) {
                    stream.send(SharedBytes(Self.encoded(event)))
                }
            }
            seen = events.count == 1000 ? min(end, events.last?.number ?? end) : end
        }
        let id = ObjectIdentifier(stream)
        listeners[id] = audience
        stream.onClose { Task { await self.leave(id) } }
        return stream
    }

    private func leave(_ id: ObjectIdentifier) { listeners[id] = nil }
}
