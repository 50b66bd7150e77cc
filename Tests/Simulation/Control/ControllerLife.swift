import Delivery
import Diagnostics
import Swarm

/// One life of a controller process, from its start to its death. Everything that knows how the controller is put
/// together stands in this file.
// SAFETY: the process has a single thread.
final class ControllerLife: @unchecked Sendable {
    let life: Life
    let store: MemoryStore
    private let simulation: Simulation
    private let reconciler: Reconciler
    private let platforms: [SwarmPlatform]
    private let sources: [Repository]

    init(life: Life, store: MemoryStore, targets: [Target], sources: [Repository], in simulation: Simulation) {
        self.life = life
        self.store = store
        self.simulation = simulation
        self.sources = sources
        platforms = targets.map { target in
            SwarmPlatform(
                engine: EngineClient(
                    transport: FaultyTransport(target: target, life: life, simulation: simulation),
                    name: target.name
                ),
                settings: SwarmSettings(
                    name: target.name,
                    registries: [],
                    kept: { id in (store.revisions[id] ?? []).map(\.payload) }
                )
            )
        }
        reconciler = Reconciler(
            platforms: platforms,
            journal: MemoryJournal(store: store, witness: simulation, life: life),
            limits: Self.limits(of: simulation),
            environment: Environment(
                now: { Timestamp(Double(World.shared.wall) / 1e9) },
                chance: { World.shared.random.fraction() },
                announce: { simulation.laws.announces($0, life) },
                identity: ControllerIdentity(id: "machine\(life.controller)", instance: "\(life.owner)")
            ),
            sources: Set(sources.map(\.name))
        )
    }

    /// Leases hold longer than usual: renewing them is most of what a world at rest does.
    private static func limits(of simulation: Simulation) -> Limits {
        var limits = Limits()
        // So narrow that what waits for a silent target would hold up others if they shared anything.
        if simulation.storm.kind == .silence { limits.parallelism = 1 }
        limits.leaseTerm = .seconds(60)
        return limits
    }

    // MARK: Running

    /// Starts everything that a controller runs.
    func start() {
        World.shared.act(as: life.owner) {
            _ = Task.detached { [self] in
                while true {
                    do {
                        try await reconciler.restore()
                        break
                    } catch { await World.shared.pause(seconds(1)) }
                }
                Task.detached { [self] in await reconciler.run() }
                for source in sources { Task.detached { [self] in await follow(source) } }
                for platform in platforms { Task.detached { [self] in await watch(platform) } }
            }
        }
    }

    private func follow(_ source: Repository) async {
        var commit: String?
        while true {
            do {
                let head = try await source.headCommit()
                if head != commit { try await take(head, of: source, &commit) }
            } catch { simulation.trace("\(life) source \(source.name): \(error)") }
            try? await Task.sleep(for: .seconds(10))
        }
    }

    private func take(_ head: String, of source: Repository, _ commit: inout String?) async throws {
        let snapshot = try await source.snapshot(at: head)
        var reader = FleetReader(
            stacksFile: "stacks.yml",
            platforms: platforms,
            defaults: FleetDefaults(
                timeout: .seconds(60),
                verifyWindow: .seconds(3),
                interval: .seconds(300),
                variables: [:],
                bindRoot: "/srv"
            )
        )
        reader.owner = Self.owner(source.name)
        do {
            let fleet = try await reader.fleet(at: snapshot).fleet
            simulation.laws.reads(head, of: source, life)
            await reconciler.accept(fleet)
        } catch let invalid as Invalid {
            simulation.trace("\(life) source \(source.name): \(invalid)")
        }
        commit = head
    }

    private func watch(_ platform: SwarmPlatform) async {
        while true {
            do {
                _ = try await platform.probe()
                await reconciler.targetAnswers(platform.name)
                await reconciler.notice(nil, on: platform.name)
                for try await id in platform.changes() { await reconciler.notice(id, on: platform.name) }
                await reconciler.targetFailed(platform.name, "the event stream ended")
            } catch { await reconciler.targetFailed(platform.name, "\(error)") }
            try? await Task.sleep(for: .seconds(3))
        }
    }

    /// What marks a source's apps on the cluster.
    static func owner(_ source: String) -> String { "\(source) 0123456789ab" }

    // MARK: What people ask

    func reconcile(_ ids: [AppID], then answered: @escaping @Sendable () -> Void) {
        World.shared.act(as: life.owner) {
            _ = Task.detached { [self] in
                await reconciler.reconcile(ids)
                answered()
            }
        }
    }

    func approve(_ source: String) {
        World.shared.act(as: life.owner) { _ = Task.detached { [self] in await reconciler.approve(source: source) } }
    }

    func refreshHolds() {
        World.shared.act(as: life.owner) { _ = Task.detached { [self] in try? await reconciler.refreshHolds() } }
    }
}

/// What the laws want to know of a record, whatever the domain calls it.
struct RecordView: Equatable {
    var commit: String
    /// The desired state that is deployed and verified.
    var deployed: String?
    /// The desired state that is being brought about for the first time; nil while nothing or something older is.
    var attempted: String?
    /// The desired state that was rejected.
    var rejected: String?
    /// The commit that was rejected.
    var rejectedCommit: String?
    /// The commit of what is deployed.
    var deployedCommit: String?
    /// Whether the whole app is being removed.
    var isLeaving: Bool
    /// Whether something that was begun, or its rollback, has not come to its end, and nothing stands in its way.
    var isUnderWay: Bool
    /// Whether some of what is to go waits for a person.
    var awaitsApproval: Bool
    /// Why it was rejected.
    var rejection: String?
    var isReady: Bool
    var reason: String
    var message: String
    var texts: [String]

    init(_ record: AppRecord) {
        commit = record.commit
        deployed = record.deployed
        attempted = record.attempt.flatMap { $0.purpose == .deploy ? $0.fingerprint : nil }
        rejected = record.quarantine?.fingerprint
        rejectedCommit = record.quarantine?.commit
        deployedCommit = record.deployedCommit
        isLeaving = record.removal != nil
        isUnderWay = (record.attempt != nil || record.quarantine?.isRolledBack == false) && record.problem == nil
        awaitsApproval = record.waiting?.reason == .awaitingApproval
        rejection = record.quarantine?.failure
        isReady = record.isReady
        reason = record.ready?.reason.rawValue ?? ""
        message = record.ready?.message ?? ""
        texts = record.conditions.map(\.message) + record.details + (record.quarantine?.details ?? [])
    }
}
