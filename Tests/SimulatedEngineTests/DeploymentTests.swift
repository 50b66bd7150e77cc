import Delivery
import JSON
import SimulatedEngine
import Swarm
import Testing

/// The controller's own planner, comparison and health on the simulated Engine.
@Suite struct DeploymentTests {
    private func platform(_ world: World) -> SwarmPlatform {
        SwarmPlatform(
            engine: EngineClient(transport: world.transport, name: "simulated"),
            settings: SwarmSettings(name: "default", registries: [], kept: { _ in [] })
        )
    }

    private static let compose = """
        services:
          web:
            image: web:1.0.0
            environment: {SIM: 'slow:3'}
            healthcheck: {test: [CMD, 'true'], interval: 1s, retries: 9}
            deploy: {replicas: 2, update_config: {order: start-first}}
            secrets: [key]
            volumes: ['data:/data']
          db:
            image: db:1
            configs: [rules]
        configs: {rules: {content: 'a: 1'}}
        secrets: {key: {file: key.txt}}
        volumes: {data: {}}
        """

    private func ownership(_ platform: SwarmPlatform) async throws -> Ownership {
        let claimant = Claimant(owner: "fleet", controller: "test", until: .now + .seconds(3600))
        return try await platform.claim(AppID(target: platform.name, name: "shop"), as: claimant)
    }

    @Test func aStackIsDeployedAndThenThereIsNothingToDo() async throws {
        let world = World()
        let platform = platform(world)
        let files = ["shop.yml": Self.compose, "key.txt": "hush"]
        let desired = try await deployment(files, on: platform)
        let plan = try await desired.plan(observedSince: .now)
        #expect(!plan.plan.isEmpty)
        try await plan.apply(try await ownership(platform))
        world.pass(seconds: 1)
        let early = try await desired.plan(observedSince: .now)
        #expect(early.plan.isEmpty, "\(early.plan)")
        guard case .progressing = try await early.health(since: plan.mark, hasEarlierRevision: false) else {
            Issue.record("healthy before its health check passed")
            return
        }
        world.pass(seconds: 9)
        let late = try await desired.plan(observedSince: .now)
        #expect(try await late.health(since: plan.mark, hasEarlierRevision: false) == .healthy(runsNothing: false))
        world.with { engine in
            #expect(engine.serviceRecords.map(\.name).sorted() == ["shop_db", "shop_web"])
            #expect(engine.networkRecords.map(\.name) == ["shop_default"])
            #expect(engine.secretRecords.count == 1)
            #expect(engine.configRecords.map(\.name).sorted() == ["hecate.shop", "shop_rules"])
            #expect(engine.volumes == ["shop_data"])
            #expect(engine.changes.count { $0.kind == "service" && $0.action == .create } == 2)
        }
    }

    /// Swarm makes no tasks of them, and without tasks there is nothing that could be wrong.
    @Test(arguments: ["global", "global-job"]) func whatRunsOnEachNodeWaitsForOneThatTakesTasks(
        mode: String
    ) async throws {
        let world = World()
        let platform = platform(world)
        let file = "services: {agent: {image: web:1.0.0, deploy: {mode: \(mode)}}}"
        let desired = try await deployment(["shop.yml": file], on: platform)
        let names = world.call("GET", "/nodes").body.array?.compactMap { $0["Description"]?["Hostname"]?.string } ?? []
        #expect(!names.isEmpty)
        func set(_ availability: String) {
            for name in names { world.with { $0.setNode(name, availability: availability) } }
        }
        set("drain")
        let plan = try await desired.plan(observedSince: .now)
        try await plan.apply(try await ownership(platform))
        world.pass(seconds: 20)
        let held = try await desired.plan(observedSince: .now).health(since: plan.mark, hasEarlierRevision: true)
        #expect(held == .held("service shop_agent: no node takes tasks"))
        set("active")
        world.pass(seconds: 20)
        let taken = try await desired.plan(observedSince: .now).health(since: plan.mark, hasEarlierRevision: true)
        if case .held = taken { Issue.record("a node takes tasks") }
    }

