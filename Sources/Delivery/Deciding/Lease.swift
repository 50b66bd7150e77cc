/// The lease of one source on one target, as the target keeps it.
package struct LeaseRecord: Sendable, Hashable {
    package var holder: ControllerIdentity
    /// Grows by one with each holder.
    package var number: Int64
    /// Identifies this very state of it on the target; changes with each renewal.
    package var version: String

    package init(holder: ControllerIdentity, number: Int64, version: String = "") {
        self.holder = holder
        self.number = number
        self.version = version
    }

    /// Whether its holder gave it back.
    package var isReleased: Bool { holder.id.isEmpty }
}

/// Decides who of several controllers of one source may act on a target.
///
/// No I/O: it is told what stands on the target and says what to write.
///
/// A holder counts its time from before it asked for the renewal, by its own monotonic clock, and stops early; who waits
/// counts from when it first saw a state, by its own. So both err to the safe side, whatever the calendars say.
struct Lease: Sendable {
    /// What to do next.
    enum Step: Equatable {
        case read
        case write(LeaseRecord, replacing: String?)
    }

    /// Whether this controller may act.
    enum Standing: Equatable {
        case unknown
        case held(until: ContinuousClock.Instant)
        /// Somebody else acts.
        case waiting(holder: String)
    }

    let identity: ControllerIdentity
    let term: Duration

    private var last: LeaseRecord?
    private var isOurs = false
    private var validUntil: ContinuousClock.Instant?
    /// Since when the state of another holder stands as it is.
    private var seen: (version: String, since: ContinuousClock.Instant)?
    private var hasRead = false
    private var hasHeld = false
    /// Whether it was another controller's before this one took it.
    ///
    /// To be set back by whoever has made something of it.
    var isFromOthers = false

    init(identity: ControllerIdentity, term: Duration) {
        self.identity = identity
        self.term = term
    }

    /// How much earlier than the others think a holder stops.
    var margin: Duration { term / 5 }

    /// How long until it is looked after again: soon, when it is not ours or was not renewed when it should have been, and in
    /// the moment in which another one's may have ended.
    func interval(at now: ContinuousClock.Instant) -> Duration {
        let isFresh = validUntil.map { $0 - now > term / 2 } ?? false
        if isOurs && isFresh { return term * 5 / 12 }
        let left = seen.map { $0.since + term - now } ?? .zero
        return left > .zero ? min(left, term / 12) : term / 12
    }

    func standing(at now: ContinuousClock.Instant) -> Standing {
        if isOurs, let validUntil, now < validUntil { return .held(until: validUntil) }
        // That of an earlier process of this controller is about to be taken over.
        if !isOurs, let last, !last.isReleased, !isOwnFromBefore(last) { return .waiting(holder: last.holder.id) }
        return .unknown
    }

    /// What to do about it now.
    mutating func next(at now: ContinuousClock.Instant) -> Step {
        guard hasRead else { return .read }
        guard let last else { return .write(LeaseRecord(holder: identity, number: 1), replacing: nil) }
        if isOurs {
            return .write(LeaseRecord(holder: identity, number: last.number), replacing: last.version)
        }
        let isStale = seen.map { $0.version == last.version && now - $0.since >= term } ?? false
        if last.isReleased || isOwnFromBefore(last) || isStale {
            isFromOthers = !isOwnFromBefore(last) && !(last.isReleased && last.holder.instance == identity.id)
            return .write(LeaseRecord(holder: identity, number: last.number &+ 1), replacing: last.version)
        }
        return .read
    }

    /// What stands on the target.
    mutating func found(_ record: LeaseRecord?, at now: ContinuousClock.Instant) {
        hasRead = true
        guard let record else {
            // Somebody deleted it. Whoever held it acts on until he notices: his term is waited for.
            if let seen, now - seen.since < term { return }
            last = nil
            return lose()
        }
        last = record
        if record.holder == identity {
            // Ours after all: the answer to an earlier write was lost. It counts once it is renewed.
            isOurs = true
            seen = nil
            return
        }
        lose()
        if seen?.version != record.version, !isOwnFromBefore(record) { seen = (record.version, now) }
    }

    /// The target took what was asked for at the moment.
    mutating func written(_ record: LeaseRecord, askedAt moment: ContinuousClock.Instant) {
        last = record
        isOurs = !record.isReleased
        hasHeld = true
        seen = nil
        validUntil = moment + term - margin
    }

    /// Another one was written meanwhile, perhaps by an earlier question of this controller's whose answer was lost: then whose it
    /// is is not known before it is read.
    mutating func refused() {
        lose()
        if last?.holder == identity { last = nil }
        hasRead = false
    }

    /// The lease as it is given back at the end; nil when it is not ours.
    func release() -> Step? {
        guard isOurs, let last else { return nil }
        // Whose it was stays known.
        let nobody = ControllerIdentity(id: "", instance: identity.id)
        return .write(LeaseRecord(holder: nobody, number: last.number), replacing: last.version)
    }

    /// Whether an earlier process of this very controller held it, which is gone; once this one has held it, a sibling of the
    /// same name is somebody else.
    private func isOwnFromBefore(_ record: LeaseRecord) -> Bool { !hasHeld && record.holder.id == identity.id }

    private mutating func lose() {
        isOurs = false
        validUntil = nil
    }
}
