internal import Configuration
internal import Controller
internal import Delivery
internal import Diagnostics
internal import Glibc
internal import Journal
internal import Quadlet
internal import Repository
internal import Server
internal import Swarm

/// A controller as a configuration or a node asks for it, with what it is run with.
struct Wiring: Sendable {
    let controller: Controller
    let services: Services
    /// What is said when it starts: subject and words.
    let greetings: [(subject: String, words: String)]
    let status: String

    /// `hecate run`: the configuration's sources and Swarms, and this node's folder and units when it has `node`.
    ///
    /// `repositories` and `engines`: Those of the configuration's sources and targets, when they are asked already.
    /// - Throws: `Invalid` or `Failure` when the configuration cannot be used.
    init(
        _ configuration: Configuration,
        repositories: [GitSource]? = nil,
        engines: [EngineClient]? = nil,
        store: Store,
        log: Log
    ) async throws {
        let swarms = try Parts.platforms(configuration, engines: engines, store: store)
        let repositories = try repositories ?? Parts.sources(configuration)
        // The repository behind a node's folder has its mirror in the same place.
        if configuration.node == nil {
            GitSource.removeMirrors(in: "\(configuration.store)/mirrors", except: repositories)
        }
        var sources: [any FleetSource] = zip(repositories, configuration.sources).map { repository, settings in
            GitFleetSource(
                repository,
                reader: Parts.reader(configuration, settings, swarms),
                url: settings.url,
                interval: settings.pollInterval,
                timeout: settings.timeout
            )
        }
        var targets = swarms.map(Target.swarm)
        let names = targets.map(\.name).joined(separator: ", ")
        var greetings = configuration.sources.map { ($0.name, "following \($0.name) on \(names)") }
        var background: [any BackgroundService] = []
        if let node = configuration.node {
            var settings = try AgentSettings.found(gitops: node.gitops)
            settings.store = configuration.store
            let parts = try await NodeParts(settings, store: store)
            sources.append(parts.source)
            targets.append(parts.target)
            background += parts.background
            greetings.append((NodePlatform.owner, parts.greeting))
        }
        var limits = Limits()
        limits.parallelism = configuration.parallelism
        limits.pruneShare = configuration.pruneShare
        let context = ControllerContext(
            targets: targets,
            store: store,
            folder: configuration.store,
            sources: Set(sources.map(\.name)),
            limits: limits,
            log: { log.write($0) }
        )
        controller = Controller(context, sources: sources, targets: targets, background: background)
        let webhooks = configuration.sources.compactMap(Parts.webhook)
        services = Self.services(
            configuration.server,
            configuration.notifications,
            webhooks,
            warnings: configuration.warnings
        )
        self.greetings = greetings
        status = "following \(sources.map(\.name).joined(separator: ", "))"
    }

    /// `hecate agent`: the node's folder and its units.
    /// - Throws: `Failure` when Podman is not there.
    init(_ settings: AgentSettings, store: Store, log: Log) async throws {
        let parts = try await NodeParts(settings, store: store)
        let context = ControllerContext(
            targets: [parts.target],
            store: store,
            folder: settings.store,
            sources: [NodePlatform.owner],
            limits: Limits(),
            log: { log.write($0) }
        )
        controller = Controller(
            context,
            sources: [parts.source],
            targets: [parts.target],
            background: parts.background
        )
        services = Self.services(settings.server, settings.notifications, [])
        greetings = [(NodePlatform.owner, parts.greeting)]
        status = "keeping \(settings.layout.gitops)"
    }

    private static func services(
        _ server: ServerConfiguration,
        _ notifications: NotificationConfiguration,
        _ webhooks: [WebhookSecret],
        warnings: [Diagnostic] = []
    ) -> Services {
        Services(
            server: { backend, context in
                guard server.isOn else { return nil }
                return try ServerRunner(
                    server,
                    webhooks: webhooks,
                    backend: backend,
                    context: context,
                    version: HecateProgram.version
                )
            },
            notifications: { try NotificationRunner(notifications, server, context: $0) },
            warnings: warnings
        )
    }

    /// Runs until a signal asks for the end.
    func run(_ lock: ControllerLock, until signals: AsyncStream<Int32>) async throws {
        for greeting in greetings {
            await controller.context.note(.info, .started, greeting.subject, greeting.words)
        }
        try await untilAsked(by: signals) {
            try await controller.follow(services, wakeups: lock.wakeups, status: status)
        }
        withExtendedLifetime(lock) {}
    }

    /// Reads and reconciles once, while nobody else works on the store.
    func once(_ lock: ControllerLock) async throws -> Controller.Outcome {
        let outcome = try await controller.once()
        withExtendedLifetime(lock) {}
        return outcome
    }

    /// The same because a person asks for it: of these apps, or of all, and what was rejected is tried once more.
    func once(_ lock: ControllerLock, asked names: [String]) async throws -> Controller.Outcome {
        let outcome = try await controller.once(retries: true) { try Settings.chosen(names, among: $0) }
        withExtendedLifetime(lock) {}
        return outcome
    }
}

/// What a node adds to a controller: its folder, its units, and the repository behind the folder.
struct NodeParts {
    let source: NodeFleetSource
    let target: Target
    var background: [any BackgroundService] = []
    let greeting: String

    init(_ settings: AgentSettings, store: Store) async throws {
        let platform = try await NodePlatform.found(
            layout: settings.layout,
            revisions: { id in ((try? await store.revisions(of: id)) ?? []).map(\.payload) }
        )
        source = try NodeFleetSource(platform, defaults: settings.defaults, quiet: settings.debounce)
        target = .node(platform)
        greeting = "keeping \(settings.layout.quadlet) equal to \(settings.layout.gitops) by \(platform.method)"
        guard let origin = environmentVariable("HECATE_GITOPS_SOURCE") else { return }
        let installation = NodeInstallation(settings: settings)
        let repository = NodeRepository(
            try installation.gitSource(origin),
            url: origin,
            layout: settings.layout,
            interval: settings.pollInterval,
            registry: { await installation.knownRegistry($0) }
        )
        background = [repository]
    }
}
