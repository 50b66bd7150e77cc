/// Keeps as many tasks as services want.
///
/// Source: swarmkit, `manager/orchestrator/{replicated,global,jobs}`.
extension SimulatedEngine {
    /// Makes a task of a service's present revision.
    @discardableResult
    func makeTask(of service: ServiceObject, slot: Int, node: NodeObject?, desired: TaskState) -> TaskObject {
        let task = TaskObject(
            id: chance.identifier(),
            service: service,
            slot: slot,
            node: node,
            desired: service.mode.isJob && desired == .running ? .complete : desired,
            now: now
        )
        service.tasks.append(task)
        tasks[task.id] = task
        everyTask.append(task)
        touch(task)
        drive(task)
        let place = task.place
        after(250 * millisecond) { engine in engine.trimHistory(of: service, place: place) }
        return task
    }

    /// Brings the tasks of a service to what it wants, a moment from now.
    func reconcileSoon(_ service: ServiceObject) {
        after(moment(1, 4)) { engine in engine.reconcile(service) }
    }

    func reconcile(_ service: ServiceObject) {
        guard !service.isRemoved else { return }
        switch service.mode {
        case .replicated(let count): reconcileReplicas(service, Int(count))
        case .global: reconcileNodes(service)
        case .replicatedJob(let concurrent, let total): reconcileJob(service, Int(concurrent), Int(total))
        case .globalJob: reconcileGlobalJob(service)
        }
    }

    /// The tasks of a place that an update would replace: those that are to run, or else the last one when nothing
    /// follows it.
    private func updatable(_ place: [TaskObject], of service: ServiceObject) -> [TaskObject] {
        let live = place.filter { $0.desired <= .running }
        if !live.isEmpty { return live }
        if service.updateStatus?.state == "rollback_started" { return [] }
        guard let newest = place.max(by: { $0.since < $1.since }), !shouldRestart(newest) else { return [] }
        return [newest]
    }

    private func places(of service: ServiceObject) -> [(place: Int, tasks: [TaskObject])] {
        var order: [Int] = []
        var groups: [Int: [TaskObject]] = [:]
        for task in service.tasks where task.desired < .remove {
            if groups[task.place] == nil { order.append(task.place) }
            groups[task.place, default: []].append(task)
        }
        return order.sorted().map { ($0, groups[$0] ?? []) }
    }

    private func reconcileReplicas(_ service: ServiceObject, _ count: Int) {
        var alive: [(place: Int, tasks: [TaskObject])] = []
        var dead: [(place: Int, tasks: [TaskObject])] = []
        for (place, tasks) in places(of: service) {
            let updatable = updatable(tasks, of: service)
            if updatable.isEmpty { dead.append((place, tasks)) } else { alive.append((place, updatable)) }
        }
        if alive.count > count {
            // Running ones are kept before others, and lower slots before higher ones.
            let sorted = alive.sorted { left, right in
                let first = left.tasks.contains { $0.state == .running } ? 0 : 1
                let other = right.tasks.contains { $0.state == .running } ? 0 : 1
                return (first, left.place) < (other, right.place)
            }
            startUpdate(of: service, sorted.prefix(count).map(\.place))
            for task in dead.flatMap(\.tasks) { want(task, .remove) }
            for task in sorted.dropFirst(count).flatMap(\.tasks) { want(task, .remove) }
            return
        }
        startUpdate(of: service, alive.map(\.place))
        var taken = Set(alive.map(\.place))
        var reused: Set<Int> = []
        var slot = 0
        for _ in 0..<(count - alive.count) {
            repeat { slot += 1 } while taken.contains(slot)
            taken.insert(slot)
            reused.insert(slot)
            makeTask(of: service, slot: slot, node: nil, desired: .running)
        }
        for task in dead.filter({ !reused.contains($0.place) }).flatMap(\.tasks) { want(task, .remove) }
    }

    private func fits(_ node: NodeObject, _ service: ServiceObject) -> Bool {
        service.taskSpec.constraints.allSatisfy { $0.holds(on: node) }
    }

    private func reconcileNodes(_ service: ServiceObject) {
        let groups = Dictionary(places(of: service).map { ($0.place, $0.tasks) }) { first, _ in first }
        var updates: [Int] = []
        for node in nodes {
            let here = groups[node.number] ?? []
            guard fits(node, service), !node.isDown, node.availability != "drain" else {
                for task in here where task.desired <= .running { want(task, node.isDown ? .shutdown : .remove) }
                continue
            }
            if updatable(here, of: service).isEmpty {
                if node.availability == "active" { makeTask(of: service, slot: 0, node: node, desired: .running) }
            } else {
                updates.append(node.number)
            }
        }
        startUpdate(of: service, updates)
    }

    private func reconcileJob(_ service: ServiceObject, _ concurrent: Int, _ total: Int) {
        var completed = 0
        var running = 0
        var taken: Set<Int> = []
        for task in service.tasks where task.iteration == service.iteration {
            if task.state == .complete {
                completed += 1
                taken.insert(task.slot)
            } else if task.desired <= .complete {
                running += 1
                taken.insert(task.slot)
            } else if task.desired == .shutdown && !shouldRestart(task) {
                // It failed for good, and its place stays empty.
                running += 1
                taken.insert(task.slot)
            }
        }
        var slot = 0
        for _ in 0..<max(0, min(concurrent - running, total - completed - running)) {
            while taken.contains(slot) { slot += 1 }
            taken.insert(slot)
            makeTask(of: service, slot: slot, node: nil, desired: .running)
        }
        for task in service.tasks where task.iteration != service.iteration { want(task, .remove) }
    }

    private func reconcileGlobalJob(_ service: ServiceObject) {
        for node in nodes where node.isReady && fits(node, service) {
            let here = service.tasks.contains { $0.node === node && $0.iteration == service.iteration }
            if !here { makeTask(of: service, slot: 0, node: node, desired: .running) }
        }
        for task in service.tasks where task.iteration != service.iteration { want(task, .remove) }
    }

    // MARK: What happens to tasks

    /// A task has ended while its service still wants it, or not.
    func taskEnded(_ task: TaskObject) {
        let service = task.service
        guard !service.isRemoved, task.isInStore else { return }
        if service.mode.isJob {
            guard task.iteration == service.iteration else { return }
            after(moment(5, 30)) { engine in
                if task.state == .complete { engine.reconcile(service) } else { engine.restart(task) }
            }
        } else if task.desired <= .running {
            after(moment(5, 30)) { engine in engine.restart(task) }
        }
    }

    /// Replaces the tasks of a node that takes none any more.
    func leaveTasks(of node: NodeObject) {
        for service in serviceOrder.compactMap({ services[$0] }) {
            for task in service.tasks where task.node === node && task.desired <= .complete && !task.state.isFinal {
                switch service.mode {
                case .global, .globalJob: want(task, .shutdown)
                default: restart(task)
                }
            }
        }
    }

    /// Nodes came, went or changed: services with a task on each node are looked at, and what waits may fit now.
    func nodesChanged() {
        for service in serviceOrder.compactMap({ services[$0] }) {
            if service.mode == .global || service.mode == .globalJob { reconcileSoon(service) }
        }
        scheduleSoon()
    }
}
