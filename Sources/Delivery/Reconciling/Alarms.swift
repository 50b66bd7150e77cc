/// The alarms of a loop that are set and have not rung: one that rings earlier makes a later one needless, because whoever is
/// woken looks again at what is due next.
struct Alarms: Sendable {
    private var set: [ContinuousClock.Instant] = []

    /// Notes an alarm; false when one that is set already rings early enough.
    mutating func set(_ instant: ContinuousClock.Instant) -> Bool {
        if let first = set.min(), first <= instant { return false }
        set.append(instant)
        return true
    }

    /// One rang, perhaps a little early.
    mutating func rang(_ instant: ContinuousClock.Instant) {
        if let index = set.firstIndex(of: instant) { set.remove(at: index) }
    }
}
