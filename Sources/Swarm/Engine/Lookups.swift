internal import Crypto
package import Delivery
internal import HTTP
package import JSON
internal import Text

/// A path segment, percent-encoded.
func percentEncodedPath(_ text: String) -> String { percentEncoded(text) }

/// An image whose tag was resolved, or that only this Engine has.
struct ResolvedImage: Sendable {
    var reference: String
    var platforms: [JSON]

    func apply(to spec: inout JSON) {
        setImage(reference, &spec)
        if !platforms.isEmpty { setPlatforms(.array(platforms), &spec) }
    }
}

extension EngineClient {
    /// An object by its kind and name; nil when there is none.
    ///
    /// The Engine takes an empty name for a list, so none is asked for.
    func find(_ kind: String, _ name: String, timeout: Duration = .seconds(30)) async throws -> JSON? {
        guard !name.isEmpty else { return nil }
        do {
            let tail = kind == "images" ? "/json" : ""
            return try await call("GET", "/\(kind)/\(percentEncodedPath(name))\(tail)", timeout: timeout)
        } catch let error as EngineError where error.isNotFound {
            return nil
        }
    }

    /// Whether a secret holds this content.
    ///
    /// The Engine compares the data before it compares the version (swarmkit, `UpdateSecret`), and no object has version 0: so
    /// it says whether they are the same and never writes. It compares no empty data, and has no empty secret.
    func holds(secret: ObservedObject, content: [UInt8]) async throws -> Bool {
        guard !content.isEmpty, var spec = secret.json["Spec"] else { return false }
        spec["Data"] = .string(base64(content))
        do {
            try await call("POST", "/secrets/\(secret.id)/update", query: [("version", "0")], body: spec)
            return true
        } catch let error as EngineError where error.isOutOfSequence {
            return true
        } catch let error as EngineError where error.message.contains("only updates to Labels are allowed") {
            return false
        }
    }

    /// The digest a tag stands for now, asked of the registry through the Engine.
    /// - Throws: `Failure` when no registry can say and no image of that name is on the Engine: a change whose image is
    ///   not known does not begin.
    func resolve(_ image: String, auth: String?) async throws -> ResolvedImage {
        let reference = ImageReference(image)
        do {
            let path = "/distribution/\(image)/json"
            let answer = try await call("GET", path, registryAuth: auth, timeout: .seconds(30))
            guard let digest = answer["Descriptor"]?["digest"]?.string else {
                throw EngineError(status: 502, message: "the registry gave no digest")
            }
            let platforms = answer["Platforms"]?.array?.map { platform -> JSON in
                // Variants of arm are not told apart by the scheduler (swarmkit issue 2294).
                let architecture = platform["architecture"]?.string ?? ""
                return .compact([
                    "Architecture": .string(architecture.lowercased() == "arm" ? "" : architecture),
                    "OS": platform["os"],
                ])
            }
            return ResolvedImage(reference: reference.pinned(to: digest), platforms: platforms ?? [])
        } catch let error as EngineError {
            // An image that was built or imported here and never came from a registry under this name is used as it is.
            if let local = try await find("images", image) {
                let origins =
                    local["RepoDigests"]?.array?.compactMap { $0.string.map { ImageReference($0).tagged } } ?? []
                let isOwn = !origins.contains { $0.hasPrefix(reference.withoutTag + "@") }
                if isOwn { return ResolvedImage(reference: reference.tagged, platforms: []) }
            }
            throw Failure(
                .imageNotResolved,
                "the image '\(image)' cannot be resolved: \(error); check its name and tag, or the registry and its "
                    + "credentials under 'registries'"
            )
        }
    }
}

