internal import Documents
internal import Configuration
internal import Delivery
internal import Diagnostics
internal import Files
internal import Glibc
internal import Journal
internal import Quadlet
internal import Repository
internal import Systemd

/// The node's own controller: the gitops folder, systemd and Podman wired together.
actor Agent {
    nonisolated let settings: AgentSettings
    nonisolated let platform: NodePlatform
    nonisolated let context: ControllerContext
    private let reader: NodeReader
    private let watch: FolderWatch
    private var lastError: String?

    init(_ settings: AgentSettings, platform: NodePlatform, store: Store, log: Log) throws {
        self.settings = settings
        self.platform = platform
        var limits = Limits()
        // A pass waits for systemd and holds nothing meanwhile; many at once share one reading of the units.
        limits.parallelism = 1024
        context = ControllerContext(
            platforms: [platform],
            store: store,
            folder: settings.store,
            sources: [NodePlatform.owner],
            limits: limits,
            log: log
        )
        reader = NodeReader(platform: platform, defaults: settings.defaults, isActing: true)
        watch = try FolderWatch(quiet: settings.debounce)
    }

    static func make(_ settings: AgentSettings, store: Store, log: Log) async throws -> Agent {
        let platform = try await NodePlatform.found(
            layout: settings.layout,
            revisions: { id in ((try? await store.revisions(of: id)) ?? []).map(\.payload) }
        )
        return try Agent(settings, platform: platform, store: store, log: log)
    }

    nonisolated var layout: NodeLayout { settings.layout }

    /// What the node's folder wants, for looking only.
    static func reading(_ settings: AgentSettings, store: Store?) async throws -> (fleet: Fleet, platform: NodePlatform)
    {
        let platform = try await NodePlatform.found(
            layout: settings.layout,
            revisions: { id in ((try? await store?.revisions(of: id)) ?? []).map(\.payload) }
        )
        let reader = NodeReader(platform: platform, defaults: settings.defaults, isActing: false)
        return (try await reader.fleet().fleet, platform)
    }

    /// Reads the folder and hands what it says to the reconciler.
    /// - Throws: `Invalid` when it cannot be read in full.
    func look() async throws {
        let (fleet, folders) = try await reader.fleet()
        // Watched before they are compared, so that no change falls between.
        try await watch.watch(folders + [layout.quadlet])
        await context.reconciler.accept(fleet)
    }

    /// Reads the folder and says what is wrong with it, once.
    func lookAndTell() async {
        do {
            try await look()
            if lastError != nil {
                await context.note(.info, .sourceReady, NodePlatform.owner, "the gitops folder can be read again")
            }
            lastError = nil
            try await context.store.save(
                SourceRecord(name: NodePlatform.owner, url: layout.gitops, commit: "", lastSuccess: currentTime())
            )
        } catch is CancellationError {
        } catch {
            let message = "\(error)"
            guard message != lastError else { return }
            lastError = message
            var record = SourceRecord(name: NodePlatform.owner, url: layout.gitops)
            record.error = message
            try? await context.store.save(record)
            await context.note(.error, .invalid, NodePlatform.owner, message)
        }
    }

    /// Follows the folder until the task is cancelled.
    func follow(wakeups: AsyncStream<Void>) async throws {
        try await context.store.expect(
            [SourceRecord(name: NodePlatform.owner, url: layout.gitops)],
            [TargetRecord(name: platform.name, endpoint: layout.quadlet)]
        )
        let notifications = try NotificationRunner(settings.notifications, settings.server, context: context)
        let server =
            try settings.server.isOn
            ? ServerRunner(settings.server, webhooks: [], backend: AgentBackend(agent: self), context: context) : nil
        if let server { await context.tell(server) }
        try await context.reconciler.restore()
        let (context, watch, platform) = (context, watch, platform)
        let watcher = watcher
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await context.reconciler.run() }
            group.addTask { await watcher.run() }
            if let server { group.addTask { await server.serve() } }
            group.addTask { await notifications.run() }
            group.addTask { await context.serve(wakeups: wakeups) { await self.lookAndTell() } }
            group.addTask {
                await self.lookAndTell()
                notify("READY=1\nSTATUS=keeping \(platform.layout.gitops)")
                for await _ in watch.changes { await self.lookAndTell() }
            }
            group.addTask {
                while !Task.isCancelled {
                    try await Task.sleep(for: self.settings.defaults.interval)
                    await self.lookAndTell()
                }
            }
            if let origin = environmentVariable("HECATE_GITOPS_SOURCE") {
                group.addTask { try await self.followRepository(origin) }
            }
            if let interval = watchdogInterval() {
                group.addTask {
                    while !Task.isCancelled {
                        // The reconciler's own turn: an agent that is stuck does not say that it is well.
                        _ = await context.reconciler.apps.count
                        notify("WATCHDOG=1")
                        try await Task.sleep(for: interval / 3)
                    }
                }
            }
            while try await group.next() != nil {}
        }
    }

    /// Polls the repository behind the folder and brings what it says into it.
    private func followRepository(_ origin: String) async throws {
        let installation = NodeInstallation(settings: settings)
        let source = try installation.gitSource(origin)
        var commit = ""
        var failures = 0
        while !Task.isCancelled {
            do {
                let head = try await source.head()
                if head != commit {
                    try await bring(try await source.snapshot(at: head), installation)
                    commit = head
                    await context.note(
                        .info,
                        .newRevision,
                        "repository",
                        "the gitops folder is at \(head.prefix(12))",
                        commit: head
                    )
                }
                if failures > 0 {
                    await context.note(.info, .sourceReady, "repository", "\(publicURL(origin)) answers again")
                }
                failures = 0
            } catch is CancellationError {
                return
            } catch {
                failures += 1
                let message = (error as? Failure)?.message ?? "\(error)"
                if failures == 1 { await context.note(.error, .unavailable, "repository", message) }
            }
            let delay = Backoff().delay(afterFailures: failures, jitter: Double.random(in: 0..<1))
            try await Task.sleep(for: failures > 0 ? min(delay, .seconds(300)) : settings.pollInterval)
        }
    }

    private func bring(_ snapshot: any BrowsableSnapshot, _ installation: NodeInstallation) async throws {
        let registry = await installation.knownRegistry(snapshot)
        for note in try await GitopsSync(layout: layout).bring(snapshot, registry: registry) {
            await context.note(.warning, .conflict, "repository", note, commit: snapshot.revision.commit)
        }
    }

    nonisolated var watcher: TargetWatcher {
        let platform = platform
        return TargetWatcher(context: context, platform: platform, endpoint: "systemd (\(layout.scope.rawValue))") {
            let version = try await platform.systemd.managerVersion()
            return "systemd \(version), Podman \(platform.podmanVersion)"
        }
    }

    /// Reconciles everything once.
    /// - Returns: The records of all units afterwards.
    func once(only names: [String] = []) async throws -> [AppRecord] {
        try await context.reconciler.restore()
        let (context, watcher) = (context, watcher)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await context.reconciler.run() }
            try await watcher.check()
            if let origin = environmentVariable("HECATE_GITOPS_SOURCE") {
                let installation = NodeInstallation(settings: self.settings)
                let source = try installation.gitSource(origin)
                try await self.bring(try await source.snapshot(at: try await source.head()), installation)
            }
            try await self.look()
            let wanted = try Settings.chosen(names, among: await context.reconciler.apps)
            await context.reconciler.reconcile(wanted)
            group.cancelAll()
            await context.reconciler.endLeases()
            return try await context.store.records()
        }
    }
}

