internal import Arguments
internal import Documents
internal import Controller
internal import Delivery
internal import Diagnostics
internal import Journal
internal import Quadlet
internal import Systemd

/// A service of this node, by a name a person types.
struct NodeService {
    let unit: UnitOverview
    private let platform: NodePlatform
    private let installation: NodeInstallation

    /// What help says of the names.
    static let names = """
        SERVICE is a unit's file, its service, or either without 'hecate-' and the last letter: 'trader', 'traderd' and
        'hecate-traderd' are one. Without it the daemon is meant; 'reconciler' is the agent itself.
        """

    /// The service that a command line names first.
    /// - Throws: `Failure` when this is no node, or when nothing on it has the name.
    static func named(in invocation: Invocation) async throws -> NodeService {
        try await named(invocation.arguments.first, in: invocation)
    }

    /// The service of a name; the daemon for none.
    /// - Throws: `Failure` when this is no node, or when nothing on it has the name.
    static func named(_ name: String?, in invocation: Invocation) async throws -> NodeService {
        let installation = try NodeInstallation.required(invocation)
        let platform = try await NodePlatform.found(layout: installation.layout, revisions: { _ in [] })
        let unit = try await find(name ?? "daemon", platform)
        return NodeService(unit: unit, platform: platform, installation: installation)
    }

    /// Whether it is the agent itself, which nobody keeps but systemd.
    private var isAgent: Bool { unit.service == NodeSetup.service && unit.path.isEmpty }

    /// The unit a word means; an exact name wins.
    private static func find(_ word: String, _ platform: NodePlatform) async throws -> UnitOverview {
        let units = try await platform.overview()
        if let exact = units.first(where: { $0.name == word }) { return exact }
        for service in ServiceNames.candidates(word) {
            if let unit = units.first(where: { $0.service == service }) { return unit }
        }
        // The agent's own service is no unit of the folder.
        if ServiceNames.candidates(word).contains(NodeSetup.service) {
            return UnitOverview(name: NodeSetup.service, service: NodeSetup.service, state: "", path: "")
        }
        let names = units.map { String($0.service.dropLast(".service".count)) }
        let hint = suggestion(for: word, among: names) ?? "see 'hecate agent --status'"
        throw Failure(.notFound, "there is no service '\(word)' on this node; \(hint)")
    }

    /// What selects its lines for journalctl.
    var journalSelector: [String] { [installation.layout.scope == .user ? "--user-unit" : "--unit", unit.service] }

    /// Has systemd start, stop or restart it, and says how that went.
    func run(_ method: Systemd.UnitMethod) async throws -> HecateProgram.ExitCode {
        let result = try await platform.systemd.run(method, unit.service)
        if result == "done" {
            Terminal.print("\(unit.service): \(method == .stop ? "stopped" : "started")")
            return .success
        }
        Terminal.complain("\(unit.service): the job ended as '\(result)'; see 'hecate logs \(unit.name)'")
        return .failure
    }

    /// Has the agent leave it as it is.
    func hold(because reason: String) async throws {
        if isAgent { return }
        let store = try Settings.madeStore(installation.settings.store)
        let id = AppID(target: "node", name: unit.name)
        let words = "stopped and suspended"
        try await store.suspend(id, by: Settings.author, because: reason, at: currentTime(), word: words)
        try await announce(store, id)
    }

    /// Has the agent keep it running again.
    func release() async throws {
        if isAgent { return }
        let store = try Settings.madeStore(installation.settings.store)
        let id = AppID(target: "node", name: unit.name)
        _ = try await store.resume(id, by: Settings.author, at: currentTime(), word: "started")
        // Also when there was no hold: an agent that was not told when it ended still keeps to it.
        try await announce(store, id)
    }

    /// Waits until a running agent knows of the hold, so that it does not act against what comes next.
    private func announce(_ store: Store, _ id: AppID) async throws {
        let number = try await store.ask("holds", subject: id.description, author: Settings.author, at: currentTime())
        guard ControllerLock.wake(folder: installation.settings.store) else { return }
        for _ in 0..<100 where try await !store.isAnswered(number) { try await Task.sleep(for: .milliseconds(50)) }
    }
}
