/// The code that knows one target's API.
///
/// It knows nothing of Git, retries, rollouts or people.
package protocol Platform: Sendable {
    /// The target's name in the configuration.
    var name: String { get }

    /// Whether the target reads the declaration's own files, so that a refused one has to be replaced by the last good
    /// revision at once instead of being left aside.
    var readsDeclarationsInPlace: Bool { get }

    /// The deployment a kept revision describes.
    func restore(_ id: AppID, payload: [UInt8]) async throws -> any Deployment

    /// The deployment of nothing: it removes what the app owns, and never a volume.
    func removal(of id: AppID) async throws -> any Deployment

    /// What runs under the app's name now, as a revision that can be restored, or nil when nothing does.
    func capture(_ id: AppID) async throws -> [UInt8]?

    /// Whether nothing of the app moved on the target since a plan for this fingerprint was last empty, and all of it
    /// still runs. The cheap question asked at every pass.
    func isUntouched(
        _ id: AppID,
        fingerprint: String,
        observedSince moment: ContinuousClock.Instant
    ) async throws -> Bool

    /// The apps that the target itself says belong to a controller, with their owners.
    func owned() async throws -> [AppID: String]

    /// Marks an app on the target as belonging to an owner.
    /// `isOurs`: Whether the journal knows the app as deployed from here; then another owner's mark is an
    /// older one of our own, from before the source moved, and is replaced.
    /// - Throws: `Failure` when it belongs to somebody else.
    func claim(_ id: AppID, for owner: String, isOurs: Bool) async throws

    /// Removes the target's leftovers of an app that no kept revision needs.
    /// `kept`: The payloads of the revisions that must stay restorable.
    func collectGarbage(of id: AppID, keeping kept: [[UInt8]]) async throws

    /// What happens on the target, as it happens: the app concerned, or nil for anything. Ends when the connection
    /// does.
    func changes() -> AsyncThrowingStream<AppID?, any Error>
}

extension Platform {
    package var readsDeclarationsInPlace: Bool { false }
}

/// One app in one desired state, bound to its target.
package protocol Deployment: Sendable {
    /// Identifies the desired state: equal fingerprints, equal result.
    var fingerprint: String { get }

    /// The warnings its files gave.
    var warnings: [String] { get }

    /// Compares with what is there.
    /// `moment`: The observation must not be older than this.
    func plan(observedSince moment: ContinuousClock.Instant) async throws -> any Planned

    /// How the app is now.
    /// `mark`: The mark of the plan whose application is being watched; nil outside a deployment.
    func health(since mark: String?) async throws -> Health

    /// What the journal keeps so that the deployment can be restored later; no secret's value is in it.
    func payload() async throws -> [UInt8]
}

/// A plan bound to the observation it was made from.
package protocol Planned: Sendable {
    var plan: Plan { get }
    /// Where the target's own time stood when it was observed; health is judged by what happened after it.
    var mark: String { get }
    /// Makes the forward changes, in order.
    func apply() async throws
    /// Makes the removals; false when some have to wait for others to finish and are to be tried again.
    func prune() async throws -> Bool
}

/// How an app is.
package enum Health: Sendable, Hashable {
    /// As it should be. `runsNothing` when there is nothing that could still fail: no tasks are wanted.
    case healthy(runsNothing: Bool)
    /// As it should be, while the target itself has not finished watching; counts as healthy time, not as done.
    case settling(String)
    /// On its way, with what it waits for.
    case progressing(String)
    /// It will not get there.
    case failed(Failure)
}
