internal import Delivery
internal import Diagnostics
internal import Documents
internal import Journal
internal import Server

/// Follows one source, of whatever kind: asks where it is, and hands what it declares there to the reconciler.
///
/// One look at a time, and only the look that is being waited for can hand anything over: what an older one read can never
/// come after what a newer one did. A source that cannot be read stays an error in its record, is told of once and asked
/// again, later and later.
actor SourceFollower {
    nonisolated let source: any FleetSource
    private let context: ControllerContext
    private let backoff = Backoff()
    private let nap = Nap()
    /// Readings that began and have not ended, whether anybody still waits for them or not.
    nonisolated let readings = Readings()

    private var record: SourceRecord
    private var isRestored = false
    /// Whether the store could not take what the record says.
    private var isUnsaved = false
    /// The head whose fleet counts.
    private var accepted: String?
    /// The commit that cannot be taken in, and why; it stays an error until the source is at another.
    private var rejected: (head: String, failure: Failure)?
    private var isKeeping = false
    /// The head that the source keeps, and why it could not keep another.
    private var kept: String?
    private var notKept: String?
    /// Why not all of a source without commits could be read.
    private var incomplete: String?
    private var failures = 0
    /// What was passed over in a source without commits when it was told of last.
    private var toldWarnings: [String] = []
    /// What the present silence was told as.
    private var told: Reason?
    /// The look that is under way or was the last, and the one that begins after it.
    private var current: Task<Failure?, Never>?
    private var next: Task<Failure?, Never>?
    private var hasLooked = false
    private var firstLooks: [CheckedContinuation<Void, Never>] = []

    init(_ source: any FleetSource, context: ControllerContext) {
        self.source = source
        self.context = context
        record = SourceRecord(name: source.name, url: source.address)
    }

    // MARK: Life

    /// Follows the source until the task is cancelled.
    func run() async {
        await withTaskCancellationHandler {
            await follow()
        } onCancel: {
            Task { await self.end() }
        }
        end()
    }

    private func follow() async {
        await withDiscardingTaskGroup { group in
            if let changes = source.changes {
                group.addTask { for await _ in changes { await self.nap.cut() } }
            }
            while !Task.isCancelled {
                let failure = await look()
                if accepted != kept {
                    group.addTask {
                        // What it declares comes first.
                        guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
                        await self.keep()
                    }
                }
                var delay = source.interval
                if failure != nil, rejected == nil {
                    delay = min(delay, backoff.delay(afterFailures: failures, jitter: Double.random(in: 0..<1)))
                }
                // Jitter keeps many controllers from asking a server in step.
                await nap.sleep(delay * Double.random(in: 0.95..<1.05))
            }
            group.cancelAll()
        }
    }

    private func end() {
        current?.cancel()
        next?.cancel()
        lookedOnce()
    }

    /// Looks again now instead of when it is due.
    func hurry() async { await nap.cut() }

    /// Returns when the source was looked at once since the start.
    func looked() async {
        guard !hasLooked else { return }
        await withCheckedContinuation { firstLooks.append($0) }
    }

    private func lookedOnce() {
        hasLooked = true
        for waiter in firstLooks { waiter.resume() }
        firstLooks = []
    }

    /// Takes what the source declared when it was accepted last, as far as that is known here, so that what is there is kept as
    /// it should be however long the source is away.
    ///
    /// Only when the source does not answer, or what it has now cannot be used: another controller may have taken newer commits
    /// meanwhile, and an older one must not come before them.
    private func takeKept() async {
        guard accepted == nil, !record.commit.isEmpty else { return }
        // What it does not give it is not asked for at every look.
        let answers = rejected != nil && askedAgain.map { .now - $0 > .seconds(300) } ?? true
        if answers { askedAgain = .now }
        let fleet = try? await withDeadline(source.patience, late: late) { [source, readings, head = record.commit] in
            if let kept = await source.kept(head) { return kept as Fleet? }
            return answers ? try await readings.during { try await source.fleet(at: head) } : nil
        }
        guard let fleet = fleet ?? nil, accepted == nil else { return }
        accepted = record.commit
        await context.reconciler.accept(fleet)
    }

    /// When it was last asked for what was in force.
    private var askedAgain: ContinuousClock.Instant?

    private func restore() async {
        guard !isRestored else { return }
        isRestored = true
        let known = try? await context.store.sources().first { $0.name == source.name && $0.url == source.address }
        if let known { record = known }
    }

    // MARK: Looking

    /// How long the first answer of a source is waited for while what it declared last is known.
    private let firstPatience = Duration.seconds(5)

    /// Looks at the source: begins now, or shares the look that begins when the present one is over.
    /// - Returns: Why the source is not well; nil when it is.
    func look() async -> Failure? {
        let task: Task<Failure?, Never>
        if let next {
            task = next
        } else {
            let before = current
            task = Task {
                _ = await before?.value
                return await self.perform()
            }
            next = task
        }
        return await task.value
    }

    private func perform() async -> Failure? {
        current = next
        next = nil
        await restore()
        defer { lookedOnce() }
        do {
            let (source, known) = (source, accepted)
            let skipped = rejected?.head
            // After a start, what is known already is not kept waiting for long.
            let isKnown = accepted == nil && !record.commit.isEmpty
            let patience = isKnown ? min(source.patience, firstPatience) : source.patience
            let head = try await withDeadline(patience, late: late) { try await source.head() }
            count("success")
            if head.isEmpty {
                let isKnown = known != nil && rejected == nil
                let isUnchanged = isKnown ? await source.isUnchanged() : false
                if !isUnchanged { try await take(head) }
            } else if head != known && head != skipped {
                try await take(head)
            } else if head == known {
                rejected = nil
            }
            failures = 0
            if rejected != nil { await takeKept() }
            await succeeded(at: head)
            return rejected?.failure
        } catch is CancellationError {
            return Failure(.unavailable, "the source '\(source.name)' was not looked at: the controller ends")
        } catch {
            let failure = Self.failure(error)
            failures += 1
            count("failure")
            await takeKept()
            await failed(failure)
            return failure
        }
    }

    /// Takes a head in; one that cannot be used as a whole is told of, and what was declared before stays in force until
    /// another comes.
    private func take(_ head: String) async throws {
        let fleet: Fleet
        do {
            fleet = try await withDeadline(source.patience, late: late) { [source, readings] in
                try await readings.during { try await source.fleet(at: head) }
            }
        } catch let invalid as Invalid where !head.isEmpty {
            rejected = (head, Failure(invalid))
            return
        }
        rejected = nil
        accepted = head
        let gaps = fleet.warnings.filter { $0.severity == .error }
        incomplete = head.isEmpty && fleet.isPartial ? gaps.first?.description : nil
        if head.isEmpty { await tellWarnings(fleet) } else { await tell(fleet) }
        await context.reconciler.accept(fleet)
        await source.accepted(head)
    }

    /// Has the source keep what counts, and is told once when it cannot; tried again after each look.
    func keep() async {
        guard let head = accepted, head != kept, !isKeeping else { return }
        isKeeping = true
        defer { isKeeping = false }
        do {
            try await withDeadline(source.patience, late: late) { [source] in try await source.keep(head) }
            kept = head
            notKept = nil
        } catch is CancellationError {
        } catch {
            let failure = Self.failure(error)
            let isNews = notKept != failure.message
            notKept = failure.message
            guard isNews else { return }
            let message = "what it declares is not known here when it does not answer: \(failure.message)"
            await context.note(.warning, failure.reason, source.name, message, commit: head, details: failure.details)
        }
    }

    /// Says what is wrong with a source that has no commits, when it is news.
    private func tellWarnings(_ fleet: Fleet) async {
        // The event says how grave it is.
        let warnings = fleet.warnings.map { Diagnostic(.error, at: $0.place, $0.message, cure: $0.cure).description }
        for warning in warnings where !toldWarnings.contains(warning) {
            await context.note(.warning, .warning, source.name, warning)
        }
        toldWarnings = warnings
    }

    private func tell(_ fleet: Fleet) async {
        let (revision, count) = (fleet.revision, fleet.apps.count)
        let subject = revision.subject.isEmpty ? "" : ", \"\(revision.subject)\" by \(revision.author)"
        await context.note(
            .info,
            .newRevision,
            source.name,
            "\(revision.short)\(subject): \(count) \(count == 1 ? "app" : "apps")",
            commit: revision.commit,
            details: fleet.warnings.map(\.description) + fleet.unreadable.map(\.value.message).sorted()
        )
    }

    // MARK: The record

    private func succeeded(at head: String) async {
        var new = record
        new.commit = rejected == nil ? head : record.commit
        new.lastSuccess = currentTime()
        new.error = rejected?.failure.message ?? incomplete
        let isStale = record.lastSuccess.map { currentTime() - $0 > 30 } ?? true
        let isNews = new.commit != record.commit || new.error != record.error
        let wasIll = record.error != nil
        if let failure = rejected?.failure, failure.message != record.error {
            await context.note(.error, .invalid, source.name, failure.message, commit: head, details: failure.details)
        } else if wasIll, new.error == nil {
            await context.note(.info, .sourceReady, source.name, "answers again", commit: head)
        }
        told = nil
        record = new
        if isNews || isStale || isUnsaved { await saveRecord() }
    }

    private func failed(_ failure: Failure) async {
        if record.error != failure.message {
            record.error = failure.message
            await saveRecord()
        }
        guard told != failure.reason else { return }
        told = failure.reason
        await context.note(.error, failure.reason, source.name, failure.message, details: failure.details)
    }

    private func saveRecord() async {
        do {
            try await context.store.save(record)
            isUnsaved = false
        } catch {
            isUnsaved = true
        }
    }

    /// Writes down again what the store has lost or could not take.
    func saveAgain() async {
        if hasLooked { await saveRecord() }
    }

    private func count(_ result: String) {
        context.metrics.count("hecate_source_fetches", source.name, result)
    }

    private var late: Failure {
        Failure(.timedOut, "the source '\(source.name)' did not answer within \(source.patience.readable)")
    }

    static func failure(_ error: any Error) -> Failure {
        switch error {
        case let failure as Failure: failure
        case let invalid as Invalid: Failure(invalid)
        default: Failure(.unavailable, "\(error)")
        }
    }
}
