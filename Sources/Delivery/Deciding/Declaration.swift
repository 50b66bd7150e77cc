/// An app as one revision of its source declares it, with the files of that very revision.
///
/// It never changes and is handed on all the time, so there is one of it.
final class Declaration: Sendable {
    let app: App
    let revision: Revision
    let snapshot: any Snapshot
    /// What marks the source's apps on the target.
    let owner: String
    let isReadInPlace: Bool

    init(app: App, revision: Revision, snapshot: any Snapshot, owner: String, isReadInPlace: Bool) {
        self.app = app
        self.revision = revision
        self.snapshot = snapshot
        self.owner = owner
        self.isReadInPlace = isReadInPlace
    }
}

/// What the reading of an app's files gave, and what it was made from.
struct Reading: Sendable {
    var inputs: Inputs
    var fingerprint: String
    /// The commit at which it was found to hold.
    var commit: String
    /// How it is to be treated; see `Deployment.treatment`.
    var treatment = ""
}

/// What a step is told of the world around its app.
struct Situation: Sendable {
    /// Whether this controller may act for the app's source on its target.
    enum Leave: Sendable {
        case held(Claimant)
        case waiting(holder: String)
        /// It is being asked for.
        case unknown
        /// No source that was read has the app.
        case nobody
    }

    var leave: Leave
    /// Why the target cannot be worked with, when that is known.
    var targetProblem: String?
    /// Why nobody knows who may act, when the target was asked and did not say.
    var leaseProblem: String?
    /// Whether the configuration has the target at all.
    var isTargetKnown = true
    /// What a new state has to wait for before it is begun, in words.
    var unmetDependency: String?
    /// How the source declares the app's removal guard; see `Limits`.
    var pruneShare: Double
    var fightAfter: Int
    /// See `Platform.restartPatience`.
    var restartPatience = Duration.seconds(3)

    /// This controller, as `ControllerIdentity.id`, where it may act; empty elsewhere.
    var controller: String { if case .held(let claimant) = leave { claimant.controller } else { "" } }
}
