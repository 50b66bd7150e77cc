internal import Delivery
internal import JSON

/// What one service and its tasks say about it.
struct ServiceHealth {
    /// Since when something has been so: by the Raft log, and by the clock of the node that saw it last.
    struct Since: Sendable {
        static let always = Since(index: 0, time: 0)
        var index: Int64
        var time: Double

        func and(_ other: Since) -> Since { Since(index: max(index, other.index), time: max(time, other.time)) }
    }

    /// What is to be thought of a service.
    enum Judgement {
        /// As it should be; whether anything runs that could still fail.
        case done(runs: Bool)
        /// Everything runs, and Swarm still watches its own update.
        case updating(String)
        case waiting(String)
        /// No node takes what is still to run.
        case held(String)
        case failed(Failure, ObservedTask?)
    }

    let service: ObservedService
    /// All tasks of the service.
    let tasks: [ObservedTask]
    let excuses: Excuses
    /// Whether the plan still wants to change the service.
    let isPending: Bool
    let hasEarlierRevision: Bool
    /// When all that the service depends on was healthy, `always` when it depends on nothing; nil while something is not.
    let dependencies: Since?
    /// The tasks made from the specification that the service has now.
    private let own: [ObservedTask]

    init(
        service: ObservedService,
        tasks: [ObservedTask],
        excuses: Excuses,
        isPending: Bool,
        hasEarlierRevision: Bool,
        dependencies: Since?
    ) {
        self.service = service
        self.tasks = tasks
        self.excuses = excuses
        self.isPending = isPending
        self.hasEarlierRevision = hasEarlierRevision
        self.dependencies = dependencies
        own = tasks.filter { $0.isCurrent(of: service) }
    }

    private var mark: StackMark? { excuses.mark }

    func judge() -> Judgement {
        if let failure = swarmGaveUp() { return failure }
        if isPending { return .waiting("service \(service.name) is not yet as declared") }
        if let failure = tooManyFailures() { return failure }
        let mode = service.spec["Mode"]
        if let job = mode?["ReplicatedJob"] {
            let total = job["TotalCompletions"]?.int ?? 1
            let completed = max(service.completed, Int64(own.count(where: \.hasCompleted)))
            return completed >= total
                ? .done(runs: false) : .waiting("job \(service.name): \(completed) of \(total) completed")
        }
        if mode?["GlobalJob"] != nil {
            let open = own.filter { $0.desiredState == "complete" && !$0.hasCompleted }
            return open.isEmpty && !own.isEmpty ? .done(runs: false) : .waiting("job \(service.name) is running")
        }
        if isComplete {
            if let state = swarmsUpdate, ["updating", "rollback_started"].contains(state) {
                return .updating("Swarm watches the update of service \(service.name)")
            }
            // A global service of which nothing is to run may only not have been thought of yet.
            let isGlobal = mode?["Global"] != nil
            return .done(runs: isGlobal || wanted > completedPlaces.count && !hasOnlyCompleted)
        }
        if let last = own.filter({ $0.hasFailed && isNews($0) }).newest {
            return .waiting("\(progress); last failure: \(last.description(in: service))")
        }
        return .waiting(progress)
    }

    /// When the service became healthy; nil when it is not.
    func healthySince(_ judgement: Judgement) -> Since? {
        switch judgement {
        case .done, .updating:
            let good = own.filter { $0.isRunning || $0.hasCompleted }
            return Since(index: good.map(\.version).max() ?? 0, time: good.map { parseTime($0.time) }.max() ?? 0)
        case .waiting, .held, .failed: return nil
        }
    }

    /// Whether all that does not run yet waits for a node, and none takes tasks: all are drained, paused or away.
    ///
    /// Where a node takes tasks and does not suit, the declaration may be what is wrong.
    var waitsForNodes: Bool {
        let open = own.filter { $0.isWanted && !$0.isRunning && !$0.hasCompleted }
        return !open.isEmpty && open.allSatisfy(\.waitsForAnyNode)
    }

    // MARK: What Swarm says

    /// The state of Swarm's own update of the service when it belongs to this deployment; Swarm keeps the last one until
    /// the service is changed again.
    private var swarmsUpdate: String? {
        guard let mark, mark.isFollowed(by: service.version) else { return nil }
        return service.updateStatus?["State"]?.string
    }