    /// A secret cannot be read, and whose the stack is nobody has asked yet.
    @Test(arguments: ["hush", "other", ""]) func comparingChangesNothing(content: String) async throws {
        let world = World()
        let files = ["shop.yml": Self.compose, "key.txt": "hush"]
        let maker = platform(world)
        let made = try await deployment(files, on: maker)
        try await made.plan(observedSince: .now).apply(try await ownership(maker))
        world.pass(seconds: 20)
        let changes = world.with { $0.changes.count }
        let other = platform(world)
        let compared = try await deployment(["shop.yml": Self.compose, "key.txt": content], on: other)
        let plan = try await compared.plan(observedSince: .now).plan
        #expect(plan.isEmpty == (content == "hush"), "\(plan)")
        #expect(world.with { $0.changes.count } == changes)
    }

    /// Somebody made a secret and a config for the stack by hand, or an earlier tool did, and nothing uses them now.
    @Test func whatThisControllerNeverMadeIsNoLeftover() async throws {
        let world = World()
        let platform = platform(world)
        let files = ["shop.yml": Self.compose, "key.txt": "hush"]
        let desired = try await deployment(files, on: platform, options: ", prune: false")
        let ownership = try await ownership(platform)
        try await desired.plan(observedSince: .now).apply(ownership)
        let labels: JSON = ["com.docker.stack.namespace": "shop"]
        for kind in ["secrets", "configs"] {
            let body: JSON = ["Name": "shop_by_hand", "Labels": labels, "Data": "aHVzaA=="]
            #expect(world.call("POST", "/\(kind)/create", body: body).status == 201)
        }
        let kept = try await desired.plan(observedSince: .now).payload()
        try await platform.collectGarbage(ownership, keeping: [kept])
        world.with { engine in
            #expect(engine.secretRecords.contains { $0.name == "shop_by_hand" })
            #expect(engine.configRecords.contains { $0.name == "shop_by_hand" })
        }
    }

    /// Somebody deployed something else while nobody looked, and that is what Swarm gave up.
    @Test func whatSomebodyElseDeployedIsNotTheRevisionThatFailed() async throws {
        let world = World()
        let platform = platform(world)
        func compose(_ number: Int) -> [String: String] {
            ["shop.yml": "services: {web: {image: 'web:1', environment: {SIM: good, A: '\(number)'}}}"]
        }
        let first = try await deployment(compose(1), on: platform)
        try await first.plan(observedSince: .now).apply(try await ownership(platform))
        world.pass(seconds: 10)
        let good = try await deployment(compose(2), on: platform)
        let plan = try await good.plan(observedSince: .now)
        try await plan.apply(try await ownership(platform))
        world.pass(seconds: 2)
        let theirs = world.call("GET", "/services/shop_web").body
        var spec = theirs["Spec"] ?? .null
        spec["TaskTemplate"]?["ContainerSpec"]?["Env"] = ["SIM=crash:2"]
        let version = theirs["Version"]?["Index"]?.int ?? 0
        #expect(world.call("POST", "/services/shop_web/update?version=\(version)", body: spec).status == 200)
        world.pass(seconds: 30)
        #expect(world.status(of: "shop_web") == "paused")
        let late = try await good.plan(observedSince: .now)
        #expect(!late.plan.isEmpty, "it is to be put back")
        if case .failed(let failure) = try await late.health(since: plan.mark, hasEarlierRevision: true) {
            Issue.record("what is declared is blamed: \(failure.message)")
        }
    }

