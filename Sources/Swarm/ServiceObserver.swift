internal import Delivery
internal import JSON

/// One shared look at all services of all stacks, however many ask for it.
struct ServiceObserver: Sendable {
    /// What a sweep needs to know of a service.
    struct Glimpse: Sendable {
        var version: Int64
        /// Whether as many tasks run as should.
        var isComplete: Bool
    }

    private let look: SharedLook<[String: [String: Glimpse]]>

    init(engine: EngineClient) { look = SharedLook { try await Self.fetch(engine) } }

    /// The services by stack and identifier, observed at the moment or later.
    func services(since moment: ContinuousClock.Instant) async throws -> [String: [String: Glimpse]] {
        try await look.value(since: moment)
    }

    private static func fetch(_ engine: EngineClient) async throws -> [String: [String: Glimpse]] {
        let query = [labelFilter(StackLabel.namespace), ("status", "true")]
        let answer = try await engine.call("GET", "/services", query: query, timeout: .seconds(60))
        var result: [String: [String: Glimpse]] = [:]
        for service in (answer.array ?? []).compactMap(ObservedService.init) {
            result[service.stack, default: [:]][service.id] = Glimpse(
                version: service.version,
                isComplete: service.isJob || service.endsByItself || service.running >= service.desired
            )
        }
        return result
    }
}
