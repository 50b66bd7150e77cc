/// One look at something slow, shared by everybody who asks for it at the same time.
package actor SharedLook<Value: Sendable> {
    private let fetch: @Sendable () async throws -> Value
    private var last: (moment: ContinuousClock.Instant, value: Value)?
    private var running: (began: ContinuousClock.Instant, task: Task<Value, any Error>)?

    /// `fetch`: Looks once.
    package init(fetch: @escaping @Sendable () async throws -> Value) { self.fetch = fetch }

    /// What a look found that began at the moment or later.
    ///
    /// A moment in the future means now: nobody can look then yet.
    package func value(since moment: ContinuousClock.Instant) async throws -> Value {
        let moment = min(moment, .now)
        while true {
            if let last, last.moment >= moment { return last.value }
            let current = running ?? begin()
            let result = await current.task.result
            // Whoever comes back first clears the way: nobody may find a finished look still standing here and wait for it
            // again, because waiting for what is finished never lets anybody else in.
            if running?.began == current.began { running = nil }
            let value = try result.get()
            if last.map({ $0.moment < current.began }) ?? true { last = (current.began, value) }
            if current.began >= moment { return value }
        }
    }

    private func begin() -> (began: ContinuousClock.Instant, task: Task<Value, any Error>) {
        let fetch = fetch
        let look = (ContinuousClock.now, Task { try await fetch() })
        running = look
        return look
    }
}
