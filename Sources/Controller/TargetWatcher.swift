internal import Documents
internal import Delivery
internal import Journal

/// Keeps an ear on one target: its events wake the reconciler, and its silence is told.
struct TargetWatcher: Sendable {
    let context: ControllerContext
    let platform: any Platform
    let endpoint: String
    /// Asks the target whether it can be worked with; gives its version.
    let probe: @Sendable () async throws -> String

    func run() async {
        var failures = 0
        var wasDown = false
        while !Task.isCancelled {
            do {
                try await check()
                if wasDown { await context.note(.info, .sourceReady, platform.name, "the target answers again") }
                failures = 0
                wasDown = false
                await context.reconciler.targetAnswers(platform.name)
                // Whatever happened while nobody listened is seen by looking at everything once.
                await context.reconciler.notice(nil, on: platform.name)
                for try await id in platform.changes() { await context.reconciler.notice(id, on: platform.name) }
                if Task.isCancelled { return }
                throw Failure(.unavailable, "the target '\(platform.name)' closed its event stream")
            } catch is CancellationError {
                return
            } catch {
                if Task.isCancelled { return }
                wasDown = true
                failures += 1
                let message = (error as? Failure)?.message ?? "\(error)"
                await context.reconciler.targetFailed(platform.name, message)
                if failures == 1 {
                    await context.note(.error, .unavailable, platform.name, message)
                    var record = TargetRecord(name: platform.name, endpoint: endpoint)
                    record.error = message
                    record.lastSuccess = try? await context.store.targets().first { $0.name == platform.name }?
                        .lastSuccess
                    try? await context.store.save(record)
                }
                let delay = min(
                    Backoff().delay(afterFailures: failures, jitter: Double.random(in: 0..<1)),
                    .seconds(15)
                )
                try? await Task.sleep(for: delay)
            }
        }
    }

    /// Asks the target whether it can be worked with and keeps the answer.
    func check() async throws {
        let version = try await probe()
        try await context.store.save(
            TargetRecord(name: platform.name, endpoint: endpoint, version: version, lastSuccess: currentTime())
        )
    }
}
