internal import Delivery
internal import Documents
internal import Journal

/// Keeps an ear on one target: its events wake the reconciler, and its silence is told once.
struct TargetWatcher: Sendable {
    let target: Target
    let context: ControllerContext
    /// How long it may take to say that it is there.
    var patience = Duration.seconds(20)
    /// How often it is asked while its events are listened to: a connection that nobody ended can be dead.
    var rhythm = Duration.seconds(30)

    /// Listens until the task is cancelled.
    func run() async {
        var failures = 0
        var told = false
        while !Task.isCancelled {
            do {
                try await check()
                if told { await context.note(.info, .sourceReady, target.name, "the target answers again") }
                told = false
                await context.reconciler.targetAnswers(target.name)
                // Whatever happened while nobody listened is seen by looking at everything once.
                await context.reconciler.notice(nil, on: target.name)
                let since = ContinuousClock.now
                try await listen()
                // A stream that ended says nothing yet of the target; it is asked again, but not in a hurry.
                failures = ContinuousClock.now - since > rhythm ? 1 : failures + 1
            } catch {
                if Task.isCancelled { return }
                failures += 1
                await failed(SourceFollower.failure(error), isNews: !told)
                told = true
            }
            let delay = Backoff().delay(afterFailures: failures, jitter: Double.random(in: 0..<1))
            try? await Task.sleep(for: min(delay, .seconds(15)))
        }
    }

    /// Hands its events on until they end.
    /// - Throws: when it no longer answers meanwhile.
    private func listen() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // Why they ended is found out by asking.
                _ = try? await notices()
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: rhythm)
                    try await check()
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func notices() async throws {
        for try await id in target.platform.changes() { await context.reconciler.notice(id, on: target.name) }
    }

    /// Asks the target whether it can be worked with and keeps the answer.
    /// - Throws: `Failure` when it cannot, or does not say so in time.
    func check() async throws {
        let late = Failure(
            .timedOut,
            "the target '\(target.name)' at \(target.endpoint) did not answer within \(patience.readable)"
        )
        let version = try await withDeadline(patience, late: late) { [probe = target.probe] in try await probe() }
        try? await context.store.save(
            TargetRecord(name: target.name, endpoint: target.endpoint, version: version, lastSuccess: currentTime())
        )
    }

    /// Has the target's apps left alone, keeps why, and says so when it is news.
    func failed(_ failure: Failure, isNews: Bool) async {
        await context.reconciler.targetFailed(target.name, failure.message)
        let known = try? await context.store.targets().first { $0.name == target.name }
        if known?.error != failure.message {
            var record = known ?? TargetRecord(name: target.name, endpoint: target.endpoint)
            record.error = failure.message
            try? await context.store.save(record)
        }
        if isNews { await context.note(.error, failure.reason, target.name, failure.message) }
    }
}
