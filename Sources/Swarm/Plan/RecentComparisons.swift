internal import Delivery
internal import JSON
internal import Synchronization

/// The comparisons of a few services that were made last.
///
/// While a stack comes up it is looked at again and again, and its services are every time the same.
final class RecentComparisons: Sendable {
    /// What was compared, and what came of it.
    private struct Comparison {
        var desired: JSON
        var observed: JSON
        var networkNames: [String: String]
        var changes: [FieldChange]
    }

    private let comparisons = Mutex(Recent<String, Comparison>(most: 64))

    /// The fields in which a service differs; see `SpecComparison`.
    func differences(
        of service: String,
        desired: JSON,
        observed: JSON,
        networkNames: [String: String]
    ) -> [FieldChange] {
        if let last = comparisons.withLock({ $0[service] }), last.desired == desired, last.observed == observed,
            last.networkNames == networkNames
        {
            return last.changes
        }
        let changes = SpecComparison.differences(desired: desired, observed: observed, networkNames: networkNames)
        let comparison = Comparison(
            desired: desired,
            observed: observed,
            networkNames: networkNames,
            changes: changes
        )
        comparisons.withLock { $0.keep(comparison, for: service) }
        return changes
    }
}
