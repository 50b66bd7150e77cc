package import Delivery
package import Quadlet
package import Repository

/// Polls the repository behind a gitops folder and brings what it says into it.
package actor NodeRepository: BackgroundService {
    private let repository: GitSource
    private let address: String
    private let layout: NodeLayout
    private let interval: Duration
    private let registry: @Sendable (any Snapshot) async -> PluginRegistry?
    private var commit = ""

    /// `url`: Where the repository is.
    ///
    /// `interval`: How often its head is asked for. `registry`: What can be installed, as a snapshot says.
    package init(
        _ repository: GitSource,
        url: String,
        layout: NodeLayout,
        interval: Duration,
        registry: @escaping @Sendable (any Snapshot) async -> PluginRegistry?
    ) {
        self.repository = repository
        address = publicURL(url)
        self.layout = layout
        self.interval = interval
        self.registry = registry
    }

    package func run(_ context: ControllerContext) async {
        var failures = 0
        while !Task.isCancelled {
            do {
                try await prepare(context)
                if failures > 0 { await context.note(.info, .sourceReady, "repository", "\(address) answers again") }
                failures = 0
            } catch is CancellationError {
                return
            } catch {
                failures += 1
                let failure = SourceFollower.failure(error)
                if failures == 1 { await context.note(.error, .unavailable, "repository", failure.message) }
            }
            let delay = Backoff().delay(afterFailures: failures, jitter: Double.random(in: 0..<1))
            try? await Task.sleep(for: failures > 0 ? delay : interval)
        }
    }

    package func prepare(_ context: ControllerContext) async throws {
        let head = try await repository.head()
        guard head != commit else { return }
        let snapshot = try await repository.snapshot(at: head)
        for note in try await GitopsSync(layout: layout).bring(snapshot, registry: await registry(snapshot)) {
            await context.note(.warning, .conflict, "repository", note, commit: head)
        }
        commit = head
        let words = "the gitops folder is at \(head.prefix(12))"
        await context.note(.info, .newRevision, "repository", words, commit: head)
    }
}
