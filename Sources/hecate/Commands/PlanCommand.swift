internal import Documents
internal import Arguments
internal import Configuration
internal import Delivery
internal import Diagnostics
internal import JSON
internal import Journal
internal import Quadlet
internal import Repository
internal import Swarm

/// `hecate plan`: what a pass would change, by the very code that a pass runs.
enum PlanCommand {
    static let command = Subcommand(
        "plan",
        summary: "show what would change, field by field, and change nothing",
        arguments: ["[APP...]"],
        options: [
            .format, Option("color", choices: ["auto", "always", "never"], help: "whether to colour the text"),
            Option("host", value: "NAME", help: "what a node of this name gets from the repository here"),
            Option("user", value: "NAME", help: "with --host: whose agent it is; root for the system's"),
            Option("since", value: "COMMIT", help: "with --host: what changes for it after that commit"),
            Option("folder", value: "FOLDER", help: "with --host: where the repository is; . when not given"),
        ],
        discussion: "Exit code 0 when there is nothing to do, 2 when there are changes, 1 on an error.",
        example: "hecate plan web --format json"
    ) { try await execute($0) }

    /// What one source wants, read in full.
    private struct Reading {
        var fleet: Fleet
        var owner: String
    }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let palette = Palette(invocation["color"], isTerminal: Terminal.outputIsTerminal)
        if let host = invocation["host"] { return try await preview(host, invocation, palette) }
        if let name = ["user", "since", "folder"].first(where: invocation.has) {
            throw Failure(.invalid, "--\(name) goes with --host", next: .needsChange)
        }
        if let remote = try Settings.remote(invocation) { return try await ask(remote, invocation, palette) }
        let (readings, platforms) = try await read(invocation)
        let wanted = Set(invocation.arguments)
        func isWanted(_ id: AppID) -> Bool {
            wanted.isEmpty || !wanted.isDisjoint(with: [id.name, id.description, stem(id.name)])
        }
        var plans: [(AppID, Plan)] = []
        var failed = false
        var found: Set<String> = []
        let declared = readings.reduce(into: Set<AppID>()) { all, reading in
            all.formUnion(reading.fleet.apps.map(\.id))
            all.formUnion(reading.fleet.unreadable.keys)
        }
        for reading in readings {
            let fleet = reading.fleet
            for (id, failure) in fleet.unreadable where isWanted(id) {
                failed = true
                complain(id, failure)
            }
            // Entries of which nobody can say what app they are about.
            for diagnostic in fleet.warnings where diagnostic.severity == .error {
                failed = true
                Terminal.complain("\(diagnostic)")
            }
            for app in fleet.apps where isWanted(app.id) {
                found.formUnion([app.id.name, app.id.description, stem(app.id.name)])
                do {
                    let deployment = try await app.prepare(fleet.snapshot)
                    for warning in deployment.warnings { Terminal.complain(warning) }
                    plans.append((app.id, try await deployment.plan(observedSince: .now).plan))
                } catch let failure as Failure {
                    failed = true
                    complain(app.id, failure)
                } catch let invalid as Invalid {
                    failed = true
                    for diagnostic in invalid.diagnostics { Terminal.complain("\(diagnostic)") }
                }
            }
            for id in try await leaving(reading, platforms, declared: declared) where isWanted(id) {
                guard let platform = platforms.first(where: { $0.name == id.target }) else { continue }
                plans.append((id, try await platform.removal(of: id).plan(observedSince: .now).plan))
            }
        }
        for name in invocation.arguments
        where !found.contains(name) && !plans.contains(where: { $0.0.name == name }) && !failed {
            throw Failure(.notFound, "there is no app '\(name)' in the sources")
        }
        return conclude(plans, invocation, palette, failed: failed)
    }

    /// What a repository has a node run, wherever this is.
    private static func preview(
        _ host: String,
        _ invocation: Invocation,
        _ palette: Palette
    ) async throws -> HecateProgram.ExitCode {
        let folder = invocation["folder"] ?? "."
        let user = invocation["user"] ?? ""
        func view(_ snapshot: any BrowsableSnapshot) async throws -> MachinePreview {
            try await MachinePreview(of: snapshot, host: host, user: user, registry: try PluginRegistry(in: snapshot))
        }
        var before: MachinePreview?
        if let commit = invocation["since"] {
            let snapshot = try await Parts.snapshot(of: folder, at: commit)
            do { before = try await view(snapshot) } catch let invalid as Invalid {
                let words = "at \(commit) '\(host)' could not make use of it, so that all is shown as new"
                Terminal.complain("warning: \(words): \(invalid.diagnostics.first.map { "\($0)" } ?? "")")
            }
        }
        let now = try await view(try FolderSnapshot(folder))
        for problem in now.problems.all { Terminal.complain("\(problem)") }
        let plans = MachinePreview.plans(from: before, to: now, on: host).filter { id, _ in
            invocation.arguments.isEmpty || invocation.arguments.contains { $0 == id.name || $0 == stem(id.name) }
        }
        if plans.isEmpty, let name = invocation.arguments.first {
            throw Failure(.notFound, "'\(host)' has no unit '\(name)'")
        }
        return conclude(plans, invocation, palette, failed: now.problems.hasErrors)
    }

    /// Shows plans, and gives what the program ends with.
    private static func conclude(
        _ plans: [(AppID, Plan)],
        _ invocation: Invocation,
        _ palette: Palette,
        failed: Bool
    ) -> HecateProgram.ExitCode {
        let documents = JSON.array(plans.map { document($0.0, $0.1) })
        Terminal.print(formatted(documents, as: invocation["format"]) ?? text(plans, palette, failed: failed))
        if failed { return .failure }
        return plans.allSatisfy(\.1.isEmpty) ? .success : .changes
    }

    /// What a controller elsewhere would do.
    private static func ask(
        _ remote: RemoteClient,
        _ invocation: Invocation,
        _ palette: Palette
    ) async throws -> HecateProgram.ExitCode {
        let known = try await remote.records()
        let ids =
            try invocation.arguments.isEmpty
            ? known.map(\.id) : invocation.arguments.map { try Settings.app($0, among: known).id }
        var plans: [(AppID, Plan)] = []
        var failed = false
        for id in ids {
            do { plans.append((id, try await remote.plan(of: id))) } catch let failure as Failure {
                failed = true
                complain(id, failure)
            }
        }
        return conclude(plans, invocation, palette, failed: failed)
    }

    /// Reads every source, with the targets they are for.
    private static func read(_ invocation: Invocation) async throws -> ([Reading], [any Platform]) {
        let store = try? Settings.existingStore(invocation)
        if let node = try Settings.node(invocation) {
            let (fleet, platform) = try await AgentSettings.reading(node, store: store)
            return ([Reading(fleet: fleet, owner: fleet.owner)], [platform])
        }
        let configuration = try Settings.configuration(invocation)
        let platforms = try Parts.platforms(configuration, store: store)
        for platform in platforms { _ = try await platform.probe() }
        var readings: [Reading] = []
        for (source, settings) in zip(try Parts.sources(configuration), configuration.sources) {
            let snapshot = try await source.snapshot(at: try await source.head())
            let reader = Parts.reader(configuration, settings, platforms)
            let fleet = try await reader.fleet(at: snapshot).fleet
            readings.append(Reading(fleet: fleet, owner: Parts.owner(settings)))
        }
        guard let given = configuration.node else { return (readings, platforms) }
        let settings = try AgentSettings.found(gitops: given.gitops)
        let (fleet, platform) = try await AgentSettings.reading(settings, store: store)
        return (readings + [Reading(fleet: fleet, owner: fleet.owner)], platforms + [platform])
    }

    /// The apps that are to go, of those that their target says are the source's: retired ones, and those that stand in no
    /// source any more.
    private static func leaving(
        _ reading: Reading,
        _ platforms: [any Platform],
        declared: Set<AppID>
    ) async throws -> [AppID] {
        let fleet = reading.fleet
        let isWhole = fleet.unreadable.isEmpty && !fleet.isPartial
        var result: [AppID] = []
        for platform in platforms {
            let own = try await platform.claims().filter {
                $0.value.owner == reading.owner && !declared.contains($0.key)
            }
            result += own.keys.filter { isWhole || fleet.retired.contains($0) }
        }
        return result.sorted()
    }

    /// A unit's name without its kind.
    private static func stem(_ name: String) -> String {
        name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
    }

    private static func complain(_ id: AppID, _ failure: Failure) {
        Terminal.complain("\(id): \(failure.message)")
        for detail in failure.details where detail != failure.message { Terminal.complain("  \(detail)") }
    }

    private static func text(_ plans: [(AppID, Plan)], _ palette: Palette, failed: Bool) -> String {
        var lines: [String] = []
        for (id, plan) in plans where !plan.isEmpty {
            lines.append(palette.bold("\(id)"))
            for change in plan.changes {
                let words = "\(change.action.rawValue) \(change.kind) \(change.name)"
                switch change.action {
                case .create: lines.append("  " + palette.green("+ \(words)"))
                case .remove: lines.append("  " + palette.red("- \(words)"))
                case .update, .replace: lines.append("  " + palette.yellow("~ \(words)"))
                }
                for field in change.fields {
                    let from = field.from.map(palette.red) ?? "nothing"
                    let to = field.to.map(palette.green) ?? "nothing"
                    lines.append("      \(field.path): \(from) -> \(to)")
                }
            }
        }
        let count = plans.count { !$0.1.isEmpty }
        if failed {
            lines.append("some apps cannot be planned; see above")
        } else {
            lines.append(
                count == 0
                    ? "nothing to do: \(plans.count) apps are as declared"
                    : "\(count) of \(plans.count) apps would change"
            )
        }
        return lines.joined(separator: "\n")
    }
}
