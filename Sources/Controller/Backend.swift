internal import Delivery
internal import JSON
internal import Server

/// The controller behind its API and dashboard.
struct Backend: ControllerBackend {
    let controller: Controller

    private var reconciler: Reconciler { controller.context.reconciler }

    private func target(of id: AppID) -> Target? { controller.targets.first { $0.name == id.target } }

    func plan(of id: AppID) async throws -> Plan { try await reconciler.plan(of: id) }
    func describe(_ id: AppID) async -> JSON { await target(of: id)?.describe(id) ?? .null }
    func logs(of id: AppID) async -> [String] { await target(of: id)?.logs(id) ?? [] }
    func reconcile(_ ids: [AppID]) async {
        guard !ids.isEmpty else { return }
        await controller.reconcile(names: ids.map(\.description))
    }
    func approve(_ name: String) async -> Bool { await controller.approve(name) }
    func refreshHolds() async { _ = try? await reconciler.refreshHolds() }
    func wake(source: String) async { await controller.hurry(source) }
    func queueDepth() async -> Int { await reconciler.queueDepth }
    func leases() async -> [LeaseStanding] { await LeaseReport.standings(reconciler) }
}
