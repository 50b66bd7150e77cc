package import Diagnostics
internal import YAML

extension Configuration {
    /// Reads a configuration file; the environment's variables win over it, as HiveMind had it.
    /// - Throws: `Invalid` with everything that is wrong, each with its line and column.
    package init(_ bytes: [UInt8], file: String, environment: ConfigurationEnvironment) throws(Invalid) {
        let root = try parse(bytes, file: file)
        let reader = ConfigurationReader(file: file, environment: environment)
        self = try reader.read(root, bytes)
    }

    /// Reads a configuration from the environment alone.
    /// - Throws: `Invalid` that names the variables when there are too few.
    package init(environment: ConfigurationEnvironment) throws(Invalid) {
        guard let url = environment.value("GIT_URL") else {
            throw Invalid(
                at: nil,
                "no configuration: neither a file nor HECATE_GIT_URL (or HIVEMIND_GIT_URL) was given",
                cure: "name a file (hecate run config.yml) or set HECATE_GIT_URL"
            )
        }
        self.init()
        let reader = ConfigurationReader(file: "environment", environment: environment)
        var source = SourceConfiguration(name: "fleet", url: url)
        reader.override(&source)
        reader.checkURL(source.url, at: nil)
        sources = [source]
        reader.override(&server)
        reader.override(&notifications)
        reader.finish(&self)
        reader.warnOfHiveMind(readsOneSource: true)
        try reader.sink.diagnostics.throwIfErrors()
        warnings = reader.sink.diagnostics.warnings
    }
}

/// Reads one configuration.
struct ConfigurationReader {
    let file: String
    let environment: ConfigurationEnvironment
    let sink = Fields.Sink()

    func read(_ root: Node, _ bytes: [UInt8]) throws(Invalid) -> Configuration {
        var configuration = Configuration()
        let top = Fields(root, into: sink)
        let sharedStacksFile = top.string("stacks_file")
        if let git = top.fields("git") {
            var source = source(git, name: "fleet")
            if let sharedStacksFile { source.stacksFile = sharedStacksFile }
            override(&source)
            configuration.sources.append(source)
        }
        for item in top.list("sources") ?? [] {
            let fields = Fields(item, context: "a source", into: sink)
            var source = source(fields, name: nil)
            if let sharedStacksFile, fields.node("stacks_file") == nil { source.stacksFile = sharedStacksFile }
            configuration.sources.append(source)
        }
        configuration.node = node(top)
        if configuration.sources.isEmpty {
            if let url = environment.value("GIT_URL") {
                var source = SourceConfiguration(name: "fleet", url: url)
                override(&source)
                configuration.sources.append(source)
            } else if configuration.node == nil, !sink.diagnostics.hasErrors {
                top.error(
                    at: root.place,
                    "no source is configured",
                    cure: "add 'git:' with 'url:', or 'sources:', or 'node: true' for this machine's own units"
                )
            }
        }
        for key in ["targets", "clusters"] {
            for item in top.list(key) ?? [] { configuration.targets.append(target(item)) }
        }
        for item in top.list("registries") ?? [] { registry(item).map { configuration.registries.append($0) } }
        if let path = top.string("docker_config") {
            configuration.registries += dockerConfig(path, at: top.node("docker_config")?.place)
        }
        configuration.store = top.string("store") ?? configuration.store
        configuration.bindRoot = top.string("bind_root") ?? configuration.bindRoot
        if let server = top.fields("server") { configuration.server = self.server(server) }
        override(&configuration.server)
        configuration.notifications = notifications(top)
        override(&configuration.notifications)
        if let limits = top.fields("limits") { self.limits(limits, &configuration) }
        if let variables = top.fields("variables") {
            for entry in variables.entries { configuration.variables[entry.key] = variables.string(entry.key) }
        }
        if top.node("stacks") != nil { configuration.inlineStacks = (inline(bytes), file) }
        for later in ["webui", "webhook", "media_update"] where top.has(later) {
            top.warning(
                at: top.keyPlace(later),
                "'\(later)' is read by no part of this version",
                cure: "it is kept for later"
            )
        }
        top.finish()
        let hasNode = configuration.node != nil
        unique(configuration.sources.map(\.name) + (hasNode ? ["gitops"] : []), "source", root.place)
        unique(configuration.targets.map(\.name) + (hasNode ? ["node"] : []), "target", root.place)
        finish(&configuration)
        warnOfHiveMind(readsOneSource: top.node("sources") == nil)
        try sink.diagnostics.throwIfErrors()
        configuration.warnings = sink.diagnostics.warnings
        return configuration
    }

