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
    private var listeners: [ObjectIdentifier: (stream: ByteStream, subject: String?)] = [:]
    private var isReading = false
    private var isPoked = false

    package init(store: Store) { self.store = store }

    /// How many listen.
    var count: Int { listeners.count }

    /// Begins where the journal ends, and reminds every connection that it is open.
    package func run() async {
        last = (try? await store.events(after: 0, subject: nil, limit: 1).last?.number) ?? 0
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(15))
            let words = SharedBytes(Array(": still here\n\n".utf8))
            for listener in listeners.values { listener.stream.send(words) }
            // Whatever another process wrote is seen as well.
            await poke()
        }
    }

    /// Something was recorded.
    package func poke() async {
        isPoked = true
        guard !isReading else { return }
        isReading = true
        defer { isReading = false }
        while isPoked {
            isPoked = false
            guard let events = try? await store.events(after: last, subject: nil, limit: 1000) else { return }
            for event in events { tell(event) }
        }
    }

    private func tell(_ event: Event) {
        guard event.number > last else { return }
        last = event.number
        let bytes = SharedBytes(Self.encoded(event))
        for listener in listeners.values where listener.subject.map({ $0 == event.subject }) ?? true {
            listener.stream.send(bytes)
        }
    }

    private static func encoded(_ event: Event) -> [UInt8] {
        Array("id: \(event.number)\nevent: \(event.reason.rawValue)\ndata: \(document(event).text())\n\n".utf8)
    }

    /// Adds somebody who listens, and tells what was missed first.
    func listen(after number: Int?, subject: String?) async -> ByteStream {
        let stream = ByteStream()
        stream.send(SharedBytes(Array("retry: 2000\n\n".utf8)))
        await poke()
        var seen = number ?? last
        // Nothing may fall between what is read here and what is told later.
        while seen < last, let events = try? await store.events(after: seen, subject: subject, limit: 1000) {
            for event in events where event.number <= last { stream.send(SharedBytes(Self.encoded(event))) }
            seen = max(last, events.last?.number ?? last)
        }
        let id = ObjectIdentifier(stream)
        listeners[id] = (stream, subject)
        stream.onClose { Task { await self.leave(id) } }
        return stream
    }

    private func leave(_ id: ObjectIdentifier) { listeners[id] = nil }
}
