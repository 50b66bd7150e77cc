internal import Diagnostics
internal import YAML

/// Reads one service of the merged tree.
struct ServiceDecoder {
    private let loader: Loader
    private let fields: Fields
    private var service: Service

    init(loader: Loader, name: String, entry: Mapping.Entry) {
        self.loader = loader
        fields = Fields(entry.value, context: "service '\(name)'", into: loader.sink)
        service = Service(name: name, place: entry.keyPlace)
    }

    func decode() async throws -> Service {
        var decoder = self
        decoder.image()
        decoder.process()
        try await decoder.environment()
        decoder.host()
        decoder.healthcheck()
        decoder.ports()
        decoder.mounts()
        decoder.attachments()
        decoder.service.deploy = DeployDecoder(service: fields).decode()
        decoder.unsupported()
        fields.finish()
        return decoder.service
    }

    private mutating func image() {
        service.image = fields.string("image") ?? ""
        service.imagePlace = fields.node("image")?.place ?? service.place
        if fields.has("build") {
            if service.image.isEmpty {
                fields.error(
                    at: fields.keyPlace("build"),
                    "\(fields.context) is built, and Swarm does not build",
                    cure: "build it elsewhere, push it, and name it with 'image'"
                )
            } else {
                ignoredInSwarm(fields, "build", cure: "build and push '\(service.image)' before the commit")
            }
        } else if service.image.isEmpty {
            fields.error(at: service.place, "\(fields.context) needs 'image'")
        }
    }

    private mutating func process() {
        service.command = command("command")
        service.entrypoint = command("entrypoint")
        service.labels = assignments(fields, "labels").compactMapValues { $0 ?? "" }
        service.hostname = fields.string("hostname") ?? ""
        service.user = fields.string("user") ?? ""
        service.workingDirectory = fields.string("working_dir") ?? ""
        service.stopSignal = fields.string("stop_signal") ?? ""
        service.stopGracePeriod = duration(fields, "stop_grace_period")
        service.isolation = fields.string("isolation") ?? ""
        service.terminal = fields.bool("tty") ?? false
        service.stdinOpen = fields.bool("stdin_open") ?? false
        service.readOnly = fields.bool("read_only") ?? false
        service.runsInit = fields.bool("init")
        service.oomScoreAdjust = fields.integer("oom_score_adj", in: -1000...1000) ?? 0
        service.restart = fields.string("restart") ?? ""
        if let logging = fields.fields("logging") {
            service.logging = Logging(
                driver: logging.string("driver") ?? "",
                options: assignments(logging, "options").compactMapValues { $0 ?? "" }
            )
            logging.finish()
        }
        if let spec = fields.fields("credential_spec") {
            if spec.node("config") != nil {
                spec.error(
                    at: spec.keyPlace("config"),
                    "'config' of credential_spec is not passed on",
                    cure: "use 'file' or 'registry'"
                )
            }
            service.credentialSpec = CredentialSpec(
                config: spec.string("config") ?? "",
                file: spec.string("file") ?? "",
                registry: spec.string("registry") ?? ""
            )
            spec.finish()
        }
    }

    private func command(_ key: String) -> [String] {
        guard let node = fields.node(key) else { return [] }
        guard let scalar = node.scalar else { return fields.strings(key) ?? [] }
        if let words = splitCommand(scalar.text) { return words }
        fields.error(at: node.place, "'\(key)' opens a quote that is never closed", cure: "close it, or write a list")
        return []
    }

    private mutating func environment() async throws {
        let variables = loader.options.variables
        var environment: [String: String?] = [:]
        for item in fields.node("env_file").map({ $0.sequence ?? [$0] }) ?? [] {
            guard let file = try await environmentFile(item, variables: variables) else { continue }
            for (name, value) in file {
                environment[name] = .some(value.isEmpty ? variables[name] ?? value : value)
            }
        }
        for (name, value) in assignments(fields, "environment") {
            // A name without a value takes the value the variable has; without one it stays a bare name.
            environment[name] = .some((value ?? "").isEmpty ? variables[name] ?? value : value)
        }
        service.environment = environment
    }

    private func environmentFile(_ node: Node, variables: [String: String]) async throws -> [String: String]? {
        var path = node.scalar?.text ?? ""
        var isRequired = true
        var isRaw = false
        if let mapping = node.mapping {
            let entry = Fields(mapping, at: node.place, context: "env_file of \(fields.context)", into: loader.sink)
            path = entry.requiredString("path")
            isRequired = entry.bool("required") ?? true
            isRaw = entry.choice("format", ["raw"]) == "raw"
            entry.finish()
        }
        guard !path.isEmpty else {
            fields.error(at: node.place, "env_file must name a file, found \(node.kind)")
            return nil
        }
        let before = loader.sink.diagnostics
        guard let file = try await loader.content(of: path, at: node.place, what: "env_file") else {
            if !isRequired { loader.sink.diagnostics = before }
            return nil
        }
        if isRaw { return rawEnvironment(file.bytes) }
        do {
            return try parseDotEnv(file.bytes, file: file.path, variables: variables)
        } catch {
            loader.sink.diagnostics.append(contentsOf: error.diagnostics)
            return nil
        }
    }

