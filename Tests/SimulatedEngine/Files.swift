internal import HTTP
internal import JSON

/// Configs and secrets.
extension SimulatedEngine {
    private static let filters: [Bool: Set<String>] = [
        false: ["id", "label", "name"], true: ["id", "label", "name", "names"],
    ]

    func answerFile(_ method: String, _ rest: [String], _ query: Query, _ body: JSON, isSecret: Bool) -> Response {
        let kind = isSecret ? "secret" : "config"
        guard let name = rest.first else {
            guard method == "GET" else { return .failure(404, "page not found") }
            return listFiles(query, isSecret: isSecret)
        }
        if method == "POST" && name == "create" { return createFile(body, isSecret: isSecret) }
        if method == "POST", query.parameters["version"].flatMap({ UInt64($0) }) == nil {
            return .failure(400, "invalid \(kind) version")
        }
        guard let file = find(file: name, isSecret: isSecret) else { return .failure(404, "\(kind) \(name) not found") }
        switch (method, rest.count) {
        case ("GET", 1):
            var bytes: [UInt8] = []
            file.write(to: &bytes)
            return Response(status: 200, body: bytes)
        case ("POST", 2) where rest[1] == "update": return update(file, query, body)
        case ("DELETE", 1): return remove(file)
        default: return .failure(404, "page not found")
        }
    }

    /// A config or secret by identifier, name or the beginning of an identifier.
    func find(file name: String, isSecret: Bool) -> FileObject? {
        let files = isSecret ? secrets : configs
        return files.first { $0.id == name } ?? files.first { $0.name == name }
            ?? files.first { !name.isEmpty && $0.id.hasPrefix(name) }
    }

    private func listFiles(_ query: Query, isSecret: Bool) -> Response {
        let filters = query.filters ?? [:]
        if let unknown = filters.keys.sorted().first(where: { Self.filters[isSecret]?.contains($0) != true }) {
            return .failure(400, "Invalid filter '\(unknown)'")
        }
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        for file in isSecret ? secrets : configs {
            guard matches(file.labels, query.labels), hasPrefix(file.id, oneOf: filters["id"]),
                hasPrefix(file.name, oneOf: filters["name"]),
                filters["names"].map({ $0.contains(file.name) }) ?? true
            else { continue }
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            file.write(to: &bytes)
        }
        bytes.append(UInt8(ascii: "]"))
        return Response(status: 200, body: bytes)
    }

    private func createFile(_ body: JSON, isSecret: Bool) -> Response {
        let kind = isSecret ? "secret" : "config"
        let name = body["Name"]?.string ?? ""
        guard !name.isEmpty else { return .invalid("name must be provided") }
        guard isName(name), name.utf8.count <= 64 else {
            return .invalid(
                "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]"
            )
        }
        // Base64 takes four characters for three bytes.
        let limit = isSecret ? 512_000 : 1_024_000
        let data = body["Data"]?.string ?? ""
        guard !data.isEmpty && data.utf8.count * 3 / 4 < limit || body["Driver"] != nil && isSecret else {
            return .invalid("\(kind) data must be larger than 0 and less than \(limit) bytes")
        }
        guard find(named: name, isSecret: isSecret) == nil else {
            return .managers(409, "AlreadyExists", "\(kind) \(name) already exists")
        }
        var spec = body
        spec["Labels"] = body["Labels"] ?? [:]
        let file = FileObject(id: chance.identifier(), name: name, isSecret: isSecret, spec: spec, now: now)
        file.version = advanceIndex()
        let position = (isSecret ? secrets : configs).firstIndex { $0.id > file.id }
        if isSecret {
            secrets.insert(file, at: position ?? secrets.count)
        } else {
            configs.insert(file, at: position ?? configs.count)
        }
        changes.append(APIChange(at: now, action: .create, kind: kind, id: file.id, name: name, spec: body))
        emit(kind, "create", file.id, name)
        return .json(["ID": .string(file.id)], status: 201)
    }

    private func find(named name: String, isSecret: Bool) -> FileObject? {
        (isSecret ? secrets : configs).first { $0.name == name }
    }

    /// Changes labels; nothing else of a config or secret can be changed.
    private func update(_ file: FileObject, _ query: Query, _ body: JSON) -> Response {
        let kind = file.isSecret ? "secret" : "config"
        let data = body["Data"]?.string ?? ""
        guard body["Name"]?.string ?? "" == file.name, data.isEmpty || data == file.data else {
            return .invalid("only updates to Labels are allowed")
        }
        guard query.parameters["version"] == "\(file.version)" else { return .outOfSequence }
        file.labels = body["Labels"]?.strings ?? [:]
        file.spec["Labels"] = JSON(file.labels)
        file.version = advanceIndex()
        file.updated = now
        file.encoded = nil
        changes.append(APIChange(at: now, action: .update, kind: kind, id: file.id, name: file.name, spec: body))
        emit(kind, "update", file.id, file.name)
        return Response(status: 200, body: [])
    }

    private func remove(_ file: FileObject) -> Response {
        let kind = file.isSecret ? "secret" : "config"
        let list = file.isSecret ? "Secrets" : "Configs"
        let key = file.isSecret ? "SecretID" : "ConfigID"
        let users = serviceOrder.compactMap { services[$0] }.filter { service in
            let uses = service.taskSpec.json["ContainerSpec"]?[list]?.array ?? []
            return uses.contains { $0[key]?.string == file.id }
        }
        guard users.isEmpty else {
            let names = users.map(\.name).joined(separator: ", ")
            let services = users.count == 1 ? "service" : "services"
            return .invalid("\(kind) '\(file.name)' is in use by the following \(services): \(names)")
        }
        _ = advanceIndex()
        configs.removeAll { $0 === file }
        secrets.removeAll { $0 === file }
        changes.append(APIChange(at: now, action: .remove, kind: kind, id: file.id, name: file.name, spec: .null))
        emit(kind, "remove", file.id, file.name)
        return Response(status: 204, body: [])
    }
}
