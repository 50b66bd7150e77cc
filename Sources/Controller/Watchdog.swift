internal import Delivery
internal import Systemd

extension Controller {
    /// How old a pass may be before the program no longer counts as well: longer than any single step may take.
    private static let oldestPass = Duration.seconds(600)

    /// Tells systemd when everything was looked at, and from then on that passes begin and end.
    func keepAlive(_ status: String) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                // A source that hangs must not keep the service from having started.
                let late = Failure(.timedOut, "not every source was looked at in time")
                try? await withDeadline(.seconds(20), late: late) { await looked() }
                guard !Task.isCancelled else { return }
                notify("READY=1\nSTATUS=\(status)")
            }
            guard let interval = watchdogInterval() else { return }
            group.addTask {
                while !Task.isCancelled {
                    if await passesEnd() { notify("WATCHDOG=1") }
                    try? await Task.sleep(for: interval / 3)
                }
            }
        }
    }

    /// Whether the reconciler takes its turn, and no pass and no reading of a source has been under way for too long.
    func passesEnd(at now: ContinuousClock.Instant = .now) async -> Bool {
        let begins = [await context.reconciler.oldestPass] + followers.map(\.readings.oldest)
        return begins.compactMap(\.self).allSatisfy { now - $0 < Self.oldestPass }
    }
}
