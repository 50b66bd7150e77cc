internal import HTTP
internal import JSON

extension Response {
    static func json(_ json: JSON, status: Int = 200) -> Response {
        Response(status: status, body: json.encoded() + [UInt8(ascii: "\n")])
    }

    static func failure(_ status: Int, _ message: String) -> Response {
        json(["message": .string(message)], status: status)
    }

    /// An error as the managers put it.
    static func managers(_ status: Int, _ code: String, _ message: String) -> Response {
        failure(status, "rpc error: code = \(code) desc = \(message)")
    }

    static func invalid(_ message: String) -> Response { managers(400, "InvalidArgument", message) }
    static var outOfSequence: Response { managers(500, "Unknown", "update out of sequence") }
}

extension SimulatedEngine {
    /// What an Engine that has left its Swarm says of everything that belongs to one.
    private static let noManager =
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm "
        + "and try again."

    func parsed(_ target: String) -> Query {
        if let known = queries[target] { return known }
        let query = Query(target)
        // Lists are asked for again and again, and so are single objects; an update comes once.
        if query.parameters["version"] == nil, queries.count < 512 { queries[target] = query }
        return query
    }

    func answer(_ request: Request, _ query: Query) -> Response {
        let kind = query.path.first ?? ""
        calls["\(request.method) \(kind)", default: 0] += 1
        let belongsToSwarm = ["services", "tasks", "configs", "secrets", "nodes", "swarm"].contains(kind)
        if isStopping && belongsToSwarm { return .failure(503, Self.noManager) }
        guard query.filters != nil else { return .failure(400, "invalid filter") }
        let body: JSON
        if let bytes = request.body, !bytes.isEmpty {
            guard let parsed = try? JSON(parsing: bytes) else { return .failure(400, "invalid JSON") }
            body = parsed
        } else {
            body = .null
        }
        let rest = Array(query.path.dropFirst())
        switch kind {
        case "services": return answerService(request.method, rest, query, body)
        case "tasks": return answerTask(request.method, rest, query)
        case "networks": return answerNetwork(request.method, rest, query, body)
        case "configs": return answerFile(request.method, rest, query, body, isSecret: false)
        case "secrets": return answerFile(request.method, rest, query, body, isSecret: true)
        case "nodes": return answerNode(rest)
        case "distribution" where rest.last == "json":
            return distribution(rest.dropLast().joined(separator: "/"))
        case "images" where rest.last == "json": return localImage(rest.dropLast().joined(separator: "/"))
        default: return answerSystem(kind, rest)
        }
    }

    private func answerSystem(_ kind: String, _ rest: [String]) -> Response {
        switch kind {
        case "_ping":
            let headers = ["api-version": "1.41", "server": "Docker/20.10.24+dfsg1 (linux)"]
            return Response(status: 200, body: Array("OK".utf8), headers: headers)
        case "version":
            return .json([
                "Version": "20.10.24+dfsg1", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux",
                "Arch": "amd64",
            ])
        case "info":
            return .json([
                "ServerVersion": "20.10.24+dfsg1", "Name": "vm",
                "Plugins": [
                    "Volume": ["local"], "Network": ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"],
                ],
                "Swarm": [
                    "LocalNodeState": .string(isStopping ? "inactive" : "active"),
                    "ControlAvailable": .bool(!isStopping), "NodeID": .string(nodes.first?.id ?? ""),
                ],
            ])
        case "swarm":
            return .json([
                "ID": .string(nodes.first?.id ?? ""),
                "Spec": ["Name": "default", "Orchestration": ["TaskHistoryRetentionLimit": 5]],
            ])
        case "plugins": return .json([])
        case "volumes":
            let name = rest.first ?? ""
            guard volumeNames.contains(name) else { return .failure(404, "get \(name): no such volume") }
            return .json(["Name": .string(name), "Driver": "local", "Scope": "local", "Options": nil])
        case "events": return Response(status: 200, body: [])
        default: return .failure(404, "page not found")
        }
    }

