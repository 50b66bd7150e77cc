internal import Delivery
internal import JSON

/// What the services and tasks of a stack say about it.
struct StackHealth: Sendable {
    /// A verdict, and the task whose logs would tell more.
    struct Verdict: Sendable {
        var health: Health
        var culprit: ObservedTask?
    }

    /// The stack's services as they are; those that are not desired are left out of account.
    let services: [ObservedService]
    /// The stack's tasks, those that ended included.
    let tasks: [ObservedTask]
    /// What the stack should hold.
    let desired: [DesiredService]
    /// What had happened when the deployment began; nil outside a deployment.
    ///
    /// Failures count only when they happened after it, and completions of a changed service only then.
    let mark: StackMark?
    /// The names of the services that the plan still wants to change.
    let pending: Set<String>
    /// Whether there is an earlier revision to go back to: then three failures suffice, otherwise the services are given
    /// the whole time that first starts take, databases that initialise and such.
    let hasEarlierRevision: Bool

    func verdict() -> Verdict {
        var walk = Walk(self)
        var updating: String?
        var waiting: String?
        var blocked: String?
        var held: String?
        var runsNothing = true
        for name in Set(desired.map(\.name)).sorted() {
            let found = walk.judgement(of: name)
            switch found.judgement {
            case .done(let runs): if runs { runsNothing = false }
            case .updating(let what): updating = updating ?? what
            case .waiting(let what):
                if found.blockedBy == nil {
                    waiting = waiting ?? what
                } else {
                    blocked = blocked ?? what
                }
            case .held(let what): held = held ?? what
            case .failed(let failure, let task): return Verdict(health: .failed(failure), culprit: task)
            }
        }
        if let held { return Verdict(health: .held(held), culprit: nil) }
        if let what = waiting ?? blocked { return Verdict(health: .progressing(what), culprit: nil) }
        if let updating { return Verdict(health: .settling(updating), culprit: nil) }
        return Verdict(health: .healthy(runsNothing: runsNothing), culprit: nil)
    }

    /// How a service that stands still, through no fault of its own, goes on.
    enum Resumption {
        /// Swarm paused its update, which can go on.
        case ofUpdate
        /// Its tasks went with their Engine or their node, and nothing but a new start makes others.
        case ofTasks
    }

    /// The services that stand still and can go on, by name.
    func resumable() -> [String: Resumption] {
        guard services.contains(where: { $0.updateStatus?["State"]?.string == "paused" || $0.mayStandStill }) else {
            return [:]
        }
        var walk = Walk(self)
        var result: [String: Resumption] = [:]
        for name in desired.map(\.name) { result[name] = walk.judgement(of: name).resumption }
        return result
    }

    /// Judges services after what they depend on, each once.
    private struct Walk {
        struct Found {
            var judgement: ServiceHealth.Judgement
            /// A service that it depends on and that is not healthy.
            var blockedBy: String?
            /// When it was healthy, with all that it depends on; nil while it is not.
            var healthySince: ServiceHealth.Since?
            var resumption: Resumption?
        }

        private let stack: StackHealth
        private let observed: [String: ObservedService]
        private let dependencies: [String: [String]]
        private let tasks: [String: [ObservedTask]]
        private let excuses: Excuses
        private var found: [String: Found] = [:]
        private var underWay: Set<String> = []

        init(_ stack: StackHealth) {
            self.stack = stack
            observed = Dictionary(stack.services.map { ($0.name, $0) }) { first, _ in first }
            let names = Set(stack.desired.map(\.name))
            dependencies = Dictionary(
                stack.desired.map { ($0.name, $0.dependsOn.filter(names.contains).sorted()) }
            ) { first, _ in first }
            tasks = Dictionary(grouping: stack.tasks, by: \.serviceID)
            excuses = Excuses(mark: stack.mark, services: stack.services, tasks: stack.tasks)
        }

        mutating func judgement(of name: String) -> Found {
            if let known = found[name] { return known }
            underWay.insert(name)
            var since: ServiceHealth.Since? = .always
            var blockedBy: String?
            // A circle of dependencies waits for nobody.
            for other in dependencies[name] ?? [] where !underWay.contains(other) {
                let dependency = judgement(of: other)
                if let healthy = dependency.healthySince {
                    since = since?.and(healthy)
                } else {
                    since = nil
                    blockedBy = blockedBy ?? other
                }
            }
            underWay.remove(name)
            let result = judge(name, dependencies: since, blockedBy: blockedBy)
            found[name] = result
            return result
        }

        private func judge(_ name: String, dependencies since: ServiceHealth.Since?, blockedBy: String?) -> Found {
            guard let service = observed[name] else {
                return Found(judgement: .waiting("service \(name) is not there yet"), blockedBy: blockedBy)
            }
            let health = ServiceHealth(
                service: service,
                tasks: tasks[service.id] ?? [],
                excuses: excuses,
                isPending: stack.pending.contains(name),
                hasEarlierRevision: stack.hasEarlierRevision,
                dependencies: since
            )
            var judgement = health.judge()
            if case .waiting(let what) = judgement, let blockedBy {
                judgement = .waiting("\(what); it waits for service \(blockedBy)")
            }
            if case .waiting(let what) = judgement, health.waitsForNodes { judgement = .held(what) }
            return Found(
                judgement: judgement,
                blockedBy: blockedBy,
                healthySince: since.flatMap { since in health.healthySince(judgement).map(since.and) },
                resumption: health.canResume ? .ofUpdate : health.isStranded ? .ofTasks : nil
            )
        }
    }
}
