package import HTTP
internal import JSON
internal import Synchronization

/// A simulated Engine where a real connection would be: each request is answered at once, at the Engine's present time.
package final class SimulatedTransport: Transport {
    private struct State: ~Copyable {
        var engine: SimulatedEngine
        var streams: [Int: AsyncThrowingStream<[UInt8], any Error>.Continuation] = [:]
        var count = 0
    }
    private let state: Mutex<State>
    private let events: Lines

    /// Events that were not delivered yet.
    private final class Lines: Sendable {
        private let lines = Mutex<[[UInt8]]>([])

        func add(_ line: [UInt8]) { lines.withLock { $0.append(line) } }

        func take() -> [[UInt8]] {
            lines.withLock { lines in
                defer { lines = [] }
                return lines
            }
        }
    }

    package init(seed: UInt64, start: Int64) {
        let events = Lines()
        let engine = SimulatedEngine(seed: seed, start: start)
        engine.onEvent = { events.add($0.encoded() + [UInt8(ascii: "\n")]) }
        self.events = events
        state = Mutex(State(engine: engine))
    }

    package func send(_ request: Request) async throws -> Response {
        try with { engine in
            guard !engine.isDown else { throw TransportError(description: "could not connect to server") }
            return engine.handle(request)
        }
    }

    /// The event stream; it ends when the Engine is found to be down.
    package func stream(_ request: Request) -> AsyncThrowingStream<[UInt8], any Error> {
        AsyncThrowingStream { continuation in
            state.withLock { state in
                guard !state.engine.isDown else {
                    continuation.finish(throwing: TransportError(description: "could not connect to server"))
                    return
                }
                state.count += 1
                state.streams[state.count] = continuation
            }
        }
    }

    /// Looks at the Engine, changes it or lets its time go on.
    package func with<Value: Sendable>(_ body: (SimulatedEngine) throws -> sending Value) rethrows -> Value {
        try state.withLock { state in
            let value = try body(state.engine)
            deliver(&state)
            return value
        }
    }

    /// Lets the Engine's time go on by so much.
    package func pass(_ duration: Duration) {
        let parts = duration.components
        with { $0.advance(to: $0.now + parts.seconds * second + parts.attoseconds / second) }
    }

    private func deliver(_ state: inout State) {
        let lines = events.take()
        for number in state.streams.keys.sorted() {
            if state.engine.isDown {
                state.streams.removeValue(forKey: number)?.finish()
            } else {
                for line in lines { state.streams[number]?.yield(line) }
            }
        }
    }
}
