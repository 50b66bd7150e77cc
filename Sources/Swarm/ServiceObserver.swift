internal import Delivery
internal import JSON

/// One shared look at all services of all stacks, however many ask for it.
actor ServiceObserver {
    /// What a sweep needs to know of a service.
    struct Glimpse: Sendable {
        var version: Int64
        /// Whether as many tasks run as should.
        var isComplete: Bool
    }

    private let engine: EngineClient
    private var last: (moment: ContinuousClock.Instant, services: [String: [String: Glimpse]])?
    private var running: (began: ContinuousClock.Instant, task: Task<[String: [String: Glimpse]], any Error>)?

    init(engine: EngineClient) { self.engine = engine }

    /// The services by stack and identifier, observed at the moment or later.
    func services(since moment: ContinuousClock.Instant) async throws -> [String: [String: Glimpse]] {
        while true {
            if let last, last.moment >= moment { return last.services }
            let current = running ?? begin()
            let result = await current.task.result
            // Whoever comes back first clears the way: nobody may find a finished look still standing here and wait for it
            // again, because waiting for what is finished never lets anybody else in.
            if running?.began == current.began { running = nil }
            let services = try result.get()
            if last.map({ $0.moment < current.began }) ?? true { last = (current.began, services) }
            if current.began >= moment { return services }
        }
    }

    private func begin() -> (began: ContinuousClock.Instant, task: Task<[String: [String: Glimpse]], any Error>) {
        let engine = engine
        let look = (ContinuousClock.now, Task { try await Self.fetch(engine) })
        running = look
        return look
    }

    private static func fetch(_ engine: EngineClient) async throws -> [String: [String: Glimpse]] {
        let query = [labelFilter(StackLabel.namespace), ("status", "true")]
        let answer = try await engine.call("GET", "/services", query: query, timeout: .seconds(60))
        var result: [String: [String: Glimpse]] = [:]
        for service in (answer.array ?? []).compactMap(ObservedService.init) {
            let isJob = service.spec["Mode"]?["ReplicatedJob"] != nil || service.spec["Mode"]?["GlobalJob"] != nil
            let condition = service.spec["TaskTemplate"]?["RestartPolicy"]?["Condition"]?.string
            let isOneShot = isJob || condition == "none" || condition == "on-failure"
            result[service.stack, default: [:]][service.id] = Glimpse(
                version: service.version,
                isComplete: isOneShot || service.running >= service.desired
            )
        }
        return result
    }
}
