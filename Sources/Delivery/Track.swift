/// What the reconciler holds in memory of one app.
struct Track {
    /// The app as its source declares it now, or nil when it is to be removed or only remembered.
    var app: App?
    var record: AppRecord
    /// The revision the declaration was read at.
    var revision: Revision?
    /// Set when the app has to go from its target, with why.
    var removal: String?
    /// Set when the declaration cannot be read: the app is left exactly as it is.
    var unreadable: Failure?

    /// What the last reading of the app's files was made from, and what it gave.
    var inputs: Inputs?
    var fingerprint: String?
    /// The commit at which the fingerprint was found to hold.
    var evaluatedCommit: String?

    /// Since when the app has been healthy without a break, during a deployment.
    var healthySince: ContinuousClock.Instant?
    var attemptSince: ContinuousClock.Instant?
    var failures = 0
    var lastPass: ContinuousClock.Instant?
    /// How often each difference had to be repaired, for fights.
    var repairs: [String: Int] = [:]
    var lastRepair: ContinuousClock.Instant?
    /// A person asked for it: a quarantined revision is tried once more.
    var isForced = false
    var warnings: [String] = []
    /// What the new state waits for while the deployed one is kept, in words.
    var waitsFor: String?

    init(record: AppRecord) { self.record = record }

    /// Whether the app is ready at the very revision its source is at.
    var isCurrent: Bool {
        guard let revision else { return record.isReady }
        return record.isReady && evaluatedCommit == revision.commit && record.quarantine == nil
            && record.deployed == fingerprint && record.attempt == nil
    }
}

/// What becomes of an app after a pass.
enum Outcome {
    /// Nothing more to do until something changes or its interval passes.
    case rest
    /// Look again soon: something is settling.
    case again(Duration)
    /// It failed and is tried again, later and later.
    case retry
}
