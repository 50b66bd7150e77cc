package import Delivery
internal import Documents
package import Journal
package import Server

/// What everything that runs for long works with: the journal, the reconciler and the log.
package struct ControllerContext: Sendable {
    package let store: Store
    package let reconciler: Reconciler
    /// Writes an event where people read it.
    let log: @Sendable (Event) -> Void
    package let metrics: Metrics
    /// Says that something was recorded.
    let changes: ChangeSignal

    /// `folder`: The store's, which tells this controller from others on the same machine.
    ///
    /// `sources`: The names of all sources that are configured.
    package init(
        targets: [Target],
        store: Store,
        folder: String,
        sources: Set<String>,
        limits: Limits,
        log: @escaping @Sendable (Event) -> Void
    ) {
        self.store = store
        self.log = log
        let (metrics, changes) = (Metrics(started: currentTime()), ChangeSignal())
        (self.metrics, self.changes) = (metrics, changes)
        var limits = limits
        for target in targets { limits.parallelismOfTarget[target.name] = target.parallelism }
        reconciler = Reconciler(
            platforms: targets.map(\.platform),
            journal: store,
            limits: limits,
            environment: Environment(
                now: currentTime,
                chance: { Double.random(in: 0..<1) },
                announce: {
                    log($0)
                    metrics.note($0)
                    changes.send()
                },
                measure: { metrics.note($0, $1, $2) },
                identity: .found(store: folder)
            ),
            sources: sources
        )
    }

    /// Records an event that is no app's own, and logs it.
    package func note(
        _ severity: Event.Severity,
        _ reason: Reason,
        _ subject: String,
        _ message: String,
        commit: String = "",
        details: [String] = []
    ) async {
        let event = Event(
            time: currentTime(),
            severity: severity,
            reason: reason,
            subject: subject,
            commit: commit,
            message: message,
            details: details
        )
        await tell(event)
    }

    /// Records an event, and logs it.
    func tell(_ event: Event) async {
        try? await store.record(event)
        log(event)
        changes.send()
    }
}
