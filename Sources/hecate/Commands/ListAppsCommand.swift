internal import Arguments
internal import Delivery
internal import Documents
internal import JSON
internal import Journal
internal import Quadlet

/// `hecate list apps`: every app; on a node its units, with what runs of them.
enum ListAppsCommand {
    static let command = Subcommand(
        "list apps",
        summary: "every app with its readiness, revision and age; on a node with its state, health and image",
        options: [
            .format, Option("available", help: "on a node, the plug-ins that could be installed as well"),
        ],
        example: "hecate list apps"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let client = try Settings.client(invocation)
        let format = invocation["format"]
        if let store = client as? Store, let node = try Settings.node(invocation) {
            let installation = NodeInstallation(settings: node)
            try await units(installation, store, format, withAvailable: invocation.has("available"))
        } else {
            try await apps(client, format)
        }
        return .success
    }

    private static func apps(_ store: any ControllerClient, _ format: String?) async throws {
        let records = try await store.records()
        let holds = Dictionary(try await store.holds().map { ($0.app, $0) }) { _, last in last }
        let documents = JSON.array(records.map { document($0, hold: holds[$0.id]) })
        if let text = formatted(documents, as: format) { return Terminal.print(text) }
        let now = currentTime()
        let rows = records.map { record in
            [
                record.id.name, record.id.target,
                holds[record.id] != nil
                    ? "suspended" : record.isSettled ? "ready" : record.isReady ? "waiting" : "not ready",
                String((record.deployedCommit ?? "").prefix(8)), record.deployedAt?.age(at: now) ?? "-",
                record.ready?.message ?? "",
            ]
        }
        Terminal.print(Terminal.table(["APP", "TARGET", "STATE", "REVISION", "AGE", "MESSAGE"], rows))
    }

    /// A node's units with what runs of them, and the plug-ins that could be installed.
    private static func units(
        _ installation: NodeInstallation,
        _ store: Store,
        _ format: String?,
        withAvailable: Bool
    ) async throws {
        let holds = Dictionary(try await store.holds().map { ($0.app, $0) }) { _, last in last }
        let records = Dictionary(try await store.records().map { ($0.id.name, $0) }) { first, _ in first }
        let platform = try await NodePlatform.found(layout: installation.layout, revisions: { _ in [] })
        let containers = Dictionary(try await platform.containers().map { ($0.service, $0) }) { first, _ in first }
        var documents: [JSON] = []
        var rows: [[String]] = []
        let now = currentTime()
        for unit in try await platform.overview() {
            let id = AppID(target: platform.name, name: unit.name)
            let record = records[unit.name] ?? AppRecord(id: id, source: NodePlatform.owner)
            let container = containers[unit.service]
            var item = document(record, hold: holds[id])
            item["installed"] = .bool(!unit.path.isEmpty)
            item["service"] = .string(unit.service)
            item["state"] = .string(unit.state)
            item["health"] = .string(container?.health ?? "")
            item["image"] = .string(container?.image ?? "")
            item["digest"] = .string(container?.digest ?? "")
            documents.append(item)
            let ready = holds[id] != nil ? "suspended" : record.isReady ? "ready" : "not ready"
            rows.append([
                unit.name, unit.state, ready, container?.health ?? "", container?.image ?? "",
                String((container?.digest ?? "").dropFirst(7).prefix(12)), record.deployedAt?.age(at: now) ?? "-",
                record.ready?.message ?? "",
            ])
        }
        if withAvailable {
            for plugin in try await installation.catalogue().registry.plugins where !installation.isInstalled(plugin) {
                documents.append([
                    "name": .string(plugin.name), "installed": false, "available": true,
                    "description": .string(plugin.description),
                ])
                rows.append([plugin.name, "available", "", "", "", "", "", plugin.description])
            }
        }
        if let text = formatted(.array(documents), as: format) { return Terminal.print(text) }
        Terminal.print(Terminal.table(["APP", "STATE", "READY", "HEALTH", "IMAGE", "DIGEST", "AGE", "MESSAGE"], rows))
    }
}
