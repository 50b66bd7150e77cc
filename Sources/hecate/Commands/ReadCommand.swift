internal import Documents
internal import Arguments
internal import Configuration
internal import Delivery
internal import JSON
internal import Journal
internal import Quadlet
internal import Swarm

/// `hecate read app`: everything about one app.
enum ReadCommand {
    static let command = Subcommand(
        "read app",
        summary: "one app: conditions, revisions, services, tasks and its last error",
        arguments: ["NAME"],
        options: [.format],
        example: "hecate read app web"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let remote = try Settings.remote(invocation)
        let store = try Settings.client(invocation)
        let record = try Settings.app(invocation.arguments[0], among: try await store.records())
        let hold = try await store.holds().first { $0.app == record.id }
        let revisions = try await store.revisions(of: record.id)
        let live =
            if let remote { try await remote.services(of: record.id) } else { await services(record.id, invocation) }
        var result = document(record, hold: hold)
        result["revisions"] = .array(
            revisions.map { document($0) }
        )
        result["services"] = live
        if let text = formatted(result, as: invocation["format"]) {
            Terminal.print(text)
        } else {
            Terminal.print(text(record, hold, revisions, live))
        }
        return .success
    }

    /// The services and tasks as the target reports them now; null when it cannot be asked.
    private static func services(_ id: AppID, _ invocation: Invocation) async -> JSON {
        if let node = try? Settings.node(invocation) {
            let platform = try? await NodePlatform.found(layout: node.layout, revisions: { _ in [] })
            return (try? await platform?.describe(id)) ?? .null
        }
        guard let configuration = try? Settings.configuration(invocation) else { return .null }
        if id.target == "node", let given = configuration.node,
            let layout = try? AgentSettings.found(gitops: given.gitops).layout
        {
            let platform = try? await NodePlatform.found(layout: layout, revisions: { _ in [] })
            return (try? await platform?.describe(id)) ?? .null
        }
        guard
            let platforms = try? Parts.platforms(configuration, store: nil),
            let platform = platforms.first(where: { $0.name == id.target })
        else { return .null }
        return (try? await platform.describe(id)) ?? .null
    }

    private static func text(
        _ record: AppRecord,
        _ hold: Hold?,
        _ revisions: [DeployedRevision],
        _ services: JSON
    ) -> String {
        let now = currentTime()
        var lines = [
            "\(record.id)   source \(record.source)"
                + (record.commit.isEmpty ? "" : " at \(record.commit.prefix(12))")
        ]
        if let hold { lines.append("held by \(hold.author) for \(hold.since.age(at: now)): \(hold.reason)") }
        lines += ["", "CONDITIONS"]
        for condition in record.conditions {
            lines.append(
                "  \(condition.kind.rawValue)=\(condition.isTrue ? "True" : "False") \(condition.reason.rawValue) for \(condition.since.age(at: now)): \(condition.message)"
            )
        }
        for detail in record.details { lines.append("    \(detail)") }
        lines += ["", "SERVICES"]
        for service in services.array ?? [] {
            lines.append(
                "  \(service["name"]?.string ?? "")  \(service["running"]?.int ?? 0)/\(service["desired"]?.int ?? 0)  \(service["image"]?.string ?? "")"
            )
            for task in service["tasks"]?.array ?? [] {
                let error = task["error"]?.string.map { $0.isEmpty ? "" : "  \($0)" } ?? ""
                lines.append(
                    "    \(task["name"]?.string ?? "")  \(task["state"]?.string ?? "")  node \(task["node"]?.string ?? "-")\(error)"
                )
            }
        }
        if services == .null { lines.append("  the target cannot be asked now") }
        lines += ["", "KEPT REVISIONS"]
        for revision in revisions {
            let commit =
                revision.commit.isEmpty ? String(revision.fingerprint.prefix(12)) : String(revision.commit.prefix(12))
            lines.append("  \(commit)  deployed \(revision.deployedAt.age(at: now)) ago")
        }
        return lines.joined(separator: "\n")
    }
}
