internal import JSON

/// Replaces the tasks of a service by those of its present revision, some at a time, and watches them.
///
/// Source: swarmkit, `manager/orchestrator/update/updater.go`.
final class Updater {
    private unowned let engine: SimulatedEngine
    private unowned let service: ServiceObject
    let specVersion: Int64
    private let policy: UpdatePolicy
    private let isRollback: Bool
    private let dirtyCount: Int
    private var queue: ArraySlice<Int>
    private var workers = 0
    /// The tasks this update made.
    private var made: Set<String> = []
    /// Since when those of them run that do.
    private var runningSince: [String: Int64] = [:]
    private var failures: Set<String> = []
    /// Ends that were seen while the last tasks were being replaced, and are looked at afterwards.
    private var unseen: [TaskObject] = []
    private var waiting: [String: Replacement] = [:]
    private var phase = Phase.replacing
    private(set) var isOver = false

    private enum Phase { case replacing, finishing, monitoring }

    private struct Replacement {
        var place: Int
        var startsFirst: Bool
    }

    init(_ engine: SimulatedEngine, _ service: ServiceObject, dirty: [Int]) {
        self.engine = engine
        self.service = service
        specVersion = service.specVersion
        isRollback = service.updateStatus?.state == "rollback_started"
        policy = UpdatePolicy(service.spec[isRollback ? "RollbackConfig" : "UpdateConfig"])
        dirtyCount = dirty.count
        queue = dirty[...]
    }

    func run() {
        let count = policy.parallelism == 0 ? dirtyCount : min(policy.parallelism, dirtyCount)
        workers = count
        for _ in 0..<count { takeNext() }
    }

    func cancel() { isOver = true }

    private func takeNext() {
        guard !isOver else { return }
        guard phase != .monitoring, let place = queue.popFirst() else {
            workers -= 1
            if workers == 0 { monitor() }
            return
        }
        if queue.isEmpty { phase = .finishing }
        replace(place)
    }

    private func tasks(at place: Int) -> [TaskObject] {
        service.tasks.filter { $0.place == place && $0.desired <= .running }
    }

    private func replace(_ place: Int) {
        let current = tasks(at: place)
        let clean = current.filter { !engine.isDirty($0, service) }
        if let kept = clean.first(where: { $0.desired == .running }) ?? clean.first {
            let old = engine.retire(current.filter { $0 !== kept })
            if kept.desired != .running { engine.delayStart(kept, after: 0, of: old) }
            pause()
            return
        }
        let isPerNode = service.mode == .global
        let last = current.last ?? service.tasks.last { $0.place == place }
        let new = engine.makeTask(
            of: service,
            slot: last?.slot ?? place,
            node: isPerNode ? last?.node : nil,
            desired: .ready
        )
        made.insert(new.id)
        waiting[new.id] = Replacement(place: place, startsFirst: policy.startsFirst)
        if policy.startsFirst {
            engine.delayStart(new, after: 0, of: nil)
        } else {
            engine.delayStart(new, after: 0, of: engine.retire(current))
        }
    }

    /// A task of the service runs.
    func taskRuns(_ task: TaskObject) {
        guard !isOver, let replacement = waiting.removeValue(forKey: task.id) else { return }
        runningSince[task.id] = engine.now
        if replacement.startsFirst { engine.retire(tasks(at: replacement.place).filter { $0 !== task }) }
        pause()
    }

    /// A task of the service has ended.
    func taskEnded(_ task: TaskObject) {
        guard !isOver, made.contains(task.id) else { return }
        if phase == .finishing {
            unseen.append(task)
        } else {
            judge(task)
        }
        if waiting.removeValue(forKey: task.id) != nil { pause() }
    }

    /// Waits the configured time before the next task.
    private func pause() {
        guard !isOver else { return }
        engine.after(policy.delay) { [weak self] _ in self?.takeNext() }
    }

    private func monitor() {
        phase = .monitoring
        for task in unseen where !isOver { judge(task) }
        guard !isOver else { return }
        engine.after(policy.monitor) { [weak self] _ in
            guard let self, !isOver else { return }
            finish(
                isRollback ? "rollback_completed" : "completed",
                isRollback ? "rollback completed" : "update completed"
            )
        }
    }

