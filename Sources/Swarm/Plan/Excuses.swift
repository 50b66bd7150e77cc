/// What excuses tasks that failed: nobody's fault that declared them.
struct Excuses: Sendable {
    let mark: StackMark?
    /// The nodes whose Engine ended: what had run there for longer than the deployment died as well.
    private let lostNodes: Set<String>

    init(mark: StackMark?, services: [ObservedService], tasks: [ObservedTask]) {
        self.mark = mark
        let services = Dictionary(services.map { ($0.id, $0) }) { first, _ in first }
        let lost = tasks.filter { task in
            guard task.hasFailed, task.exitCode == 255, mark?.precedes(task) ?? false,
                let service = services[task.serviceID]
            else { return false }
            let isUntouched = mark.map { !$0.precedes(service.version) } ?? true
            return isUntouched || !task.isCurrent(of: service)
        }
        lostNodes = Set(lost.map(\.nodeID)).subtracting([""])
    }

    /// Whether a task failed for what its Engine or the registry did.
    func cover(_ task: ObservedTask) -> Bool {
        task.wasLost || task.couldNotBePulled || mark?.excuses(task) ?? false
            || task.mayHaveDiedWithTheEngine && lostNodes.contains(task.nodeID)
    }
}
