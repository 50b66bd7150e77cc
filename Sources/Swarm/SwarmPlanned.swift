internal import Crypto
internal import Delivery
internal import JSON

/// A stack's plan with the observation it was made from.
struct SwarmPlanned: Planned {
    let deployment: SwarmDeployment
    let observed: ObservedStack
    let stackPlan: StackPlan
    /// It was observed then, or later.
    let lookedAt: ContinuousClock.Instant
    let context: PlanContext

    var plan: Plan { stackPlan.plan }
    var mark: String { observed.mark.text }
    var sparing: String { observed.sparing }
    // What is no longer declared goes, and may be as it likes.
    var failures: String { observed.failures(of: Set(deployment.desired.services.map(\.name))) }
    var changedAt: Timestamp? { observed.changedAt }
    /// Somebody may deploy by hand while an image is resolved: only what was seen just now is not asked for again.
    var ranNothing: Bool { observed.services.isEmpty && .now - lookedAt < .milliseconds(500) }
    var isAmidChange: Bool {
        observed.services.contains { service in
            guard service.isAmidUpdate else { return false }
            // Swarm leaves the update of what ends by itself paused for good, also where all of it ended well.
            guard service.endsByItself, service.updateStatus?["State"]?.string == "paused" else { return true }
            let own = observed.tasks.filter { $0.serviceID == service.id && $0.isCurrent(of: service) }
            let places = Dictionary(grouping: own, by: \.place)
            // A place without a task of this version is still to come.
            let wanted = service.spec["Mode"]?["Replicated"].map { $0["Replicas"]?.int ?? 1 } ?? 1
            return places.count < wanted || !places.values.allSatisfy { $0.newest?.hasCompleted == true }
        }
    }

    private var engine: EngineClient { deployment.platform.engine }

    var declaredServices: Int { deployment.desired.services.count }

    // MARK: Applying

    func apply(_ ownership: Ownership) async throws {
        await deployment.platform.willChange(deployment.id)
        // Names of configs and secrets to their identifiers, those that are made now included.
        var files: [String: String] = [:]
        for object in observed.configs { files["config \(object.name)"] = object.id }
        for object in observed.secrets { files["secret \(object.name)"] = object.id }
        var networks = observed.networks
        for step in stackPlan.forward {
            try ownership.check(deployment.id)
            do {
                if let made = try await take(step, files: &files) { networks.append(made) }
            } catch let error as EngineError {
                throw failure(error, step)
            }
        }
        await deployment.platform.remember(networks: networks, of: deployment.id.name)
    }

    // MARK: Removing

    func prune(_ ownership: Ownership, leaving blocked: Set<String>) async throws -> Pruning {
        let steps = stackPlan.removals.filter { !blocked.contains($0.subject) }
        guard !steps.isEmpty else { return .done }
        await deployment.platform.willChange(deployment.id)
        let removedServices = Set(steps.compactMap(\.removedService))
        var refused: [String: String] = [:]
        for step in steps {
            try ownership.check(deployment.id)
            do {
                if case .removeNetwork = step, let task = try await remainingTask(without: removedServices) {
                    return .waits("task \(task.id.prefix(12)) has not stopped yet")
                }
                var none: [String: String] = [:]
                _ = try await take(step, files: &none)
            } catch let error as EngineError where error.isNotFound {
                continue
            } catch let error as EngineError {
                guard error.status == 400 || error.status == 403 || error.message.contains("in use") else {
                    throw failure(error, step)
                }
                refused[step.subject] = error.message
            }
        }
        return refused.isEmpty ? .done : .blocked(refused)
    }

    /// The tasks of the stack as they are now.
    private func tasks() async throws -> [ObservedTask] {
        let filter = labelFilter("\(StackLabel.namespace)=\(deployment.id.name)")
        return try await engine.call("GET", "/tasks", query: [filter]).array?.compactMap(ObservedTask.init) ?? []
    }

    /// A task of the stack that still runs though its service should be gone.
    private func remainingTask(without services: Set<String>) async throws -> ObservedTask? {
        let tasks = try await tasks()
        let live = Set(observed.services.map(\.id)).subtracting(services)
        return tasks.first { task in
            // Whatever the Engine thought of the filter.
            let stack = task.spec["ContainerSpec"]?["Labels"]?[StackLabel.namespace]?.string
            return !live.contains(task.serviceID) && !task.hasEnded
                && (stack ?? deployment.id.name) == deployment.id.name
        }
    }