    private func rawEnvironment(_ bytes: [UInt8]) -> [String: String] {
        var result: [String: String] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) where !line.hasPrefix("#")
        {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { result[trimmed(parts[0])] = String(parts[1]) }
        }
        return result
    }

    private mutating func host() {
        for line in fields.node("extra_hosts").map(hostLines) ?? [] {
            if line.isNull {
                fields.warning(
                    at: line.place,
                    "a name in extra_hosts has no address and is left out",
                    cure: "give it one, or remove it"
                )
                continue
            }
            guard let host = line.scalar.flatMap({ splitHost($0.text) }) else {
                fields.error(
                    at: line.place,
                    "\(line.kind) in extra_hosts is no name with an address",
                    cure: "write name:address, or a mapping of names to addresses"
                )
                continue
            }
            service.extraHosts.append(host)
        }
        service.dns = fields.strings("dns") ?? []
        service.dnsSearch = fields.strings("dns_search") ?? []
        service.dnsOptions = fields.strings("dns_opt") ?? []
        service.groups = fields.strings("group_add") ?? []
        service.capAdd = fields.strings("cap_add") ?? []
        service.capDrop = fields.strings("cap_drop") ?? []
        service.sysctls = assignments(fields, "sysctls").compactMapValues { $0 ?? "" }
        guard let ulimits = fields.fields("ulimits") else { return }
        for entry in ulimits.entries {
            if entry.value.mapping != nil {
                let limit = Fields(entry.value, context: "ulimit '\(entry.key)'", into: loader.sink)
                for (given, missing) in [("hard", "soft"), ("soft", "hard")] {
                    guard limit.node(missing) == nil, limit.node(given) != nil else { continue }
                    limit.error(
                        at: limit.keyPlace(given),
                        "\(limit.context) has '\(given)' and no '\(missing)'",
                        cure: "give both, or one number that is both"
                    )
                }
                let soft = limit.integer("soft") ?? 0
                service.ulimits[entry.key] = Ulimit(soft: soft, hard: limit.integer("hard") ?? soft)
                limit.finish()
            } else if let both = ulimits.integer(entry.key) {
                service.ulimits[entry.key] = Ulimit(soft: both, hard: both)
            }
        }
    }

    private mutating func healthcheck() {
        guard let section = fields.fields("healthcheck", context: "healthcheck of \(fields.context)") else { return }
        var check = Healthcheck()
        check.isDisabled = section.bool("disable") ?? false
        if let node = section.node("test") {
            check.test = node.scalar.map { ["CMD-SHELL", $0.text] } ?? section.strings("test") ?? []
            if let first = check.test.first, !["NONE", "CMD", "CMD-SHELL"].contains(first) {
                section.error(
                    at: node.place,
                    "the first word of a healthcheck's test is '\(first)'",
                    cure: "begin the list with CMD, CMD-SHELL or NONE, or write the test as one text"
                )
            }
            if check.isDisabled {
                section.error(at: node.place, "a healthcheck has both 'test' and 'disable'", cure: "keep one of them")
            }
        }
        check.interval = duration(section, "interval")
        check.timeout = duration(section, "timeout")
        check.startPeriod = duration(section, "start_period")
        check.startInterval = duration(section, "start_interval")
        check.retries = section.integer("retries", in: 0...1_000_000) ?? 0
        section.finish()
        service.healthcheck = check
    }

    private mutating func ports() {
        for item in fields.list("ports") ?? [] {
            if item.mapping != nil {
                let port = Fields(item, context: "port of \(fields.context)", into: loader.sink)
                if port.node("target") == nil { port.error(at: item.place, "\(port.context) needs 'target'") }
                let target = port.integer("target", in: 1...65535) ?? 0
                var published = 0
                if let node = port.node("published"), let range = node.scalar?.text, range.contains("-") {
                    port.error(
                        at: node.place,
                        "'published' is one port in Swarm, found \(node.kind)",
                        cure: "write the short form '\(range):\(target)' for one port after another"
                    )
                } else if port.node("published")?.scalar?.text != "" {
                    published = port.integer("published", in: 0...65535) ?? 0
                }
                service.ports.append(
                    Port(
                        target: target,
                        published: published,
                        transport: port.string("protocol") ?? "tcp",
                        mode: port.choice("mode", ["ingress", "host"]) ?? "ingress",
                        place: item.place
                    )
                )
                for ignored in ["host_ip", "name", "app_protocol"] where port.has(ignored) {
                    ignoredInSwarm(port, ignored, cure: "a Swarm port listens on every address of the node")
                }
                port.finish()
            } else if let text = item.scalar?.text {
                do throws(SyntaxError) {
                    let (ports, address) = try parsePorts(text, at: item.place)
                    service.ports += ports
                    if let address, !address.isEmpty {
                        fields.warning(
                            at: item.place,
                            "the address '\(address)' of port '\(text)' has no effect in Swarm",
                            cure: "the port will be open on every address; protect it with a firewall"
                        )
                    }
                } catch {
                    fields.error(at: item.place, error.message)
                }
            } else {
                fields.error(at: item.place, "a port is a number, a text or a mapping, found \(item.kind)")
            }
        }
        _ = fields.has("expose")
    }

    private mutating func attachments() {
        if let node = fields.node("networks") {
            if node.sequence != nil {
                service.networks = (fields.strings("networks") ?? []).map { NetworkAttachment(network: $0) }
            } else if let networks = fields.fields("networks") {
                for entry in networks.entries {
                    let context = "network '\(entry.key)' of \(fields.context)"
                    let options = Fields(entry.value, context: context, into: loader.sink)
                    service.networks.append(
                        NetworkAttachment(
                            network: entry.key,
                            aliases: options.strings("aliases") ?? [],
                            driverOptions: assignments(options, "driver_opts").compactMapValues { $0 ?? "" }
                        )
                    )
                    let unusable = [
                        "ipv4_address", "ipv6_address", "link_local_ips", "mac_address", "priority", "gw_priority",
                        "interface_name",
                    ]
                    for ignored in unusable where options.has(ignored) {
                        ignoredInSwarm(options, ignored, cure: "Swarm chooses addresses itself")
                    }
                    options.finish()
                }
            }
        }
        service.configs = references("configs")
        service.secrets = references("secrets")
        if let node = fields.node("depends_on") {
            if let mapping = node.mapping {
                service.dependsOn = mapping.keys
                for entry in mapping.entries {
                    let options = Fields(entry.value, context: "depends_on '\(entry.key)'", into: loader.sink)
                    let condition = options.choice(
                        "condition",
                        ["service_started", "service_healthy", "service_completed_successfully"]
                    )
                    if let condition, condition != "service_started" {
                        fields.warning(
                            at: options.node("condition")?.place,
                            "the condition '\(condition)' has no effect in Swarm, which starts '\(service.name)' at once",
                            cure: "put '\(entry.key)' into a stack of its own and name it in 'depends_on' of stacks.yml"
                        )
                    }
                    _ = options.has("restart")
                    if options.bool("required") == false { service.optionalDependencies.insert(entry.key) }
                    options.finish()
                }
            } else {
                service.dependsOn = fields.strings("depends_on") ?? []
            }
        }
    }

    private func references(_ key: String) -> [FileReference] {
        (fields.list(key) ?? []).compactMap { item in
            if let text = item.scalar?.text {
                return FileReference(source: text, target: text, uid: "0", gid: "0", mode: 0o444, place: item.place)
            }
            let entry = Fields(item, context: "\(key) of \(fields.context)", into: loader.sink)
            let source = entry.requiredString("source")
            let reference = FileReference(
                source: source,
                target: entry.string("target") ?? source,
                uid: entry.string("uid") ?? "0",
                gid: entry.string("gid") ?? "0",
                mode: mode(entry) ?? 0o444,
                place: item.place
            )
            entry.finish()
            return reference
        }
    }

    /// A file mode: `0440` plain and `"0440"` quoted both mean octal.
    private func mode(_ entry: Fields) -> Int? {
        guard let node = entry.node("mode"), let scalar = node.scalar else { return nil }
        if !scalar.isPlain, let octal = Int(scalar.text, radix: 8) { return octal }
        return entry.integer("mode", in: 0...0o7777)
    }

    private mutating func mounts() {
        for item in fields.list("volumes") ?? [] {
            var mount: Mount
            if let text = item.scalar?.text {
                do throws(SyntaxError) {
                    mount = try parseMount(text, at: item.place)
                } catch {
                    fields.error(at: item.place, error.message)
                    continue
                }
            } else {
                mount = longMount(item)
            }
            if mount.type == "bind" { mount.source = bindSource(mount) }
            service.mounts.append(mount)
        }
    }

    private func longMount(_ item: Node) -> Mount {
        let entry = Fields(item, context: "volume of \(fields.context)", into: loader.sink)
        var mount = Mount(
            type: entry.choice("type", ["volume", "bind", "tmpfs", "npipe", "cluster"]) ?? "volume",
            source: entry.string("source") ?? "",
            target: entry.requiredString("target"),
            place: item.place
        )
        mount.readOnly = entry.bool("read_only") ?? false
        _ = entry.has("consistency")
        let options = ["bind", "volume", "tmpfs", "image"].filter { entry.node($0) != nil }
        for other in options where other != mount.type && !(other == "bind" && mount.type == "npipe") {
            entry.error(
                at: entry.keyPlace(other),
                "'\(other)' options stand at a mount of type '\(mount.type)'",
                cure: "remove them or change 'type'"
            )
        }
        if let bind = entry.fields("bind") {
            mount.hasBindOptions = true
            mount.propagation = bind.string("propagation")
            for known in ["create_host_path", "selinux", "recursive"] { _ = bind.has(known) }
            bind.finish()
        }
        if let volume = entry.fields("volume") {
            mount.noCopy = volume.bool("nocopy") ?? false
            if volume.has("subpath") { ignoredInSwarm(volume, "subpath", cure: "mount the whole volume") }
            volume.finish()
        }
        if let tmpfs = entry.fields("tmpfs") {
            mount.hasTmpfsOptions = true
            mount.tmpfsSize = size(tmpfs, "size")
            if tmpfs.has("mode") { ignoredInSwarm(tmpfs, "mode", cure: "remove it") }
            tmpfs.finish()
        }
        if mount.source.isEmpty, ["bind", "npipe", "cluster"].contains(mount.type) {
            entry.error(at: item.place, "a mount of type '\(mount.type)' needs 'source'")
        }
        if !mount.source.isEmpty, mount.type == "tmpfs" {
            entry.error(at: entry.keyPlace("source"), "a tmpfs has no 'source'", cure: "remove it")
        }
        entry.finish()
        return mount
    }

    /// Where a bind mount lies on the node: the repository itself is not there.
    private func bindSource(_ mount: Mount) -> String {
        if mount.source.hasPrefix("/") || isWindowsPath(mount.source) { return mount.source }
        if mount.source.hasPrefix("~") { return loader.options.home + mount.source.dropFirst() }
        var parts = (loader.options.bindRoot + "/" + loader.base(of: mount.place)).split(separator: "/")
        for part in mount.source.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        let path = "/" + parts.joined(separator: "/")
        fields.warning(
            at: mount.place,
            "the bind mount '\(mount.source)' is '\(path)' on whichever node runs the task; nothing puts it there",
            cure: "use 'configs', an absolute path, or 'bind_root' in the configuration"
        )
        return path
    }

    private mutating func unsupported() {
        for (key, cure) in Unsupported.refused where fields.has(key) {
            fields.error(
                at: fields.keyPlace(key),
                "'\(key)' of \(fields.context) means nothing in Swarm, and without it the service is another one",
                cure: cure
            )
        }
        for (key, cure) in Unsupported.ignored where fields.has(key) { ignoredInSwarm(fields, key, cure: cure) }
        if fields.has("scale") {
            let node = fields.node("scale")
            if let count = node?.scalar?.integer, count >= 0 {
                ignoredInSwarm(fields, "scale", cure: "use deploy.replicas")
            } else {
                fields.error(
                    at: node?.place ?? fields.keyPlace("scale"),
                    "'scale' of \(fields.context) must be a whole number, found \(node?.kind ?? "nothing")",
                    cure: "use deploy.replicas"
                )
            }
        }
        for key in ["extends", "profiles"] { _ = fields.has(key) }
        if let node = fields.node("restart") {
            let policy = service.restart.split(separator: ":").first.map(String.init) ?? ""
            if !["no", "always", "unless-stopped", "on-failure"].contains(policy) {
                fields.error(
                    at: node.place,
                    "'restart' is '\(service.restart)'",
                    cure: "expected no, always, on-failure[:count] or unless-stopped"
                )
            } else if service.deploy.restartPolicy == nil {
                fields.warning(
                    at: fields.keyPlace("restart"),
                    "'restart' of \(fields.context) is read as 'deploy.restart_policy'",
                    cure: "write 'deploy.restart_policy' to say it plainly"
                )
            }
        }
    }
}

/// A duration of Compose: a number with its unit.
func duration(_ fields: Fields, _ key: String) -> Duration? {
    guard let node = fields.node(key) else { return nil }
    if let text = node.scalar?.text, let duration = parseDuration(text) { return duration }
    fields.wrongType(node, key, expected: "a duration such as '30s'")
    return nil
}

/// A size in bytes.
func size(_ fields: Fields, _ key: String) -> Int? {
    guard let node = fields.node(key) else { return nil }
    if let text = node.scalar?.text, let bytes = parseSize(text) { return bytes }
    fields.wrongType(node, key, expected: "a size such as '512M'")
    return nil
}
