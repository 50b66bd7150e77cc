/// How often the task of a place was replaced, for `max_attempts` and `window`.
struct RestartHistory {
    var specVersion: Int64
    var total: Int64 = 0
    /// The latest ones, oldest first; nanoseconds.
    var recent: [Int64] = []
}

/// What follows an ended task.
///
/// Source: swarmkit, `manager/orchestrator/restart/restart.go`.
extension SimulatedEngine {
    /// Whether a task that has ended is to be replaced.
    func shouldRestart(_ task: TaskObject) -> Bool {
        let policy = task.spec.restart
        guard policy.condition == "any" || policy.condition == "on-failure" && task.state != .complete else {
            return false
        }
        // A job that has completed is done.
        if task.service.mode.isJob && task.state == .complete { return false }
        guard policy.maxAttempts > 0 else { return true }
        guard let history = task.service.restarts[task.place], history.specVersion == task.specVersion else {
            return true
        }
        guard policy.window > 0 else { return history.total < policy.maxAttempts }
        return Int64(history.recent.count { now - $0 <= policy.window }) < policy.maxAttempts
    }

    /// Marks a task as done with and, when its policy says so, makes its successor.
    func restart(_ task: TaskObject) {
        let service = task.service
        guard task.isInStore, !service.isRemoved, task.desired <= .complete else { return }
        if task.isDelayed {
            // It ended before it was to start; its successor waits for that moment.
            task.endedEarly = true
            return
        }
        let mayRestart = shouldRestart(task)
        want(task, .shutdown)
        guard mayRestart else { return }
        let isPerNode = service.mode == .global || service.mode == .globalJob
        let successor = makeTask(of: service, slot: task.slot, node: isPerNode ? task.node : nil, desired: .ready)
        record(successor)
        let isNodeGone = task.node?.isDown == true
        delayStart(
            successor,
            after: task.node?.availability == "drain" ? 0 : task.spec.restart.delay,
            of: isNodeGone || task.state.isFinal ? nil : task
        )
    }

    private func record(_ task: TaskObject) {
        guard task.spec.restart.maxAttempts > 0 else { return }
        let service = task.service
        var history = service.restarts[task.place] ?? RestartHistory(specVersion: task.specVersion)
        if history.specVersion != task.specVersion { history = RestartHistory(specVersion: task.specVersion) }
        history.total += 1
        if task.spec.restart.window > 0 {
            history.recent.append(now)
            history.recent.removeAll { now - $0 > task.spec.restart.window }
        }
        service.restarts[task.place] = history
    }

    /// Lets a task start after a delay, and after its predecessor has stopped; a predecessor that takes more than a minute
    /// is no longer waited for.
    func delayStart(_ task: TaskObject, after delay: Int64, of old: TaskObject?) {
        task.isDelayed = true
        let start: (SimulatedEngine) -> Void = { engine in
            guard let old, !old.hasStopped else {
                engine.startNow(task)
                return
            }
            old.whenStopped.append { [unowned engine] in engine.startNow(task) }
            engine.after(60 * second) { engine in engine.startNow(task) }
        }
        if delay > 0 { after(delay, start) } else { start(self) }
    }

    private func startNow(_ task: TaskObject) {
        guard task.isDelayed else { return }
        task.isDelayed = false
        guard task.isInStore else { return }
        if task.desired < .running { want(task, task.service.mode.isJob ? .complete : .running) }
        if task.endedEarly {
            task.endedEarly = false
            restart(task)
        }
    }

    // MARK: History

    /// How many tasks Swarm keeps for each place, the running one included.
    private static let historyLimit = 5

    /// Forgets a task that is to be removed.
    func reapSoon(_ task: TaskObject) {
        after(moment(100, 300)) { engine in engine.forget(task) }
    }

    private func forget(_ task: TaskObject) {
        guard task.isInStore else { return }
        task.isInStore = false
        task.generation += 1
        tasks[task.id] = nil
        task.service.tasks.removeAll { $0 === task }
        leftovers.removeAll { $0 === task }
        for action in task.whenStopped { action() }
        task.whenStopped = []
        scheduleSoon()
        releaseNetworks()
    }

    /// Forgets the oldest tasks of a place when there are too many.
    func trimHistory(of service: ServiceObject, place: Int) {
        let own = service.tasks.filter { $0.place == place && $0.iteration == nil }
        let attempts = own.last?.spec.restart.maxAttempts ?? 0
        let limit = attempts > 0 ? max(Self.historyLimit, Int(attempts) + 1) : Self.historyLimit
        guard own.count > limit else { return }
        var surplus = own.count - limit
        for task in own where surplus > 0 && task.desired > .complete && (task.state.isFinal || task.state < .assigned)
        {
            forget(task)
            surplus -= 1
        }
    }
}
