/// Everything that is known of one app, and the deciding about it.
///
/// A value without I/O, clock or chance: `begin` and `next` take what was just learnt and say what is to be done. They are the
/// only ones that change the record during a pass; whoever declares, holds or removes the app changes what is wanted, at any
/// moment, and a pass that was under way for something else ends at its next step.
struct AppState: Sendable {
    let id: AppID
    var record: AppRecord

    // What is wanted.

    /// The app as its source declares it now, or nil when it is to be removed or only remembered.
    private(set) var declaration: Declaration?
    /// Whether no source declares it any more, and it is only kept as it was until it may go.
    private(set) var isLeaving = false
    /// Set when the declaration cannot be read: the app is left exactly as it is.
    private(set) var unreadable: Failure?
    /// Grows whenever what is wanted changes.
    private(set) var generation = 0
    /// The generation since which a person has not held it any more.
    private(set) var released = 0

    // What is remembered for as long as the process lives.

    /// The record as the journal acknowledged it last.
    var saved: AppRecord?
    var reading: Reading?
    /// The fingerprints of the kept revisions, newest first; nil before they were listed.
    var kept: [String]?
    var pass: Pass?
    /// Since when the app has been healthy without a break, during a deployment.
    var healthySince: ContinuousClock.Instant?
    /// What had failed at the last look at the attempt under way.
    var seenFailures = ""
    /// How long the attempt under way has had, counting only time in which the target answered.
    var elapsed: Duration = .zero
    /// When the target last answered about the attempt under way; nil after it did not, and after a restart.
    var lastContact: ContinuousClock.Instant?
    var failures = 0
    /// What was given up and is to be tried again: how often it was, and when the next attempt may begin.
    var givenUp: (fingerprint: String, times: Int, until: ContinuousClock.Instant)?
    /// Since when an app with nothing under way has been on its way to be well.
    var progressingSince: ContinuousClock.Instant?
    /// How an app that was not well comes to be well again.
    var recovery = Recovery()
    /// At which commit the present problem was told of.
    var toldCommit: String?
    /// How often the lease was not known yet, in a row.
    var leaseTries = 0
    /// Conflicts in a row.
    var conflicts = 0
    /// Looks in a row amid which what is declared changed.
    var spoiledLooks = 0
    /// When what met a conflict may be tried again, whatever happens meanwhile.
    var notBefore: ContinuousClock.Instant?
    var lastPass: ContinuousClock.Instant?
    /// How often each difference was repaired, for fights.
    var repairs: [String: Int] = [:]
    var lastRepair: ContinuousClock.Instant?
    /// The fight that was told of last, and when; nil since the app was well.
    var toldFight: (over: Set<String>, at: ContinuousClock.Instant)?
    /// A person asked for it: a quarantined revision is tried once more.
    var isForced = false
    /// A person asked for it, and what is begun in the course of that is begun whatever was said of it before.
    var isAsked = false
    /// How often a person asked.
    private(set) var wishes = 0
    /// Since when what runs in place of something rejected before this controller's time is amid a change.
    var heedingSince: ContinuousClock.Instant?
    /// What is tried once more because a person asked for it.
    var retried: String?
    var warnings: [String] = []
    /// Objects that cannot be removed now, by subject, with why.
    var blocked: [String: String] = [:]
    /// The subjects of objects that were told of as impossible to remove; they are tried again in silence.
    var toldBlocked: Set<String> = []
    /// Removals inside the app that wait for a person, and those a person approved, by subject.
    var awaitedRemovals: Set<String> = []
    var approvedRemovals: Set<String> = []
    /// What waited for a person when the controller before this one ended, in words, and whether it was approved since.
    var waitedBefore: (words: String, isApproved: Bool)?
    /// For how long the attempt under way could not even be planned, though the target answers, and when that was last seen.
    var unplanned: (time: Duration, seen: ContinuousClock.Instant)?
    /// Whether the attempt under way only has what is good be started next, in place of what cannot be brought about now.
    var isStandingIn = false
    /// What the last of these was for; empty for an app that is to go.
    var stoodInFor: String?
    /// What the attempt that was begun last brings about; it may be begun again when the journal fails in between.
    var toldAttempt: String?
    /// The failure that was told of last, and when.
    var toldFailure: (failure: String, at: ContinuousClock.Instant)?
    /// What was last told to be wrong with what runs; nil since it was well.
    var toldIllness: (message: String, fingerprint: String)?
    /// To which revisions rolling back was told of since it was rejected.
    var toldRollbacks: Set<String> = []
    /// With which words those that were refused were told of last.
    var toldRefusals: [String: String] = [:]
    /// Whether an attempt may have left objects behind that no revision needs.
    var hasLeftovers = false
    /// Whether what is there now is to be spared, because nobody knows what happened since the last look.
    var needsSparing = false
    /// When the target last came back during the attempt under way.
    var regained: ContinuousClock.Instant?
    /// The same of the attempt that a newer one takes the place of, until that begins.
    var regainedBefore: ContinuousClock.Instant?
    /// What is put after the attempt's mark since the last silence.
    var sparing = ""
    /// Whether some of the attempt's changes could not be made yet; and, once they were, the target's mark before that.
    var isUnfinished = false
    var completion = ""
    /// Whether the attempt under way cannot go on for want of what is not the revision's to give.
    var isHeld = false
    /// Since when; nil while it can go on.
    var heldSince: ContinuousClock.Instant?
    /// How often the target came back, and how often something was applied, during the attempt under way.
    var silences = 0
    var applies = 0
    /// When removals were last found to be impossible.
    var blockedSince: ContinuousClock.Instant?
    /// The event of a success that the journal could not take yet.
    var uncommitted: Event?
    /// The removals that were told of and may be made from now on.
    var announcedRemovals: Set<String> = []

