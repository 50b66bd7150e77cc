/// What an app's next step needs to be done.
///
/// Whoever carries it out gives back an `Answer`.
enum Action: Sendable {
    /// Find out whether neither the app's files nor its objects changed since the reading.
    case compare(Reading, Declaration)
    /// List the fingerprints of the kept revisions.
    case listRevisions
    /// Read the declared files; the deployment they describe is the one that the next actions are about.
    case prepare(Declaration)
    /// Take the newest kept revision but these as the deployment that the next actions are about.
    case restore(except: [String])
    /// Take the deployment of nothing.
    case prepareRemoval
    /// Look at the target and plan.
    case observe(since: ContinuousClock.Instant, mark: String?)
    /// Ask the target for the leave to change the app.
    case claim(Claimant)
    /// Keep what runs as a revision to return to.
    case capture(AppRecord, Event)
    case save(AppRecord, Event?)
    case apply
    case judge(mark: String?, hasEarlierRevision: Bool)
    /// Keep the deployment as a verified revision.
    case commit(AppRecord, Event)
    case prune(leaving: Set<String>)
    case collect
    /// Give the app up: its claim, its revisions and its record.
    case forget(Event, releases: Bool)
    /// Record an event that belongs to no change of the record, then go on.
    case announce(Event)
    case finish(Outcome)
}

/// The target's own reckoning as it was observed; see `Planned`.
struct Marks: Sendable, Equatable {
    var now = ""
    var failures = ""
    var isAmidChange = false
    // During an attempt only.
    var sparing = ""
    // Outside of one only.
    var changedAt: Timestamp?
}

/// What came of an action.
enum Answer: Sendable {
    case compared(isSame: Bool, Reading)
    case revisions([String])
    case prepared(Reading, warnings: [String])
    case restored(fingerprint: String)
    /// A kept revision, by its fingerprint, of which nothing can be made.
    case notRestored(fingerprint: String, Failure)
    case nothingKept
    case observed(Plan, declaredServices: Int, Marks)
    /// The app may be changed; with what was rejected before, where it is what is about to be begun.
    case claimed(Rejection?)
    case captured(fingerprint: String?)
    case saved
    case applied
    case judged(Health)
    case committed
    case pruned(Pruning)
    case collected
    case forgotten
    case announced
    case failed(Failure)
    case cancelled
}

/// What becomes of an app after a pass.
enum Outcome: Sendable, Equatable {
    /// Nothing more to do until something changes or its interval passes.
    case rest
    /// Look again soon: something is under way. Whoever waits for the app goes on waiting.
    case again(Duration)
    /// At rest for now; looked at again by itself.
    case check(after: Duration)
    /// It failed and is tried again, later and later.
    case retry
    /// The app is gone.
    case gone
}
