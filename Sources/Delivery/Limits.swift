/// How much the reconciler does at once and how patient it is.
package struct Limits: Sendable, Hashable {
    /// Apps worked on at the same time.
    package var parallelism = 8
    /// Failed repairs of the same difference after which it is reported as a fight and left for longer.
    package var fightAfter = 3
    /// A commit that removes more than this share of the apps, and more than `pruneCount`, waits for approval.
    package var pruneShare = 0.5
    package var pruneCount = 2

    package init() {}
}

/// The reconciler's link to the world outside the domain: time, chance and whoever listens.
package struct Surroundings: Sendable {
    package var now: @Sendable () -> Timestamp
    /// A number from 0 up to 1.
    package var chance: @Sendable () -> Double
    /// Told of every event after it is recorded.
    package var announce: @Sendable (Event) -> Void
    /// Told how long each pass took and whether it ended without a failure.
    package var measure: @Sendable (AppID, Duration, Bool) -> Void

    package init(
        now: @escaping @Sendable () -> Timestamp,
        chance: @escaping @Sendable () -> Double,
        announce: @escaping @Sendable (Event) -> Void,
        measure: @escaping @Sendable (AppID, Duration, Bool) -> Void = { _, _, _ in }
    ) {
        self.now = now
        self.chance = chance
        self.announce = announce
        self.measure = measure
    }
}
