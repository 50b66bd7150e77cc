/// What the agent of a node does with the tasks it was given.
extension SimulatedEngine {
    // MARK: Bookkeeping

    /// Records that a task has changed.
    func touch(_ task: TaskObject, time: Bool = false) {
        task.version = advanceIndex()
        task.updated = now
        if time { task.since = now }
        task.encoded = nil
        let change = TaskRecord.Change(at: now, state: task.state, desired: task.desired)
        if task.history.last.map({ $0.state != task.state || $0.desired != task.desired }) ?? true {
            task.history.append(change)
        }
    }

    func set(_ task: TaskObject, _ state: TaskState, _ message: String) {
        task.state = state
        task.message = message
        touch(task, time: true)
    }

    /// Changes what is wanted of a task, and lets its agent act on it.
    func want(_ task: TaskObject, _ desired: TaskState) {
        guard task.isInStore, task.desired != desired, task.desired < .remove else { return }
        task.desired = desired
        touch(task)
        if task.state.isFinal {
            if desired == .remove { reapSoon(task) }
        } else {
            drive(task)
        }
    }

    /// Plans a step of a task's agent, unless things change before.
    private func step(_ task: TaskObject, _ delay: Int64, _ action: @escaping (SimulatedEngine) -> Void) {
        task.isMoving = true
        let generation = task.generation
        after(delay) { engine in
            guard task.generation == generation, task.isInStore, engine.isAtWork(task) else { return }
            task.isMoving = false
            action(engine)
        }
    }

    private func isAtWork(_ task: TaskObject) -> Bool {
        guard let node = task.node else { return true }
        return node.isUp && !(isDown && node === nodes.first)
    }

    // MARK: Starting

    /// Takes a task one step towards what is wanted of it.
    func drive(_ task: TaskObject) {
        guard task.isInStore, !task.state.isFinal else { return }
        // A task that nobody has yet is given to a node even when it is to be shut down, and is shut down there.
        if task.desired == .remove || task.desired > .complete && task.state >= .assigned {
            stop(task)
            return
        }
        guard !task.isMoving else { return }
        switch task.state {
        case .new:
            // The allocator gives it its networks, which no manager that is down can do.
            step(task, moment(5, 15)) { engine in
                engine.set(task, .pending, "pending task scheduling")
                engine.unassigned.append(task)
                engine.scheduleSoon()
            }
        case .pending: break
        case .assigned:
            step(task, moment(20, 60)) { engine in
                engine.set(task, .accepted, "accepted")
                engine.drive(task)
            }
        case .accepted:
            step(task, moment(5, 20)) { engine in
                engine.set(task, .preparing, "preparing")
                engine.drive(task)
            }
        case .preparing: step(task, moment(40, 120)) { engine in engine.prepare(task) }
        case .ready where task.desired >= .running:
            step(task, moment(10, 40)) { engine in
                task.container = engine.chance.identifier() + engine.chance.identifier()
                engine.set(task, .starting, "starting")
                engine.drive(task)
            }
        case .starting: step(task, moment(150, 400)) { engine in engine.containerStarted(task) }
        default: break
        }
    }

    private func prepare(_ task: TaskObject) {
        if let error = pullError(task.spec.image) {
            task.error = error
            task.hasFailedContainer = true
            set(task, .rejected, "preparing")
            ended(task)
            return
        }
        for name in task.spec.volumes where !volumeNames.contains(name) { volumeNames.append(name) }
        set(task, .ready, "prepared")
        drive(task)
    }

    private func containerStarted(_ task: TaskObject) {
        let behaviour = task.spec.behaviour
        let start = now
        // From here on several things may happen, each in its time; all are void once the task goes another way.
        if let health = task.spec.health {
            let outcome = health.outcome(of: behaviour)
            if let healthy = outcome.healthy { step(task, healthy) { engine in engine.isRunning(task) } }
            if let unhealthy = outcome.unhealthy { step(task, unhealthy) { engine in engine.isUnhealthy(task) } }
        } else {
            isRunning(task)
        }
        switch behaviour {
        case .exits(let code, let seconds):
            step(task, seconds * second) { engine in engine.containerEnded(task, code: code) }
        case .needs(let name):
            step(task, second) { engine in
                if !engine.hasRunningTask(serviceEnding: "_\(name)") { engine.containerEnded(task, code: 1) }
            }
        case .flaky(let seconds) where start - task.service.created < seconds * second:
            step(task, second) { engine in engine.containerEnded(task, code: 1) }
        default: break
        }
    }

    private func hasRunningTask(serviceEnding suffix: String) -> Bool {
        services.values.contains { service in
            service.name.hasSuffix(suffix) && service.tasks.contains { $0.state == .running && $0.desired == .running }
        }
    }

    private func isRunning(_ task: TaskObject) {
        guard task.state == .starting else { return }
        set(task, .running, "started")
        task.service.updater?.taskRuns(task)
    }

