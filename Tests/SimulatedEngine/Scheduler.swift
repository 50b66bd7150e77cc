/// A placement constraint, such as `node.role == manager`.
struct Constraint: Equatable {
    var key: String
    var value: String
    var isEqual: Bool

    init?(_ text: String) {
        for (sign, isEqual) in [("!=", false), ("==", true)] {
            guard let range = text.firstRange(of: sign) else { continue }
            key = Self.trimmed(text[..<range.lowerBound])
            value = Self.trimmed(text[range.upperBound...])
            self.isEqual = isEqual
            return
        }
        return nil
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }

    func holds(on node: NodeObject) -> Bool {
        let actual: String
        switch key.lowercased() {
        case "node.id": actual = node.id
        case "node.hostname": actual = node.hostname
        case "node.role": actual = node.role
        case "node.platform.os": actual = "linux"
        case "node.platform.arch": actual = "x86_64"
        default:
            guard key.lowercased().hasPrefix("node.labels.") else { return !isEqual }
            actual = node.labels[String(key.dropFirst(12))] ?? ""
        }
        let isSame = actual.lowercased() == value.lowercased()
        return isSame == isEqual
    }
}

extension SimulatedEngine {
    /// Gives pending tasks to nodes, soon.
    func scheduleSoon() {
        guard !isScheduling, !unassigned.isEmpty else { return }
        isScheduling = true
        after(moment(50, 70)) { engine in
            engine.isScheduling = false
            engine.schedule()
        }
    }

    private func schedule() {
        let waiting = unassigned
        unassigned = []
        for task in waiting where task.isInStore && task.state == .pending && task.desired < .remove {
            if let node = task.node {
                assign(task, to: node, "scheduler confirmed task can run on preassigned node")
                continue
            }
            var refusals: [(why: Refusal, count: Int)] = []
            var best: (node: NodeObject, own: Int, all: Int)?
            for node in nodes {
                if let refusal = refusal(of: task, by: node) {
                    if let position = refusals.firstIndex(where: { $0.why == refusal }) {
                        refusals[position].count += 1
                    } else {
                        refusals.append((refusal, 1))
                    }
                    continue
                }
                let load = load(of: node, task.service)
                if best.map({ (load.own, load.all) < ($0.own, $0.all) }) ?? true { best = (node, load.own, load.all) }
            }
            if let best {
                assign(task, to: best.node, "scheduler assigned task to node")
                continue
            }
            unassigned.append(task)
            let reasons = refusals.sorted { ($0.count, $1.why.rawValue) > ($1.count, $0.why.rawValue) }
            let text = reasons.map { $0.why.explained($0.count) }.joined(separator: "; ")
            let error = "no suitable node" + (text.isEmpty ? "" : " (\(text))")
            if task.error != error {
                task.error = error
                touch(task, time: true)
            }
        }
    }

    private func assign(_ task: TaskObject, to node: NodeObject, _ message: String) {
        task.node = node
        task.error = ""
        set(task, .assigned, message)
        drive(task)
    }

    private func load(of node: NodeObject, _ service: ServiceObject) -> (own: Int, all: Int) {
        var own = 0
        var all = 0
        for candidate in tasksOn(node) where candidate.desired <= .complete && !candidate.state.isFinal {
            all += 1
            if candidate.service === service { own += 1 }
        }
        return (own, all)
    }

    /// Tasks that hold something on a node.
    func tasksOn(_ node: NodeObject) -> [TaskObject] {
        serviceOrder.flatMap { services[$0]?.tasks ?? [] }.filter { $0.node === node && !$0.state.isFinal }
            + leftovers.filter { $0.node === node && !$0.state.isFinal }
    }

    /// Why nodes do not take a task, in the order in which Swarm asks.
    private enum Refusal: Int {
        case notReady, resources, constraints, hostPort, replicas

        func explained(_ count: Int) -> String {
            let nodes = count == 1 ? "1 node" : "\(count) nodes"
            return switch self {
            case .notReady: "\(nodes) not available for new tasks"
            case .resources: "insufficient resources on \(nodes)"
            case .constraints: "scheduling constraints not satisfied on \(nodes)"
            case .hostPort: "host-mode port already in use on \(nodes)"
            case .replicas: "max replicas per node limit exceed"
            }
        }
    }

    private func refusal(of task: TaskObject, by node: NodeObject) -> Refusal? {
        let spec = task.spec
        if !node.isReady { return .notReady }
        let needsLook = spec.cpu > 0 || spec.memory > 0 || !spec.hostPorts.isEmpty || spec.maxReplicas > 0
        let others = needsLook ? tasksOn(node).filter { $0 !== task && $0.desired <= .complete } : []
        let cpu = others.reduce(0) { $0 + $1.spec.cpu }
        let memory = others.reduce(0) { $0 + $1.spec.memory }
        if cpu + spec.cpu > node.cpu || memory + spec.memory > node.memory { return .resources }
        if !spec.constraints.allSatisfy({ $0.holds(on: node) }) { return .constraints }
        if !spec.hostPorts.isEmpty {
            // A port is free when the container that had it is gone.
            let taken = tasksOn(node).filter { $0 !== task }.flatMap { $0.spec.hostPorts }
            if spec.hostPorts.contains(where: taken.contains) { return .hostPort }
        }
        let own = others.count { $0.service === task.service }
        if spec.maxReplicas > 0 && Int64(own) >= spec.maxReplicas { return .replicas }
        return nil
    }
}
