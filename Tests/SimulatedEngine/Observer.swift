package import JSON

/// What somebody who watches the world sees at once, without the way through a request and its answer.
extension SimulatedEngine {
    /// The services of a stack, or of all stacks, as `GET /services?status=true` shows them.
    package func services(of stack: String?) -> [JSON] {
        serviceOrder.compactMap { services[$0] }.filter { service in
            guard let label = service.labels["com.docker.stack.namespace"] else { return false }
            return stack == nil || label == stack
        }.map(\.json)
    }

    /// The name of a config, by its identifier or name.
    package func name(ofConfig id: String) -> String? { find(file: id, isSecret: false)?.name }

    /// The labels of the configs whose names begin so.
    package func labels(ofConfigs prefix: String) -> [[String: String]] {
        configs.filter { $0.name.hasPrefix(prefix) }.map(\.labels)
    }
}

extension ServiceObject {
    fileprivate var json: JSON {
        var json = parsed ?? .null
        if parsed == nil {
            var bytes: [UInt8] = []
            write(to: &bytes, withStatus: false)
            json = (try? JSON(parsing: bytes)) ?? .null
            parsed = json
        }
        let counts = counts
        json["ServiceStatus"] = [
            "RunningTasks": .int(counts.running), "DesiredTasks": .int(counts.desired),
            "CompletedTasks": .int(counts.completed),
        ]
        return json
    }
}
