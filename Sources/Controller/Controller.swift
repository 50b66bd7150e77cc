internal import CSpawn
package import Delivery
package import Diagnostics
internal import Documents
internal import Journal
package import Server

/// Any number of sources and targets of any kind, the journal and the reconciler, wired together.
package struct Controller: Sendable {
    package let context: ControllerContext
    package let targets: [Target]
    let followers: [SourceFollower]
    /// What runs beside it, such as a repository that is brought into a folder.
    let background: [any BackgroundService]

    /// `background`: What runs as long as the controller does and is asked before the sources are read once.
    package init(
        _ context: ControllerContext,
        sources: [any FleetSource],
        targets: [Target],
        background: [any BackgroundService] = []
    ) {
        self.context = context
        self.targets = targets
        self.background = background
        followers = sources.map { SourceFollower($0, context: context) }
    }

    private var watchers: [TargetWatcher] { targets.map { TargetWatcher(target: $0, context: context) } }

    /// Follows everything until the task is cancelled.
    ///
    /// No source and no target can end it.
    ///
    /// `wakeups`: Yields when another process left a request. `status`: What systemd is told once everything was looked at.
    /// - Throws: when the journal cannot be read, an address of the server not be listened on, or another controller works on
    ///   the store by now.
    package func follow(_ services: Services, wakeups: AsyncStream<Void>, status: String) async throws {
        let (context, reconciler) = (context, context.reconciler)
        for warning in services.warnings {
            await context.note(.warning, .warning, "configuration", warning.description)
        }
        try? await expect()
        let server = try services.server(Backend(controller: self), context)
        let notifications = try services.notifications(context)
        if let server { await server.announce() }
        try await reconciler.restore()
        do {
            try await work(server, notifications, wakeups, status)
        } catch {
            await reconciler.endLeases()
            throw error
        }
        await reconciler.endLeases()
    }

    /// Runs everything there is until the task is cancelled or the store is another controller's.
    private func work(
        _ server: ServerRunner?,
        _ notifications: NotificationRunner,
        _ wakeups: AsyncStream<Void>,
        _ status: String
    ) async throws {
        let (context, followers, reconciler) = (context, followers, context.reconciler)
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await reconciler.run() }
            for follower in followers { group.addTask { await follower.run() } }
            for watcher in watchers { group.addTask { await watcher.run() } }
            for service in background { group.addTask { await service.run(context) } }
            group.addTask { await RequestHandler(self).run(wakeups: wakeups) }
            if let server { group.addTask { await server.serve() } }
            group.addTask { await notifications.run() }
            group.addTask {
                try await StoreWatcher(context: context).run { isEmpty in
                    if isEmpty {
                        try? await expect()
                        await reconciler.saveAgain()
                    }
                    for follower in followers { await follower.saveAgain() }
                }
            }
            group.addTask { await LeaseReport(context: context).run() }
            group.addTask { await keepAlive(status) }
            group.addTask {
                // What a burst of work left behind goes back to the system.
                while !Task.isCancelled {
                    try? await Task.sleep(for: .seconds(20))
                    hecate_trim_memory()
                }
            }
        }
    }

    /// Has exactly these sources and targets on record.
    private func expect() async throws {
        try await context.store.expect(
            followers.map { SourceRecord(name: $0.source.name, url: $0.source.address) },
            targets.map { TargetRecord(name: $0.name, endpoint: $0.endpoint) }
        )
    }

    // MARK: Once

    /// What one reading and reconciling came to.
    package struct Outcome: Sendable {
        /// The records of all apps afterwards.
        package var records: [AppRecord]
        /// Sources that could not be read and targets that do not answer.
        package var failures: [Failure]
    }

    /// Reads every source once, at the same time, and reconciles until everything rests; sources and targets that fail do
    /// not keep the others from it.
    ///
    /// `retries`: Whether what was rejected is tried once more, because a person asks; a timer's pass tries nothing again.
    /// `choose`: Gives those of all apps that are meant.
    /// - Throws: what `choose` throws, or when the journal cannot be read.
    package func once(
        retries: Bool = false,
        choose: @escaping @Sendable ([AppID]) throws -> [AppID] = { $0 }
    ) async throws -> Outcome {
        let context = context
        let reconciler = context.reconciler
        try? await expect()
        try await reconciler.restore()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await reconciler.run() }
            async let silent = silentTargets()
            var failures = await prepareBackground()
            failures += await lookAtAll()
            failures += await silent
            await reconciler.surveyed()
            failures += await reconciler.askWhoseAgain()
            await RequestHandler(self).answerApprovals()
            let wanted: [AppID]
            do {
                wanted = try choose(await reconciler.apps)
            } catch let failure as Failure where !failures.isEmpty {
                // What is not there may stand in what could not be read.
                failures.append(failure)
                wanted = []
            }
            if retries { await reconciler.reconcile(wanted) } else { await reconciler.bringToRest(wanted) }
            group.cancelAll()
            await reconciler.endLeases()
            for follower in followers { await follower.keep() }
            return Outcome(records: try await context.store.records(), failures: failures)
        }
    }

    private func prepareBackground() async -> [Failure] {
        var failures: [Failure] = []
        for service in background {
            do { try await service.prepare(context) } catch { failures.append(SourceFollower.failure(error)) }
        }
        return failures
    }

    private func lookAtAll() async -> [Failure] {
        await withTaskGroup(of: Failure?.self) { group in
            for follower in followers {
                group.addTask {
                    let failure = await follower.look()
                    // What it declared before still holds.
                    return failure
                }
            }
            return await group.reduce(into: []) { if let failure = $1 { $0.append(failure) } }
        }
    }

    private func silentTargets() async -> [Failure] {
        await withTaskGroup(of: Failure?.self) { group in
            for watcher in watchers {
                group.addTask {
                    do {
                        try await watcher.check()
                        return nil
                    } catch {
                        let failure = SourceFollower.failure(error)
                        await watcher.failed(failure, isNews: true)
                        return failure
                    }
                }
            }
            return await group.reduce(into: []) { if let failure = $1 { $0.append(failure) } }
        }
    }
}

/// Something that runs beside a controller and belongs to one of its sources.
package protocol BackgroundService: Sendable {
    /// Works until the task is cancelled.
    func run(_ context: ControllerContext) async
    /// Does once what has to be done before the sources are read.
    func prepare(_ context: ControllerContext) async throws
}

/// What is made for a controller that runs for long.
package struct Services: Sendable {
    /// The server, when one is configured.
    package var server: @Sendable (any ControllerBackend, ControllerContext) throws -> ServerRunner?
    /// Who is notified of what happens.
    package var notifications: @Sendable (ControllerContext) throws -> NotificationRunner
    /// What is doubtful about the configuration.
    package var warnings: [Diagnostic]

    package init(
        server: @escaping @Sendable (any ControllerBackend, ControllerContext) throws -> ServerRunner?,
        notifications: @escaping @Sendable (ControllerContext) throws -> NotificationRunner,
        warnings: [Diagnostic] = []
    ) {
        self.server = server
        self.notifications = notifications
        self.warnings = warnings
    }
}