    private func swarmGaveUp() -> Judgement? {
        let what: String
        switch swarmsUpdate {
        case "paused":
            // What is still to be changed is not what was paused.
            if isPending || isPauseNoFailure { return nil }
            what = "Swarm paused the update"
        case "rollback_paused": what = "Swarm rolled the update back"
        // What is declared was restored, when nothing is left to change.
        case .some(let state) where state.hasPrefix("rollback") && isPending:
            let ended = tasks.filter { task in
                let hasEnded = task.hasFailed || task.hasCompleted && !service.endsByItself
                return isNews(task) && (hasEnded || wasMoved(task))
            }
            if isExcused(ended) { return nil }
            what = "Swarm rolled the update back"
        default: return nil
        }
        let message = service.updateStatus?["Message"]?.string ?? ""
        var culprit = tasks.filter { $0.hasFailed && isBlamed($0) }.newest
        var why = culprit.map { ": " + $0.description(in: service) } ?? (message.isEmpty ? "" : ": \(message)")
        if culprit == nil, let ended = own.filter({ $0.hasCompleted && isNews($0) }).newest {
            culprit = ended
            why = ": " + ending(of: ended)
        }
        let failure = Failure(.healthCheckFailed, "service \(service.name): \(what)\(why)", next: .needsChange)
        return .failed(failure, culprit)
    }

    /// Swarm pauses an update as soon as a task ends within the time it watches, and a task that is to end does.
    private var isPauseNoFailure: Bool {
        let failed = own.filter { $0.hasFailed && isNews($0) }
        if service.endsByItself, !isChecked, isComplete { return true }
        // A task that ended because what it needs was not there yet is started again all the same.
        guard let dependencies else { return true }
        // Swarm may notice late: what counts is when the tasks that failed were made.
        let isForgiven = failed.allSatisfy { excuses.cover($0) || began($0, before: dependencies) }
        if !failed.isEmpty, isForgiven { return true }
        if isForgiven, own.contains(where: { isNews($0) && wasMoved($0) }) {
            return service.endsByItself || !own.contains { $0.hasCompleted && isNews($0) }
        }
        return service.version <= dependencies.index && !hasOldTasks
    }

    /// Whether Swarm paused its update, with tasks of the one before left, for nothing that was its fault, and what failed
    /// runs by now: then the update can go on.
    ///
    /// It may be that of a deployment which gave way to this one, and what it began is declared still.
    var canResume: Bool {
        guard service.updateStatus?["State"]?.string == "paused", let mark, hasOldTasks, dependencies != nil else {
            return false
        }
        // Before all of the deployment was there nothing that failed was anybody's fault.
        guard !mark.isFollowed(by: service.version) || isPauseNoFailure else { return false }
        return own.filter { $0.hasFailed || $0.hasCompleted }.allSatisfy { ended in
            let others = own.filter { $0.place == ended.place }
            return others.contains(where: \.isRunning) || !others.contains(where: \.isWanted)
        }
    }

    /// Whether nothing of the service runs or will, through no fault of its own: its tasks went with their Engine or their
    /// node, and its restart policy starts no others.
    var isStranded: Bool {
        guard mark != nil, dependencies != nil, service.spec["Mode"]?["Replicated"] != nil, wanted > 0, !own.isEmpty,
            own.allSatisfy({ $0.hasEnded && !$0.isWanted && !$0.hasCompleted })
        else { return false }
        return Dictionary(grouping: own, by: \.place).values.allSatisfy { tasks in
            tasks.newest.map { excuses.cover($0) || wasMoved($0) } ?? false
        }
    }

    private func tooManyFailures() -> Judgement? {
        guard mark != nil, let dependencies else { return nil }
        let failed = own.filter { $0.hasFailed && isBlamed($0) }
        if let last = exhausted(failed) {
            return .failed(failure(failed.filter { $0.place == last.place }, last), last)
        }
        let counted = failed.filter { !began($0, before: dependencies) }
        guard hasEarlierRevision, let last = counted.newest,
            let worst = Dictionary(grouping: counted, by: \.place).values.max(by: { $0.count < $1.count }),
            worst.count >= 3
        else { return nil }
        return .failed(failure(worst, last), last)
    }

    /// A task that failed and that no other follows: its restart policy allows none, or no more.
    private func exhausted(_ failed: [ObservedTask]) -> ObservedTask? {
        let policy = service.spec["TaskTemplate"]?["RestartPolicy"]
        guard policy?["Condition"]?.string == "none" || policy?["MaxAttempts"]?.int ?? 0 > 0 else { return nil }
        return failed.filter { last in
            let others = tasks.filter { $0.place == last.place }
            return !others.contains(where: \.isWanted) && others.newest?.id == last.id
        }
        .newest
    }

    private func failure(_ failed: [ObservedTask], _ last: ObservedTask) -> Failure {
        let times = failed.count == 1 ? "failed" : "failed \(failed.count) times"
        let message = "service \(service.name) \(times): \(last.description(in: service))"
        return Failure(.healthCheckFailed, message, next: .needsChange)
    }

