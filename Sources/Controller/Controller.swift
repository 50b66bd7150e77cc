internal import Configuration
internal import Crypto
internal import Delivery
internal import Diagnostics
internal import Glibc
internal import Journal
internal import Repository
internal import Documents
internal import Server
internal import Swarm

/// Everything wired together: sources, targets, journal and reconciler.
struct Controller: Sendable {
    let configuration: Configuration
    let context: ControllerContext
    let platforms: [SwarmPlatform]
    let sources: [GitSource]

    var store: Store { context.store }
    var reconciler: Reconciler { context.reconciler }

    init(_ configuration: Configuration, store: Store, log: Log) throws {
        self.configuration = configuration
        platforms = try Parts.platforms(configuration, store: store)
        sources = try Parts.sources(configuration)
        var limits = Limits()
        limits.parallelism = configuration.parallelism
        limits.pruneShare = configuration.pruneShare
        context = ControllerContext(
            platforms: platforms,
            store: store,
            folder: configuration.store,
            sources: Set(configuration.sources.map(\.name)),
            limits: limits,
            log: log
        )
    }

    /// Follows everything until the task is cancelled.
    /// - Throws: `Failure` when a source does not exist at all.
    func follow(wakeups: AsyncStream<Void>) async throws {
        for warning in configuration.warnings {
            await context.note(.warning, .warning, "configuration", warning.description)
        }
        try await store.expect(
            configuration.sources.map { SourceRecord(name: $0.name, url: publicURL($0.url)) },
            platforms.map { TargetRecord(name: $0.name, endpoint: $0.engine.endpoint) }
        )
        let followers = followers()
        let server = try serverRunner(followers)
        let notifications = try NotificationRunner(configuration.notifications, configuration.server, context: context)
        if let server { await context.tell(server) }
        try await reconciler.restore()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await reconciler.run() }
            if let server { group.addTask { await server.serve() } }
            group.addTask { await notifications.run() }
            for follower in followers { group.addTask { try await follower.run() } }
            for platform in platforms {
                group.addTask { await watcher(platform).run() }
            }
            group.addTask {
                await context.serve(wakeups: wakeups) { for follower in followers { try? await follower.look() } }
            }
            do {
                while try await group.next() != nil {}
            } catch {
                group.cancelAll()
                await reconciler.endLeases()
                throw error
            }
        }
        await reconciler.endLeases()
    }

    /// Reads every source once and reconciles everything until it rests.
    /// - Returns: The records of all apps afterwards.
    func once(only names: [String] = []) async throws -> [AppRecord] {
        try await reconciler.restore()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await reconciler.run() }
            for platform in platforms { try await watcher(platform).check() }
            for follower in followers() { try await follower.look() }
            await reconciler.surveyed()
            let wanted = try Settings.chosen(names, among: await reconciler.apps)
            await reconciler.reconcile(wanted)
            group.cancelAll()
            await reconciler.endLeases()
            return try await store.records()
        }
    }

    private func serverRunner(_ followers: [SourceFollower]) throws -> ServerRunner? {
        guard configuration.server.isOn else { return nil }
        let byName = Dictionary(zip(configuration.sources.map(\.name), followers)) { first, _ in first }
        let backend = SwarmBackend(controller: self) { name in await byName[name]?.hurry() }
        let webhooks = configuration.sources.compactMap { source -> WebhookSecret? in
            guard let secret = source.webhookSecret, !secret.isEmpty else { return nil }
            var branch: String?
            if case .branch(let name) = source.reference { branch = name }
            return WebhookSecret(source: source.name, url: source.url, branch: branch, secret: secret)
        }
        return try ServerRunner(configuration.server, webhooks: webhooks, backend: backend, context: context)
    }

    func followers() -> [SourceFollower] {
        zip(sources, configuration.sources).map { SourceFollower(source: $0, settings: $1, controller: self) }
    }

    private func watcher(_ platform: SwarmPlatform) -> TargetWatcher {
        TargetWatcher(context: context, platform: platform, endpoint: platform.engine.endpoint) {
            let (engine, api) = try await platform.probe()
            return "Docker \(engine), API \(api)"
        }
    }

    func reader(_ source: SourceConfiguration) -> FleetReader {
        Parts.reader(configuration, source, platforms)
    }
}

/// Builds the parts that a configuration names.
enum Parts {
    static func platforms(_ configuration: Configuration, store: Store?) throws -> [SwarmPlatform] {
        try configuration.targets.map { target in
            let tls = target.tls.map { EngineTLS(authority: $0.authority, certificate: $0.certificate, key: $0.key) }
            guard let engine = EngineClient(address: target.endpoint, tls: tls) else {
                throw Invalid(
                    at: target.place,
                    "'\(target.endpoint)' is no address of an Engine",
                    cure: "use unix:///path or tcp://host:port"
                )
            }
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

    static func ownPath() -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        return count > 0
            ? String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : "hecate"
    }
}
