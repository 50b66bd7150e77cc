internal import Delivery
internal import JSON

/// One task as the Engine reports it.
struct ObservedTask: Sendable {
    var id: String
    var serviceID: String
    var slot: Int64
    var nodeID: String
    var state: String
    var desiredState: String
    var error: String
    var exitCode: Int64?
    var time: String
    var spec: JSON

    init?(_ json: JSON) {
        guard let id = json["ID"]?.string, let serviceID = json["ServiceID"]?.string else { return nil }
        self.id = id
        self.serviceID = serviceID
        slot = json["Slot"]?.int ?? 0
        nodeID = json["NodeID"]?.string ?? ""
        state = json["Status"]?["State"]?.string ?? ""
        desiredState = json["DesiredState"]?.string ?? ""
        error = json["Status"]?["Err"]?.string ?? ""
        exitCode = json["Status"]?["ContainerStatus"]?["ExitCode"]?.int
        time = json["Status"]?["Timestamp"]?.string ?? ""
        spec = json["Spec"] ?? .null
    }

    var hasFailed: Bool { ["failed", "rejected", "orphaned"].contains(state) }
}

/// What the tasks of a stack say about it.
struct StackHealth: Sendable {
    /// A verdict, and the task whose logs would tell more.
    struct Verdict: Sendable {
        var health: Health
        var culprit: ObservedTask?
    }

    let services: [ObservedService]
    let tasks: [ObservedTask]
    /// The target's time before the deployment; only what happened later counts.
    ///
    /// Nil outside a deployment.
    let mark: String?
    /// Whether there is an earlier revision to turn back to: then three failures suffice, otherwise the services are
    /// given the time that first starts take, databases that initialise and such.
    let canTurnBack: Bool

    func verdict() -> Verdict {
        var waiting: String?
        var updating: String?
        var runsNothing = true
        for service in services.sorted(by: { $0.name < $1.name }) {
            switch judge(service) {
            case .done(let runs): if runs { runsNothing = false }
            case .updating(let what):
                updating = updating ?? what
                runsNothing = false
            case .waiting(let what):
                waiting = waiting ?? what
                runsNothing = false
            case .failed(let failure, let task): return Verdict(health: .failed(failure), culprit: task)
            }
        }
        if let waiting { return Verdict(health: .progressing(waiting), culprit: nil) }
        if let updating { return Verdict(health: .settling(updating), culprit: nil) }
        return Verdict(health: .healthy(runsNothing: runsNothing), culprit: nil)
    }

    private enum Judgement {
        case done(runs: Bool)
        /// Everything runs, and Swarm still watches its own update.
        case updating(String)
        case waiting(String)
        case failed(Failure, ObservedTask?)
    }

    private func judge(_ service: ObservedService) -> Judgement {
        let own = tasks.filter { $0.serviceID == service.id && isCurrent($0, service) }
        let failed = own.filter { $0.hasFailed && isRecent($0.time) }
        var isUpdating = false
        if let update = service.updateStatus, let state = update["State"]?.string, isNews(update) {
            let message = update["Message"]?.string ?? ""
            if state == "paused" || state.hasPrefix("rollback") {
                let what = state == "paused" ? "Swarm paused the update" : "Swarm rolled the update back"
                var culprit = newest(tasks.filter { $0.serviceID == service.id && $0.hasFailed && isRecent($0.time) })
                var why = culprit.map { ": " + describe($0, service) } ?? (message.isEmpty ? "" : ": \(message)")
                if culprit == nil, let ended = newest(own.filter { $0.state == "complete" && isRecent($0.time) }) {
                    culprit = ended
                    why = ": " + ending(of: ended, service)
                }
                return .failed(
                    Failure(.healthCheckFailed, "service \(service.name): \(what)\(why)", next: .needsChange),
                    culprit
                )
            }
            isUpdating = state == "updating"
        }
        if let failure = tooMany(failed, service) { return failure }
        let mode = service.spec["Mode"]
        if let job = mode?["ReplicatedJob"] {
            let total = job["TotalCompletions"]?.int ?? 1
            let completed = max(service.completed, Int64(own.count { $0.state == "complete" }))
            return completed >= total
                ? .done(runs: false) : .waiting("job \(service.name): \(completed) of \(total) completed")
        }
        if mode?["GlobalJob"] != nil {
            let open = own.filter { $0.desiredState == "complete" && $0.state != "complete" }
            return open.isEmpty && !own.isEmpty ? .done(runs: false) : .waiting("job \(service.name) is running")
        }
        let replicas = mode?["Replicated"].map { $0["Replicas"]?.int ?? 1 }
        let wanted = replicas ?? max(Int64(own.count { $0.desiredState == "running" }), service.desired)
        let completed =
            completesOnItsOwn(service) ? Int64(own.count { $0.state == "complete" && isRecent($0.time) }) : 0
        let running = Int64(own.count { $0.state == "running" && $0.desiredState == "running" })
        let leaving = tasks.contains {
            $0.serviceID == service.id && !isCurrent($0, service) && $0.state == "running"
                && $0.desiredState == "running"
        }
        if running + completed >= wanted, !leaving {
            if isUpdating { return .updating("Swarm watches the update of service \(service.name)") }
            return .done(runs: wanted > completed)
        }
        if let last = newest(failed) {
            return .waiting("\(progress(service, own)); last failure: \(describe(last, service))")
        }
        return .waiting(progress(service, own))
    }

