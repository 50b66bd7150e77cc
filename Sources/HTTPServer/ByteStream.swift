internal import CMicrohttpd
internal import Synchronization

/// A response that goes on: whoever has something to say sends it, and the client reads it when it can.
package final class ByteStream: Sendable {
    /// What is between sender and client.
    private struct State: Sendable {
        var chunks: [SharedBytes] = []
        /// How much of the first chunk the client has.
        var offset = 0
        var waiting = 0
        var isFinished = false
        /// The connection, while it is suspended because there is nothing to send.
        var suspended: UInt?
        var connection: UInt?
        var onClose: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    /// A client that is further behind than this is let go; it comes back with the last number it has.
    private let limit: Int

    package init(limit: Int = 256 * 1024) { self.limit = limit }

    /// Sends more.
    /// - Returns: Whether the client is still there.
    @discardableResult
    package func send(_ bytes: SharedBytes) -> Bool {
        state.withLock { state in
            guard !state.isFinished else { return false }
            if state.waiting + bytes.count > limit {
                state.isFinished = true
            } else {
                state.chunks.append(bytes)
                state.waiting += bytes.count
            }
            Self.wake(&state)
            return !state.isFinished
        }
    }

    /// Ends the response after what was sent.
    package func finish() {
        state.withLock { state in
            state.isFinished = true
            Self.wake(&state)
        }
    }

    /// Is called once, when the response is over from either side.
    package func onClose(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onClose = body } }

    private static func wake(_ state: inout State) {
        guard let connection = state.suspended.flatMap({ OpaquePointer(bitPattern: $0) }) else { return }
        state.suspended = nil
        hecate_connection_resume(connection)
    }

    // MARK: For the server

    func attach(_ connection: OpaquePointer) { state.withLock { $0.connection = UInt(bitPattern: connection) } }

    /// Fills a buffer, or suspends the connection until there is something to fill it with.
    func read(into buffer: UnsafeMutablePointer<CChar>, _ capacity: Int) -> Int {
        state.withLock { state in
            guard let chunk = state.chunks.first, let source = chunk.pointer else {
                if state.isFinished { return -1 }
                state.suspended = state.connection
                if let connection = state.connection.flatMap({ OpaquePointer(bitPattern: $0) }) {
                    hecate_connection_suspend(connection)
                }
                return 0
            }
            let count = min(capacity, chunk.count - state.offset)
            UnsafeMutableRawPointer(buffer).copyMemory(from: source + state.offset, byteCount: count)
            state.offset += count
            state.waiting -= count
            if state.offset == chunk.count {
                state.chunks.removeFirst()
                state.offset = 0
            }
            return count
        }
    }

    func close() {
        let body = state.withLock { state in
            state.isFinished = true
            state.chunks = []
            state.suspended = nil
            state.connection = nil
            defer { state.onClose = nil }
            return state.onClose
        }
        body?()
    }
}
