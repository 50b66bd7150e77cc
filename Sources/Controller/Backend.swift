internal import Delivery
internal import JSON
internal import Quadlet
internal import Documents
internal import Server
internal import Swarm

/// The controller behind its API and dashboard.
struct SwarmBackend: ControllerBackend {
    let controller: Controller
    /// Looks at the source of a name now.
    let hurry: @Sendable (String) async -> Void

    func plan(of id: AppID) async throws -> Plan { try await controller.reconciler.plan(of: id) }

    func describe(_ id: AppID) async -> JSON {
        guard let platform = controller.platforms.first(where: { $0.name == id.target }) else { return .null }
        return (try? await platform.describe(id)) ?? .null
    }

    func logs(of id: AppID) async -> [String] {
        await controller.platforms.first { $0.name == id.target }?.logs(of: id, lines: 50) ?? []
    }

    func reconcile(_ ids: [AppID]) async { await controller.reconciler.reconcile(ids) }
    func approve(source: String) async { await controller.reconciler.approve(source: source) }
    func refreshHolds() async { try? await controller.reconciler.refreshHolds() }
    func wake(source: String) async { await hurry(source) }
    func queueDepth() async -> Int { await controller.reconciler.queueDepth }
}

/// The agent behind its API and dashboard.
struct AgentBackend: ControllerBackend {
    let agent: Agent

    func plan(of id: AppID) async throws -> Plan { try await agent.context.reconciler.plan(of: id) }
    func describe(_ id: AppID) async -> JSON { (try? await agent.platform.describe(id)) ?? .null }

    func logs(of id: AppID) async -> [String] {
        let service = await agent.platform.service(of: id)
        return await agent.platform.logs(of: service, lines: 50)
    }

    func reconcile(_ ids: [AppID]) async {
        await agent.lookAndTell()
        await agent.context.reconciler.reconcile(ids)
    }
    func approve(source: String) async { await agent.context.reconciler.approve(source: source) }
    func refreshHolds() async { try? await agent.context.reconciler.refreshHolds() }
    func wake(source: String) async { await agent.lookAndTell() }
    func queueDepth() async -> Int { await agent.context.reconciler.queueDepth }
}
