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
    /// The apps somebody asked for since.
    var asked: [AppID: Int64] = [:]
    var eventCounts: [String: Int] = [:]
    var lastAnnounced: [String: Event] = [:]
    var repetitions: [String: Int] = [:]
    /// The minute that calls are counted in, and their number.
    var callWindow: Int64 = 0
    var callsInWindow = 0
    /// Commits that a controller has read, by source.
    var read: [String: Set<String>] = [:]

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

    func reads(_ commit: String, of source: Repository) { read[source.name, default: []].insert(commit) }
}