    // MARK: Judging

    func health(since mark: String?, hasEarlierRevision: Bool) async throws -> Health {
        func verdict(_ tasks: [ObservedTask]) -> StackHealth.Verdict {
            StackHealth(
                services: observed.services,
                tasks: tasks,
                desired: deployment.desired.services,
                mark: mark.map(StackMark.init(text:)),
                pending: stackPlan.pendingServices,
                hasEarlierRevision: hasEarlierRevision
            ).verdict()
        }
        var judged = verdict(observed.tasks)
        // Services and tasks were asked for at once: whose end Swarm speaks of may stand only in later ones.
        if case .failed = judged.health, judged.culprit == nil { judged = verdict(try await tasks()) }
        guard case .failed(var failure) = judged.health else {
            return mark == nil ? judged.health : try await withNodes(judged.health)
        }
        guard let culprit = judged.culprit else { return judged.health }
        failure.message += await nodeName(culprit.nodeID).map { " on node \($0)" } ?? ""
        failure.details += await logs(of: culprit).map { "log: \($0)" }
        return .failed(failure)
    }

    /// What is thought of a stack, once it is known whether any node takes tasks.
    private func withNodes(_ health: Health) async throws -> Health {
        // Swarm makes no tasks of a global service where no node takes any, and so nothing of it has proved itself.
        let names = Set(deployment.desired.services.map(\.name))
        let idle = observed.services.first { service in
            let isGlobal = ["Global", "GlobalJob"].contains { service.spec["Mode"]?[$0] != nil }
            guard isGlobal, names.contains(service.name) else { return false }
            return !observed.tasks.contains {
                $0.serviceID == service.id && $0.isCurrent(of: service) && ($0.isWanted || $0.hasCompleted)
            }
        }
        if case .held(let what) = health {
            // What a task said as it found no node, Swarm may never have looked at again.
            return try await isAnyNodeTakingTasks ? .progressing("\(what), though a node takes tasks") : health
        }
        guard let idle, try await !isAnyNodeTakingTasks else { return health }
        return .held("service \(idle.name): no node takes tasks")
    }

    private var isAnyNodeTakingTasks: Bool {
        get async throws {
            let nodes = try await engine.call("GET", "/nodes").array ?? []
            return nodes.contains {
                $0["Spec"]?["Availability"]?.string == "active" && $0["Status"]?["State"]?.string == "ready"
            }
        }
    }

    private func nodeName(_ id: String) async -> String? {
        guard !id.isEmpty else { return nil }
        return try? await engine.call("GET", "/nodes/\(id)", timeout: .seconds(5))["Description"]?["Hostname"]?.string
    }

    private func logs(of task: ObservedTask) async -> [String] {
        let query = [("stdout", "true"), ("stderr", "true"), ("tail", "10")]
        guard let bytes = try? await engine.raw("GET", "/tasks/\(task.id)/logs", query: query, timeout: .seconds(5))
        else {
            return []
        }
        return logLines(bytes).suffix(10)
    }

    // MARK: Keeping

    /// The names of the services that were as they are desired before the update under way: somebody puts back what was good
    /// before that.
    func returning(_ observed: ObservedStack) -> Set<String> {
        var earlier = observed
        earlier.services = observed.services.filter(\.isAmidUpdate).map { service in
            var service = service
            service.spec = service.previousSpec ?? service.spec
            return service
        }
        let plan = StackPlanner(desired: deployment.desired, observed: earlier, context: context).plan()
        return Set(earlier.services.map(\.name)).subtracting(plan.pendingServices)
            .intersection(stackPlan.pendingServices)
    }

    func payload() async throws -> [UInt8] {
        var images: [String: String] = [:]
        for service in observed.services {
            images[service.name] = service.spec["TaskTemplate"]?["ContainerSpec"]?["Image"]?.string
        }
        return deployment.desired.payload(fileNames: stackPlan.fileNames, images: images, options: deployment.options)
    }

    // MARK: Steps

