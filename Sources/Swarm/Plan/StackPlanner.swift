internal import Delivery
internal import Diagnostics
internal import JSON

/// One call, or a few that belong together, that bring a stack closer to what is desired.
enum Step: Sendable {
    case createNetwork(name: String, body: JSON)
    case createFile(DesiredFile, name: String)
    case createService(name: String, spec: JSON)
    case updateService(id: String, version: Int64, name: String, spec: JSON)
    case removeService(id: String, name: String)
    case removeNetwork(id: String, name: String)
    case removeFile(DesiredFile.Kind, id: String, name: String)
}

/// What a plan knows besides the stack itself.
struct PlanContext: Sendable {
    /// Whether services that are no longer declared are removed.
    var prunes = true
    /// Fields that somebody else owns, by service key; `*` for all services.
    var ignored: [(service: String, field: String)] = []
    var apiVersion: APIVersion
    /// Hashes of secrets as this controller deployed them, by object name.
    var secretHashes: [String: String] = [:]
    /// The mark of the deployment under way, if there is one.
    var mark: StackMark?
}

/// A stack's changes and the steps that make them.
struct StackPlan: Sendable {
    var plan = Plan()
    var forward: [Step] = []
    var removals: [Step] = []
    /// The names of services that Swarm rolled back meanwhile, and that are made again once the rest is there.
    var takenBack: Set<String> = []
    /// The images whose tags have to be resolved before a step is taken, by service name.
    var unresolved: [String: String] = [:]
    /// The names under which configs and secrets are deployed, by their declared names.
    var fileNames: [String: String] = [:]
    /// The names under which networks are deployed, by their declared names.
    var networkNames: [String: String] = [:]
    /// Why the plan must not be carried out, when it must not.
    var refusal: String?

    /// How many services the stack has now.
    var currentServices = 0
    /// How many of them the plan removes.
    var removedServices: Int { plan.removedServices.count }

    /// The names of the services that are not as they are desired.
    var pendingServices: Set<String> {
        takenBack.union(plan.forward.filter { $0.kind == "service" }.map(\.name))
    }
}

/// Decides what must change.
///
/// No I/O, no clock: the same two states give the same plan.
struct StackPlanner {
    let desired: DesiredStack
    let observed: ObservedStack
    let context: PlanContext
    var comparisons = RecentComparisons()

    func plan() -> StackPlan {
        var result = StackPlan()
        result.currentServices = observed.services.count
        result.refusal = refusal()
        planNetworks(&result)
        planFiles(&result)
        planServices(&result)
        planRemovals(&result)
        result.plan.changes.sort { left, right in (left.action == .remove ? 1 : 0) < (right.action == .remove ? 1 : 0) }
        return result
    }

    /// What must not be done though it was declared.
    private func refusal() -> String? {
        if desired.services.isEmpty, !desired.isRemoval, !observed.services.isEmpty {
            let count = observed.services.count
            return
                "the stack '\(desired.name)' declares no service any more, and \(count == 1 ? "one runs" : "\(count) run"); "
                + "to remove the stack, disable it or take it out of the stacks file"
        }
        return tooLong("service", desired.services.map { ($0.name, $0.place) }, ObjectName.networkLimit)
            ?? tooLong("network", desired.networks.map { ($0.name, nil) }, ObjectName.networkLimit)
            ?? tooLong("config", desired.files.filter { $0.kind == .config }.map { ($0.name, nil) }, ObjectName.limit)
            ?? tooLong("secret", desired.files.filter { $0.kind == .secret }.map { ($0.name, nil) }, ObjectName.limit)
    }

    private func tooLong(_ kind: String, _ names: [(name: String, place: Place?)], _ limit: Int) -> String? {
        guard let (name, place) = names.first(where: { $0.name.utf8.count > limit }) else { return nil }
        let location = place.map { "\($0): " } ?? ""
        let cure = kind == "service" ? "shorten the service's name or the stack's" : "give it a shorter 'name'"
        return
            "\(location)the name of the \(kind) '\(name)' has \(name.utf8.count) characters, and Docker takes \(limit); \(cure)"
    }

    // MARK: Removals

    private func planRemovals(_ result: inout StackPlan) {
        let wanted = Set(desired.services.map(\.name))
        let dropped = observed.services.filter { !wanted.contains($0.name) }
        guard context.prunes || desired.isRemoval else { return }
        for service in dropped {
            result.plan.changes.append(Change(.remove, "service", service.name))
            result.removals.append(.removeService(id: service.id, name: service.name))
        }
        let keptNetworks = Set(result.networkNames.values)
        for network in observed.networks where !keptNetworks.contains(network.name) {
            result.plan.changes.append(Change(.remove, "network", network.name))
            result.removals.append(.removeNetwork(id: network.id, name: network.name))
        }
        // Configs and secrets go only with the whole stack; otherwise kept revisions may need them, and the
        // garbage collection knows.
        guard desired.isRemoval else { return }
        for (kind, objects) in [(DesiredFile.Kind.config, observed.configs), (.secret, observed.secrets)] {
            for object in objects {
                result.plan.changes.append(Change(.remove, kind.rawValue, object.name))
                result.removals.append(.removeFile(kind, id: object.id, name: object.name))
            }
        }
    }
}
