import Delivery

/// Watches a run: gathers what happens and holds it against the laws.
///
/// The laws themselves stand in the extensions, by what they look at: calls, records, events, and the state at rest.
// SAFETY: the process has a single thread.
final class Laws: @unchecked Sendable {
    unowned let simulation: Simulation
    private(set) var violations: [Violation] = []
    /// The names of laws that are not looked at.
    var exceptions: Set<String> = []

    /// Calls that changed something on a target, by a controller.
    var mutations: [Mutated] = []
    /// In a quiet world: how often each service was updated to the same specification.
    var updates: [String: Int] = [:]
    /// For each app: what is rejected, and at which declaration.
    var rejections: [AppID: Rejection] = [:]
    /// For each app: what the target says was rejected and rolled back.
    var notedRejections: [AppID: String] = [:]
    /// The apps somebody asked for since.
    var asked: [AppID: Int64] = [:]
    var eventCounts: [String: Int] = [:]
    var lastAnnounced: [String: Event] = [:]
    var repetitions: [String: Int] = [:]
    /// For each life: the apps of which it told that they, or something of theirs, go.
    var toldRemovals: [Life: Set<String>] = [:]
    /// The minute that calls are counted in, and their number.
    var callWindow: Int64 = 0
    var callsInWindow = 0
    /// Commits that a controller has read, by source.
    var read: [String: Set<String>] = [:]

    /// What each life of a controller has read last, by source.
    var lastReads: [Life: [String: Reading]] = [:]
    /// For each life: since when it has known each app to be declared without a break, by what it has read.
    var declaredSince: [Life: [AppID: Int64]] = [:]
    /// For each life: the apps that each source did without at one of its readings.
    var missed: [Life: [String: Set<AppID>]] = [:]

    /// When it was last told, by subject, that removals wait for a person.
    var awaitingTold: [String: Int64] = [:]
    /// When somebody approved removals last.
    var approvedAt: Int64?

    /// A commit that a controller took in, and when.
    struct Reading {
        var commit: String
        var time: Int64
        /// The apps that the reading before it had and this one has not.
        var dropped: Set<String>
        /// How many apps it has.
        var left: Int
    }

    /// A call of a controller that changed something.
    struct Mutated {
        var time: Int64
        var stack: String
        var target: String
        var text: String
    }

    /// What was rejected.
    struct Rejection {
        var fingerprint: String
        var declared: DeclaredApp?
        var time: Int64
    }

    init(simulation: Simulation) { self.simulation = simulation }

    func fail(_ law: Law, _ message: String) {
        guard !exceptions.contains(law.rawValue) else { return }
        simulation.trace("!! \(law.rawValue): \(message)")
        violations.append(Violation(law: law, message: message, time: World.shared.now))
    }

    func reads(_ commit: String, of source: Repository, _ life: Life) {
        read[source.name, default: []].insert(commit)
        let old = lastReads[life]?[source.name].flatMap { source.commit($0.commit)?.fleet }
        let new = source.commit(commit)?.fleet
        let left = Set(new?.apps.map(\.name) ?? [])
        let replaced = new?.apps.flatMap(\.replaces) ?? []
        lastReads[life, default: [:]][source.name] = Reading(
            commit: commit,
            time: World.shared.now,
            dropped: Set(old?.apps.filter(\.isEnabled).map(\.name) ?? []).subtracting(left).subtracting(replaced),
            left: left.count
        )
        noteDeclared(life)
        noteMissed(new, source.name, life)
    }

    private func noteDeclared(_ life: Life) {
        var declared: Set<AppID> = []
        for (name, reading) in lastReads[life] ?? [:] {
            let repository = simulation.repositories.first { $0.name == name }
            declared.formUnion(repository?.commit(reading.commit)?.fleet.declared ?? [])
        }
        let before = declaredSince[life] ?? [:]
        declaredSince[life] = Dictionary(uniqueKeysWithValues: declared.map { ($0, before[$0] ?? World.shared.now) })
    }

    private func noteMissed(_ fleet: DeclaredFleet?, _ source: String, _ life: Life) {
        // An entry with a key that nobody knows hides none of the others.
        guard let fleet, fleet.oddity == nil, !fleet.hasOddEntries else { return }
        let all = Set(simulation.repositories.flatMap(\.history).flatMap(\.declared))
        missed[life, default: [:]][source, default: []].formUnion(all.subtracting(fleet.declared))
    }
}