    /// The lines of the file from `stacks:` on up to the next top-level key, with the lines before it blanked, so that
    /// places in messages stay those of the file.
    private func inline(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var isInside = false
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            if let first = line.first, first != 0x20, first != UInt8(ascii: "#"), first != UInt8(ascii: "-") {
                isInside = line.starts(with: "stacks:".utf8) || line.starts(with: "retired_stacks:".utf8)
            }
            if isInside { result += line }
            result.append(0x0A)
        }
        return result
    }

    // MARK: Sources

    private func source(_ fields: Fields, name fixed: String?) -> SourceConfiguration {
        let name = fixed ?? fields.requiredString("name")
        var source = SourceConfiguration(name: name, url: "")
        if fixed == nil || environment.value("GIT_URL") == nil {
            source.url = fields.requiredString("url")
            if !source.url.isEmpty { checkURL(source.url, at: fields.node("url")?.place) }
        } else {
            source.url = fields.string("url") ?? ""
        }
        let references = ["branch", "tag", "semver"].filter { fields.node($0) != nil }
        if references.count > 1 {
            fields.error(
                at: fields.keyPlace(references[1]),
                "\(fields.context) follows both '\(references[0])' and '\(references[1])'",
                cure: "keep one of them"
            )
        }
        if let branch = fields.string("branch") { source.reference = .branch(branch) }
        if let tag = fields.string("tag") { source.reference = .tag(tag) }
        if let range = fields.string("semver") { source.reference = .semver(range) }
        source.path = normalised(fields.string("path") ?? "", fields)
        source.stacksFile = fields.string("stacks_file") ?? source.stacksFile
        source.username = fields.string("username")
        source.password = secret(fields, "password")
        source.webhookSecret = secret(fields, "webhook_secret")
        source.sshKey = fields.string("ssh_key")
        source.knownHosts = fields.string("known_hosts")
        if let key = source.sshKey, environment.read(key) == nil {
            fields.error(at: fields.node("ssh_key")?.place, "the SSH key '\(key)' cannot be read")
        }
        source.pollInterval = positive(fields, "poll_interval") ?? source.pollInterval
        source.timeout = positive(fields, "timeout") ?? source.timeout
        fields.finish()
        return source
    }

    private func normalised(_ path: String, _ fields: Fields) -> String {
        let parts = path.split(separator: "/").filter { $0 != "." }
        if parts.contains("..") || path.hasPrefix("/") {
            fields.error(
                at: fields.node("path")?.place,
                "'path' is '\(path)'",
                cure: "name a folder of the repository, from its root and without '..'"
            )
        }
        return parts.joined(separator: "/")
    }

    private func positive(_ fields: Fields, _ key: String) -> Duration? {
        guard let duration = fields.duration(key) else { return nil }
        if duration <= .zero {
            fields.error(at: fields.node(key)?.place, "'\(key)' must be more than nothing")
            return nil
        }
        return duration
    }

    /// A secret in plain text, in a file or in an environment variable.
    ///
    /// `isAddress`: An address that may be a secret or not; in plain text it is taken without a word.
    func secret(_ fields: Fields, _ key: String, isAddress: Bool = false) -> String? {
        let plain = fields.string(key)
        if plain != nil, !isAddress {
            fields.warning(
                at: fields.keyPlace(key),
                "'\(key)' stands in plain text",
                cure: "use '\(key)_file' or '\(key)_env'"
            )
        }
        if let path = fields.string("\(key)_file") {
            guard let bytes = environment.read(path) else {
                fields.error(at: fields.node("\(key)_file")?.place, "the file '\(path)' cannot be read")
                return nil
            }
            return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init)
                ?? ""
        }
        if let name = fields.string("\(key)_env") {
            guard let value = environment.variables[name] else {
                fields.error(at: fields.node("\(key)_env")?.place, "the variable '\(name)' is not set")
                return nil
            }
            return value
        }
        return plain
    }

    func checkURL(_ url: String, at place: Place?) {
        let scheme = url.contains("://") ? url.split(separator: ":").first.map(String.init) ?? "" : ""
        let isSCP = !url.contains("://") && url.contains(":") && !url.hasPrefix("/")
        let isPath = url.hasPrefix("/")
        if url.hasPrefix("-") || url.contains("::")
            || !(isSCP || isPath || ["https", "http", "ssh", "git", "file"].contains(scheme))
        {
            sink.diagnostics.error(
                at: place,
                "'\(withoutCredentials(url))' is no address of a repository",
                cure: "use https://, ssh://, git@host:path, git:// or file://"
            )
        } else if scheme == "http" {
            sink.diagnostics.error(at: place, "'http://' sends everything in the open", cure: "use https:// or ssh://")
        } else if let authority = url.split(separator: "/", maxSplits: 2).dropFirst().first, scheme == "https",
            authority.contains("@"), authority.contains(":")
        {
            sink.diagnostics.error(
                at: place,
                "the address holds a password",
                cure: "write 'username' and 'password_file' instead"
            )
        }
    }

    /// The address as it may be shown: without what stands before an `@`.
    private func withoutCredentials(_ url: String) -> String {
        guard let at = url.lastIndex(of: "@") else { return url }
        let scheme = url.firstRange(of: "://").map { url[..<$0.upperBound] } ?? ""
        return scheme + "…" + url[at...]
    }

    /// What the environment says about the one source of HiveMind's form.
    func override(_ source: inout SourceConfiguration) {
        if let url = environment.value("GIT_URL") {
            source.url = url
            checkURL(url, at: nil)
        }
        if let branch = environment.value("GIT_BRANCH") { source.reference = .branch(branch) }
        if let path = environment.value("GIT_PATH") {
            source.path = path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
        }
        if let username = environment.value("GIT_USERNAME") { source.username = username }
        if let password = environment.value("GIT_PASSWORD") { source.password = password }
        if let secret = environment.value("WEBHOOK_SECRET") { source.webhookSecret = secret }
        if let path = environment.value("WEBHOOK_SECRET_FILE") {
            if let bytes = environment.read(path) {
                let text = String(decoding: bytes, as: UTF8.self)
                source.webhookSecret = text.split(whereSeparator: \.isNewline).first.map(String.init)
            } else {
                sink.diagnostics.error(at: nil, "WEBHOOK_SECRET_FILE names '\(path)', which cannot be read")
            }
        }
        if let key = environment.value("GIT_SSH_KEY") { source.sshKey = key }
        if let text = environment.value("GIT_POLL_INTERVAL") {
            if let interval = Double(text).map({ Duration.milliseconds(Int64($0 * 1000)) }) ?? parseDuration(text),
                interval > .zero
            {
                source.pollInterval = interval
            } else {
                sink.diagnostics.error(at: nil, "GIT_POLL_INTERVAL is '\(text)'", cure: "give a number of seconds")
            }
        }
    }

    // MARK: Targets and registries

    private func target(_ item: Node) -> TargetConfiguration {
        let fields = Fields(item, context: "a target", into: sink)
        var target = TargetConfiguration(
            name: fields.requiredString("name"),
            endpoint: fields.string("endpoint") ?? "unix:///var/run/docker.sock",
            place: fields.node("endpoint")?.place ?? item.place
        )
        if let tls = fields.fields("tls") {
            target.tls = (tls.requiredString("ca"), tls.requiredString("cert"), tls.requiredString("key"))
            for key in ["ca", "cert", "key"] {
                if let path = tls.string(key), environment.read(path) == nil {
                    tls.error(at: tls.node(key)?.place, "the file '\(path)' cannot be read")
                }
            }
            tls.finish()
        }
        let schemes = ["unix:///", "tcp://", "https://"]
        if !schemes.contains(where: { target.endpoint.hasPrefix($0) }) {
            fields.error(
                at: target.place,
                "'\(target.endpoint)' is no address of an Engine",
                cure: "use unix:///path or tcp://host:port"
            )
        } else if target.endpoint.hasSuffix(":2377") {
            fields.warning(
                at: target.place,
                "port 2377 is where Swarm's managers talk to each other, not the Engine's API",
                cure: "the API with TLS is usually on 2376"
            )
        } else if target.endpoint.hasPrefix("tcp://"), target.tls == nil {
            fields.warning(
                at: target.place,
                "the Engine at '\(target.endpoint)' is reached without TLS; whoever reaches that port owns the machine",
                cure: "add 'tls' with ca, cert and key"
            )
        }
        fields.finish()
        return target
    }

    private func registry(_ item: Node) -> RegistryConfiguration? {
        let fields = Fields(item, context: "a registry", into: sink)
        let server = fields.requiredString("server")
        let username = fields.requiredString("username")
        let password = secret(fields, "password")
        if password == nil, !sink.diagnostics.hasErrors {
            fields.error(at: item.place, "the registry '\(server)' needs 'password_file' or 'password_env'")
        }
        fields.finish()
        return password.map { RegistryConfiguration(server: server, username: username, password: $0) }
    }

    /// The credentials of a Docker client's `config.json`.
    private func dockerConfig(_ path: String, at place: Place?) -> [RegistryConfiguration] {
        guard let bytes = environment.read(path) else {
            sink.diagnostics.error(at: place, "the file '\(path)' cannot be read")
            return []
        }
        // JSON is YAML, and the reader keeps the places.
        guard let root = try? parse(bytes, file: path), let auths = root.mapping?["auths"]?.mapping else { return [] }
        return auths.entries.compactMap { entry in
            guard let text = entry.value.mapping?["auth"]?.scalar?.text, let pair = decoded(text) else { return nil }
            let parts = pair.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { return nil }
            let isHub = entry.key.contains("index.docker.io")
            let host =
                entry.key.replacing("https://", with: "").split(separator: "/").first.map(String.init) ?? entry.key
            return RegistryConfiguration(server: isHub ? "docker.io" : host, username: parts[0], password: parts[1])
        }
    }

    private func decoded(_ base64: String) -> String? {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var bits = 0
        var count = 0
        var bytes: [UInt8] = []
        for character in base64.utf8 where character != UInt8(ascii: "=") {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(bits >> count & 0xff))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: The rest

    /// `node: true`, or a mapping with the folder.
    private func node(_ top: Fields) -> NodeConfiguration? {
        guard let node = top.node("node") else { return nil }
        if let isOn = node.scalar?.bool { return isOn ? NodeConfiguration() : nil }
        guard let mapping = node.mapping else {
            top.wrongType(node, "node", expected: "true, false or a mapping")
            return nil
        }
        let fields = Fields(mapping, at: node.place, context: "'node'", into: sink)
        let gitops = fields.string("gitops")
        if let gitops, !gitops.hasPrefix("/") {
            fields.error(
                at: fields.node("gitops")?.place,
                "'gitops' is '\(gitops)'",
                cure: "name the folder from the root"
            )
        }
        fields.finish()
        return NodeConfiguration(gitops: gitops)
    }

    private func limits(_ fields: Fields, _ configuration: inout Configuration) {
        configuration.parallelism = fields.integer("parallelism", in: 1...256) ?? configuration.parallelism
        configuration.timeout = positive(fields, "timeout") ?? configuration.timeout
        configuration.verifyWindow = fields.duration("verify_window") ?? configuration.verifyWindow
        configuration.interval = positive(fields, "interval") ?? configuration.interval
        if let share = fields.number("prune_share") {
            if (0...1).contains(share) {
                configuration.pruneShare = share
            } else {
                fields.error(at: fields.node("prune_share")?.place, "'prune_share' must be 0 to 1, found \(share)")
            }
        }
        fields.finish()
    }

    func warnOfHiveMind(readsOneSource: Bool) {
        let found = HiveMindVariables.warnings(environment.variables, readsOneSource: readsOneSource)
        sink.diagnostics.append(contentsOf: found)
    }

    func finish(_ configuration: inout Configuration) {
        if let store = environment.value("STORE") { configuration.store = store }
        // A machine that keeps its own units and follows nothing else needs no Swarm.
        if configuration.targets.isEmpty, !configuration.sources.isEmpty {
            let endpoint = environment.variables["DOCKER_HOST"] ?? "unix:///var/run/docker.sock"
            configuration.targets = [TargetConfiguration(name: "default", endpoint: endpoint, place: nil)]
        }
    }

    func unique(_ names: [String], _ kind: String, _ place: Place) {
        var seen: Set<String> = []
        for name in names where !name.isEmpty && !seen.insert(name).inserted {
            sink.diagnostics.error(at: place, "two \(kind)s are named '\(name)'", cure: "rename one of them")
        }
    }
}
