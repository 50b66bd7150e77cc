internal import Diagnostics
internal import YAML

/// Turns the merged tree into a typed project and validates it.
struct ProjectDecoder {
    let loader: Loader

    private var sink: Fields.Sink { loader.sink }

    func decode(_ root: Node) async throws -> Project {
        var project = Project()
        let fields = Fields(root, into: sink)
        _ = fields.has("version")
        project.name = fields.string("name")
        project.networks = networks(fields.fields("networks"))
        project.volumes = volumes(fields.fields("volumes"))
        project.configs = try await objects(fields.fields("configs"), kind: "config")
        project.secrets = try await objects(fields.fields("secrets"), kind: "secret")
        for ignored in ["models"] where fields.has(ignored) {
            fields.warning(at: fields.keyPlace(ignored), "'\(ignored)' has no effect in Swarm", cure: "remove it")
        }
        let entries = fields.fields("services")?.entries ?? []
        for entry in entries {
            guard let name = validated(entry, kind: "service"), isActive(entry.value) else { continue }
            project.services.append(try await ServiceDecoder(loader: loader, name: name, entry: entry).decode())
        }
        refuseNothing(fields, entries)
        fields.finish()
        leaveOutAbsentDependencies(&project)
        validate(project)
        project.warnings = sink.diagnostics.warnings
        return project
    }

    private func profiles(of service: Node) -> [String] {
        guard let profiles = service.mapping?["profiles"] else { return [] }
        return profiles.sequence?.compactMap { $0.scalar?.text } ?? [profiles.scalar?.text].compactMap { $0 }
    }

    private func isActive(_ service: Node) -> Bool {
        let names = profiles(of: service)
        let active = loader.options.profiles
        return names.isEmpty || active.contains("*") || names.contains { active.contains($0) }
    }

    /// A project without a service would remove whatever runs, so it is never what somebody meant.
    private func refuseNothing(_ fields: Fields, _ entries: [Mapping.Entry]) {
        let removal = "to remove a stack set 'enabled: false' in stacks.yml"
        if entries.isEmpty, fields.node("services")?.mapping != nil || fields.node("services") == nil {
            fields.error(
                at: fields.keyPlace("services"),
                "the project has no services",
                cure: "add one under 'services:'; \(removal)"
            )
        } else if !entries.isEmpty, !entries.contains(where: { isActive($0.value) }) {
            let names = Set(entries.flatMap { profiles(of: $0.value) }).sorted()
            fields.error(
                at: fields.keyPlace("services"),
                "every service is behind a profile that is not active (\(names.joined(separator: ", ")))",
                cure: "name one of these in 'profiles' of the stack; \(removal)"
            )
        }
    }

    /// A service may depend on one that is not there when it says `required: false`.
    private func leaveOutAbsentDependencies(_ project: inout Project) {
        let names = Set(project.services.map(\.name))
        for index in project.services.indices {
            let optional = project.services[index].optionalDependencies
            project.services[index].dependsOn.removeAll { optional.contains($0) && !names.contains($0) }
        }
    }

