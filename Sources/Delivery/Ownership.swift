/// Who a controller is to others that might work on the same target.
package struct ControllerIdentity: Sendable, Hashable {
    /// The same after a restart on the same machine with the same store, such as `vm1 3f2a…`.
    package var id: String
    /// Another one for each process.
    package var instance: String

    package init(id: String, instance: String) {
        self.id = id
        self.instance = instance
    }
}

/// What the target itself says about whose an app is.
package struct Claim: Sendable, Hashable {
    /// The mark of the source it belongs to.
    package var owner: String
    /// The controller that took it, as `ControllerIdentity.id`; empty where an older version did.
    package var controller: String

    package init(owner: String, controller: String = "") {
        self.owner = owner
        self.controller = controller
    }
}

/// What becomes of the rejection that stands beside a claim.
package enum RejectionNote: Sendable, Hashable {
    case leave
    /// A person wants it to be tried again.
    case erase
    case write(Rejection)
    /// This is declared: its own rejection is left, any other is of the past.
    case declare(fingerprint: String)
    /// As `declare`, and about to be begun: its own rejection is told.
    case begin(fingerprint: String)

    /// What is to stand there afterwards.
    ///
    /// `controller`: Who claims, as `ControllerIdentity.id`.
    package func noted(over found: Rejection?, by controller: String) -> Rejection? {
        switch self {
        case .leave: return found
        case .erase: return nil
        case .write(var rejection):
            // Of what another controller rejected before it stays its own.
            rejection.controller = found?.fingerprint == rejection.fingerprint ? found?.controller ?? "" : controller
            return rejection
        case .declare(let fingerprint), .begin(let fingerprint):
            return found?.fingerprint == fingerprint ? found : nil
        }
    }

    /// What whoever claims has to know of what stands there.
    package func told(of found: Rejection?) -> Rejection? {
        if case .begin(let fingerprint) = self, found?.fingerprint == fingerprint { found } else { nil }
    }
}

/// Who asks to own an app.
package struct Claimant: Sendable, Hashable {
    /// The mark of the source that declares the app.
    package var owner: String
    /// Marks of sources that let the app go: this controller read them in full and they do not declare it.
    package var formerOwners: Set<String>
    /// The marks of all sources this controller has; nil while it has not read them all.
    ///
    /// A claim of this very controller for any other is an older one of a source that moved.
    package var owners: Set<String>?
    /// This controller, as `ControllerIdentity.id`.
    package var controller: String
    /// Whether what nobody owns may be claimed; not when the app is to be removed.
    package var takesUnclaimed: Bool
    /// What becomes of what stands beside the claim about a rejection.
    package var rejection = RejectionNote.leave
    /// Until when the lease allows to act.
    package var until: ContinuousClock.Instant

    package init(
        owner: String,
        formerOwners: Set<String> = [],
        owners: Set<String>? = nil,
        controller: String,
        takesUnclaimed: Bool = true,
        until: ContinuousClock.Instant
    ) {
        self.owner = owner
        self.formerOwners = formerOwners
        self.owners = owners
        self.controller = controller
        self.takesUnclaimed = takesUnclaimed
        self.until = until
    }

    /// Whether an app with this claim is the claimant's to act on.
    package func mayTake(_ claim: Claim) -> Bool {
        if claim.owner == owner || formerOwners.contains(claim.owner) { return true }
        guard let owners, !claim.controller.isEmpty else { return false }
        return claim.controller == controller && !owners.contains(claim.owner)
    }
}

/// The leave to change one app, given by its target to whoever owns it.
///
/// Nothing can be applied, pruned, captured, collected or released without one, and only a platform that has just asked
/// its target makes one. It ends with the lease it was given under.
package struct Ownership: Sendable, Hashable {
    package let app: AppID
    package let owner: String
    package let until: ContinuousClock.Instant
    /// That what is about to be begun was rejected before.
    package let rejection: Rejection?

    /// For platforms only, and only with what the target has just answered.
    ///
    /// `rejection`: What the target says was rejected, where it is what is about to be begun.
    package init(confirmedByTarget app: AppID, for claimant: Claimant, rejection: Rejection? = nil) {
        self.app = app
        self.rejection = rejection
        owner = claimant.owner
        until = claimant.until
    }

    /// To be asked before each single change.
    /// - Throws: `Failure` when the lease under which it was given may have ended, or it is for another app.
    package func check(_ id: AppID) throws(Failure) {
        guard id == app else { throw Failure(.refused, "\(id) was to be changed with the leave to change \(app)") }
        guard ContinuousClock.now < until else {
            throw Failure(.leaseHeld, "\(id): the lease ended before the change was made; it is asked for again")
        }
    }
}

/// How removing went.
package enum Pruning: Sendable, Hashable {
    case done
    /// Something has to finish by itself first, soon, such as a task that stops.
    case waits(String)
    /// Objects that somebody else uses, by `Change.subject`, with why each cannot go.
    case blocked([String: String])
}
