import Delivery
import Diagnostics
import Files
import Quadlet
import SimulatedNode
import Systemd

/// One life of a node's agent, put together as `hecate agent` does.
// SAFETY: the process has a single thread.
final class NodeLife: @unchecked Sendable {
    let life: Life
    private let simulation: NodeSimulation
    private let platform: NodePlatform
    private let reader: NodeReader
    private let reconciler: Reconciler
    private static let interval = Duration.seconds(300)

    init(life: Life, simulation: NodeSimulation) {
        self.life = life
        self.simulation = simulation
        let (target, store) = (simulation.target, simulation.store)
        let manager = FaultyManager(target: target, life: life, simulation: simulation)
        platform = NodePlatform(
            layout: target.layout,
            machine: Machine(systemd: manager) { try await manager.run($0) },
            podman: "5.4.2",
            quadlet: NodeTarget.generator,
            revisions: { id in (store.revisions[id] ?? []).map(\.payload) }
        )
        let defaults = NodeDefaults(timeout: .seconds(60), verifyWindow: .seconds(5), interval: Self.interval)
        reader = NodeReader(platform: platform, defaults: defaults, isActing: true)
        var limits = Limits()
        limits.leaseTerm = .seconds(30)
        limits.parallelismOfTarget = ["node": 1024]
        reconciler = Reconciler(
            platforms: [platform],
            journal: MemoryJournal(store: store, witness: simulation, life: life),
            limits: limits,
            environment: Environment(
                now: { Timestamp(Double(World.shared.wall) / 1e9) },
                chance: { World.shared.random.fraction() },
                announce: { simulation.laws.announces($0) },
                identity: ControllerIdentity(id: "node", instance: "\(life.owner)")
            ),
            sources: [NodePlatform.owner]
        )
    }

    /// Starts everything that an agent runs.
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
                Task.detached { [self] in await follow() }
                Task.detached { [self] in await watch() }
                if simulation.hasRepository { Task.detached { [self] in await bring() } }
            }
        }
    }

    /// Lets go of what the kernel gives back when a process ends.
    func died() { platform.lock.release() }

    /// Follows the gitops folder.
    private func follow() async {
        let changes = simulation.target.changes(for: life.owner)
        Task.detached { [self] in
            while true {
                try? await Task.sleep(for: Self.interval)
                simulation.target.ring()
            }
        }
        await look()
        for await _ in changes { await look() }
    }

    private func look() async {
        while true {
            do {
                let fleet = try await reader.fleet().fleet
                simulation.laws.reads()
                return await reconciler.accept(fleet)
            } catch {
                simulation.trace("\(life) the gitops folder: \(error)")
                try? await Task.sleep(for: .seconds(5))
            }
        }
    }

    /// Brings what the repository says into the folder.
    private func bring() async {
        var commit = ""
        while true {
            do {
                let snapshot = try await simulation.history.snapshot()
                if snapshot.revision.commit != commit {
                    let sync = GitopsSync(layout: simulation.target.layout)
                    for note in try await sync.bring(snapshot, registry: nil) { simulation.trace("\(life) \(note)") }
                    commit = snapshot.revision.commit
                    simulation.target.ring()
                }
            } catch { simulation.trace("\(life) repository: \(error)") }
            try? await Task.sleep(for: .seconds(10))
        }
    }

    private func watch() async {
        while true {
            do {
                _ = try await platform.systemd.managerVersion()
                await reconciler.targetAnswers(platform.name)
                await reconciler.notice(nil, on: platform.name)
                for try await id in platform.changes() { await reconciler.notice(id, on: platform.name) }
                await reconciler.targetFailed(platform.name, "the event stream ended")
            } catch { await reconciler.targetFailed(platform.name, "\(error)") }
            try? await Task.sleep(for: .seconds(3))
        }
    }

    // MARK: What people ask

    func reconcile(_ ids: [AppID], then answered: @escaping @Sendable () -> Void) {
        World.shared.act(as: life.owner) {
            _ = Task.detached { [self] in
                await reconciler.reconcile(ids)
                answered()
            }
        }
    }

    func approve(_ subject: String) {
        World.shared.act(as: life.owner) { _ = Task.detached { [self] in await reconciler.approve(source: subject) } }
    }
}