    private func answerNode(_ rest: [String]) -> Response {
        guard let name = rest.first else { return .json(.array(nodes.map(\.json))) }
        guard let node = nodes.first(where: { $0.id == name || $0.hostname == name }) else {
            return .failure(404, "node \(name) not found")
        }
        return .json(node.json)
    }

    // MARK: Tasks

    private static let taskFilters: Set<String> = [
        "name", "id", "label", "service", "node", "desired-state", "_up-to-date", "runtime",
    ]

    private func answerTask(_ method: String, _ rest: [String], _ query: Query) -> Response {
        guard let id = rest.first else { return listTasks(query) }
        guard let task = tasks[id] ?? tasks.values.first(where: { $0.id.hasPrefix(id) }) else {
            return .failure(404, "task \(id) not found")
        }
        if rest.count > 1, rest[1] == "logs" { return logs(of: [task], query) }
        var bytes: [UInt8] = []
        task.write(to: &bytes)
        return Response(status: 200, body: bytes)
    }

    private func listTasks(_ query: Query) -> Response {
        let filters = query.filters ?? [:]
        if let unknown = filters.keys.sorted().first(where: { !Self.taskFilters.contains($0) }) {
            return .failure(400, "Invalid filter '\(unknown)'")
        }
        var wanted: [ServiceObject]?
        for name in filters["service"] ?? [] {
            guard let service = find(service: name) else { return .failure(404, "service \(name) not found") }
            wanted = (wanted ?? []) + [service]
        }
        var hosts: [NodeObject]?
        for name in filters["node"] ?? [] {
            guard let node = nodes.first(where: { $0.id == name || $0.hostname == name }) else {
                return .failure(404, "node \(name) not found")
            }
            hosts = (hosts ?? []) + [node]
        }
        for state in filters["desired-state"] ?? [] where !["running", "shutdown", "accepted"].contains(state) {
            return .failure(400, "Invalid desired-state filter: '\(state)'")
        }
        let (labels, ids, names) = (query.labels, filters["id"], filters["name"])
        let states = filters["desired-state"].flatMap { $0.isEmpty ? nil : $0 }
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        func add(_ task: TaskObject) {
            guard matches(task.labels, labels), hasPrefix(task.id, oneOf: ids),
                names == nil || hasPrefix("\(task.serviceName).\(task.slot)", oneOf: names),
                hosts.map({ hosts in hosts.contains(where: { $0 === task.node }) }) ?? true,
                states?.contains(task.desired.name) ?? true
            else { return }
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            task.write(to: &bytes)
        }
        if let wanted {
            for service in wanted { service.tasks.forEach(add) }
        } else {
            for id in serviceOrder { services[id]?.tasks.forEach(add) }
            leftovers.forEach(add)
        }
        bytes.append(UInt8(ascii: "]"))
        return Response(status: 200, body: bytes)
    }

    // MARK: Logs

    /// What containers have written: a line when they start, and one when they end badly.
    func logs(of tasks: [TaskObject], _ query: Query) -> Response {
        let standard = query.parameters["stdout"] == "true" || query.parameters["stdout"] == "1"
        let errors = query.parameters["stderr"] == "true" || query.parameters["stderr"] == "1"
        guard standard || errors else { return .failure(500, "Bad parameters: you must choose at least one stream") }
        var bytes: [UInt8] = []
        for task in tasks where task.container != nil {
            let start = task.history.first { $0.state == .starting }?.at ?? task.created
            var lines: [(at: Int64, text: String, isError: Bool)] = []
            if standard { lines.append((start, "starting", false)) }
            if errors && task.state == .failed { lines.append((task.since, "exiting with \(task.exitCode)", true)) }
            for line in lines {
                let time = query.parameters["timestamps"] == "true" ? timestamp(line.at) + " " : ""
                let text = Array("\(time)\(line.text)\n".utf8)
                let size = UInt32(text.count)
                bytes += [line.isError ? 2 : 1, 0, 0, 0]
                bytes += (0..<4).reversed().map { UInt8(truncatingIfNeeded: size >> (8 * UInt32($0))) }
                bytes += text
            }
        }
        return Response(status: 200, body: bytes)
    }
}
