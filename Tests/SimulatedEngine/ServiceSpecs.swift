internal import HTTP
internal import JSON

/// A specification that is refused.
struct Refusal: Error {
    var response: Response

    init(_ response: Response) { self.response = response }
}

/// What managers check in a service's specification, and what they fill in.
///
/// Source: swarmkit, `manager/controlapi/service.go`; moby, `daemon/cluster/convert/service.go`.
extension SimulatedEngine {
    /// The specification as the cluster keeps it, with what is not given filled in.
    func convert(_ body: JSON) -> Result<JSON, Refusal> {
        var spec = body
        let modes = spec["Mode"]?.object?.keys.count ?? 0
        spec["Labels"] = spec["Labels"] ?? [:]
        if modes == 0 { spec["Mode"] = ["Replicated": ["Replicas": 1]] }
        if var task = spec["TaskTemplate"] {
            for (list, key) in [("Networks", "TaskTemplate"), ("Networks", "")] {
                let items = (key.isEmpty ? spec[list] : task[list])?.array ?? []
                var resolved: [JSON] = []
                for var item in items {
                    let target = item["Target"]?.string ?? ""
                    guard let network = find(network: target, inCluster: true) else {
                        return .failure(Refusal(.failure(500, "network \(target) not found")))
                    }
                    item["Target"] = .string(network.id)
                    resolved.append(item)
                }
                guard !items.isEmpty else { continue }
                if key.isEmpty { spec[list] = .array(resolved) } else { task[list] = .array(resolved) }
            }
            var container = task["ContainerSpec"] ?? [:]
            if container["Isolation"]?.string ?? "" == "" { container["Isolation"] = "default" }
            task["ContainerSpec"] = container
            if task["ForceUpdate"] == nil { task["ForceUpdate"] = 0 }
            task["Runtime"] = "container"
            if var policy = task["RestartPolicy"] {
                if policy["Condition"]?.string ?? "" == "" { policy["Condition"] = "any" }
                if policy["MaxAttempts"] == nil { policy["MaxAttempts"] = 0 }
                task["RestartPolicy"] = policy
            }
            spec["TaskTemplate"] = task
        }
        if modes > 1 { return .failure(Refusal(.failure(400, "must specify only one service mode"))) }
        if var endpoint = spec["EndpointSpec"] {
            if endpoint["Mode"]?.string ?? "" == "" { endpoint["Mode"] = "vip" }
            spec["EndpointSpec"] = endpoint
        }
        return .success(spec)
    }

    /// Why the managers do not take a specification; nil when they do.
    func refusal(of spec: JSON, _ service: ServiceObject?) -> Response? {
        let name = spec["Name"]?.string ?? ""
        if !name.isEmpty && !(isName(name) && !name.contains(".")) {
            return .invalid("name must be valid as a DNS name component")
        }
        let container = spec["TaskTemplate"]?["ContainerSpec"]
        if container?["Image"]?.string ?? "" == "" {
            return .invalid("ContainerSpec: image reference must be provided")
        }
        if let refusal = refusal(ofPorts: spec, service) { return refusal }
        for (list, key, isSecret) in [("Secrets", "Secret", true), ("Configs", "Config", false)] {
            let uses = container?[list]?.array ?? []
            let missing = uses.filter { use in
                let file = (isSecret ? secrets : configs).first { $0.id == use["\(key)ID"]?.string }
                return file == nil || file?.name != use["\(key)Name"]?.string
            }
            guard !missing.isEmpty else { continue }
            let names = missing.compactMap { $0["\(key)Name"]?.string }.joined(separator: ", ")
            return .invalid("\(key.lowercased())\(missing.count == 1 ? "" : "s") not found: \(names)")
        }
        if ServiceMode(spec["Mode"]).isJob && spec["UpdateConfig"] != nil {
            return .invalid("Jobs may not have an update config")
        }
        return nil
    }

    private func refusal(ofPorts spec: JSON, _ service: ServiceObject?) -> Response? {
        let endpoint = spec["EndpointSpec"]
        let ports = endpoint?["Ports"]?.array ?? []
        func isIngress(_ port: JSON) -> Bool { port["PublishMode"]?.string ?? "ingress" == "ingress" }
        func number(_ port: JSON) -> String {
            "\(port["PublishedPort"]?.int ?? 0)/\(port["Protocol"]?.string ?? "tcp")"
        }
        if endpoint?["Mode"]?.string == "dnsrr", ports.contains(where: isIngress) {
            return .invalid("EndpointSpec: port published with ingress mode can't be used with dnsrr mode")
        }
        let published = ports.filter { $0["PublishedPort"]?.int ?? 0 != 0 }
        if Set(published.map(number)).count < published.count {
            return .invalid("EndpointSpec: duplicate published ports provided")
        }
        if ports.contains(where: isIngress), !networks.contains(where: { $0.name == "ingress" && $0.isInCluster }) {
            return .managers(
                400,
                "FailedPrecondition",
                "service needs ingress network, but no ingress network is present"
            )
        }
        for port in published {
            for other in serviceOrder.compactMap({ services[$0] }) where other !== service {
                for taken in other.spec["EndpointSpec"]?["Ports"]?.array ?? [] where number(taken) == number(port) {
                    guard isIngress(port) || isIngress(taken) else { continue }
                    let how = isIngress(taken) ? "an ingress port" : "a host-published port"
                    return .invalid(
                        "port '\(port["PublishedPort"]?.int ?? 0)' is already in use by service '\(other.name)' (\(other.id)) "
                            + "as \(how)"
                    )
                }
            }
        }
        return nil
    }
}
