internal import Synchronization

/// Says to every listener that something changed; changes that come together are heard once.
package final class ChangeSignal: Sendable {
    private let listeners = Mutex<[AsyncStream<Void>.Continuation]>([])

    package init() {}

    package func send() { listeners.withLock { for listener in $0 { listener.yield() } } }

    /// The changes from now on, for one listener.
    package func stream() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        listeners.withLock { $0.append(continuation) }
        return stream
    }
}
