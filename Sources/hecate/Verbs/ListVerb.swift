internal import Arguments
internal import Delivery
internal import JSON
internal import Journal

/// `hecate list`: apps, sources, targets, events.
enum ListVerb {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let store = try Settings.existingStore(invocation)
        let format = invocation["format"]
        switch invocation.verb.words.last {
        case "sources": try await sources(store, format)
        case "targets": try await targets(store, format)
        case "events":
            try await EventsVerb.print(
                try await store.events(after: 0, subject: nil, limit: EventsVerb.limit(invocation)),
                format
            )
        default: try await apps(store, format)
        }
        return .success
    }

    private static func apps(_ store: Store, _ format: String?) async throws {
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

    private static func sources(_ store: Store, _ format: String?) async throws {
        let records = try await store.sources()
        let documents = JSON.array(
            records.map { record in
                [
                    "name": .string(record.name), "url": .string(record.url), "commit": .string(record.commit),
                    "lastSuccess": record.lastSuccess.map { .string($0.text) } ?? .null,
                    "error": record.error.map { .string($0) } ?? .null,
                ]
            }
        )
        if let text = formatted(documents, as: format) { return Terminal.print(text) }
        let now = currentTime()
        let rows = records.map {
            [$0.name, $0.url, String($0.commit.prefix(8)), $0.lastSuccess?.age(at: now) ?? "never", $0.error ?? ""]
        }
        Terminal.print(Terminal.table(["SOURCE", "URL", "REVISION", "LAST SUCCESS", "ERROR"], rows))
    }

    private static func targets(_ store: Store, _ format: String?) async throws {
        let records = try await store.targets()
        let documents = JSON.array(
            records.map { record in
                [
                    "name": .string(record.name), "endpoint": .string(record.endpoint),
                    "version": .string(record.version),
                    "lastSuccess": record.lastSuccess.map { .string($0.text) } ?? .null,
                    "error": record.error.map { .string($0) } ?? .null,
                ]
            }
        )
        if let text = formatted(documents, as: format) { return Terminal.print(text) }
        let now = currentTime()
        let rows = records.map {
            [$0.name, $0.endpoint, $0.version, $0.lastSuccess?.age(at: now) ?? "never", $0.error ?? ""]
        }
        Terminal.print(Terminal.table(["TARGET", "ENDPOINT", "VERSION", "LAST SUCCESS", "ERROR"], rows))
    }
}
