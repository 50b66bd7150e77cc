/// How much the reconciler does at once and how patient it is.
package struct Limits: Sendable, Hashable {
    /// Apps of one target worked on at the same time.
    package var parallelism = 64
    /// The same for single targets that can do more or less, by name.
    package var parallelismOfTarget: [String: Int] = [:]
    /// Repairs of the same difference after which it is reported as a fight and repaired ever more rarely.
    package var fightAfter = 3
    /// A commit that removes more than this share of the apps, and more than `pruneCount`, waits for approval; one that
    /// removes more than this share of the services of an app does as well.
    package var pruneShare = 0.5
    package var pruneCount = 2
    /// How long a lease holds without being renewed.
    package var leaseTerm: Duration = .seconds(12)

    package init() {}

    func parallelism(on target: String) -> Int { parallelismOfTarget[target] ?? parallelism }
}

/// The reconciler's link to the world outside the domain: time, chance and whoever listens.
package struct Environment: Sendable {
    /// The calendar's time.
    ///
    /// Nothing is decided by it.
    package var now: @Sendable () -> Timestamp
    /// A number from 0 up to 1.
    package var chance: @Sendable () -> Double
    /// Told of every event after it is recorded.
    package var announce: @Sendable (Event) -> Void
    /// Told how long each pass took and whether it ended without a failure.
    package var measure: @Sendable (AppID, Duration, Bool) -> Void
    /// Who this controller is to others.
    package var identity: ControllerIdentity

    package init(
        now: @escaping @Sendable () -> Timestamp,
        chance: @escaping @Sendable () -> Double,
        announce: @escaping @Sendable (Event) -> Void,
        measure: @escaping @Sendable (AppID, Duration, Bool) -> Void = { _, _, _ in },
        identity: ControllerIdentity = ControllerIdentity(id: "controller", instance: "1")
    ) {
        self.now = now
        self.chance = chance
        self.announce = announce
        self.measure = measure
        self.identity = identity
    }

    /// This moment, by both clocks.
    var moment: Moment { Moment(instant: .now, time: now()) }
}
