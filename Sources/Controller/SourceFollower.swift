internal import Documents
internal import Configuration
internal import Delivery
internal import Diagnostics
internal import Journal
internal import Repository
internal import Server
internal import Swarm

/// Follows one source: asks for its head, and when it moved, reads what it declares and hands it to the reconciler.
actor SourceFollower {
    private let source: GitSource
    private let settings: SourceConfiguration
    private let controller: Controller
    private var commit: String?
    private var failures = 0
    private var lastError: String?
    /// Why the commit that the source is at cannot be taken in; it stays an error until another comes.
    private var rejected: String?
    private var sleeper: Task<Void, Never>?
    /// Somebody called while a look was under way, which may have been too early.
    private var isHurried = false
    private var record: SourceRecord
    private var isLooking = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(source: GitSource, settings: SourceConfiguration, controller: Controller) {
        self.source = source
        self.settings = settings
        self.controller = controller
        record = SourceRecord(name: settings.name, url: publicURL(settings.url))
    }

    /// Polls until the task is cancelled.
    /// - Throws: `Failure` when the repository does not exist when it is first asked for.
    func run() async throws {
        while !Task.isCancelled {
            var delay = settings.pollInterval
            do {
                try await look()
            } catch let failure as Failure where failure.next == .needsChange && record.lastSuccess == nil {
                throw failure
            } catch is CancellationError {
                return
            } catch {
                failures += 1
                delay = min(delay, Backoff().delay(afterFailures: failures, jitter: Double.random(in: 0..<1)))
            }
            // Jitter keeps many controllers from asking a server in step.
            await sleep(delay * Double.random(in: 0.95..<1.05))
        }
    }

    /// Asks again now instead of at the next poll.
    func hurry() {
        isHurried = true
        sleeper?.cancel()
    }

    private func sleep(_ delay: Duration) async {
        defer { isHurried = false }
        guard !isHurried else { return }
        let sleeper = Task { _ = try? await Task.sleep(for: delay) }
        self.sleeper = sleeper
        await withTaskCancellationHandler {
            await sleeper.value
        } onCancel: {
            sleeper.cancel()
        }
    }

    /// One look at a time: a slower one must not put an older head over a newer one.
    private func enter() async {
        guard isLooking else {
            isLooking = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    private func leave() {
        if waiting.isEmpty { isLooking = false } else { waiting.removeFirst().resume() }
    }

    /// Asks for the head once, and takes in a new one.
    func look() async throws {
        await enter()
        defer { leave() }
        do {
            let head: String
            do {
                head = try await source.head()
                controller.context.metrics.count("hecate_source_fetches", settings.name, "success")
            } catch {
                controller.context.metrics.count("hecate_source_fetches", settings.name, "failure")
                throw error
            }
            if head != commit { try await takeOrReject(head) }
            failures = 0
            lastError = rejected
            let isStale = record.commit != head || record.lastSuccess.map { currentTime() - $0 > 30 } ?? true
            record.lastSuccess = currentTime()
            record.commit = head
            let hadError = record.error != nil
            record.error = rejected
            if hadError, rejected == nil {
                await controller.context.note(.info, .sourceReady, settings.name, "answers again", commit: head)
            }
            if isStale || hadError { try await controller.store.save(record) }
        } catch let failure as Failure {
            await report(failure.reason, failure.message, [])
            throw failure
        }
    }

    /// Takes a commit in; one whose stacks file is wrong as a whole is told of, and what was declared before stays in
    /// force until another commit comes.
    private func takeOrReject(_ head: String) async throws {
        do {
            try await take(head)
            rejected = nil
        } catch let invalid as Invalid {
            commit = head
            let message = invalid.errors.first?.description ?? "invalid"
            rejected = message
            await report(.invalid, message, invalid.diagnostics.map(\.description), commit: head)
        }
    }

    private func take(_ head: String) async throws {
        let snapshot = try await source.snapshot(at: head)
        let (fleet, _) = try await controller.reader(settings).fleet(at: snapshot)
        let revision = snapshot.revision
        let count = fleet.apps.count
        let subject = revision.subject.isEmpty ? "" : ", \"\(revision.subject)\" by \(revision.author)"
        await controller.context.note(
            .info,
            .newRevision,
            settings.name,
            "\(revision.short)\(subject): \(count) \(count == 1 ? "app" : "apps")",
            commit: head,
            details: fleet.warnings.map(\.description) + fleet.unreadable.map(\.value.message).sorted()
        )
        await controller.reconciler.accept(fleet)
        commit = head
    }

    private func report(_ reason: Reason, _ message: String, _ details: [String], commit: String = "") async {
        guard lastError != message else { return }
        lastError = message
        record.error = message
        await controller.context.note(.error, reason, settings.name, message, commit: commit, details: details)
        try? await controller.store.save(record)
    }
}
