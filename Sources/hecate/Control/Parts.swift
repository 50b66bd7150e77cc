internal import Configuration
internal import Crypto
internal import Delivery
internal import Diagnostics
internal import Files
internal import Glibc
internal import Journal
internal import Repository
internal import Server
internal import Swarm

/// Builds the parts that a configuration names.
enum Parts {
    static func engines(_ configuration: Configuration) throws -> [EngineClient] {
        try configuration.targets.map { target in
            let tls = target.tls.map { EngineTLS(authority: $0.authority, certificate: $0.certificate, key: $0.key) }
            guard let engine = EngineClient(address: target.endpoint, tls: tls) else {
                throw Invalid(
                    at: target.place,
                    "'\(target.endpoint)' is no address of an Engine",
                    cure: "use unix:///path or tcp://host:port"
                )
            }
            return engine
        }
    }

    /// `engines`: Those of the configuration's targets, when they are asked already.
    static func platforms(
        _ configuration: Configuration,
        engines: [EngineClient]? = nil,
        store: Store?
    ) throws -> [SwarmPlatform] {
        zip(try engines ?? self.engines(configuration), configuration.targets).map { engine, target in
            let settings = SwarmSettings(
                name: target.name,
                registries: configuration.registries.map {
                    RegistryCredentials(server: $0.server, username: $0.username, password: $0.password)
                },
                kept: { id in ((try? await store?.revisions(of: id)) ?? []).map(\.payload) }
            )
            return SwarmPlatform(engine: engine, settings: settings)
        }
    }

    static func sources(_ configuration: Configuration) throws -> [GitSource] {
        let mirrors = "\(configuration.store)/mirrors"
        try Settings.makeFolder(mirrors)
        return try configuration.sources.map { source in
            let reference: Reference
            switch source.reference {
            case .branch(let name): reference = .branch(name)
            case .tag(let name): reference = .tag(name)
            case .semver(let text):
                guard let range = VersionRange(text) else {
                    throw Invalid(
                        at: nil,
                        "the source '\(source.name)' follows the range '\(text)', which is none",
                        cure: "write it as '>=1.2 <2' or '^1.2'"
                    )
                }
                reference = .semver(range)
            }
            let settings = GitSettings(
                name: source.name,
                url: source.url,
                reference: reference,
                username: source.username,
                password: source.password,
                sshKey: source.sshKey,
                knownHosts: source.knownHosts,
                timeout: source.timeout
            )
            return GitSource(settings: settings, directory: mirrors, base: source.path, askpass: ownPath())
        }
    }

    /// The files of a commit of the repository that a folder is.
    static func snapshot(of folder: String, at commit: String) async throws -> any BrowsableSnapshot {
        guard let path = realPath(folder) else { throw Failure(.notFound, "there is no folder '\(folder)'") }
        // Nothing is copied from where it lies.
        let settings = GitSettings(name: "here", url: path, reference: .branch("HEAD"))
        return try await GitSource(settings: settings, directory: "\(path)/.git", base: "", askpass: ownPath())
            .snapshot(named: commit)
    }

    static func reader(
        _ configuration: Configuration,
        _ source: SourceConfiguration,
        _ platforms: [SwarmPlatform]
    ) -> FleetReader {
        var reader = FleetReader(
            stacksFile: source.stacksFile,
            inline: configuration.inlineStacks?.bytes,
            inlineName: configuration.inlineStacks?.file ?? "",
            platforms: platforms,
            defaults: FleetDefaults(
                timeout: configuration.timeout,
                verifyWindow: configuration.verifyWindow,
                interval: configuration.interval,
                variables: configuration.variables,
                bindRoot: configuration.bindRoot
            )
        )
        reader.owner = owner(source)
        reader.rootName = source.path.split(separator: "/").last { $0 != "." }.map(String.init) ?? reader.rootName
        return reader
    }

    /// What marks a source's apps on their targets: its name, and a digest of where it is, so that two controllers whose
    /// sources happen to share a name never take each other's apps for their own.
    static func owner(_ source: SourceConfiguration) -> String {
        "\(source.name) \(sha256("\(source.url) \(source.path) \(source.stacksFile)").prefix(12))"
    }

    /// How pushes to a source are announced; nil when they are not.
    static func webhook(_ source: SourceConfiguration) -> WebhookSecret? {
        guard let secret = source.webhookSecret, !secret.isEmpty else { return nil }
        var branch: String?
        if case .branch(let name) = source.reference { branch = name }
        return WebhookSecret(source: source.name, url: source.url, branch: branch, secret: secret)
    }

    static func ownPath() -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        return count > 0
            ? String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : "hecate"
    }
}
