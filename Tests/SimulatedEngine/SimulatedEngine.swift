package import HTTP
package import JSON

/// A model of a Docker Engine 20.10 (API 1.41) that manages a Swarm, in virtual time.
///
/// It is the world a controller works on: it holds services, networks, configs and secrets, runs tasks whose behaviour
/// their specification chooses (`Behaviour`), restarts, updates and rolls back as Swarm does, and answers the API. Equal
/// seeds and equal calls at equal times give equal answers. Everything is synchronous and belongs to one thread.
///
/// Source of the rules: swarmkit 3e72cb64 (`manager/orchestrator`, `manager/scheduler`, `agent/exec`), and the real Engine,
/// against which `SimulationTruthTests` plays the same calls.
package final class SimulatedEngine {
    /// The target's own wall clock: nanoseconds since 1970.
    package internal(set) var now: Int64
    /// Called with each document of the event stream.
    package var onEvent: ((JSON) -> Void)?
    /// Whether the Engine is being stopped: connections that are still open get the answers of one that has left its
    /// Swarm already, which is what dockerd gives them for some seconds.
    package var isStopping = false
    /// Whether nobody listens at all; whoever carries requests here has to fail them.
    package internal(set) var isDown = false
    /// What a registry says of images.
    package var registry: Registry
    /// Every call that changed something, oldest first.
    package internal(set) var changes: [APIChange] = []
    /// How many calls were answered, by method and kind of object, such as `GET services`.
    package internal(set) var calls: [String: Int] = [:]

    /// When the Engine answers again after a restart.
    var downUntil: Int64?
    /// Tasks of services that are gone, which nodes have not let go of.
    var leftovers: [TaskObject] = []
    var timeline = Timeline()
    var chance: Chance
    /// The index of the last entry of the Raft log.
    var index: Int64
    var services: [String: ServiceObject] = [:]
    var serviceOrder: [String] = []
    var tasks: [String: TaskObject] = [:]
    var everyTask: [TaskObject] = []
    var networks: [NetworkObject] = []
    var configs: [FileObject] = []
    var secrets: [FileObject] = []
    var volumeNames: [String] = []
    var nodes: [NodeObject] = []
    var unassigned: [TaskObject] = []
    var isScheduling = false
    var queries: [String: Query] = [:]

    /// - Parameters:
    ///   - seed: What all chance follows from: identifiers, and how long the small steps take.
    ///   - start: The target's wall clock in nanoseconds since 1970.
    package init(seed: UInt64, start: Int64) {
        now = start
        chance = Chance(seed: seed)
        registry = Registry()
        index = 10
        for (name, driver) in [("bridge", "bridge"), ("host", "host"), ("none", "null")] {
            let body: JSON = [
                "Name": .string(name), "Id": .string(chance.identifier()), "Created": .string(timestamp(start)),
                "Scope": "local", "Driver": .string(driver), "Internal": false, "Attachable": false, "Ingress": false,
                "Options": [:], "Labels": [:],
            ]
            networks.append(
                NetworkObject(
                    id: body["Id"]?.string ?? "",
                    name: name,
                    labels: [:],
                    created: start,
                    isPredefined: true,
                    body: body
                )
            )
        }
        let ingress = chance.identifier()
        networks.append(network(id: ingress, from: ["Name": "ingress", "Driver": "overlay", "Ingress": true]))
        nodes.append(
            NodeObject(id: chance.identifier(), number: 1, hostname: "vm", role: "manager", labels: [:], now: start)
        )
    }

    // MARK: Time

    /// When something will happen by itself; nil when nothing will.
    package var nextEvent: Int64? { timeline.next }

    /// Lets time go on, and everything happen that falls due until then.
    package func advance(to nanoseconds: Int64) {
        while let entry = timeline.take(until: nanoseconds) {
            // A manager that is down decides nothing; what fell due meanwhile is done when it is back.
            if let downUntil, entry.due < downUntil {
                timeline.add(at: downUntil, entry.action)
                continue
            }
            now = max(now, entry.due)
            entry.action(self)
        }
        now = max(now, nanoseconds)
    }

    /// Plans something for later.
    func after(_ delay: Int64, _ action: @escaping (SimulatedEngine) -> Void) { timeline.add(at: now + delay, action) }

    /// The time a small step takes, in nanoseconds.
    func moment(_ from: Int64, _ to: Int64) -> Int64 { chance.within(from * millisecond...to * millisecond) }

    /// The next index of the Raft log.
    func advanceIndex() -> Int64 {
        index += 1
        return index
    }

    // MARK: Requests

    /// Answers a request at the present time.
    package func handle(_ request: Request) -> Response {
        let query = parsed(request.path)
        return answer(request, query)
    }

    // MARK: Faults

    /// Stops the Engine and starts it again: its containers end, nobody listens for that many nanoseconds, and the
    /// tasks whose containers are gone are restarted as their policies say.
    package func restart(downFor duration: Int64) {
        guard !isDown, let own = nodes.first else { return }
        isDown = true
        downUntil = now + duration
        for task in everyTask where task.isInStore && task.node === own && !task.state.isFinal {
            // The agent is gone, and with it whatever it was doing.
            task.generation += 1
            task.isMoving = false
        }
        after(duration) { engine in
            engine.isDown = false
            engine.downUntil = nil
            engine.isStopping = false
            engine.resumeAgents(of: own)
        }
    }

    /// Adds a node that takes tasks.
    /// - Returns: Its identifier.
    @discardableResult
    package func addNode(_ hostname: String, labels: [String: String] = [:]) -> String {
        let node = NodeObject(
            id: chance.identifier(),
            number: nodes.count + 1,
            hostname: hostname,
            role: "worker",
            labels: labels,
            now: now
        )
        node.version = advanceIndex()
        nodes.append(node)
        emit("node", "create", node.id, hostname)
        nodesChanged()
        return node.id
    }

    /// Cuts a node off or lets it come back; the managers notice its absence after fifteen seconds.
    package func setNode(_ hostname: String, isUp: Bool) {
        guard let node = nodes.first(where: { $0.hostname == hostname }), node.isUp != isUp else { return }
        node.isUp = isUp
        after(isUp ? second : 15 * second) { engine in
            guard node.isUp == isUp, node.isDown == isUp else { return }
            node.isDown = !isUp
            engine.touch(node, "state.new", isUp ? "ready" : "down")
            if isUp { engine.resumeAgents(of: node) } else { engine.leaveTasks(of: node) }
            engine.nodesChanged()
        }
    }

    /// Sets a node's availability: `active`, `pause` or `drain`.
    package func setNode(_ hostname: String, availability: String) {
        guard let node = nodes.first(where: { $0.hostname == hostname }) else { return }
        node.availability = availability
        touch(node, "availability.new", availability)
        if availability == "drain" { leaveTasks(of: node) }
        nodesChanged()
    }

    private func touch(_ node: NodeObject, _ attribute: String, _ value: String) {
        node.version = advanceIndex()
        node.updated = now
        emit("node", "update", node.id, node.hostname, [attribute: value])
    }

    // MARK: Events

    func emit(_ kind: String, _ action: String, _ id: String, _ name: String, _ more: [String: String] = [:]) {
        guard let onEvent else { return }
        var attributes = more
        attributes["name"] = name
        onEvent([
            "Type": .string(kind), "Action": .string(action), "scope": "swarm",
            "Actor": ["ID": .string(id), "Attributes": JSON(attributes)],
            "time": .int(now / second), "timeNano": .int(now),
        ])
    }
}
