internal import Crypto
internal import Diagnostics
internal import JSON

/// How a deployed stack stands in the journal: its specifications with digests, its networks, its configs with their
/// content, and of its secrets only names and hashes.
extension DesiredStack {
    /// Identifies what is declared: two stacks with equal fingerprints are the same, however they are to be treated.
    var fingerprint: String {
        if let restoredFingerprint { return restoredFingerprint }
        let document: JSON = [
            "services": .array(services.map(\.spec)),
            "networks": .array(networks.map { ["name": .string($0.name), "body": $0.body] }),
            "files": .array(
                files.map {
                    [
                        "kind": .string($0.kind.rawValue), "name": .string($0.name), "hash": .string($0.hash),
                        "labels": JSON($0.labels), "templating": $0.templating ?? .null, "driver": $0.driver ?? .null,
                    ]
                }
            ),
        ]
        return String(sha256(document.encoded()).prefix(32))
    }

    /// `deployed`: The names under which configs and secrets were deployed, by kind and declared name, and the
    /// images with digests that run, by service name.
    func payload(
        fileNames: [String: String],
        images: [String: String],
        options: StackOptions = StackOptions()
    ) -> [UInt8] {
        let document: JSON = [
            "version": 2,
            "fingerprint": .string(fingerprint),
            "options": options.json,
            "captured": .bool(isCaptured),
            "services": .array(
                services.map { service in
                    var spec = service.spec
                    if let image = images[service.name] { setImage(image, &spec) }
                    return .compact([
                        "name": .string(service.name), "key": .string(service.key), "spec": spec,
                        "dependsOn": JSON(service.dependsOn), "place": service.place.map(json),
                    ])
                }
            ),
            "networks": .array(networks.map { ["name": .string($0.name), "body": $0.body] }),
            "externals": .array(
                externals.map { external in
                    .compact([
                        "kind": .string(external.kind.rawValue), "name": .string(external.name),
                        "place": external.place.map(json),
                    ])
                }
            ),
            "files": .array(
                files.map { file in
                    .compact([
                        "kind": .string(file.kind.rawValue), "name": .string(file.name), "hash": .string(file.hash),
                        "labels": JSON(file.labels), "templating": file.templating, "driver": file.driver,
                        "data": file.kind == .config ? file.content.map { .string(base64($0)) } : nil,
                        "deployedName": fileNames["\(file.kind.rawValue) \(file.name)"].map { .string($0) },
                    ])
                }
            ),
        ]
        return document.encoded()
    }

    /// Reads a kept revision; one that version 1 kept has neither places nor externals.
    init?(name: String, payload: [UInt8]) {
        guard let document = try? JSON(parsing: payload) else { return nil }
        self.init(name: name, document)
    }

    /// Reads a kept revision whose payload was parsed already.
    init?(name: String, _ document: JSON) {
        guard let version = document["version"]?.int, (1...2).contains(version) else { return nil }
        self.init(name: name)
        restoredFingerprint = document["fingerprint"]?.string
        isCaptured = document["captured"]?.bool ?? false
        services =
            document["services"]?.array?.compactMap { item in
                guard let name = item["name"]?.string, let spec = item["spec"] else { return nil }
                return DesiredService(
                    name: name,
                    key: item["key"]?.string ?? name,
                    spec: spec,
                    place: item["place"].flatMap(place),
                    dependsOn: item["dependsOn"]?.array?.compactMap(\.string) ?? []
                )
            } ?? []
        networks =
            document["networks"]?.array?.compactMap { item in
                guard let name = item["name"]?.string, let body = item["body"] else { return nil }
                return DesiredNetwork(name: name, body: body)
            } ?? []
        externals =
            document["externals"]?.array?.compactMap { item in
                guard let kind = item["kind"]?.string.flatMap(External.Kind.init), let name = item["name"]?.string
                else { return nil }
                return External(kind: kind, name: name, place: item["place"].flatMap(place))
            } ?? []
        files =
            document["files"]?.array?.compactMap { item in
                guard let kind = item["kind"]?.string.flatMap(DesiredFile.Kind.init), let name = item["name"]?.string
                else {
                    return nil
                }
                return DesiredFile(
                    kind: kind,
                    name: name,
                    labels: item["labels"]?.strings ?? [:],
                    content: item["data"]?.string.flatMap(decodeBase64) ?? (kind == .config ? [] : nil),
                    hash: item["hash"]?.string ?? "",
                    driver: item["driver"],
                    templating: item["templating"],
                    deployedName: item["deployedName"]?.string
                )
            } ?? []
    }
}

private func json(_ place: Place) -> JSON {
    ["file": .string(place.file), "line": .int(Int64(place.line)), "column": .int(Int64(place.column))]
}

private func place(_ json: JSON) -> Place? {
    json["file"]?.string.map {
        Place(file: $0, line: Int(json["line"]?.int ?? 0), column: Int(json["column"]?.int ?? 0))
    }
}