/// What the agent is run with.
struct AgentSettings: Sendable {
    var layout: NodeLayout
    var store: String
    var defaults: NodeDefaults
    /// How long nothing may change before a change is taken up.
    var debounce: Duration
    /// How often the repository behind the folder is asked for its head.
    var pollInterval: Duration
    var server = ServerConfiguration()
    var notifications = NotificationConfiguration()

    /// Finds out who runs it and where.
    static func found() throws -> AgentSettings {
        let user = getpwuid(getuid())
        guard let home = environmentVariable("HOME") ?? user.map({ String(cString: $0.pointee.pw_dir) }) else {
            throw Failure(.notFound, "nobody knows the home folder; set HOME", next: .needsChange)
        }
        let layout = NodeLayout(
            scope: getuid() == 0 ? .system : .user,
            home: home,
            user: user.map { String(cString: $0.pointee.pw_name) } ?? "",
            userID: getuid(),
            host: hostName(),
            gitops: environmentVariable("HECATE_GITOPS_DIR"),
            runtime: environmentVariable("XDG_RUNTIME_DIR"),
            configuration: environmentVariable("XDG_CONFIG_HOME")
        )
        func seconds(_ name: String, _ usual: Double) throws -> Duration {
            guard let text = environmentVariable(name), !text.isEmpty else { return .seconds(usual) }
            guard let number = Double(text), number >= 0 else {
                throw Failure(.invalid, "\(name) is '\(text)'; expected a number of seconds", next: .needsChange)
            }
            return .seconds(number)
        }
        var settings = AgentSettings(
            layout: layout,
            store: environmentVariable("HECATE_STORE") ?? "\(home)/.hecate/state",
            defaults: NodeDefaults(
                timeout: try seconds("HECATE_TIMEOUT", 300),
                verifyWindow: try seconds("HECATE_VERIFY_WINDOW", 5),
                interval: try seconds("HECATE_INTERVAL", 300)
            ),
            debounce: try seconds("HECATE_DEBOUNCE", 0.2),
            pollInterval: try seconds("HECATE_GITOPS_POLL_INTERVAL", 60)
        )
        let environment = ConfigurationEnvironment(variables: environmentVariables(), read: { readFile($0) })
        let file = "\(folder(of: layout.gitops))/config/server.yml"
        let content = readFile(file)
        settings.notifications =
            try content.map { try NotificationConfiguration($0, file: file, environment: environment) }
            ?? NotificationConfiguration()
        settings.server =
            try content.map { try ServerConfiguration($0, file: file, environment: environment) }
            ?? ServerConfiguration(environment: environment)
        return settings
    }

    static func hostName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        gethostname(&buffer, buffer.count - 1)
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