    init(_ record: AppRecord) {
        id = record.id
        self.record = record
        // Whether the target was told of the rejection is not known.
        hasLeftovers = record.quarantine != nil
        // What a person did to it during a hold may not have been made good before the end.
        isUnfinished = record.attempt?.wasHeld ?? false
        if let waiting = record.waiting, waiting.reason == .awaitingApproval {
            waitedBefore = (waiting.message, false)
        }
    }

    /// That an app is well again is said once it has proved it: what ends again and again looks well in between.
    struct Recovery: Sendable {
        /// Since when it was well at every look; nil while it is not.
        var since: ContinuousClock.Instant?
        /// Since when what was good before has been coming back without an attempt of ours.
        var begun: ContinuousClock.Instant?
        /// What had failed at the last look.
        var seenFailures: String?
        /// When it was last said, and how often it did not last.
        var last: ContinuousClock.Instant?
        var relapses = 0

        /// How long it has to stay well: the longer, the more often it did not last.
        func window(_ verifyWindow: Duration) -> Duration {
            relapses == 0 ? verifyWindow : max(verifyWindow, .seconds(30) * (1 << min(relapses - 1, 4)))
        }

        /// It is not well.
        mutating func relapse(isNews: Bool, at now: ContinuousClock.Instant) {
            since = nil
            guard isNews else { return }
            relapses = last.map { now - $0 < .seconds(600) } ?? false ? relapses + 1 : 0
        }
    }

    /// A pass under way.
    struct Pass: Sendable {
        var asked: ContinuousClock.Instant
        var correlation: String
        var generation: Int
        var wishes: Int
        var stage: Stage
        var role = Role.declared
        /// What the new state waits for while the deployed one is kept.
        var waitsFor: String?
        /// Why the declared state cannot even be planned, while the last good one is kept.
        var obstacle: Failure?
        /// Of the deployment that the pass is about.
        var fingerprint = ""
        var plan = Plan()
        var declaredServices = 0
        var marks = Marks()
        var isOwner = false
        /// What drifted, to be told once it is known to be this controller's.
        var untoldDrift: (drift: Drift, event: Event)?
        /// How long until what waits to be removed is tried again.
        var removesAfter: Duration?
        /// How much of the attempt's time passed up to this pass's answers.
        var counted: Duration = .zero
        /// How things are is known to be as they were then, or later.
        var lookedAt: ContinuousClock.Instant?
    }

    /// Which state a pass brings about.
    enum Role: Sendable {
        case declared
        case lastGood
    }

    // MARK: What is wanted

