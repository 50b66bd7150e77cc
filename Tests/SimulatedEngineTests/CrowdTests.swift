import Delivery
import HTTP
import SimulatedEngine
import Swarm
import Synchronization
import Testing

/// Many stacks that are compared at the same time.
@Suite struct CrowdTests {
    /// A way to the Engine on which every question takes its time, and is counted.
    private final class SlowTransport: Transport {
        let engine: SimulatedTransport
        private let questions = Mutex(0)

        init(_ engine: SimulatedTransport) { self.engine = engine }

        func send(_ request: Request) async throws -> Response {
            let answer = try await engine.send(request)
            if request.method == "GET" { questions.withLock { $0 += 1 } }
            try await Task.sleep(for: .milliseconds(40))
            return answer
        }

        func stream(_ request: Request) -> AsyncThrowingStream<[UInt8], any Error> { engine.stream(request) }

        /// How many questions were asked since the last time.
        func count() -> Int {
            questions.withLock { questions in
                defer { questions = 0 }
                return questions
            }
        }
    }

    private let names = (1...24).map { "shop\($0)" }

    private func compose(_ number: Int) -> String {
        """
        services:
          web:
            image: web:1.0.0
            environment: {SIM: 'good:\(number)'}
            deploy: {replicas: 1}
        """
    }

    private func fleet(_ number: Int, on platform: SwarmPlatform) async throws -> [any Deployment] {
        var fleet: [any Deployment] = []
        for name in names {
            fleet.append(try await deployment(["shop.yml": compose(number)], named: name, on: platform))
        }
        return fleet
    }

    private func plans(_ fleet: [any Deployment], since moment: ContinuousClock.Instant) async throws -> [any Planned] {
        try await withThrowingTaskGroup(of: (Int, any Planned).self) { group in
            for (index, deployment) in fleet.enumerated() {
                group.addTask { (index, try await deployment.plan(observedSince: moment)) }
            }
            var plans: [Int: any Planned] = [:]
            for try await (index, plan) in group { plans[index] = plan }
            return fleet.indices.compactMap { plans[$0] }
        }
    }

    private func platform(_ transport: SlowTransport) -> SwarmPlatform {
        SwarmPlatform(
            engine: EngineClient(transport: transport, name: "simulated"),
            settings: SwarmSettings(name: "default", registries: [], kept: { _ in [] })
        )
    }

    private func apply(_ plan: any Planned, to name: String, on platform: SwarmPlatform) async throws {
        let claimant = Claimant(owner: "fleet", controller: "test", until: .now + .seconds(3600))
        try await plan.apply(try await platform.claim(AppID(target: platform.name, name: name), as: claimant))
    }

    @Test(.timeLimit(.minutes(1))) func manyStacksCostFewQuestions() async throws {
        let world = World()
        let transport = SlowTransport(world.transport)
        let platform = platform(transport)
        let fleet = try await fleet(1, on: platform)
        let began = ContinuousClock.now
        let first = try await plans(fleet, since: began)
        for plan in first { #expect(plan.plan.changes.count == 2) }
        for (plan, name) in zip(first, names) { try await apply(plan, to: name, on: platform) }
        world.pass(seconds: 20)
        _ = transport.count()
        let second = try await plans(fleet, since: .now)
        for plan in second { #expect(plan.plan.isEmpty && !plan.ranNothing) }
        // Each by itself would be asked for its services, its networks and its tasks.
        #expect(transport.count() < names.count)
    }

    /// While an image is resolved somebody may deploy by hand what is to be returned to.
    @Test(.timeLimit(.minutes(1))) func whatRanNothingALongTimeAgoIsAskedForAgain() async throws {
        let platform = platform(SlowTransport(World().transport))
        let deployment = try await deployment(["shop.yml": compose(1)], on: platform)
        // On a machine with much to do a plan itself may take as long as that.
        var plan = try await deployment.plan(observedSince: .now)
        for _ in 0..<100 where !plan.ranNothing { plan = try await deployment.plan(observedSince: .now) }
        #expect(plan.ranNothing)
        try await Task.sleep(for: .milliseconds(600))
        #expect(!plan.ranNothing)
    }

    /// An event can have asked for an app before this controller changed it; the others' look of then is no longer true.
    @Test(.timeLimit(.minutes(1))) func whatWasChangedIsNotComparedWithALookFromBefore() async throws {
        let world = World()
        let transport = SlowTransport(world.transport)
        let platform = platform(transport)
        let began = ContinuousClock.now
        for (plan, name) in zip(try await plans(try await fleet(1, on: platform), since: began), names) {
            try await apply(plan, to: name, on: platform)
        }
        world.pass(seconds: 20)
        let other = try await fleet(2, on: platform)
        let asked = ContinuousClock.now
        let changes = try await plans(other, since: asked)
        for index in 4..<8 { try await apply(changes[index], to: names[index], on: platform) }
        let after = try await plans(other, since: asked)
        for plan in after[4..<8] { #expect(plan.plan.isEmpty, "\(plan.plan)") }
    }
}