extension SwarmPlatform {
    /// Events of services, configs, secrets and networks of the cluster, as the apps they concern.
    nonisolated func eventStream() -> AsyncThrowingStream<AppID?, any Error> {
        let filters: JSON = [
            "type": ["service", "config", "secret", "network", "node"], "scope": ["swarm"],
        ]
        let pieces = engine.events(query: [("filters", filters.text())])
        let target = name
        return AsyncThrowingStream { continuation in
            let reading = Task {
                var buffer: [UInt8] = []
                do {
                    for try await piece in pieces {
                        buffer += piece
                        while let end = buffer.firstIndex(of: 0x0A) {
                            let line = Array(buffer[..<end])
                            buffer.removeSubrange(...end)
                            guard let event = try? JSON(parsing: line) else { continue }
                            let object = event["Actor"]?["Attributes"]?["name"]?.string ?? ""
                            if event["Type"]?.string == "node" {
                                continuation.yield(nil)
                            } else if object.hasPrefix(LeaseConfig.namePrefix) {
                                continue
                            } else if object.hasPrefix("hecate.") {
                                continuation.yield(AppID(target: target, name: String(object.dropFirst(7))))
                            } else if let stack = object.split(separator: "_").first, object.contains("_") {
                                // The stack's name may itself hold '_': every prefix is a candidate.
                                var prefix = String(stack)
                                continuation.yield(AppID(target: target, name: prefix))
                                for part in object.split(separator: "_").dropFirst().dropLast() {
                                    prefix += "_" + part
                                    continuation.yield(AppID(target: target, name: prefix))
                                }
                            }
                        }
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in reading.cancel() }
        }
    }

    /// What runs, as a revision that can be put back.
    ///
    /// `returning`: The services whose update under way leads away from what is desired.
    nonisolated func captured(
        _ observed: ObservedStack,
        returning: Set<String>,
        name: String,
        options: StackOptions
    ) -> [UInt8] {
        var stack = DesiredStack(name: name)
        stack.isCaptured = true
        for service in observed.services {
            // What an unfinished update is about has not proved itself; what ran before has.
            let isUnproven = service.isAmidUpdate && !returning.contains(service.name)
            var spec = isUnproven ? service.previousSpec ?? service.spec : service.spec
            if var task = spec["TaskTemplate"], let networks = task["Networks"]?.array {
                task["Networks"] = .array(
                    networks.map { item in
                        var item = item
                        if let id = item["Target"]?.string, let name = observed.networkNames[id] {
                            item["Target"] = .string(name)
                        }
                        return item
                    }
                )
                spec["TaskTemplate"] = task
            }
            let key = service.name.hasPrefix("\(name)_") ? String(service.name.dropFirst(name.count + 1)) : service.name
            stack.services.append(DesiredService(name: service.name, key: key, spec: spec))
        }
        stack.networks = observed.networks.map { network in
            var options = network.json["Options"]?.strings ?? [:]
            options["com.docker.network.driver.overlay.vxlanid_list"] = nil
            return DesiredNetwork(
                name: network.name,
                body: .object([
                    "Driver": network.json["Driver"] ?? "overlay", "Labels": JSON(network.labels),
                    "Options": JSON(options),
                    "Internal": network.json["Internal"] ?? false, "Attachable": network.json["Attachable"] ?? false,
                    "CheckDuplicate": true,
                ])
            )
        }
        let files = observed.configs.map { ($0, DesiredFile.Kind.config) } + observed.secrets.map { ($0, .secret) }
        stack.files = files.map { object, kind in
            let content = object.data.flatMap(decodeBase64)
            return DesiredFile(
                kind: kind,
                name: object.name,
                labels: object.labels,
                content: content,
                hash: content.map { sha256($0) } ?? "",
                driver: nil,
                templating: object.json["Spec"]?["Templating"],
                deployedName: object.name
            )
        }
        let names = Dictionary(stack.files.map { ("\($0.kind.rawValue) \($0.name)", $0.name) }) { first, _ in first }
        return stack.payload(fileNames: names, images: [:], options: options)
    }
}

extension SwarmPlatform {
    /// The services and tasks of an app as they are now, for showing.
    package func describe(_ id: AppID) async throws -> JSON {
        let filter = labelFilter("\(StackLabel.namespace)=\(id.name)")
        async let services = engine.call("GET", "/services", query: [filter, ("status", "true")])
        async let tasks = engine.call("GET", "/tasks", query: [filter])
        async let nodes = engine.call("GET", "/nodes")
        let hosts = Dictionary(
            try await (nodes.array ?? []).map { ($0["ID"]?.string ?? "", $0["Description"]?["Hostname"] ?? "") }
        ) { first, _ in first }
        let all = try await tasks.array?.compactMap(ObservedTask.init) ?? []
        let found = Self.own(try await services, id)
        return .array(
            found.sorted { $0.name < $1.name }.map { service in
                let own = all.filter { $0.serviceID == service.id }.sorted { $0.time > $1.time }.prefix(12)
                return [
                    "id": .string(service.id), "name": .string(service.name), "running": .int(service.running),
                    "desired": .int(service.desired),
                    "image": service.spec["TaskTemplate"]?["ContainerSpec"]?["Image"] ?? .null,
                    "tasks": .array(
                        own.map { task in
                            [
                                "name": .string(task.slot > 0 ? "\(service.name).\(task.slot)" : service.name),
                                "state": .string(task.state), "desiredState": .string(task.desiredState),
                                "node": hosts[task.nodeID] ?? .null, "error": .string(task.error),
                                "since": .string(task.time),
                            ]
                        }
                    ),
                ]
            }
        )
    }

    /// Those of the services that are marked as the app's own, whatever the Engine thought of the filter.
    private static func own(_ services: JSON, _ id: AppID) -> [ObservedService] {
        (services.array ?? []).compactMap(ObservedService.init).filter { $0.stack == id.name }
    }

    /// The last lines the tasks of an app wrote, oldest first, each with its service; what cannot be asked is left out.
    package func logs(of id: AppID, lines: Int) async -> [String] {
        let filter = labelFilter("\(StackLabel.namespace)=\(id.name)")
        guard let found = try? await engine.call("GET", "/services", query: [filter]) else { return [] }
        let services = Self.own(found, id)
        let query = [("stdout", "true"), ("stderr", "true"), ("timestamps", "true"), ("tail", "\(lines)")]
        return await withTaskGroup(of: [(time: Substring, text: String)].self) { group in
            for service in services {
                group.addTask { [engine] in
                    let path = "/services/\(service.id)/logs"
                    guard let bytes = try? await engine.raw("GET", path, query: query, timeout: .seconds(3)) else {
                        return []
                    }
                    return logLines(bytes).map { line in
                        let parts = line.split(separator: " ", maxSplits: 1)
                        return (parts.first ?? "", "\(service.name) | \(parts.count > 1 ? parts[1] : "")")
                    }
                }
            }
            var all: [(time: Substring, text: String)] = []
            for await some in group { all += some }
            return all.sorted { $0.time < $1.time }.suffix(lines).map { "\($0.time.prefix(19))Z \($0.text)" }
        }
    }
}
