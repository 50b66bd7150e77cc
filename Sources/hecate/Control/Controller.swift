internal import Configuration
internal import Crypto
internal import Delivery
internal import Diagnostics
internal import Glibc
internal import Journal
internal import Repository
internal import Swarm

/// Everything wired together: sources, targets, journal and reconciler.
struct Controller: Sendable {
    let configuration: Configuration
    let store: Store
    let platforms: [SwarmPlatform]
    let sources: [GitSource]
    let reconciler: Reconciler
    let log: Log

    init(_ configuration: Configuration, store: Store, log: Log) throws {
        self.configuration = configuration
        self.store = store
        self.log = log
        platforms = try Parts.platforms(configuration, store: store)
        sources = try Parts.sources(configuration)
        var limits = Limits()
        limits.parallelism = configuration.parallelism
        limits.pruneShare = configuration.pruneShare
        reconciler = Reconciler(
            platforms: platforms,
            journal: store,
            limits: limits,
            surroundings: Surroundings(
                now: currentTime,
                chance: { Double.random(in: 0..<1) },
                announce: { log.write($0) }
            )
        )
    }

    /// Follows everything until the task is cancelled.
    /// - Throws: `Failure` when a source does not exist at all.
    func follow(rings: AsyncStream<Void>) async throws {
        for warning in configuration.warnings { await note(.warning, .warning, "configuration", warning.description) }
        try await reconciler.restore()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await reconciler.run() }
            let followers = followers()
            for follower in followers { group.addTask { try await follower.run() } }
            for platform in platforms {
                group.addTask { await TargetWatcher(platform: platform, controller: self).run() }
            }
            let desk = RequestDesk(controller: self, followers: followers)
            group.addTask {
                await desk.serve()
                for await _ in rings { await desk.serve() }
            }
            group.addTask {
                // A ring can be lost; a request must not be.
                while !Task.isCancelled {
                    try? await Task.sleep(for: .seconds(5))
                    await desk.serve()
                }
            }
            do {
                while try await group.next() != nil {}
            } catch {
                group.cancelAll()
                throw error
            }
        }
    }

    /// Reads every source once and reconciles everything until it rests.
    /// - Returns: The records of all apps afterwards.
    func once(only names: [String] = []) async throws -> [AppRecord] {
        try await reconciler.restore()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await reconciler.run() }
            for platform in platforms { _ = try await TargetWatcher(platform: platform, controller: self).probe() }
            for follower in followers() { try await follower.look() }
            let wanted = await reconciler.apps.filter { id in
                names.isEmpty || names.contains(id.name) || names.contains(id.description)
            }
            await reconciler.reconcile(wanted)
            group.cancelAll()
            return try await store.records()
        }
    }

    func followers() -> [SourceFollower] {
        zip(sources, configuration.sources).map { SourceFollower(source: $0, settings: $1, controller: self) }
    }

    func reader(_ source: SourceConfiguration) -> FleetReader {
        Parts.reader(configuration, source, platforms)
    }

    func note(
        _ severity: Event.Severity,
        _ reason: Reason,
        _ subject: String,
        _ message: String,
        commit: String = "",
        details: [String] = []
    ) async {
        let event = Event(
            time: currentTime(),
            severity: severity,
            reason: reason,
            subject: subject,
            commit: commit,
            message: message,
            details: details
        )
        try? await store.record(event)
        log.write(event)
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

    private static func ownPath() -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        return count > 0
            ? String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : "hecate"
    }
}
