internal import Delivery
internal import Journal

/// Keeps in the journal who acts for each source on each target, for whoever asks from another process.
struct LeaseReport: Sendable {
    let context: ControllerContext

    /// Who acts for each source on each target.
    static func standings(_ reconciler: Reconciler) async -> [LeaseStanding] {
        await reconciler.leaseHolders.map {
            LeaseStanding(source: $0.source, target: $0.target, holder: $0.holder, isOwn: $0.isOwn)
        }
    }

    /// Looks until the task is cancelled; what did not change is not written.
    func run() async {
        var kept: [LeaseStanding]?
        while !Task.isCancelled {
            let now = await Self.standings(context.reconciler)
            if now != kept, (try? await context.store.keep(now)) != nil {
                kept = now
                context.changes.send()
            }
            // Who waits for another's lease may act soon.
            let isSteady = now.allSatisfy(\.isOwn) && now == kept
            try? await Task.sleep(for: isSteady && !now.isEmpty ? .seconds(5) : .seconds(2))
        }
    }
}
