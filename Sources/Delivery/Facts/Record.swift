/// What the journal knows of one app: facts only.
///
/// What they mean for somebody who looks stands in `Condition.swift`.
package struct AppRecord: Sendable, Hashable {
    package var id: AppID
    /// The source that declares it, or declared it last.
    package var source: String
    /// The commit last looked at.
    package var commit: String = ""
    /// The fingerprint of what is deployed and verified, or nil.
    package var deployed: String?
    package var deployedCommit: String?
    package var deployedAt: Timestamp?
    /// Whether an attempt of this controller ever touched the app: what runs from then on is no state to return to unless
    /// it was verified.
    package var hasBaseline = false
    package var attempt: Attempt?
    /// The services that attempts have made since the last success: nobody has to approve that they go with what failed.
    package var addedServices: Set<String> = []
    /// Whether what is deployed was disturbed by an attempt or a removal of our own that was overtaken: putting it back repairs no
    /// drift.
    package var isInterrupted = false
    /// Whether another controller acted since this one last found what it knows of to be so: what runs may be that one's work, and
    /// what is known to be good may be older.
    package var haveOthersActed = false
    /// How what is kept newest is treated, in the platform's own words; empty for as usual.
    package var treatment = ""
    /// What failed last with nothing to go back to, by fingerprint.
    package var failedFingerprint: String?
    package var quarantine: Quarantine?
    package var hold: Hold?
    /// What is wrong with it now.
    package var problem: Problem?
    /// What the next step waits for.
    package var waiting: Waiting?
    package var drift: Drift?
    package var removal: Removal?
    /// How the last deployment that went well ended.
    package var result: Outcome?

    package init(id: AppID, source: String) {
        self.id = id
        self.source = source
    }

    /// How a deployment that went well ended.
    package struct Outcome: Sendable, Hashable {
        package var reason: Reason
        package var message: String
        package var since: Timestamp

        package init(_ reason: Reason, _ message: String, since: Timestamp) {
            self.reason = reason
            self.message = message
            self.since = since
        }
    }
}

/// A deployment under way: written before the first change, gone when it is done or given up.
package struct Attempt: Sendable, Hashable {
    /// What an attempt is for.
    package enum Purpose: String, Sendable, CaseIterable {
        /// Something new.
        case deploy
        /// What runs already is taken over.
        case adopt
        /// What is deployed is put back after somebody else changed it.
        case repair
        /// What is deployed is put back after an attempt that was begun and overtaken, or where nobody else changed it.
        case restore
        /// The last good revision takes the place of one that failed.
        case rollBack
    }

    package var fingerprint: String
    package var commit: String
    package var purpose: Purpose
    package var since: Timestamp
    /// The target's own reckoning before the first change; what happened before does not count.
    package var mark: String
    /// `applying`, `verifying` or `rollingBack`.
    package var phase: Reason
    package var message: String
    /// Whether a person had the app left alone meanwhile: it is brought about once more before it is judged.
    package var wasHeld = false

    package init(
        fingerprint: String,
        commit: String,
        purpose: Purpose,
        since: Timestamp,
        mark: String,
        phase: Reason = .applying,
        message: String = ""
    ) {
        self.fingerprint = fingerprint
        self.commit = commit
        self.purpose = purpose
        self.since = since
        self.mark = mark
        self.phase = phase
        self.message = message
    }

    /// Whether it puts back what was good before, so that there is nothing better to return to.
    package var isRestoring: Bool { [.repair, .restore, .rollBack].contains(purpose) }
}

/// A desired state that failed; it is not tried again until it changes.
package struct Quarantine: Sendable, Hashable {
    package var fingerprint: String
    package var commit: String
    package var since: Timestamp
    package var reason: Reason
    package var failure: String
    package var details: [String]
    /// Whether the last good revision is back.
    package var isRolledBack = false
    /// Kept revisions that the target refused to take back, by fingerprint.
    package var refused: [String] = []

    package init(
        fingerprint: String,
        commit: String,
        since: Timestamp,
        reason: Reason = .healthCheckFailed,
        failure: String,
        details: [String]
    ) {
        self.fingerprint = fingerprint
        self.commit = commit
        self.since = since
        self.reason = reason
        self.failure = failure
        self.details = details
    }
}

/// What was rejected, as it stands on the target beside the claim: whoever acts after this controller, or after the loss of
/// its store, need not find out anew.
package struct Rejection: Sendable, Hashable {
    package var fingerprint: String
    package var reason: Reason
    package var failure: String
    /// Whether what was good before runs again.
    package var isRolledBack: Bool
    /// The controller that rejected it, as `ControllerIdentity.id`; empty where that is not known.
    package var controller = ""

    package init(fingerprint: String, reason: Reason, failure: String, isRolledBack: Bool) {
        self.fingerprint = fingerprint
        self.reason = reason
        self.failure = failure
        self.isRolledBack = isRolledBack
    }

    init(_ quarantine: Quarantine) {
        self.init(
            fingerprint: quarantine.fingerprint,
            reason: quarantine.reason,
            failure: quarantine.failure,
            isRolledBack: quarantine.isRolledBack
        )
    }
}

/// What is wrong with an app now.
package struct Problem: Sendable, Hashable {
    package var reason: Reason
    package var message: String
    package var details: [String]
    /// Whether it stays until what the app is made from changes.
    package var needsChange: Bool
    package var since: Timestamp

    package init(_ failure: Failure, since: Timestamp) {
        reason = failure.reason
        message = failure.message
        details = failure.details
        needsChange = failure.next == .needsChange
        self.since = since
    }

    package init(reason: Reason, message: String, details: [String], needsChange: Bool, since: Timestamp) {
        self.reason = reason
        self.message = message
        self.details = details
        self.needsChange = needsChange
        self.since = since
    }
}

/// What the next step of an app waits for.
package struct Waiting: Sendable, Hashable {
    package var reason: Reason
    package var message: String
    package var since: Timestamp

    package init(_ reason: Reason, _ message: String, since: Timestamp) {
        self.reason = reason
        self.message = message
        self.since = since
    }
}

/// A difference that nobody declared.
package struct Drift: Sendable, Hashable {
    package var message: String
    /// Whether it keeps coming back.
    package var isFight: Bool
    package var since: Timestamp

    package init(message: String, isFight: Bool, since: Timestamp) {
        self.message = message
        self.isFight = isFight
        self.since = since
    }
}

/// Why an app has to go from its target.
package struct Removal: Sendable, Hashable {
    package var why: String
    package var since: Timestamp

    package init(why: String, since: Timestamp) {
        self.why = why
        self.since = since
    }
}

/// A revision as it was deployed and verified.
package struct DeployedRevision: Sendable, Hashable {
    package var app: AppID
    package var fingerprint: String
    package var commit: String
    package var deployedAt: Timestamp
    package var payload: [UInt8]

    package init(app: AppID, fingerprint: String, commit: String, deployedAt: Timestamp, payload: [UInt8]) {
        self.app = app
        self.fingerprint = fingerprint
        self.commit = commit
        self.deployedAt = deployedAt
        self.payload = payload
    }
}

/// A hold: somebody asked for an app to be left alone.
///
/// It changes no target and lives in the store.
package struct Hold: Sendable, Hashable {
    package var app: AppID
    package var author: String
    package var reason: String
    package var since: Timestamp

    package init(app: AppID, author: String, reason: String, since: Timestamp) {
        self.app = app
        self.author = author
        self.reason = reason
        self.since = since
    }
}
