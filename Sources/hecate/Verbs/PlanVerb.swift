internal import Arguments
internal import Configuration
internal import Delivery
internal import Diagnostics
internal import JSON
internal import Journal
internal import Repository
internal import Swarm

/// `hecate plan`: what a pass would change, by the very code that a pass runs.
enum PlanVerb {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let configuration = try Settings.configuration(invocation)
        let store = try? Settings.existingStore(invocation)
        let platforms = try Parts.platforms(configuration, store: store)
        for platform in platforms { _ = try await platform.probe() }
        let palette = Palette(invocation["color"], isTerminal: Terminal.outputIsTerminal)
        var plans: [(AppID, Plan)] = []
        var failed = false
        var found: Set<String> = []
        for (source, settings) in zip(try Parts.sources(configuration), configuration.sources) {
            let snapshot = try await source.snapshot(at: try await source.head())
            let reader = Parts.reader(configuration, settings, platforms)
            let fleet = try await reader.fleet(at: snapshot).fleet
            let wanted = invocation.arguments
            func isWanted(_ id: AppID) -> Bool {
                wanted.isEmpty || wanted.contains(id.name) || wanted.contains(id.description)
            }
            for (id, failure) in fleet.unreadable where isWanted(id) {
                failed = true
                complain(id, failure)
            }
            for app in fleet.apps where isWanted(app.id) {
                found.formUnion([app.id.name, app.id.description])
                do {
                    let deployment = try await app.prepare(snapshot)
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
            for id in fleet.retired where isWanted(id) {
                guard let platform = platforms.first(where: { $0.name == id.target }) else { continue }
                plans.append((id, try await platform.removal(of: id).plan(observedSince: .now).plan))
            }
            let declared = Set(fleet.apps.map(\.id)).union(fleet.unreadable.keys).union(fleet.retired)
            for platform in platforms where fleet.unreadable.isEmpty {
                for (id, owner) in try await platform.owned()
                where owner == Parts.owner(settings) && !declared.contains(id) && isWanted(id) {
                    plans.append((id, try await platform.removal(of: id).plan(observedSince: .now).plan))
                }
            }
        }
        for name in invocation.arguments
        where !found.contains(name) && !plans.contains(where: { $0.0.name == name }) && !failed {
            throw Failure(.notFound, "there is no app '\(name)' in the sources")
        }
        let changes = plans.filter { !$0.1.isEmpty }
        let documents = JSON.array(plans.map { document($0.0, $0.1) })
        Terminal.print(formatted(documents, as: invocation["format"]) ?? text(plans, palette, failed: failed))
        if failed { return .failure }
        return changes.isEmpty ? .success : .changes
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