    private func isUnhealthy(_ task: TaskObject) {
        guard task.state == .starting || task.state == .running else { return }
        task.isUnhealthy = true
        task.generation += 1
        let patience = task.spec.behaviour == .stubborn ? task.spec.stopGracePeriod : moment(50, 250)
        step(task, patience) { engine in
            engine.containerEnded(task, code: task.spec.behaviour == .stubborn ? 137 : 0)
        }
    }

    // MARK: Ending

    private func containerEnded(_ task: TaskObject, code: Int) {
        task.generation += 1
        task.isMoving = false
        task.exitCode = code
        if code == 0, task.state == .starting {
            // The agent takes a container that ended well while it waited for its health for one that has started.
            isRunning(task)
            step(task, moment(1, 60)) { engine in
                engine.set(task, .complete, "finished")
                engine.ended(task)
            }
            return
        }
        if code == 0 {
            set(task, .complete, "finished")
        } else {
            let why = task.isUnhealthy ? ": dockerexec: unhealthy container" : ""
            task.error = "task: non-zero exit (\(code))\(why)"
            set(task, .failed, task.message)
        }
        ended(task)
    }

    private func stop(_ task: TaskObject) {
        guard !task.isStopping else { return }
        if task.state < .assigned {
            // Nobody has it yet, so there is nothing to stop.
            unassigned.removeAll { $0 === task }
            task.generation += 1
            reapSoon(task)
            return
        }
        guard isAtWork(task) else { return }
        task.isStopping = true
        task.generation += 1
        task.isMoving = false
        let hasContainer = task.state >= .starting
        var delay = moment(30, 120)
        if hasContainer {
            // The name leaves DNS first, and the container is told two seconds later (swarmkit, gossip converge delay).
            if task.state == .running && task.spec.networks.contains(where: isOverlay) { delay += 2 * second }
            if task.spec.behaviour == .stubborn {
                delay += task.spec.stopGracePeriod
                task.exitCode = 137
            } else {
                delay += moment(50, 250)
            }
        }
        // A node that is drained may have given the network up before a task that had not begun.
        let losesNetwork = !hasContainer && task.node?.availability == "drain" && chance.within(0...3) == 0
        step(task, delay) { engine in
            if losesNetwork { task.error = "error while removing network: unknown network \(task.serviceName)" }
            engine.set(task, losesNetwork ? .rejected : .shutdown, losesNetwork ? task.message : "shutdown")
            engine.ended(task)
        }
    }

    private func isOverlay(_ id: String) -> Bool {
        networks.contains { $0.id == id && !$0.isPredefined }
    }

    /// Lets everybody know that a task has ended.
    func ended(_ task: TaskObject) {
        task.generation += 1
        task.isMoving = false
        for action in task.whenStopped { action() }
        task.whenStopped = []
        scheduleSoon()
        // Who hears of it first is chance: the updater, or the supervisor that makes the successor. When an update is rolled
        // back, the successor is of the revision that failed, or already of the one before.
        after(moment(5, 30)) { _ in task.service.updater?.taskEnded(task) }
        if task.desired == .remove {
            reapSoon(task)
        } else {
            taskEnded(task)
        }
        releaseNetworks()
    }

    // MARK: Nodes

    /// A node's agent is back: containers that ran are gone, and what is no longer wanted ends.
    ///
    /// What is said of them differs from one task to the next and takes seconds, as read off an Engine that was killed.
    func resumeAgents(of node: NodeObject) {
        for task in everyTask where task.isInStore && task.node === node && !task.state.isFinal {
            task.generation += 1
            task.isMoving = false
            task.isStopping = false
            let kind = chance.within(0...5)
            if task.state >= .starting && task.desired <= .complete {
                after(moment(200, kind < 3 ? 900 : 6000)) { engine in engine.lose(task, kind) }
            } else if kind == 5, task.state >= .assigned, task.desired <= .complete {
                // It was handed out while the node knew nothing yet of the task's network.
                after(moment(500, 6000)) { engine in
                    guard task.isInStore, !task.state.isFinal, task.desired <= .complete else { return }
                    task.error = "node is missing network attachments, ip addresses may be exhausted"
                    engine.set(task, .rejected, task.message)
                    engine.ended(task)
                }
            } else {
                drive(task)
            }
        }
    }

    private func lose(_ task: TaskObject, _ kind: Int64) {
        guard task.isInStore, !task.state.isFinal, task.desired <= .complete else { return }
        switch kind {
        case 0, 1: task.error = "No such container: \(task.serviceName).\(task.slot).\(task.id)"
        case 2:
            task.error = "error while removing network: unknown network \(task.serviceName) id \(task.id)"
            task.exitCode = 255
        default:
            task.error = "task: non-zero exit (255)"
            task.exitCode = 255
        }
        set(task, .failed, task.message)
        ended(task)
    }
}
