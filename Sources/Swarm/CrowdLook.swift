internal import Delivery
internal import JSON

/// One look at all stacks, shared by the many that are compared at the same time.
///
/// To ask for each by itself costs the Engine more: for every question it walks through all it has.
struct CrowdLook: Sendable {
    /// What the Engine said of all stacks.
    private struct Answers: Sendable {
        /// The services and networks, by their stacks.
        var services: [String: [JSON]]
        var networks: [String: [JSON]]
        /// The tasks, by their services.
        var tasks: [String: [JSON]]
    }

    private let look: SharedLook<Answers>

    init(engine: EngineClient) {
        // What is older than a second nobody asks for any more, and it can be large.
        look = SharedLook(keptFor: .seconds(1)) {
            let query = [labelFilter(StackLabel.namespace)]
            async let services = engine.call("GET", "/services", query: query + [("status", "true")])
            async let networks = engine.call("GET", "/networks", query: query)
            async let tasks = engine.call("GET", "/tasks", query: query)
            return try await Answers(
                services: groups(services, by: { $0["Spec"]?["Labels"]?[StackLabel.namespace]?.string }),
                networks: groups(networks, by: { $0["Labels"]?[StackLabel.namespace]?.string }),
                tasks: groups(tasks, by: { $0["ServiceID"]?.string })
            )
        }
    }

    /// The services, networks and tasks of a stack, observed at the moment or later.
    ///
    /// `asks`: Whether the Engine is asked where nobody has just done so; otherwise there is nothing then.
    func stack(_ name: String, since moment: ContinuousClock.Instant, asks: Bool) async throws -> ObservedStack? {
        guard let answers = try await asks ? look.value(since: moment) : look.known(since: moment) else { return nil }
        var observed = ObservedStack()
        observed.services = (answers.services[name] ?? []).compactMap(ObservedService.init)
        observed.networks = (answers.networks[name] ?? []).compactMap(ObservedObject.init)
        observed.tasks = observed.services.flatMap { answers.tasks[$0.id] ?? [] }.compactMap(ObservedTask.init)
        return observed
    }
}

private func groups(_ answer: JSON, by key: (JSON) -> String?) -> [String: [JSON]] {
    var groups: [String: [JSON]] = [:]
    for item in answer.array ?? [] {
        if let key = key(item) { groups[key, default: []].append(item) }
    }
    return groups
}
