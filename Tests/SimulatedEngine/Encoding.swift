internal import JSON

extension [UInt8] {
    mutating func add(_ text: String) { append(contentsOf: text.utf8) }

    /// A member of an object that already has one before it.
    mutating func add(_ key: String, text: String) {
        add(",\"\(key)\":")
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }
        if isPlain { add("\"\(text)\"") } else { append(contentsOf: JSON.string(text).encoded()) }
    }

    mutating func add(_ key: String, raw: [UInt8]) {
        add(",\"\(key)\":")
        append(contentsOf: raw)
    }
}

/// The head that every object of the cluster has.
private func head(_ id: String, _ version: Int64, _ created: Int64, _ updated: Int64) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(512)
    bytes.add("{\"ID\":\"\(id)\",\"Version\":{\"Index\":\(version)},\"CreatedAt\":\"\(timestamp(created))\"")
    bytes.add(",\"UpdatedAt\":\"\(timestamp(updated))\"")
    return bytes
}

extension ServiceObject {
    /// The document without its closing brace, so that the counts of tasks can follow.
    private var document: [UInt8] {
        if let encoded { return encoded }
        var bytes = head(id, version, created, updated)
        bytes.add("Spec", raw: specBytes)
        if let previous { bytes.add("PreviousSpec", raw: previous.bytes) }
        let ports = taskSpec.endpoint["Ports"]?.array ?? []
        let endpoint: JSON =
            ports.isEmpty
            ? ["Spec": [:]]
            : [
                "Spec": ["Mode": taskSpec.endpoint["Mode"] ?? "vip", "Ports": .array(ports)], "Ports": .array(ports),
            ]
        bytes.add("Endpoint", raw: endpoint.encoded())
        if let status = updateStatus {
            bytes.add(",\"UpdateStatus\":{\"State\":\"\(status.state)\",\"StartedAt\":\"\(timestamp(status.started))\"")
            if let completed = status.completed { bytes.add("CompletedAt", text: timestamp(completed)) }
            bytes.add("Message", text: status.message)
            bytes.add("}")
        }
        if mode.isJob {
            let index = iteration == 0 ? "" : "\"Index\":\(iteration)"
            bytes.add(",\"JobStatus\":{\"JobIteration\":{\(index)},\"LastExecution\":\"\(timestamp(lastExecution))\"}")
        }
        encoded = bytes
        return bytes
    }

    func write(to bytes: inout [UInt8], withStatus: Bool) {
        bytes.append(contentsOf: document)
        if withStatus {
            let counts = counts
            bytes.add(",\"ServiceStatus\":{\"RunningTasks\":\(counts.running),\"DesiredTasks\":\(counts.desired)")
            bytes.add(",\"CompletedTasks\":\(counts.completed)}")
        }
        bytes.add("}")
    }

    /// How many tasks run, should run and have completed.
    ///
    /// Source: swarmkit, `manager/controlapi/service.go`, ListServiceStatuses.
    var counts: (running: Int64, desired: Int64, completed: Int64) {
        var running: Int64 = 0
        var desired: Int64 = 0
        var completed: Int64 = 0
        for task in tasks {
            if mode.isJob && task.iteration != iteration { continue }
            if task.state == .running { running += 1 }
            if mode.isJob && task.state == .complete { completed += 1 }
            let isWanted = task.desired == .running || mode == .globalJob && task.desired == .complete
            if isWanted && task.node?.isDown != true { desired += 1 }
        }
        switch mode {
        case .replicated(let count): desired = count
        case .replicatedJob(let concurrent, _): desired = concurrent
        default: break
        }
        return (running, desired, completed)
    }
}

extension TaskObject {
    func write(to bytes: inout [UInt8]) {
        if let encoded {
            bytes.append(contentsOf: encoded)
            return
        }
        var document = head(id, version, created, updated)
        document.add(",\"Labels\":{}")
        document.add("Spec", raw: spec.bytes)
        document.add(",\"ServiceID\":\"\(service.id)\"")
        if slot != 0 { document.add(",\"Slot\":\(slot)") }
        if let node { document.add(",\"NodeID\":\"\(node.id)\"") }
        document.add(",\"Status\":{\"Timestamp\":\"\(timestamp(since))\",\"State\":\"\(state.name)\"")
        document.add("Message", text: message)
        if !error.isEmpty { document.add("Err", text: error) }
        if container != nil || hasFailedContainer {
            document.add(",\"ContainerStatus\":{\"ContainerID\":\"\(container ?? "")\",\"PID\":")
            document.add(state == .running ? "4711" : "0")
            document.add(",\"ExitCode\":\(exitCode)}")
        }
        document.add(",\"PortStatus\":{}},\"DesiredState\":\"\(desired.name)\"")
        if let iteration {
            document.add(",\"JobIteration\":{\(iteration == 0 ? "" : "\"Index\":\(iteration)")}")
        }
        document.add("}")
        encoded = document
        bytes.append(contentsOf: document)
    }
}

extension FileObject {
    func write(to bytes: inout [UInt8]) {
        if let encoded {
            bytes.append(contentsOf: encoded)
            return
        }
        var document = head(id, version, created, updated)
        // What a secret holds is given to containers and to nobody else.
        var shown = spec
        if isSecret { shown["Data"] = nil }
        document.add("Spec", raw: shown.encoded())
        document.add("}")
        encoded = document
        bytes.append(contentsOf: document)
    }
}

extension NodeObject {
    var json: JSON {
        let status: JSON = ["State": isDown ? "down" : "ready", "Addr": "127.0.0.1"]
        var json: JSON = [
            "ID": .string(id), "Version": ["Index": .int(version)], "CreatedAt": .string(timestamp(created)),
            "UpdatedAt": .string(timestamp(updated)),
            "Spec": ["Labels": JSON(labels), "Role": .string(role), "Availability": .string(availability)],
            "Description": [
                "Hostname": .string(hostname), "Platform": ["Architecture": "x86_64", "OS": "linux"],
                "Resources": ["NanoCPUs": .int(cpu), "MemoryBytes": .int(memory)],
                "Engine": ["EngineVersion": "20.10.24+dfsg1"],
            ],
            "Status": status,
        ]
        if role == "manager" {
            json["ManagerStatus"] = ["Leader": true, "Reachability": "reachable", "Addr": "127.0.0.1:2377"]
        }
        return json
    }
}