    // MARK: What the tasks say

    /// Whether the service was left as it was by this deployment.
    private var isUnchanged: Bool { mark.map { !$0.precedes(service.version) } ?? true }

    /// Whether what the service runs was left as it was, so that Swarm starts no task anew.
    private var isTemplateUnchanged: Bool {
        isUnchanged || service.previousSpec?["TaskTemplate"].map { $0 == service.spec["TaskTemplate"] } ?? false
    }

    /// Whether the failure of a task counts against what is declared.
    private func isBlamed(_ task: ObservedTask) -> Bool {
        mark.map { $0.precedes(task) && $0.isFollowed(by: task.version) && !excuses.cover(task) } ?? true
    }

    /// Whether tasks ended, and none of them is to blame.
    private func isExcused(_ ended: [ObservedTask]) -> Bool {
        !ended.isEmpty && ended.allSatisfy { excuses.cover($0) || wasMoved($0) }
    }

    /// Whether Swarm itself ended a task that it had no reason to end but its node: the node is drained, or was.
    ///
    /// Such a task has no error, and the next of its place, where there is one, is of the same specification; what an update
    /// replaced is followed by one of another.
    private func wasMoved(_ task: ObservedTask) -> Bool {
        guard task.state == "shutdown", task.error.isEmpty else { return false }
        let begun = parseTime(task.createdAt)
        let next = tasks.filter { $0.place == task.place && parseTime($0.createdAt) > begun }
            .min { parseTime($0.createdAt) < parseTime($1.createdAt) }
        // What a rollback of Swarm's scales down nothing follows either.
        let isGone = isPending && service.spec["Mode"]?["Replicated"] != nil
        return next?.isLike(task) ?? !isGone
    }

    /// Whether a task was made, or had ended, before something was so.
    private func began(_ task: ObservedTask, before since: Since) -> Bool {
        task.version <= since.index || parseTime(task.createdAt) < since.time
    }

    private func isNews(_ task: ObservedTask) -> Bool { mark?.precedes(task) ?? true }

    private var wanted: Int64 {
        service.spec["Mode"]?["Replicated"].map { $0["Replicas"]?.int ?? 1 }
            ?? max(Int64(Set(own.filter(\.isWanted).map(\.place)).count), service.desired)
    }

    /// The slots or nodes whose task did what it had to do and ended.
    private var completedPlaces: Set<String> {
        guard service.endsByItself else { return [] }
        return Set(own.filter { $0.hasCompleted && (isTemplateUnchanged || isNews($0)) }.map(\.place))
    }

    /// Whether a service that was left as it was has ended all it had to do; the Engine keeps only a few ended tasks, and
    /// in the end none.
    private var hasOnlyCompleted: Bool {
        service.endsByItself && isUnchanged && own.allSatisfy(\.hasCompleted)
    }

    /// Whether tasks of an earlier specification are still to run.
    private var hasOldTasks: Bool { tasks.contains { $0.isRunning && !$0.isCurrent(of: service) } }

    private var isComplete: Bool {
        guard !hasOldTasks else { return false }
        let places = completedPlaces.union(own.filter(\.isRunning).map(\.place))
        return places.count >= wanted || hasOnlyCompleted
    }

    // MARK: Words

    private var isChecked: Bool {
        let check = service.spec["TaskTemplate"]?["ContainerSpec"]?["Healthcheck"]?["Test"]?.array ?? []
        return !check.isEmpty && check.first?.string != "NONE"
    }

    /// A task that ended well although it should have gone on: its own doing, or its health check had it stopped.
    private func ending(of task: ObservedTask) -> String {
        let place = task.name(in: service)
        let when = isChecked ? " before its health check passed" : ""
        return "task \(place) ended with exit code \(task.exitCode ?? 0)\(when)"
    }

    private var progress: String {
        let wanted = service.spec["Mode"]?["Replicated"].map { $0["Replicas"]?.int ?? 1 } ?? service.desired
        let running = own.count(where: \.isRunning)
        let states = Dictionary(
            grouping: own.filter { $0.desiredState == "running" && $0.state != "running" },
            by: \.state
        )
        let others = states.map { "\($0.value.count) \($0.key)" }.sorted().joined(separator: ", ")
        let pending = own.first { $0.state == "pending" && !$0.error.isEmpty }.map { " (\($0.error))" } ?? ""
        return
            "service \(service.name): \(running) of \(wanted) running\(others.isEmpty ? "" : ", \(others)")\(pending)"
    }
}
