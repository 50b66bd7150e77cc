/// What excuses tasks that failed: nobody's fault that declared them.
struct Excuses: Sendable {
    let mark: StackMark?
    /// When, by the node's own clock, tasks ended with their Engine that had run there for longer than the deployment.
    private let losses: [String: [Double]]

    init(mark: StackMark?, services: [ObservedService], tasks: [ObservedTask]) {
        self.mark = mark
        // Swarm keeps few of a place's tasks: what was made since the deployment began never ran there for longer.
        let began = services.filter { mark?.precedes($0.version) ?? false }.map { parseTime($0.changedAt) }.min()
        let services = Dictionary(services.map { ($0.id, $0) }) { first, _ in first }
        let lost = tasks.filter { task in
            guard let mark, task.hasFailed, task.exitCode == 255, !task.nodeID.isEmpty, mark.precedes(task),
                began.map({ parseTime(task.createdAt) <= $0 }) ?? true, let service = services[task.serviceID]
            else { return false }
            return !mark.precedes(service.version) || !task.isCurrent(of: service)
        }
        // Whoever follows one that failed did not run there for longer, and may end so by itself.
        let first = Dictionary(grouping: lost) { "\($0.serviceID) \($0.place)" }.values.compactMap { tasks in
            tasks.min { (parseTime($0.createdAt), $0.version) < (parseTime($1.createdAt), $1.version) }
        }
        losses = Dictionary(grouping: first, by: \.nodeID)
            .mapValues { $0.map { parseTime($0.time) } }
    }

    /// Whether a task failed for what its Engine or the registry did.
    func cover(_ task: ObservedTask) -> Bool {
        task.wasLost || task.couldNotBePulled || mark?.excuses(task) ?? false
            || task.mayHaveDiedWithTheEngine && diedWithOthers(task)
    }

    /// Whether older tasks of the same node ended in the same seconds.
    private func diedWithOthers(_ task: ObservedTask) -> Bool {
        let time = parseTime(task.time)
        return losses[task.nodeID]?.contains { abs($0 - time) <= 5 } ?? false
    }
}
