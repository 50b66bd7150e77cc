internal import Documents
internal import Server
internal import Delivery
internal import Journal

/// What everything that runs for long works with: the journal, the reconciler and the log.
struct ControllerContext: Sendable {
    let store: Store
    let reconciler: Reconciler
    let log: Log
    let metrics: Metrics
    /// Says that something was recorded.
    let changes: ChangeSignal

    /// `folder`: The store's, which tells this controller from others on the same machine. `sources`: The names of all
    /// sources that are configured.
    init(platforms: [any Platform], store: Store, folder: String, sources: Set<String>, limits: Limits, log: Log) {
        self.store = store
        self.log = log
        let (metrics, changes) = (Metrics(started: currentTime()), ChangeSignal())
        (self.metrics, self.changes) = (metrics, changes)
        reconciler = Reconciler(
            platforms: platforms,
            journal: store,
            limits: limits,
            environment: Environment(
                now: currentTime,
                chance: { Double.random(in: 0..<1) },
                announce: {
                    log.write($0)
                    metrics.note($0)
                    changes.send()
                },
                measure: { metrics.note($0, $1, $2) },
                identity: .found(store: folder)
            ),
            sources: sources
        )
    }

    /// Records an event that is no app's own, and logs it.
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
        await tell(event)
    }

    /// Records an event, and logs it.
    func tell(_ event: Event) async {
        try? await store.record(event)
        log.write(event)
        changes.send()
    }

    /// Says where the server is reached.
    func tell(_ server: ServerRunner) async {
        await note(.info, .started, "server", "listening on \(server.addresses.joined(separator: ", "))")
        for warning in server.warnings { await note(.warning, .warning, "server", warning) }
    }

    /// Serves the requests of other processes until the task is cancelled.
    ///
    /// `look`: Reads the sources at once.
    func serve(wakeups: AsyncStream<Void>, look: @escaping @Sendable () async -> Void) async {
        let handler = RequestHandler(context: self, look: look)
        let (calls, call) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        await withDiscardingTaskGroup { group in
            group.addTask { for await _ in wakeups { call.yield() } }
            group.addTask {
                // A wake-up can be lost; a request must not be.
                while !Task.isCancelled {
                    call.yield()
                    try? await Task.sleep(for: .seconds(5))
                }
            }
            // What takes long is not waited for: a hold has to be heard meanwhile.
            for await _ in calls {
                for request in await handler.take() { group.addTask { await handler.answer(request) } }
            }
        }
    }
}
