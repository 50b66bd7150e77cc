/// One look at something slow, shared by everybody who asks for it at the same time.
package actor SharedLook<Value: Sendable> {
    private let fetch: @Sendable () async throws -> Value
    private let lifetime: Duration?
    private var last: (moment: ContinuousClock.Instant, value: Value)?
    private var running: (began: ContinuousClock.Instant, task: Task<Value, any Error>)?

    /// What looks, and how long what was seen is held at least: for good, when no `lifetime` is given.
    ///
    /// `fetch`: Looks once.
    package init(keptFor lifetime: Duration? = nil, fetch: @escaping @Sendable () async throws -> Value) {
        self.lifetime = lifetime
        self.fetch = fetch
    }

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
            if last.map({ $0.moment < current.began }) ?? true { keep(value, from: current.began) }
            if current.began >= moment { return value }
        }
    }

    /// What was found last, when it was not looked for earlier than at the moment.
    package func known(since moment: ContinuousClock.Instant) -> Value? {
        last.flatMap { $0.moment >= moment ? $0.value : nil }
    }

    private func keep(_ value: Value, from moment: ContinuousClock.Instant) {
        last = (moment, value)
        guard let lifetime else { return }
        Task { [weak self] in
            try? await Task.sleep(for: lifetime)
            await self?.forget(moment)
        }
    }

    private func forget(_ moment: ContinuousClock.Instant) {
        if last?.moment == moment { last = nil }
    }

    private func begin() -> (began: ContinuousClock.Instant, task: Task<Value, any Error>) {
        let fetch = fetch
        let look = (ContinuousClock.now, Task { try await fetch() })
        running = look
        return look
    }
}
