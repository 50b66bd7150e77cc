internal import Controller
internal import Delivery
internal import JSON
internal import Journal
internal import Quadlet

/// `hecate agent --status`: what the folder wants and what runs.
enum NodeStatus {
    static func print(_ settings: AgentSettings, format: String?) async throws -> HecateProgram.ExitCode {
        let store = try? Settings.existingStore(in: settings.store)
        let records = try await store?.records() ?? []
        let platform = try await NodePlatform.found(layout: settings.layout, revisions: { _ in [] })
        let overview = try await platform.overview()
        let known = Dictionary(records.map { ($0.id.name, $0) }) { first, _ in first }
        let documents: [JSON] = overview.map { unit in
            let record = known[unit.name]
            return [
                "name": .string(unit.name), "service": .string(unit.service), "state": .string(unit.state),
                "path": .string(unit.path), "link": unit.link.map { .string($0) } ?? .null,
                "ready": .bool(record?.isReady ?? false),
                "message": .string(record?.ready?.message ?? "not looked at yet"),
            ]
        }
        let isRunning = ControllerLock.wake(folder: settings.store)
        if format == "json" {
            let document: JSON = [
                "agent": .string(isRunning ? "running" : "not running"), "gitops": .string(settings.layout.gitops),
                "quadlet": .string(settings.layout.quadlet), "podman": .string(platform.podmanVersion),
                "units": .array(documents),
            ]
            Terminal.print(document.text(pretty: true))
        } else {
            Terminal.print("=== Hecate Reconciler Status ===")
            Terminal.print("Agent:       \(isRunning ? "running" : "not running")")
            Terminal.print("Gitops dir:  \(settings.layout.gitops)")
            Terminal.print("Quadlet dir: \(settings.layout.quadlet)")
            Terminal.print("\n--- Desired State (gitops) ---")
            for unit in overview where !unit.path.isEmpty { Terminal.print("  \(unit.name)") }
            Terminal.print("\n--- Actual State (systemd) ---")
            for unit in overview { Terminal.print("  \(unit.service) [\(unit.state)] -> \(unit.link ?? "not linked")") }
            Terminal.print("\n--- Managed Symlinks ---")
            for unit in overview { if let link = unit.link { Terminal.print("  \(unit.name) -> \(link)") } }
            let wrong = records.filter { !$0.isReady }
            if !wrong.isEmpty { Terminal.print("\n--- Not Ready ---") }
            for record in wrong {
                Terminal.print("  \(record.id.name): \(record.ready?.message ?? "not looked at yet")")
            }
        }
        return overview.allSatisfy { known[$0.name]?.isReady ?? false } ? .success : .failure
    }
}
