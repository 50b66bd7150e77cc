internal import Crypto
internal import Delivery
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
}

/// A stack's changes and the steps that make them.
struct StackPlan: Sendable {
    var plan = Plan()
    var forward: [Step] = []
    var removals: [Step] = []
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
        Set(plan.forward.filter { $0.kind == "service" }.map(\.name))
    }
}

/// Decides what must change.
///
/// No I/O, no clock: the same two states give the same plan.
struct StackPlanner {
    let desired: DesiredStack
    let observed: ObservedStack
    let context: PlanContext

    /// How many digits of its body's hash another version of a network carries in its name, and of a file's content.
    private static let networkDigits = 8
    private static let fileDigits = 12

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
        for file in desired.files where file.name.utf8.count > ObjectName.limit {
            return
                "the name of the \(file.kind.rawValue) '\(file.name)' has \(file.name.utf8.count) characters, and Docker takes "
                + "\(ObjectName.limit); give it a shorter 'name'"
        }
        return nil
    }

    // MARK: Networks

    private func planNetworks(_ result: inout StackPlan) {
        for network in desired.networks {
            let candidates = versions(of: network)
            let same = candidates.filter { networkDifferences(network, $0).isEmpty }
            if let existing = same.first(where: { isUsed($0.id) }) ?? same.first {
                result.networkNames[network.name] = existing.name
                continue
            }
            var name = network.name
            if let old = candidates.first {
                let subnets = network.body["IPAM"]?["Config"]?.array?.compactMap { $0["Subnet"]?.string } ?? []
                let taken = old.json["IPAM"]?["Config"]?.array?.compactMap { $0["Subnet"]?.string } ?? []
                if let shared = subnets.first(where: taken.contains) {
                    result.refusal =
                        "the network '\(network.name)' changes and keeps its subnet \(shared), and a new one beside the old "
                        + "cannot have the same; change the subnet as well"
                }
                // A network cannot be changed; a new one takes its place beside it and the services move over.
                let version = sha256(network.body.text()).prefix(Self.networkDigits)
                name = ObjectName.versioned(network.name, version, to: ObjectName.networkLimit)
                result.plan.changes.append(
                    Change(.replace, "network", network.name, fields: networkDifferences(network, old))
                )
            } else {
                result.plan.changes.append(Change(.create, "network", network.name))
            }
            result.networkNames[network.name] = name
            result.forward.append(.createNetwork(name: name, body: network.body))
        }
    }

    /// The networks that are this one or another version of it, itself first.
    private func versions(of network: DesiredNetwork) -> [ObservedObject] {
        let others = Set(desired.networks.map(\.name)).subtracting([network.name])
        return observed.networks.filter { $0.name == network.name }
            + observed.networks.filter { other in
                !others.contains(other.name)
                    && ObjectName.isVersion(
                        other.name,
                        of: network.name,
                        digits: Self.networkDigits,
                        limit: ObjectName.networkLimit
                    )
            }
    }

    private func isUsed(_ id: String) -> Bool {
        observed.services.contains { service in
            service.spec["TaskTemplate"]?["Networks"]?.array?.contains { $0["Target"]?.string == id } ?? false
        }
    }

    private func networkDifferences(_ network: DesiredNetwork, _ existing: ObservedObject) -> [FieldChange] {
        let body = network.body
        let json = existing.json
        var changes: [FieldChange] = []
        func check(_ field: String, _ old: String, _ new: String) {
            if old != new {
                changes.append(FieldChange(field, from: old.isEmpty ? nil : old, to: new.isEmpty ? nil : new))
            }
        }
        check("driver", json["Driver"]?.string ?? "", body["Driver"]?.string ?? "")
        check("internal", "\(json["Internal"]?.bool ?? false)", "\(body["Internal"]?.bool ?? false)")
        check("attachable", "\(json["Attachable"]?.bool ?? false)", "\(body["Attachable"]?.bool ?? false)")
        let options = body["Options"]?.strings ?? [:]
        let present = json["Options"]?.strings ?? [:]
        // The Engine adds options of its own, such as the VXLAN identifier; only declared ones are compared.
        for (key, value) in options { check("driver_opts.\(key)", present[key] ?? "", value) }
        let runtime = ["com.docker.network.driver.overlay.vxlanid_list"]
        for key in present.keys
        where options[key] == nil && !runtime.contains(key) && json["Driver"]?.string == "overlay" {
            check("driver_opts.\(key)", present[key] ?? "", "")
        }
        for (key, value) in body["Labels"]?.strings ?? [:] { check("labels.\(key)", existing.labels[key] ?? "", value) }
        for key in existing.labels.keys where body["Labels"]?[key] == nil {
            check("labels.\(key)", existing.labels[key] ?? "", "")
        }
        let subnets = body["IPAM"]?["Config"]?.array?.compactMap { $0["Subnet"]?.string } ?? []
        if !subnets.isEmpty {
            let existingSubnets = json["IPAM"]?["Config"]?.array?.compactMap { $0["Subnet"]?.string } ?? []
            check("ipam.subnets", existingSubnets.joined(separator: ", "), subnets.joined(separator: ", "))
        }
        return changes
    }

    // MARK: Configs and secrets

    private func planFiles(_ result: inout StackPlan) {
        for file in desired.files {
            let candidates = versions(of: file)
            let rotated = ObjectName.versioned(
                file.name,
                file.hash.prefix(Self.fileDigits),
                to: ObjectName.limit
            )
            let fits = candidates.filter { isSame($0, file, rotated: rotated) }
            let inUse = fits.first { object in references(to: object.name, file.kind) }
            if let existing = inUse ?? fits.first(where: { $0.name == file.deployedName }) ?? fits.first {
                result.fileNames["\(file.kind.rawValue) \(file.name)"] = existing.name
                continue
            }
            let isFirst = !candidates.contains { $0.name == file.name }
            let name =
                file.deployedName.flatMap { wanted in candidates.contains { $0.name == wanted } ? nil : wanted }
                ?? (isFirst ? file.name : rotated)
            result.fileNames["\(file.kind.rawValue) \(file.name)"] = name
            let change =
                isFirst
                ? Change(.create, file.kind.rawValue, name)
                : Change(
                    .replace,
                    file.kind.rawValue,
                    file.name,
                    fields: [FieldChange("object", from: candidates.map(\.name).max(), to: name)]
                )
            result.plan.changes.append(change)
            result.forward.append(.createFile(file, name: name))
        }
    }

    /// The objects that are this one or another version of it, itself first.
    private func versions(of file: DesiredFile) -> [ObservedObject] {
        let others = Set(desired.files.filter { $0.kind == file.kind }.map(\.name)).subtracting([file.name])
        let objects = file.kind == .config ? observed.configs : observed.secrets
        return objects.filter { $0.name == file.name }
            + objects.filter { other in
                guard other.name != file.name, !others.contains(other.name) else { return false }
                return other.name == file.deployedName
                    || ObjectName.isVersion(
                        other.name,
                        of: file.name,
                        digits: Self.fileDigits,
                        limit: ObjectName.limit
                    )
            }
    }

    /// Whether an object holds the declared content under the declared labels.
    private func isSame(_ object: ObservedObject, _ file: DesiredFile, rotated: String) -> Bool {
        if file.content == nil, file.kind == .secret { return object.name == file.deployedName }
        guard object.labels == file.labels else { return false }
        let templating = object.json["Spec"]?["Templating"]?["Name"]?.string ?? ""
        guard templating == file.templating?["Name"]?.string ?? "" else { return false }
        if let data = object.data { return data == base64(file.content ?? []) }
        if file.content?.isEmpty == true, file.kind == .config { return true }
        // A secret cannot be read back: its name carries the hash, or the journal or the Engine knew it.
        return object.name == rotated || context.secretHashes[object.name] == file.hash
    }

    private func references(to name: String, _ kind: DesiredFile.Kind) -> Bool {
        let (list, field) = kind == .config ? ("Configs", "ConfigName") : ("Secrets", "SecretName")
        return observed.services.contains { service in
            service.spec["TaskTemplate"]?["ContainerSpec"]?[list]?.array?.contains { $0[field]?.string == name }
                ?? false
        }
    }

    // MARK: Services

    private func planServices(_ result: inout StackPlan) {
        let existing = Dictionary(observed.services.map { ($0.name, $0) }) { first, _ in first }
        for service in desired.services {
            var spec = bound(service.spec, result)
            spec = supported(spec)
            let image = spec["TaskTemplate"]?["ContainerSpec"]?["Image"]?.string ?? ""
            guard let current = existing[service.name] else {
                result.plan.changes.append(
                    Change(.create, "service", service.name, fields: [FieldChange("image", from: nil, to: image)])
                )
                if ImageReference(image).digest == nil { result.unresolved[service.name] = image }
                result.forward.append(.createService(name: service.name, spec: spec))
                continue
            }
            keepDigest(&spec, current, result: &result, service: service.name)
            keepIgnored(&spec, current, service.key)
            let changes = SpecComparison.differences(
                desired: spec,
                observed: current.spec,
                networkNames: observed.networkNames
            )
            guard !changes.isEmpty else {
                result.unresolved[service.name] = nil
                continue
            }
            if modeKind(spec) != modeKind(current.spec) {
                // Swarm cannot turn one mode into another; the service is made anew.
                result.plan.changes.append(Change(.replace, "service", service.name, fields: changes))
                result.forward.append(.removeService(id: current.id, name: service.name))
                result.forward.append(.createService(name: service.name, spec: spec))
                continue
            }
            // What the Engine keeps for itself in a specification must come back to it unchanged.
            if let force = current.spec["TaskTemplate"]?["ForceUpdate"], !force.isEmpty, var task = spec["TaskTemplate"]
            {
                task["ForceUpdate"] = force
                spec["TaskTemplate"] = task
            }
            result.plan.changes.append(Change(.update, "service", service.name, fields: changes))
            result.forward.append(
                .updateService(id: current.id, version: current.version, name: service.name, spec: spec)
            )
        }
    }

    /// A specification with the names of what is deployed in place of the declared names.
    private func bound(_ spec: JSON, _ result: StackPlan) -> JSON {
        var spec = spec
        guard var task = spec["TaskTemplate"], var container = task["ContainerSpec"] else { return spec }
        for (list, field, kind) in [("Configs", "ConfigName", "config"), ("Secrets", "SecretName", "secret")] {
            guard let items = container[list]?.array else { continue }
            container[list] = .array(
                items.map { item in
                    var item = item
                    if let name = item[field]?.string, let deployed = result.fileNames["\(kind) \(name)"] {
                        item[field] = .string(deployed)
                    }
                    return item
                }
            )
        }
        task["ContainerSpec"] = container
        if let networks = task["Networks"]?.array {
            task["Networks"] = .array(
                networks.map { item in
                    var item = item
                    if let name = item["Target"]?.string, let deployed = result.networkNames[name] {
                        item["Target"] = .string(deployed)
                    }
                    return item
                }
            )
        }
        spec["TaskTemplate"] = task
        return spec
    }

    /// Leaves out what the Engine's version of the API does not know: it would drop it silently and look different ever after.
    private func supported(_ spec: JSON) -> JSON {
        var spec = spec
        guard var task = spec["TaskTemplate"], var container = task["ContainerSpec"] else { return spec }
        if context.apiVersion < APIVersion(1, 44), var check = container["Healthcheck"] {
            check["StartInterval"] = nil
            container["Healthcheck"] = check
        }
        if context.apiVersion < APIVersion(1, 46) { container["OomScoreAdj"] = nil }
        task["ContainerSpec"] = container
        spec["TaskTemplate"] = task
        return spec
    }

    /// A tag is resolved once: while the declared image stays the same, so does the digest that runs.
    private func keepDigest(_ spec: inout JSON, _ current: ObservedService, result: inout StackPlan, service: String) {
        guard var task = spec["TaskTemplate"], var container = task["ContainerSpec"],
            let image = container["Image"]?.string, ImageReference(image).digest == nil
        else { return }
        let running = current.spec["TaskTemplate"]?["ContainerSpec"]?["Image"]?.string ?? ""
        if ImageReference(running).withoutDigest == ImageReference(image).withoutDigest {
            container["Image"] = .string(running)
            task["ContainerSpec"] = container
            spec["TaskTemplate"] = task
            // The platforms an image runs on were resolved together with its digest.
            if let platforms = current.spec["TaskTemplate"]?["Placement"]?["Platforms"] {
                setPlatforms(platforms, &spec)
            }
        } else {
            result.unresolved[service] = image
        }
    }

    private func keepIgnored(_ spec: inout JSON, _ current: ObservedService, _ key: String) {
        for rule in context.ignored where rule.service == "*" || rule.service == key {
            guard let path = FieldNames.enginePath(rule.field) else { continue }
            spec = setting(spec, path[...], to: value(current.spec, path[...]))
        }
    }

    private func value(_ json: JSON, _ path: ArraySlice<String>) -> JSON? {
        guard let first = path.first else { return json }
        return json[first].flatMap { value($0, path.dropFirst()) }
    }

    private func setting(_ json: JSON, _ path: ArraySlice<String>, to new: JSON?) -> JSON {
        guard let first = path.first else { return new ?? .null }
        var json = json
        if path.count == 1 {
            json[first] = new
        } else {
            json[first] = setting(json[first] ?? [:], path.dropFirst(), to: new)
        }
        return json
    }

    private func modeKind(_ spec: JSON) -> String { spec["Mode"]?.object?.keys.first ?? "Replicated" }

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

/// Puts the platforms of an image into a specification.
func setPlatforms(_ platforms: JSON, _ spec: inout JSON) {
    guard var task = spec["TaskTemplate"] else { return }
    var placement = task["Placement"] ?? [:]
    placement["Platforms"] = platforms
    task["Placement"] = placement
    spec["TaskTemplate"] = task
}

/// Puts an image into a specification.
func setImage(_ image: String, _ spec: inout JSON) {
    guard var task = spec["TaskTemplate"], var container = task["ContainerSpec"] else { return }
    container["Image"] = .string(image)
    task["ContainerSpec"] = container
    spec["TaskTemplate"] = task
}