    /// The first object of a name stays where nothing is pruned, because somebody else may have made it.
    @Test(arguments: [true, false]) func whatNoRevisionNeedsAnyMoreIsCollected(_ prunes: Bool) async throws {
        let world = World()
        let platform = platform(world)
        let ownership = try await ownership(platform)
        var kept: [UInt8] = []
        for content in ["a: 1", "a: 2", "a: 3"] {
            let files = ["shop.yml": Self.compose.replacing("a: 1", with: content), "key.txt": "hush"]
            let desired = try await deployment(files, on: platform, options: ", prune: \(prunes)")
            try await desired.plan(observedSince: .now).apply(ownership)
            world.pass(seconds: 30)
            kept = try await desired.plan(observedSince: .now).payload()
        }
        func rules() -> [String] {
            world.with { $0.configRecords.map(\.name).filter { $0.hasPrefix("shop_rules") }.sorted() }
        }
        #expect(rules().count == 3)
        // The service's previous specification holds one more.
        try await platform.collectGarbage(ownership, keeping: [kept])
        #expect(rules().count == (prunes ? 2 : 3) && rules().contains("shop_rules") == !prunes)
        // What is dropped from the file, and from what is kept, was this controller's own.
        let text = Self.compose.replacing("    configs: [rules]\n", with: "")
            .replacing("configs: {rules: {content: 'a: 1'}}\n", with: "")
        for stamp in ["1", "2"] {
            let files = ["shop.yml": text.replacing("db:1", with: "db:\(stamp)"), "key.txt": "hush"]
            let desired = try await deployment(files, on: platform, options: ", prune: \(prunes)")
            try await desired.plan(observedSince: .now).apply(ownership)
            world.pass(seconds: 30)
            kept = try await desired.plan(observedSince: .now).payload()
        }
        try await platform.collectGarbage(ownership, keeping: [kept])
        #expect(rules() == (prunes ? [] : ["shop_rules"]))
        #expect(world.with { $0.secretRecords.map(\.name) } == ["shop_key"])
    }

    /// One Swarm under two names, and a stack that moved from one of them to the other: what the first one still removes is
    /// the second one's now.
    @Test func aStackThatMovedToAnotherNameOfItsSwarmIsNotRemovedUnderTheFirst() async throws {
        let world = World()
        func platform(_ name: String) -> SwarmPlatform {
            SwarmPlatform(
                engine: EngineClient(transport: world.transport, name: name),
                settings: SwarmSettings(name: name, registries: [], kept: { _ in [] })
            )
        }
        func claimant(takesUnclaimed: Bool) -> Claimant {
            var claimant = Claimant(owner: "fleet", controller: "test", until: .now + .seconds(3600))
            claimant.takesUnclaimed = takesUnclaimed
            return claimant
        }
        let (first, second) = (platform("first"), platform("second"))
        _ = try await first.claim(AppID(target: "first", name: "shop"), as: claimant(takesUnclaimed: true))
        _ = try await second.claim(AppID(target: "second", name: "shop"), as: claimant(takesUnclaimed: true))
        await #expect(throws: Failure.self) {
            _ = try await first.claim(AppID(target: "first", name: "shop"), as: claimant(takesUnclaimed: false))
        }
    }

    @Test func aBrokenImageIsFoundToHaveFailed() async throws {
        let world = World()
        let platform = platform(world)
        var desired = try await deployment(["shop.yml": "services: {web: {image: 'web:1'}}"], on: platform)
        try await desired.plan(observedSince: .now).apply(try await ownership(platform))
        world.pass(seconds: 10)
        let broken = "services: {web: {image: 'web:1', environment: {SIM: 'crash:2'}}}"
        desired = try await deployment(["shop.yml": broken], on: platform)
        let plan = try await desired.plan(observedSince: .now)
        try await plan.apply(try await ownership(platform))
        world.pass(seconds: 30)
        let late = try await desired.plan(observedSince: .now)
        guard case .failed(let failure) = try await late.health(since: plan.mark, hasEarlierRevision: true) else {
            Issue.record("a service that crashes is not told of")
            return
        }
        #expect(failure.message.contains("Swarm paused the update"), "\(failure)")
        #expect(failure.message.contains("non-zero exit (1)"), "\(failure)")
    }

    @Test func anImageThatNoRegistryHasIsNotDeployed() async throws {
        let world = World()
        let desired = try await deployment(["shop.yml": "services: {web: {image: 'missing:1'}}"], on: platform(world))
        await #expect(throws: Failure.self) { try await desired.plan(observedSince: .now) }
        #expect(world.with { $0.changes.isEmpty })
    }
}
