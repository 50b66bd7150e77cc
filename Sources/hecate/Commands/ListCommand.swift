internal import Documents
internal import Arguments
internal import Delivery
internal import JSON
internal import Journal
internal import Quadlet

/// `hecate list`: apps, sources, targets, events.
enum ListCommand {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let store = try Settings.client(invocation)
        let format = invocation["format"]
        switch invocation.command.words.last {
        case "sources": try await sources(store, format)
        case "targets": try await targets(store, format)
        case "events":
            try await EventsCommand.print(
                try await store.events(after: 0, subject: nil, limit: EventsCommand.limit(invocation)),
                format
            )
        default:
            if let store = store as? Store, let node = try Settings.node(invocation) {
                try await units(
                    NodeInstallation(settings: node),
                    store,
                    format,
                    withAvailable: invocation.has("available")
                )
            } else {
                try await apps(store, format)
            }
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

    private static func sources(_ store: any ControllerClient, _ format: String?) async throws {
        let records = try await store.sources()
        let documents = JSON.array(records.map { document($0) })
        if let text = formatted(documents, as: format) { return Terminal.print(text) }
        let now = currentTime()
        let rows = records.map {
            [$0.name, $0.url, String($0.commit.prefix(8)), $0.lastSuccess?.age(at: now) ?? "never", $0.error ?? ""]
        }
        Terminal.print(Terminal.table(["SOURCE", "URL", "REVISION", "LAST SUCCESS", "ERROR"], rows))
    }

    private static func targets(_ store: any ControllerClient, _ format: String?) async throws {
        let records = try await store.targets()
        let documents = JSON.array(records.map { document($0) })
        if let text = formatted(documents, as: format) { return Terminal.print(text) }
        let now = currentTime()
        let rows = records.map {
            [$0.name, $0.endpoint, $0.version, $0.lastSuccess?.age(at: now) ?? "never", $0.error ?? ""]
        }
        Terminal.print(Terminal.table(["TARGET", "ENDPOINT", "VERSION", "LAST SUCCESS", "ERROR"], rows))
    }
}
