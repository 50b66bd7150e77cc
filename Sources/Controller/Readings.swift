internal import Synchronization

/// Readings that are under way, with when each began.
final class Readings: Sendable {
    private let begins = Mutex<(next: Int, all: [Int: ContinuousClock.Instant])>((0, [:]))

    /// When the oldest began; nil when there is none.
    var oldest: ContinuousClock.Instant? { begins.withLock { $0.all.values.min() } }

    /// Does something that counts as one until it returns or throws.
    func during<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        let number = begins.withLock { state in
            state.next += 1
            state.all[state.next] = .now
            return state.next
        }
        defer { begins.withLock { $0.all[number] = nil } }
        return try await body()
    }
}