    private func tooMany(_ failed: [ObservedTask], _ service: ObservedService) -> Judgement? {
        guard mark != nil, let last = newest(failed) else { return nil }
        let slots = Dictionary(grouping: failed) { $0.slot > 0 ? "\($0.slot)" : $0.nodeID }
        let worst = slots.values.map(\.count).max() ?? 0
        let policy = service.spec["TaskTemplate"]?["RestartPolicy"]
        let neverRestarts = policy?["Condition"]?.string == "none"
        let attempts = policy?["MaxAttempts"]?.int ?? 0
        let isExhausted = neverRestarts || attempts > 0 && Int64(worst) > attempts
        let limit = canTurnBack || last.state == "rejected" ? 3 : 5
        guard worst >= limit || isExhausted else { return nil }
        let times = worst == 1 ? "failed" : "failed \(worst) times"
        let message = "service \(service.name) \(times): \(describe(last, service))"
        return .failed(Failure(.healthCheckFailed, message, next: .needsChange), last)
    }

    /// A task that ended well although it should have gone on: its own doing, or its health check had it stopped.
    private func ending(of task: ObservedTask, _ service: ObservedService) -> String {
        let place = task.slot > 0 ? "\(service.name).\(task.slot)" : service.name
        let check = service.spec["TaskTemplate"]?["ContainerSpec"]?["Healthcheck"]?["Test"]?.array ?? []
        let isChecked = !check.isEmpty && check.first?.string != "NONE"
        return
            "task \(place) ended with exit code \(task.exitCode ?? 0)\(isChecked ? " before its health check passed" : "")"
    }

    private func describe(_ task: ObservedTask, _ service: ObservedService) -> String {
        let place = task.slot > 0 ? "\(service.name).\(task.slot)" : service.name
        var what = task.error.isEmpty ? task.state : task.error
        if let code = task.exitCode, code != 0, !what.contains("(\(code))") { what += " (exit code \(code))" }
        return "task \(place) \(task.state): \(what)"
    }

    private func progress(_ service: ObservedService, _ own: [ObservedTask]) -> String {
        let wanted = service.spec["Mode"]?["Replicated"].map { $0["Replicas"]?.int ?? 1 } ?? service.desired
        let running = own.count { $0.state == "running" && $0.desiredState == "running" }
        let states = Dictionary(
            grouping: own.filter { $0.desiredState == "running" && $0.state != "running" },
            by: \.state
        )
        let others = states.map { "\($0.value.count) \($0.key)" }.sorted().joined(separator: ", ")
        let pending = own.first { $0.state == "pending" && !$0.error.isEmpty }.map { " (\($0.error))" } ?? ""
        return
            "service \(service.name): \(running) of \(wanted) running\(others.isEmpty ? "" : ", \(others)")\(pending)"
    }

    /// Whether a task was made from the specification the service has now.
    private func isCurrent(_ task: ObservedTask, _ service: ObservedService) -> Bool {
        guard case .object? = Optional(task.spec) else { return true }
        return task.spec["ContainerSpec"] == service.spec["TaskTemplate"]?["ContainerSpec"]
            && task.spec["ForceUpdate"] == service.spec["TaskTemplate"]?["ForceUpdate"]
    }

    private func completesOnItsOwn(_ service: ObservedService) -> Bool {
        let condition = service.spec["TaskTemplate"]?["RestartPolicy"]?["Condition"]?.string
        return condition == "none" || condition == "on-failure"
    }

    private func isRecent(_ time: String) -> Bool {
        guard let mark, !mark.isEmpty else { return true }
        return parseTime(time) >= parseTime(mark)
    }

    /// Whether an update's status belongs to this deployment: Swarm keeps the last one for ever.
    private func isNews(_ update: JSON) -> Bool {
        guard let mark else { return false }
        return mark.isEmpty || parseTime(update["StartedAt"]?.string ?? "") > parseTime(mark)
    }

    private func newest(_ tasks: [ObservedTask]) -> ObservedTask? {
        tasks.max { parseTime($0.time) < parseTime($1.time) }
    }
}
