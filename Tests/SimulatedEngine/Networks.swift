internal import HTTP
internal import JSON

/// The networks of the cluster and of the node.
extension SimulatedEngine {
    private static let filters: Set<String> = ["dangling", "driver", "id", "label", "name", "scope", "type"]

    func answerNetwork(_ method: String, _ rest: [String], _ query: Query, _ body: JSON) -> Response {
        switch (method, rest.first) {
        case ("GET", nil): return listNetworks(query)
        case ("POST", "create"): return createNetwork(body)
        case ("GET", let name?):
            guard let network = find(network: name) else { return .failure(404, "network \(name) not found") }
            return Response(status: 200, body: network.encoded)
        case ("DELETE", let name?): return removeNetwork(name)
        default: return .failure(404, "page not found")
        }
    }

    /// A network by identifier, name or the beginning of an identifier.
    func find(network name: String, inCluster: Bool = false) -> NetworkObject? {
        // An Engine that has left its Swarm knows only what is its own.
        let known = networks.filter { ($0.isInCluster || !inCluster) && (!isStopping || $0.isPredefined) }
        return known.first { $0.id == name } ?? known.first { $0.name == name }
            ?? known.first { !name.isEmpty && $0.id.hasPrefix(name) }
    }

    private func listNetworks(_ query: Query) -> Response {
        let filters = query.filters ?? [:]
        if let unknown = filters.keys.sorted().first(where: { !Self.filters.contains($0) }) {
            return .failure(400, "Invalid filter '\(unknown)'")
        }
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        for network in networks where network.isInCluster && (!isStopping || network.isPredefined) {
            guard matchesExactly(network.labels, query.labels), hasPrefix(network.id, oneOf: filters["id"]),
                filters["driver"].map({ $0.contains(network.body["Driver"]?.string ?? "") }) ?? true,
                filters["scope"].map({ $0.contains(network.body["Scope"]?.string ?? "") }) ?? true,
                // The managers look for whole names, a node in its own networks for parts of them.
                filters["name"].map({ $0.contains(where: { isCalled(network, $0) }) }) ?? true
            else { continue }
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: network.encoded)
        }
        bytes.append(UInt8(ascii: "]"))
        return Response(status: 200, body: bytes)
    }

    private func isCalled(_ network: NetworkObject, _ name: String) -> Bool {
        name == network.name || network.name.contains(name) && (network.isPredefined || isUsed(network))
    }

    func network(id: String, from body: JSON) -> NetworkObject {
        let driver = body["IPAM"]?["Driver"]?.string ?? "default"
        var shown: JSON = [
            "Name": body["Name"] ?? "", "Id": .string(id), "Created": .string(timestamp(now)), "Scope": "swarm",
            "Driver": body["Driver"] ?? "overlay", "EnableIPv6": body["EnableIPv6"] ?? false,
            "Internal": body["Internal"] ?? false, "Attachable": body["Attachable"] ?? false,
            "Ingress": body["Ingress"] ?? false, "Labels": body["Labels"] ?? [:],
        ]
        var options = body["Options"]?.strings ?? [:]
        options["com.docker.network.driver.overlay.vxlanid_list"] = "\(4096 + networks.count)"
        shown["Options"] = JSON(options)
        let given = body["IPAM"]?["Config"]?.array ?? []
        let subnet: JSON = .string("10.0.\(networks.count % 250).0/24")
        shown["IPAM"] = [
            "Driver": .string(driver.isEmpty ? "default" : driver), "Options": nil,
            "Config": .array(given.isEmpty ? [["Subnet": subnet]] : given),
        ]
        return NetworkObject(
            id: id,
            name: body["Name"]?.string ?? "",
            labels: body["Labels"]?.strings ?? [:],
            created: now,
            isPredefined: body["Ingress"]?.bool == true,
            body: shown
        )
    }

    private func createNetwork(_ body: JSON) -> Response {
        guard body != .null else { return .failure(400, "got EOF while reading request body") }
        let name = body["Name"]?.string ?? ""
        guard !name.isEmpty else { return .failure(500, "invalid name: ") }
        guard !networks.contains(where: { $0.name == name && (!isStopping || $0.isPredefined) }) else {
            return .failure(409, "network with name \(name) already exists")
        }
        if isStopping { return .failure(503, "This node is not a swarm manager.") }
        let driver = body["Driver"]?.string ?? "overlay"
        guard driver == "overlay" else { return .failure(404, "plugin \"\(driver)\" not found") }
        guard isName(name) else { return .invalid("name must be valid as a DNS name component") }
        let network = network(id: chance.identifier(), from: body)
        _ = advanceIndex()
        networks.append(network)
        changes.append(
            APIChange(at: now, action: .create, kind: "network", id: network.id, name: name, spec: body)
        )
        emit("network", "create", network.id, name)
        // The allocator has given it its addresses.
        emit("network", "update", network.id, name)
        return .json(["Id": .string(network.id), "Warning": ""], status: 201)
    }

    private func removeNetwork(_ name: String) -> Response {
        guard let network = find(network: name) else { return .failure(404, "network \(name) not found") }
        if network.isPredefined && network.name != "ingress" {
            return .failure(403, "\(network.name) is a pre-defined network and cannot be removed")
        }
        guard network.isInCluster else { return .failure(404, "network \(name) not found") }
        if let user = user(of: { $0.networks.contains(network.id) }) {
            return .managers(400, "FailedPrecondition", "network \(network.id) is in use by service \(user.id)")
        }
        _ = advanceIndex()
        network.isInCluster = false
        changes.append(
            APIChange(at: now, action: .remove, kind: "network", id: network.id, name: network.name, spec: .null)
        )
        emit("network", "remove", network.id, network.name)
        releaseNetworks()
        return Response(status: 204, body: [])
    }

    /// Whether a container on a node is attached to a network.
    private func isUsed(_ network: NetworkObject) -> Bool {
        let all = serviceOrder.lazy.flatMap { self.services[$0]?.tasks ?? [] }
        return leftovers.contains { holds($0, network) } || all.contains { self.holds($0, network) }
    }

    private func holds(_ task: TaskObject, _ network: NetworkObject) -> Bool {
        !task.state.isFinal && task.state >= .preparing && task.spec.networks.contains(network.id)
    }

    /// Forgets removed networks that no container holds any more; until then their names stay taken.
    func releaseNetworks() {
        guard networks.contains(where: { !$0.isInCluster }) else { return }
        networks.removeAll { !$0.isInCluster && !isUsed($0) }
    }

    /// A service whose specification uses something.
    func user(of uses: (TaskSpec) -> Bool) -> ServiceObject? {
        serviceOrder.lazy.compactMap { self.services[$0] }.first { uses($0.taskSpec) }
    }
}

/// Whether a name may stand in DNS.
func isName(_ name: String) -> Bool {
    func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
    let bytes = Array(name.utf8)
    guard let first = bytes.first, let last = bytes.last, bytes.count <= 63 || name.contains(".") else { return false }
    return isPlain(first) && isPlain(last)
        && bytes.allSatisfy {
            isPlain($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        }
}
