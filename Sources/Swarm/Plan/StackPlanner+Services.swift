internal import Delivery
internal import JSON

extension StackPlanner {
    func planServices(_ result: inout StackPlan) {
        let existing = Dictionary(observed.services.map { ($0.name, $0) }) { first, _ in first }
        // Outside a deployment nothing is resumed: nobody knows what paused it.
        let resumable = context.mark.map { mark in
            let health = StackHealth(
                services: observed.services,
                tasks: observed.tasks,
                desired: desired.services,
                mark: mark,
                pending: [],
                hasEarlierRevision: false
            )
            return health.resumable()
        }
        var paused: [(service: ObservedService, resumption: StackHealth.Resumption)] = []
        var takenBack: [(name: String, change: Change, step: Step, unresolved: String?)] = []
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
            let changes = comparisons.differences(
                of: service.name,
                desired: spec,
                observed: current.spec,
                networkNames: observed.networkNames
            )
            guard !changes.isEmpty else {
                result.unresolved[service.name] = nil
                if let resumption = resumable?[service.name] { paused.append((current, resumption)) }
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
            let change = Change(.update, "service", service.name, fields: changes)
            let step = Step.updateService(
                id: current.id,
                version: current.version,
                name: service.name,
                spec: spec
            )
            guard !wasTakenBack(current) else {
                let unresolved = result.unresolved.removeValue(forKey: service.name)
                takenBack.append((service.name, change, step, unresolved))
                result.takenBack.insert(service.name)
                continue
            }
            result.plan.changes.append(change)
            result.forward.append(step)
        }
        // What Swarm took back is judged once the rest is there, and is not made again meanwhile.
        if result.forward.isEmpty {
            for (name, change, step, unresolved) in takenBack {
                result.plan.changes.append(change)
                result.forward.append(step)
                if let unresolved { result.unresolved[name] = unresolved }
            }
        }
        // What runs of a paused update has to prove itself first; what is still to be made need not wait for that.
        if result.forward.isEmpty { for (service, resumption) in paused { resume(service, resumption, &result) } }
    }

    /// Whether Swarm rolled the service back in the course of the deployment under way.
    private func wasTakenBack(_ service: ObservedService) -> Bool {
        guard let mark = context.mark, mark.isFollowed(by: service.version) else { return false }
        return service.updateStatus?["State"]?.string?.hasPrefix("rollback") == true
    }

    /// Goes on with what stands still though nothing was wrong with it.
    ///
    /// The same specification, sent again, clears the pause of an update and leaves what runs already alone. Where nothing
    /// runs any more Swarm makes other tasks only of what is told apart from what they were made of.
    private func resume(
        _ current: ObservedService,
        _ resumption: StackHealth.Resumption,
        _ result: inout StackPlan
    ) {
        var spec = current.spec
        let field: FieldChange
        switch resumption {
        case .ofUpdate: field = FieldChange("update", from: "paused for nothing that was its fault", to: "resumed")
        case .ofTasks:
            field = FieldChange("tasks", from: "gone with their Engine or node", to: "started again")
            var task = spec["TaskTemplate"] ?? [:]
            task["ForceUpdate"] = .int((task["ForceUpdate"]?.int ?? 0) + 1)
            spec["TaskTemplate"] = task
        }
        var change = Change(.update, "service", current.name, fields: [field])
        change.isResumption = true
        result.plan.changes.append(change)
        result.forward.append(
            .updateService(id: current.id, version: current.version, name: current.name, spec: spec)
        )
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