    private func judge(_ task: TaskObject) {
        guard policy.action != "continue", !isOver, made.contains(task.id), !failures.contains(task.id),
            runningSince[task.id].map({ engine.now - $0 <= policy.monitor }) ?? true
        else { return }
        failures.insert(task.id)
        guard Double(failures.count) / Double(dirtyCount) > policy.maxFailureRatio else { return }
        let why = "due to failure or early termination of task \(task.id)"
        if policy.action == "rollback" && !isRollback {
            isOver = true
            engine.rollBack(service, "update rolled back \(why)")
        } else if isRollback {
            finish("rollback_paused", "rollback paused \(why)")
        } else {
            finish("paused", "update paused \(why)")
        }
    }

    private func finish(_ state: String, _ message: String) {
        isOver = true
        service.updater = nil
        engine.setUpdateStatus(of: service, state, message)
    }
}

extension SimulatedEngine {
    /// Whether a task was made from another revision in a way that matters.
    func isDirty(_ task: TaskObject, _ service: ServiceObject) -> Bool {
        if task.specVersion == service.specVersion || task.spec === service.taskSpec { return false }
        let new = service.taskSpec
        guard task.spec.endpoint == new.endpoint, task.spec.essence == new.essence else { return true }
        guard task.spec.placement != new.placement else { return false }
        // Constraints that the task's node meets anyway are no reason to replace it.
        let isPlaced = task.state >= .ready && task.state <= .running
        guard isPlaced, let node = task.node else { return true }
        return !new.constraints.allSatisfy { $0.holds(on: node) }
    }

    /// Begins to replace what is not of the present revision, unless that is being done.
    func startUpdate(of service: ServiceObject, _ places: [Int]) {
        if let updater = service.updater, !updater.isOver {
            guard updater.specVersion != service.specVersion else { return }
            updater.cancel()
            service.updater = nil
        }
        let state = service.updateStatus?.state ?? ""
        guard state != "paused", state != "rollback_paused" else { return }
        var dirty: [Int] = []
        for place in places {
            let live = service.tasks.filter { $0.place == place && $0.desired <= .running }
            let judged = live.isEmpty ? service.tasks.filter { $0.place == place }.suffix(1) : live[...]
            // A slot with two tasks is in the middle of a replacement.
            if judged.count > 1 || judged.contains(where: { isDirty($0, service) }) { dirty.append(place) }
        }
        guard !dirty.isEmpty else {
            if state == "updating" { setUpdateStatus(of: service, "completed", "update completed") }
            if state == "rollback_started" {
                setUpdateStatus(of: service, "rollback_completed", "rollback completed")
            }
            return
        }
        if service.updateStatus == nil { setUpdateStatus(of: service, "updating", "update in progress") }
        let updater = Updater(self, service, dirty: dirty)
        service.updater = updater
        updater.run()
    }

    /// Tells tasks to end.
    /// - Returns: One of them, whose end its successor waits for.
    @discardableResult
    func retire(_ tasks: [TaskObject]) -> TaskObject? {
        for task in tasks { want(task, .shutdown) }
        return tasks.last
    }

    func setUpdateStatus(of service: ServiceObject, _ state: String, _ message: String) {
        let before = service.updateStatus
        var status = before ?? UpdateStatus(state: state, message: message, started: now)
        status.state = state
        status.message = message
        if state == "completed" || state == "rollback_completed" { status.completed = now }
        service.updateStatus = status
        var attributes = ["updatestate.new": state]
        attributes["updatestate.old"] = before?.state
        touch(service, attributes)
    }

    /// Puts a service's previous revision back, as `failure_action: rollback` does.
    func rollBack(_ service: ServiceObject, _ message: String) {
        guard let previous = service.previous else { return }
        let old = service.updateStatus?.state ?? ""
        service.updateStatus?.state = "rollback_started"
        service.updateStatus?.message = message
        service.take(previous.spec, bytes: previous.bytes)
        service.specVersion = previous.version
        service.previous = nil
        touch(service, ["updatestate.new": "rollback_started", "updatestate.old": old])
        reconcileSoon(service)
    }

    /// Records that a service has changed.
    func touch(_ service: ServiceObject, _ attributes: [String: String] = [:]) {
        service.version = advanceIndex()
        service.updated = now
        service.encoded = nil
        emit("service", "update", service.id, service.name, attributes)
    }
}
