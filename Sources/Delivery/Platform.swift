/// The code that knows one target's API.
///
/// It knows nothing of Git, retries, rollouts or people.
package protocol Platform: Sendable {
    /// The target's name in the configuration.
    var name: String { get }

    /// For how long something that is well may be on its way without that being news: somebody restarts it by hand.
    var restartPatience: Duration { get }

    /// What the target calls itself, whatever names the configuration has for it; its name where it can have only one.
    func identity() async throws -> String

    /// The deployment a kept revision describes.
    /// - Throws: `Failure` that needs a change, or `Invalid`, when nothing can ever be made of the payload.
    func restore(_ id: AppID, payload: [UInt8]) async throws -> any Deployment

    /// The deployment of nothing: it removes what the app owns, and never a volume.
    func removal(of id: AppID) async throws -> any Deployment

    /// Whether nothing of the app moved on the target since a plan for this fingerprint was last empty, and all of it
    /// still runs. The cheap question asked at every pass.
    func isUntouched(
        _ id: AppID,
        fingerprint: String,
        observedSince moment: ContinuousClock.Instant
    ) async throws -> Bool

    /// Whether it answers that question for many apps in one.
    var comparesTogether: Bool { get }

    /// Those of the apps that are untouched, each with the fingerprint it is said to have.
    func untouched(
        _ fingerprints: [AppID: String],
        observedSince moment: ContinuousClock.Instant
    ) async throws -> Set<AppID>

    // MARK: Ownership

    /// What the target says of who owns what, for every app that has an owner.
    func claims() async throws -> [AppID: Claim]

    /// Asks the target, now, whether the claimant owns an app, and claims what nobody owns when it may.
    /// - Throws: `Failure` when it belongs to somebody else, or to nobody and must not be claimed.
    func claim(_ id: AppID, as claimant: Claimant) async throws -> Ownership

    /// What runs under the app's name now, as a revision that can be restored, or nil when nothing does.
    ///
    /// `planned`: What is to be returned from, which is never what is kept.
    func capture(_ ownership: Ownership, before planned: any Planned) async throws -> [UInt8]?

    /// Removes the target's leftovers of an app that no kept revision needs.
    /// `kept`: The payloads of the revisions that must stay restorable.
    func collectGarbage(_ ownership: Ownership, keeping kept: [[UInt8]]) async throws

    /// Gives up the claim of an app that is gone.
    func release(_ ownership: Ownership) async throws

    // MARK: Leases

    /// Who holds the lease of an owner on this target; nil when nobody ever did.
    func lease(of owner: String) async throws -> LeaseRecord?

    /// Writes the lease, in one compare-and-set.
    /// `replacing`: The version that must still stand; nil when there must be none.
    /// - Throws: `Failure` with reason `conflict` when another one was written meanwhile.
    func writeLease(_ lease: LeaseRecord, of owner: String, replacing version: String?) async throws -> LeaseRecord

    /// What happens on the target, as it happens: the app concerned, or nil for anything. Ends when the connection
    /// does.
    func changes() -> AsyncThrowingStream<AppID?, any Error>
}

extension Platform {
    package func identity() async throws -> String { name }
    package var restartPatience: Duration { .seconds(3) }
    package var comparesTogether: Bool { false }

    package func untouched(
        _ fingerprints: [AppID: String],
        observedSince moment: ContinuousClock.Instant
    ) async throws -> Set<AppID> {
        var result: Set<AppID> = []
        for (id, fingerprint) in fingerprints
        where try await isUntouched(id, fingerprint: fingerprint, observedSince: moment) {
            result.insert(id)
        }
        return result
    }
}

/// One app in one desired state, bound to its target.
package protocol Deployment: Sendable {
    /// Identifies the desired state: equal fingerprints, equal result.
    var fingerprint: String { get }

    /// How it is to be treated beside what it is, in the platform's own words, which are kept with it; empty for as usual.
    ///
    /// It changes nothing on the target by itself.
    var treatment: String { get }

    /// The warnings its files gave.
    var warnings: [String] { get }

    /// Compares with what is there.
    /// `moment`: The observation must not be older than this.
    /// `mark`: The mark of the plan whose application is being watched; nil outside a deployment.
    func plan(observedSince moment: ContinuousClock.Instant, mark: String?) async throws -> any Planned
}

extension Deployment {
    package var treatment: String { "" }

    /// Compares with what is there, outside a deployment.
    ///
    /// `moment`: The observation must not be older than this.
    package func plan(observedSince moment: ContinuousClock.Instant) async throws -> any Planned {
        try await plan(observedSince: moment, mark: nil)
    }
}

/// A plan bound to the observation it was made from.
package protocol Planned: Sendable {
    var plan: Plan { get }
    /// How many services, or units, are declared.
    var declaredServices: Int { get }
    /// The target's own reckoning when it was observed; health is judged by what happened after it.
    ///
    /// Where a deployment could not be made at once, it is judged by `MARK since LATER`: what failed before the rest was
    /// made, at the later mark, does not count.
    var mark: String { get }
    /// What is put after a mark, with a space between, when nobody knows what happened since the target was last looked at:
    /// what failed by now, and some of what becomes of the rest, may be the outage's doing.
    var sparing: String { get }
    /// Names what has failed so far: what is healthy now was not so all the time when it says something else than at the
    /// look before.
    var failures: String { get }
    /// When what is there was changed or started last, by the target's clock; nil when that is not known.
    var changedAt: Timestamp? { get }
    /// Whether the target is still amid a change of what is there, or gave one up, and knows what was there before.
    var isAmidChange: Bool { get }
    /// Whether nothing of the app ran, so that there is nothing to be captured.
    var ranNothing: Bool { get }
    /// Makes the forward changes, in order.
    func apply(_ ownership: Ownership) async throws
    /// Makes the removals.
    /// `leaving`: Subjects of changes that are not to be tried now.
    func prune(_ ownership: Ownership, leaving blocked: Set<String>) async throws -> Pruning
    /// How the app is.
    /// `mark`: The mark of the plan whose application is being watched; nil outside a deployment.
    /// `hasEarlierRevision`: Whether there is something to return to; otherwise failures end nothing before its time.
    func health(since mark: String?, hasEarlierRevision: Bool) async throws -> Health
    /// What the journal keeps so that the deployment can be restored later; no secret's value is in it.
    func payload() async throws -> [UInt8]
}

extension Planned {
    package var sparing: String { "" }
    package var failures: String { "" }
    package var changedAt: Timestamp? { nil }
    package var isAmidChange: Bool { false }
    package var ranNothing: Bool { false }
}

/// How an app is.
package enum Health: Sendable, Hashable {
    /// As it should be. `runsNothing` when there is nothing that could still fail: no tasks are wanted.
    case healthy(runsNothing: Bool)
    /// As it should be, while the target itself has not finished watching; counts as healthy time, not as done.
    case settling(String)
    /// On its way, with what it waits for.
    case progressing(String)
    /// On its way, and it cannot go on for want of what is not the revision's to give, such as a node that takes tasks.
    case held(String)
    /// It will not get there.
    case failed(Failure)
}
