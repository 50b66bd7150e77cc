internal import HTTP
internal import JSON

/// The API of services.
extension SimulatedEngine {
    private static let filters: Set<String> = ["id", "label", "mode", "name", "runtime"]

    func answerService(_ method: String, _ rest: [String], _ query: Query, _ body: JSON) -> Response {
        guard let name = rest.first else { return listServices(query) }
        if method == "POST" && name == "create" { return createService(body) }
        if method == "POST", rest.count == 2, rest[1] == "update" {
            let text = query.parameters["version"] ?? ""
            guard UInt64(text) != nil else {
                return .failure(
                    400,
                    "invalid service version '\(text)': strconv.ParseUint: parsing \"\(text)\": invalid syntax"
                )
            }
            return updateService(name, version: text, body)
        }
        guard let service = find(service: name) else { return .failure(404, "service \(name) not found") }
        switch (method, rest.count) {
        case ("GET", 1):
            var bytes: [UInt8] = []
            service.write(to: &bytes, withStatus: false)
            return Response(status: 200, body: bytes)
        case ("GET", 2) where rest[1] == "logs": return logs(of: service.tasks, query)
        case ("DELETE", 1): return remove(service)
        default: return .failure(404, "page not found")
        }
    }

    /// A service by identifier, name or the beginning of an identifier.
    func find(service name: String) -> ServiceObject? {
        if let service = services[name] { return service }
        let all = serviceOrder.lazy.compactMap { self.services[$0] }
        return all.first { $0.name == name } ?? all.first { !name.isEmpty && $0.id.hasPrefix(name) }
    }

    private func listServices(_ query: Query) -> Response {
        let filters = query.filters ?? [:]
        if let unknown = filters.keys.sorted().first(where: { !Self.filters.contains($0) }) {
            return .failure(400, "Invalid filter '\(unknown)'")
        }
        let withStatus = query.parameters["status"] == "true" || query.parameters["status"] == "1"
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        for service in serviceOrder.lazy.compactMap({ self.services[$0] }) {
            guard matches(service.labels, query.labels), hasPrefix(service.id, oneOf: filters["id"]),
                hasPrefix(service.name, oneOf: filters["name"]),
                filters["mode"].map({ $0.isEmpty || $0.contains(service.mode.kind) }) ?? true
            else { continue }
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            service.write(to: &bytes, withStatus: withStatus)
        }
        bytes.append(UInt8(ascii: "]"))
        return Response(status: 200, body: bytes)
    }

    // MARK: Changes

    private func createService(_ body: JSON) -> Response {
        var spec: JSON
        switch convert(body) {
        case .failure(let refusal): return refusal.response
        case .success(let converted): spec = converted
        }
        if let refusal = refusal(of: spec, nil) { return refusal }
        if spec["Name"]?.string ?? "" == "" { spec["Name"] = .string("simulated_\(chance.identifier().prefix(6))") }
        let name = spec["Name"]?.string ?? ""
        guard !services.values.contains(where: { $0.name == name }) else {
            return .managers(
                409,
                "AlreadyExists",
                "name conflicts with an existing object: service \(name) already exists"
            )
        }
        let service = ServiceObject(id: chance.identifier(), spec: spec, now: now)
        service.version = advanceIndex()
        services[service.id] = service
        serviceOrder.insert(service.id, at: serviceOrder.firstIndex { $0 > service.id } ?? serviceOrder.count)
        changes.append(APIChange(at: now, action: .create, kind: "service", id: service.id, name: name, spec: body))
        emit("service", "create", service.id, name)
        reconcileSoon(service)
        return .json(["ID": .string(service.id)], status: 201)
    }

    private func updateService(_ name: String, version: String, _ body: JSON) -> Response {
        let spec: JSON
        switch convert(body) {
        case .failure(let refusal): return refusal.response
        case .success(let converted): spec = converted
        }
        guard let service = find(service: name) else { return .failure(404, "service \(name) not found") }
        if let refusal = refusal(of: spec, service) { return refusal }
        guard ServiceMode(spec["Mode"]).kind == service.mode.kind else {
            return .managers(501, "Unimplemented", "service mode change is not allowed")
        }
        guard spec["Name"]?.string == service.name else {
            return .managers(501, "Unimplemented", "renaming services is not supported")
        }
        guard version == "\(service.version)" else { return .outOfSequence }
        let attributes = eventAttributes(of: service, spec)
        service.previous = (service.spec, service.specBytes, service.specVersion)
        service.specVersion = service.version
        service.take(spec)
        if service.mode.isJob {
            service.iteration += 1
            service.lastExecution = now
        }
        service.updateStatus = nil
        touch(service, attributes)
        changes.append(
            APIChange(at: now, action: .update, kind: "service", id: service.id, name: service.name, spec: body)
        )
        reconcileSoon(service)
        return .json(["Warnings": nil])
    }

    /// What the event of an update says of it.
    private func eventAttributes(of service: ServiceObject, _ spec: JSON) -> [String: String] {
        var attributes: [String: String] = [:]
        let image = spec["TaskTemplate"]?["ContainerSpec"]?["Image"]?.string ?? ""
        if image != service.taskSpec.image {
            attributes = ["image.new": image, "image.old": service.taskSpec.image]
        }
        if case .replicated(let old) = service.mode, case .replicated(let new) = ServiceMode(spec["Mode"]), old != new {
            attributes["replicas.new"] = "\(new)"
            attributes["replicas.old"] = "\(old)"
        }
        return attributes
    }

    private func remove(_ service: ServiceObject) -> Response {
        _ = advanceIndex()
        service.isRemoved = true
        service.updater?.cancel()
        service.updater = nil
        services[service.id] = nil
        serviceOrder.removeAll { $0 == service.id }
        leftovers += service.tasks
        for task in service.tasks { want(task, .remove) }
        changes.append(
            APIChange(at: now, action: .remove, kind: "service", id: service.id, name: service.name, spec: .null)
        )
        emit("service", "remove", service.id, service.name)
        return Response(status: 200, body: [])
    }
}