    /// Takes one step.
    ///
    /// - Returns: The network it made, if it made one.
    private func take(_ step: Step, files: inout [String: String]) async throws -> ObservedObject? {
        switch step {
        case .createNetwork(let name, var body):
            body["Name"] = .string(name)
            body["Id"] = try await engine.call("POST", "/networks/create", body: body)["Id"]
            return ObservedObject(body)
        case .createFile(let file, let name):
            files["\(file.kind.rawValue) \(name)"] = try await create(file, name: name)
        case .createService(_, let spec):
            let image = spec["TaskTemplate"]?["ContainerSpec"]?["Image"]?.string ?? ""
            let body = try await withIdentifiers(spec, files)
            try await engine.call(
                "POST",
                "/services/create",
                body: body,
                registryAuth: deployment.registryAuth(for: image)
            )
        case .updateService(let id, let version, _, let spec):
            let image = spec["TaskTemplate"]?["ContainerSpec"]?["Image"]?.string ?? ""
            let auth = deployment.registryAuth(for: image)
            var query = [("version", "\(version)")]
            if auth == nil { query.append(("registryAuthFrom", "spec")) }
            let body = try await withIdentifiers(spec, files)
            try await engine.call("POST", "/services/\(id)/update", query: query, body: body, registryAuth: auth)
        case .removeService(let id, _): try await engine.call("DELETE", "/services/\(id)")
        case .removeNetwork(let id, _): try await engine.call("DELETE", "/networks/\(id)")
        case .removeFile(let kind, let id, _): try await engine.call("DELETE", "/\(kind.rawValue)s/\(id)")
        }
        return nil
    }

    private func create(_ file: DesiredFile, name: String) async throws -> String? {
        guard let content = file.content else {
            throw Failure(
                .notFound,
                "the secret '\(name)' of the kept revision is gone from the cluster, and its content is kept nowhere; "
                    + "commit the stack again to create it",
                next: .needsChange
            )
        }
        let body: JSON = .compact([
            "Name": .string(name), "Labels": JSON(file.labels), "Data": .string(base64(content)), "Driver": file.driver,
            "Templating": file.templating,
        ])
        let answer = try await engine.call("POST", "/\(file.kind.rawValue)s/create", body: body)
        if file.kind == .secret { await deployment.platform.learn(secret: name, hash: file.hash) }
        return answer["ID"]?.string
    }

    /// Configs and secrets are referred to by identifier as well as by name.
    private func withIdentifiers(_ spec: JSON, _ files: [String: String]) async throws -> JSON {
        var spec = spec
        guard var task = spec["TaskTemplate"], var container = task["ContainerSpec"] else { return spec }
        for (list, kind, prefix) in [("Configs", "config", "Config"), ("Secrets", "secret", "Secret")] {
            guard let items = container[list]?.array else { continue }
            var bound: [JSON] = []
            for var item in items {
                let name = item["\(prefix)Name"]?.string ?? ""
                var id = files["\(kind) \(name)"]
                if id == nil { id = try await engine.find("\(kind)s", name)?["ID"]?.string }
                guard let id else { throw Failure(.notFound, "the \(kind) '\(name)' does not exist") }
                item["\(prefix)ID"] = .string(id)
                bound.append(item)
            }
            container[list] = .array(bound)
        }
        task["ContainerSpec"] = container
        spec["TaskTemplate"] = task
        return spec
    }

    private func failure(_ error: EngineError, _ step: Step) -> Failure {
        let subject = step.subject
        // What a service refers to was looked up just now: somebody has removed it since.
        let hasVanished =
            error.message.contains("not found")
            && ["network", "secret", "config"].contains(where: error.message.contains)
        let isPassing = error.isOutOfSequence || error.isNameTaken || error.isNotFound || hasVanished
        if isPassing { return Failure(.conflict, "\(subject): \(error)") }
        if error.message.contains("is already in use") { return Failure(.conflict, "\(subject): \(error)") }
        let next: Failure.Next = (400..<500).contains(error.status) ? .needsChange : .retry
        return Failure(.refused, "the Engine refuses \(subject): \(error)", next: next)
    }
}

extension Step {
    /// The object in words, as `Change.subject` has it.
    fileprivate var subject: String {
        switch self {
        case .createNetwork(let name, _), .removeNetwork(_, let name): "network \(name)"
        case .createFile(let file, let name): "\(file.kind.rawValue) \(name)"
        case .removeFile(let kind, _, let name): "\(kind.rawValue) \(name)"
        case .createService(let name, _), .updateService(_, _, let name, _), .removeService(_, let name):
            "service \(name)"
        }
    }

    fileprivate var removedService: String? {
        if case .removeService(let id, _) = self { id } else { nil }
    }
}