    private func validated(_ entry: Mapping.Entry, kind: String) -> String? {
        let name = entry.key
        let good = name.first.map { $0.isASCII && ($0.isLetter || $0.isNumber) } ?? false
        guard good, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_.-".contains($0)) }) else {
            sink.diagnostics.error(
                at: entry.keyPlace,
                "'\(name)' cannot name a \(kind)",
                cure: "use letters, digits, '_', '.' and '-', beginning with a letter or a digit"
            )
            return nil
        }
        return name
    }

    // MARK: Networks and volumes

    private func networks(_ section: Fields?) -> [String: Network] {
        var result: [String: Network] = [:]
        for entry in section?.entries ?? [] {
            guard let name = validated(entry, kind: "network") else { continue }
            let fields = Fields(entry.value, context: "network '\(name)'", into: sink)
            var network = Network(place: entry.keyPlace)
            (network.isExternal, network.name) = external(fields, key: name)
            network.driver = fields.string("driver") ?? ""
            network.driverOptions = assignments(fields, "driver_opts").compactMapValues { $0 ?? "" }
            network.labels = assignments(fields, "labels").compactMapValues { $0 ?? "" }
            network.isInternal = fields.bool("internal") ?? false
            network.isAttachable = fields.bool("attachable") ?? false
            if let ipam = fields.fields("ipam") {
                network.ipamDriver = ipam.string("driver") ?? ""
                for item in ipam.list("config") ?? [] {
                    let config = Fields(item, context: "ipam config of network '\(name)'", into: sink)
                    if let subnet = config.string("subnet") { network.subnets.append(subnet) }
                    for ignored in ["gateway", "ip_range", "aux_addresses"] where config.has(ignored) {
                        ignoredInSwarm(config, ignored, cure: "only 'subnet' is used")
                    }
                    config.finish()
                }
                if ipam.has("options") || ipam.has("driver_opts") {
                    ignoredInSwarm(ipam, ipam.has("options") ? "options" : "driver_opts", cure: "remove it")
                }
                ipam.finish()
            }
            for ignored in ["enable_ipv6", "enable_ipv4"] where fields.has(ignored) {
                ignoredInSwarm(fields, ignored, cure: "remove it")
            }
            fields.finish()
            result[name] = network
        }
        return result
    }

    private func volumes(_ section: Fields?) -> [String: Volume] {
        var result: [String: Volume] = [:]
        for entry in section?.entries ?? [] {
            guard let name = validated(entry, kind: "volume") else { continue }
            let fields = Fields(entry.value, context: "volume '\(name)'", into: sink)
            var volume = Volume(place: entry.keyPlace)
            (volume.isExternal, volume.name) = external(fields, key: name)
            volume.driver = fields.string("driver") ?? ""
            if fields.has("driver_opts") {
                volume.driverOptions = assignments(fields, "driver_opts").compactMapValues { $0 ?? "" }
            }
            volume.labels = assignments(fields, "labels").compactMapValues { $0 ?? "" }
            if volume.isExternal {
                for key in ["driver", "driver_opts", "labels"] where fields.node(key) != nil {
                    fields.error(
                        at: fields.keyPlace(key),
                        "volume '\(name)' is external, so '\(key)' cannot be given",
                        cure: "remove '\(key)' or 'external'"
                    )
                }
            }
            fields.finish()
            result[name] = volume
        }
        return result
    }

    /// `external: true`, `external: {name: x}` and `name: x`, in one.
    private func external(_ fields: Fields, key: String) -> (isExternal: Bool, name: String?) {
        let name = fields.string("name")
        guard let node = fields.node("external") else { return (false, name) }
        if let mapping = node.mapping {
            let inner = Fields(mapping, at: node.place, context: "'external' of \(fields.context)", into: sink)
            let older = inner.string("name")
            inner.finish()
            if name != nil, older != nil {
                fields.error(at: node.place, "\(fields.context) is named twice", cure: "keep only 'name'")
            }
            return (true, name ?? older ?? key)
        }
        let isExternal = fields.bool("external") ?? false
        return (isExternal, isExternal ? name ?? key : name)
    }

    // MARK: Configs and secrets

    private func objects(_ section: Fields?, kind: String) async throws -> [String: FileObject] {
        var result: [String: FileObject] = [:]
        for entry in section?.entries ?? [] {
            guard let name = validated(entry, kind: kind) else { continue }
            let fields = Fields(entry.value, context: "\(kind) '\(name)'", into: sink)
            var object = FileObject(place: entry.keyPlace)
            (object.isExternal, object.name) = external(fields, key: name)
            object.labels = assignments(fields, "labels").compactMapValues { $0 ?? "" }
            object.templateDriver = fields.string("template_driver") ?? ""
            if kind == "secret" {
                object.driver = fields.string("driver") ?? ""
                object.driverOptions = assignments(fields, "driver_opts").compactMapValues { $0 ?? "" }
            }
            let content = try await content(of: fields, kind: kind)
            object.content = content ?? []
            fields.finish()
            if !object.isExternal, content == nil, object.driver.isEmpty {
                // A declaration that nothing uses may lack its content, as `docker stack deploy` has it.
                unfinished.insert("\(kind) \(name)")
            }
            result[name] = object
        }
        return result
    }

    private func content(of fields: Fields, kind: String) async throws -> [UInt8]? {
        let sources = (["file", "environment"] + (kind == "config" ? ["content"] : [])).filter {
            fields.node($0) != nil
        }
        if sources.count > 1 {
            fields.error(
                at: fields.keyPlace(sources[1]),
                "\(fields.context) has both '\(sources[0])' and '\(sources[1])'",
                cure: "keep one of them"
            )
        }
        var bytes: [UInt8]?
        if let file = fields.string("file"), let place = fields.node("file")?.place {
            bytes = try await loader.content(of: file, at: place, what: "file")?.bytes ?? []
            if bytes == [] { return bytes }
        } else if let text = fields.string("content") {
            bytes = Array(text.utf8)
        } else if let variable = fields.string("environment") {
            guard let value = loader.options.variables[variable] else {
                fields.error(
                    at: fields.node("environment")?.place,
                    "\(fields.context) takes its content from '\(variable)', which is not set",
                    cure: "set it in the stack's env_file"
                )
                return []
            }
            bytes = Array(value.utf8)
        }
        let limit = kind == "secret" ? 500 * 1024 : 1000 * 1024
        if let bytes, bytes.isEmpty || bytes.count >= limit {
            fields.error(
                at: fields.keyPlace(sources.first ?? "file"),
                "\(fields.context) has \(bytes.count) bytes; Swarm takes 1 to \(limit - 1)"
            )
        }
        return bytes
    }

    // MARK: What only the whole shows

    private func validate(_ project: Project) {
        let names = Set(project.services.map(\.name))
        for service in project.services {
            for attachment in service.networks where attachment.network != "default" {
                if project.networks[attachment.network] == nil {
                    undefined("network", attachment.network, service, service.place, Array(project.networks.keys))
                }
            }
            for (kind, references, objects) in [
                ("config", service.configs, project.configs), ("secret", service.secrets, project.secrets),
            ] {
                for reference in references {
                    guard let object = objects[reference.source] else {
                        undefined(kind, reference.source, service, reference.place, Array(objects.keys))
                        continue
                    }
                    if unfinished.names.contains("\(kind) \(reference.source)") {
                        sink.diagnostics.error(
                            at: object.place,
                            "\(kind) '\(reference.source)' has no content",
                            cure: "give it 'file', or 'external: true' when it is made elsewhere"
                        )
                    }
                }
            }
            for mount in service.mounts where mount.type == "volume" && !mount.source.isEmpty {
                if project.volumes[mount.source] == nil {
                    undefined("volume", mount.source, service, mount.place, Array(project.volumes.keys))
                }
            }
            for other in service.dependsOn where !names.contains(other) {
                undefined("service", other, service, service.place, Array(names))
            }
        }
        if let circle = findCircle(Dictionary(project.services.map { ($0.name, $0.dependsOn) }) { first, _ in first }) {
            let place = project.services.first { $0.name == circle[0] }?.place
            sink.diagnostics.error(
                at: place,
                "services depend on each other: \(circle.joined(separator: " -> "))",
                cure: "remove one 'depends_on'"
            )
        }
    }

    private func undefined(_ kind: String, _ name: String, _ service: Service, _ place: Place, _ known: [String]) {
        sink.diagnostics.error(
            at: place,
            "service '\(service.name)' refers to the \(kind) '\(name)', which is not defined",
            cure: suggestion(for: name, among: known) ?? "define it under '\(kind)s:'"
        )
    }

    /// Configs and secrets that were declared without content.
    private let unfinished = Unfinished()

    private final class Unfinished {
        var names: Set<String> = []
        func insert(_ name: String) { names.insert(name) }
    }

    init(loader: Loader) { self.loader = loader }
}