    /// The app is declared.
    mutating func declare(_ declaration: Declaration) {
        let isNew =
            self.declaration?.revision != declaration.revision
            || self.declaration?.app.settings != declaration.app.settings
            || self.declaration?.owner != declaration.owner || unreadable != nil || record.removal != nil
        // The target still says that it is another source's.
        if record.source != declaration.app.source { hasLeftovers = true }
        self.declaration = declaration
        isLeaving = false
        record.source = declaration.app.source
        dropRemoval()
        unreadable = nil
        if let known = declaration.app.knownFingerprint, reading == nil {
            let inputs = Inputs(settings: declaration.app.settings, files: [:])
            reading = Reading(inputs: inputs, fingerprint: known, commit: declaration.revision.commit)
        }
        if isNew { generation += 1 }
    }

    /// No source declares it any more, and something else comes first: what it is replaced by, or a person's approval.
    ///
    /// Whatever is gone of it meanwhile somebody else removed, who may have done so for good.
    mutating func leave() { isLeaving = declaration != nil }

    /// The source declares it in a way that cannot be read.
    ///
    /// Removal is not wanted either.
    mutating func leaveAlone(because failure: Failure, source: String, commit: String) {
        if unreadable != failure || record.removal != nil { generation += 1 }
        unreadable = failure
        (declaration, isLeaving) = (nil, false)
        record.source = source
        record.commit = commit
        dropRemoval()
    }

    /// The app is to go.
    mutating func remove(because why: String, at time: Timestamp) {
        guard record.removal?.why != why || declaration != nil else { return }
        (declaration, isLeaving) = (nil, false)
        unreadable = nil
        reading = nil
        record.removal = Removal(why: why, since: record.removal?.since ?? time)
        // That something of it goes says nothing of the whole.
        announcedRemovals = []
        generation += 1
    }

    /// Nobody says anything of it any more; it is only remembered.
    mutating func abandon() {
        guard declaration != nil || unreadable != nil || record.removal != nil else { return }
        (declaration, isLeaving) = (nil, false)
        unreadable = nil
        dropRemoval()
        generation += 1
    }

    /// It is not to go any more; what its own removal has taken away so far nobody else did.
    private mutating func dropRemoval() {
        guard record.removal != nil else { return }
        record.removal = nil
        record.isInterrupted = true
    }

    /// A person has it left alone, or taken up again: then what differs was done meanwhile, and is no drift.
    ///
    /// A pass under way ends at its next step. What was approved or announced was for what was there then, and what is under
    /// way is brought about once more before it is judged.
    mutating func hold(_ hold: Hold?) {
        guard record.hold != hold else { return }
        record.hold = hold
        generation += 1
        if hold == nil {
            record.isInterrupted = true
            released = generation
            noteReleased()
        } else {
            endRemovals()
        }
    }

    /// What is under way is brought about once more before it is judged.
    mutating func noteReleased() {
        if record.attempt != nil { isUnfinished = true }
        record.attempt?.wasHeld = true
    }

    /// A person asks for it: a rejected revision is tried once more.
    mutating func force() {
        // Nor is it known of what was never deployed here whether it was rejected before.
        if record.quarantine != nil || record.deployed == nil { isForced = true }
        isAsked = true
        wishes += 1
        failures = 0
        givenUp = nil
        (conflicts, notBefore) = (0, nil)
        blocked = [:]
    }

    /// What a person asked for is done, or is not this controller's to do.
    mutating func forgetWish() { (isForced, isAsked) = (false, false) }

    /// A person lets the removals go on that wait for it.
    ///
    /// True when there were any.
    mutating func approve() -> Bool {
        approvedRemovals = awaitedRemovals
        // Nobody has looked since the start: it is for what was told before.
        if awaitedRemovals.isEmpty { waitedBefore?.isApproved = true }
        return !awaitedRemovals.isEmpty || waitedBefore != nil
    }

    // MARK: What others ask

    /// Whether the app is ready at the very revision its source is at.
    var isCurrent: Bool {
        guard let declaration else { return record.isReady }
        return record.isReady && reading?.commit == declaration.revision.commit && record.quarantine == nil
            && record.deployed == reading?.fingerprint && record.attempt == nil
    }

    var isUnsaved: Bool { saved != record }
}