/// A path through the graph that ends where it began, or nil when there is none.
package func findCircle(_ graph: [String: [String]]) -> [String]? {
    var finished: Set<String> = []
    func visit(_ node: String, path: [String]) -> [String]? {
        if let start = path.firstIndex(of: node) { return Array(path[start...]) + [node] }
        if finished.contains(node) { return nil }
        for next in graph[node] ?? [] {
            if let circle = visit(next, path: path + [node]) { return circle }
        }
        finished.insert(node)
        return nil
    }
    for node in graph.keys.sorted() {
        if let circle = visit(node, path: []) { return circle }
    }
    return nil
}

/// Reports a field that Swarm passes over.
func ignoredInSwarm(_ fields: Fields, _ key: String, cure: String) {
    fields.warning(at: fields.keyPlace(key), "'\(key)' of \(fields.context) has no effect in Swarm", cure: cure)
}

/// A mapping or a list of `KEY=VALUE`, as environment and labels are written.
func assignments(_ fields: Fields, _ key: String, separator: Character = "=") -> [String: String?] {
    guard let node = fields.node(key) else { return [:] }
    var result: [String: String?] = [:]
    if let mapping = node.mapping {
        for entry in mapping.entries {
            guard let scalar = entry.value.scalar else {
                fields.error(
                    at: entry.value.place,
                    "'\(entry.key)' must be text or a number, found \(entry.value.kind)"
                )
                continue
            }
            result[entry.key] = .some(scalar.isNull ? nil : canonicalText(scalar))
        }
    } else if let items = node.sequence {
        for item in items {
            guard let text = item.scalar?.text else {
                fields.error(at: item.place, "'\(key)' holds NAME\(separator)VALUE, found \(item.kind)")
                continue
            }
            let parts = text.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
            result[String(parts.first ?? "")] = .some(parts.count > 1 ? String(parts[1]) : nil)
        }
    } else {
        // A single text may be an assignment of a secret, so it is not shown.
        fields.error(
            at: node.place,
            "'\(key)' must be a mapping or a list, found one text",
            cure: "write '- ' before it"
        )
    }
    return result
}

/// A plain scalar's text after it has been read as the number or truth value it spells and printed again, as Docker's
/// own reader does: `0x10` is `16`, `1.10` is `1.1`.
private func canonicalText(_ scalar: Scalar) -> String {
    guard scalar.isPlain else { return scalar.text }
    if ["true", "True", "TRUE"].contains(scalar.text) { return "true" }
    if ["false", "False", "FALSE"].contains(scalar.text) { return "false" }
    if let integer = scalar.integer { return String(integer) }
    let looksLikeNumber = scalar.text.allSatisfy { $0.isNumber || "+-.eE".contains($0) }
    guard looksLikeNumber, let double = scalar.double, double.isFinite else { return scalar.text }
    if double == double.rounded(), abs(double) < 1e15 { return String(Int64(double)) }
    return "\(double)"
}
