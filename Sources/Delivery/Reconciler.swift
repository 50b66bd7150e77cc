/// Keeps every app of every source equal to what the source says.
///
/// Levels, not edges: whatever woke it, a pass compares what should be with what is. A pass never waits for a task to
/// become healthy; it says when to look again and frees its worker.
package actor Reconciler {
    let platforms: [String: any Platform]
    let journal: any Journal
    let limits: Limits
    let surroundings: Surroundings
    private let backoff = Backoff()

    var tracks: [AppID: Track] = [:]
    var fleets: [String: Fleet] = [:]
    /// Removals that wait for a person, and those a person has approved, by source.
    var awaiting: [String: Set<AppID>] = [:]
    var approved: [String: Set<AppID>] = [:]
    var holds: [AppID: Hold] = [:]
    /// The apps that wait for each.
    private var dependants: [AppID: Set<AppID>] = [:]
    private var queue = WorkQueue<AppID>()
    private var wakeUp: AsyncStream<Void>.Continuation?
    /// When the next alarm that is already set will ring.
    private var armed: ContinuousClock.Instant?
    private var waiters: [Waiter] = []
    /// When the events of this moment are looked into.
    private var eventSlot = ContinuousClock.now

    /// Somebody who waits until apps have come to rest.
    private struct Waiter {
        var ids: Set<AppID>
        var asked: ContinuousClock.Instant
        var continuation: CheckedContinuation<Void, Never>
    }

    package init(
        platforms: [any Platform],
        journal: any Journal,
        limits: Limits,
        surroundings: Surroundings
    ) {
        self.platforms = Dictionary(platforms.map { ($0.name, $0) }) { first, _ in first }
        self.journal = journal
        self.limits = limits
        self.surroundings = surroundings
    }

    // MARK: Life

    /// Reads what the journal knows.
    ///
    /// To be called once, before anything else.
    package func restore() async throws {
        for record in try await journal.records() { tracks[record.id] = Track(record: record) }
        try await refreshHolds()
    }

    /// Works until the task is cancelled.
    ///
    /// Passes under way end at their next step; the journal says where they were.
    package func run() async {
        let (wakes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        wakeUp = continuation
        continuation.yield()
        await withDiscardingTaskGroup { group in
            for await _ in wakes {
                if Task.isCancelled { break }
                sweepIfDue()
                let now = ContinuousClock.now
                while queue.activeCount < limits.parallelism, let (id, entry) = queue.take(at: now) {
                    group.addTask { await self.work(id, entry) }
                }
                setAlarm(in: &group)
            }
            group.cancelAll()
        }
        for waiter in waiters { waiter.continuation.resume() }
        waiters = []
    }

    private func wake() { wakeUp?.yield() }

    /// Makes sure that the loop turns when the next pass or sweep is due.
    private func setAlarm(in group: inout DiscardingTaskGroup) {
        let now = ContinuousClock.now
        let pass = queue.activeCount < limits.parallelism ? queue.nextDue : nil
        guard let next = [pass, nextSweep].compactMap({ $0 }).min() else { return }
        if let armed, armed > now, armed <= next { return }
        armed = next
        group.addTask {
            try? await Task.sleep(until: next, clock: .continuous)
            await self.wake()
        }
    }

    // MARK: What wakes it

    /// Takes in what a source declares now.
    package func accept(_ fleet: Fleet) async {
        let asked = ContinuousClock.now
        let source = fleet.revision.source
        fleets[source] = fleet
        for app in fleet.apps {
            if let other = tracks[app.id], other.record.source != source, other.app != nil,
                fleets[other.record.source] != nil
            {
                await refuse(app, declaredBy: other.record.source)
                continue
            }
            var track = tracks[app.id] ?? Track(record: AppRecord(id: app.id, source: source))
            track.app = app
            track.revision = fleet.revision
            track.removal = nil
            track.unreadable = nil
            track.record.source = source
            if let known = app.knownFingerprint, track.fingerprint == nil {
                track.fingerprint = known
                track.inputs = Inputs(settings: app.settings, files: [:])
                track.evaluatedCommit = fleet.revision.commit
            }
            tracks[app.id] = track
        }
        for (id, failure) in fleet.unreadable {
            var track = tracks[id] ?? Track(record: AppRecord(id: id, source: source))
            track.unreadable = failure
            track.revision = fleet.revision
            track.removal = nil
            tracks[id] = track
        }
        dependants = [:]
        for (id, track) in tracks {
            for other in track.app?.dependsOn ?? [] { dependants[other, default: []].insert(id) }
        }
        await decideRemovals(of: fleet)
        for (id, track) in tracks where track.record.source == source {
            queue.add(id, at: asked, asked: asked, priority: .event)
        }
        wake()
    }

    /// Something happened on a target; nil means anything may have.
    package func notice(_ id: AppID?, on target: String) {
        let now = ContinuousClock.now
        // Events come in bursts; one look a moment later sees them all, and in a crowd one look serves everybody.
        if eventSlot <= now { eventSlot = now + (queue.depth > 20 ? .seconds(5) : .milliseconds(150)) }
        let due = eventSlot
        for known in tracks.keys where known.target == target && (id == nil || known == id) {
            queue.add(known, at: due, asked: due, priority: id == nil ? .periodic : .event)
        }
        wake()
    }

    /// A person asks for apps to be reconciled now: they go first, and a rejected revision is tried once more.
    ///
    /// Returns when each has had a pass since and is neither settling nor waiting to be tried again soon.
    package func reconcile(_ ids: [AppID]) async {
        let now = ContinuousClock.now
        let known = ids.filter { tracks[$0] != nil }
        guard !known.isEmpty else { return }
        for id in known {
            if tracks[id]?.record.quarantine != nil { tracks[id]?.isForced = true }
            tracks[id]?.failures = 0
            queue.add(id, at: now, asked: now, priority: .user)
        }
        wake()
        await withCheckedContinuation { continuation in
            waiters.append(Waiter(ids: Set(known), asked: now, continuation: continuation))
        }
    }

    /// Reads the holds again, after a person changed one.
    package func refreshHolds() async throws {
        let before = holds
        holds = Dictionary(try await journal.holds().map { ($0.app, $0) }) { _, last in last }
        let now = ContinuousClock.now
        for id in Set(before.keys).union(holds.keys) where before[id] != holds[id] {
            queue.add(id, at: now, asked: now, priority: .user)
        }
        wake()
    }

    /// A person lets a commit remove more apps than the guard allows.
    package func approve(source: String) async {
        guard let fleet = fleets[source] else { return }
        approved[source] = awaiting[source]
        await accept(fleet)
    }

    /// How many passes are due or under way.
    package var queueDepth: Int { queue.depth }

    /// What a pass over an app would change now, by the very code that a pass runs.
    /// - Throws: `Failure` when the app is not declared or its declaration cannot be read.
    package func plan(of id: AppID) async throws -> Plan {
        guard let track = tracks[id] else { throw Failure(.notFound, "there is no app '\(id)'") }
        if let failure = track.unreadable { throw failure }
        if track.removal != nil {
            guard let platform = platforms[id.target] else { return Plan() }
            return try await platform.removal(of: id).plan(observedSince: .now).plan
        }
        guard let app = track.app, let fleet = fleets[track.record.source] else {
            throw Failure(.notFound, "no source that can be read declares '\(id)'")
        }
        return try await app.prepare(fleet.snapshot).plan(observedSince: .now).plan
    }

    /// Every app that a source declares or the journal remembers.
    package var apps: [AppID] { tracks.keys.sorted() }

    // MARK: Sweeps

    /// Never later than the next app's interval ends; looked at closely only when it comes, because there may be many.
    private var nextSweep: ContinuousClock.Instant?

    private func noteInterval(of id: AppID, since moment: ContinuousClock.Instant) {
        guard let app = tracks[id]?.app else { return }
        let due = moment + app.interval
        nextSweep = nextSweep.map { min($0, due) } ?? due
    }

    /// Looks at every app whose interval is over, together with those whose nearly is: they share one observation.
    private func sweepIfDue() {
        let now = ContinuousClock.now
        guard let next = nextSweep, next <= now else { return }
        nextSweep = nil
        let isDue = tracks.values.contains { track in
            track.app.flatMap { app in track.lastPass.map { $0 + app.interval <= now } } ?? false
        }
        for (id, track) in tracks {
            guard let app = track.app, let last = track.lastPass else { continue }
            if isDue, last + app.interval * 0.8 <= now {
                tracks[id]?.lastPass = now
                queue.add(id, at: now, asked: now, priority: .periodic)
                noteInterval(of: id, since: now)
            } else {
                noteInterval(of: id, since: last)
            }
        }
    }

    // MARK: Work

    private func work(_ id: AppID, _ entry: WorkQueue<AppID>.Entry) async {
        let correlation = hexadecimal(surroundings.chance()) + hexadecimal(surroundings.chance())
        let start = ContinuousClock.now
        let outcome = await Pass(reconciler: self, id: id, asked: entry.asked, correlation: correlation).run()
        let now = ContinuousClock.now
        if case .retry = outcome {
            surroundings.measure(id, now - start, false)
        } else {
            surroundings.measure(id, now - start, true)
        }
        queue.finish(id)
        tracks[id]?.lastPass = now
        noteInterval(of: id, since: now)
        switch outcome {
        case .rest:
            tracks[id]?.failures = 0
            settle(id, asked: entry.asked)
        case .again(let delay):
            queue.add(id, at: now + delay, asked: now + delay, priority: .event)
        case .retry:
            let failures = (tracks[id]?.failures ?? 0) + 1
            tracks[id]?.failures = failures
            let delay = backoff.delay(afterFailures: failures, jitter: surroundings.chance())
            queue.add(id, at: now + delay, asked: now + delay, priority: .periodic)
            settle(id, asked: entry.asked)
        }
        wake()
    }

    private func hexadecimal(_ chance: Double) -> String {
        let digits = String(UInt16(chance * 65535), radix: 16)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }

    private func settle(_ id: AppID, asked: ContinuousClock.Instant) {
        var isOver = false
        for index in waiters.indices where waiters[index].asked <= asked {
            waiters[index].ids.remove(id)
            isOver = isOver || waiters[index].ids.isEmpty
        }
        guard isOver else { return }
        for waiter in waiters where waiter.ids.isEmpty { waiter.continuation.resume() }
        waiters.removeAll { $0.ids.isEmpty }
    }

    /// Looks again at the apps that wait for this one, and at those it replaces.
    func becameReady(_ id: AppID) {
        let now = ContinuousClock.now
        for other in dependants[id] ?? [] { queue.add(other, at: now, asked: now) }
        for replaced in tracks[id]?.app?.replaces ?? [] {
            let isDeclared = fleets.values.contains { fleet in fleet.apps.contains { $0.id == replaced } }
            guard !isDeclared, tracks[replaced]?.removal == nil else { continue }
            var track =
                tracks[replaced] ?? Track(record: AppRecord(id: replaced, source: tracks[id]?.record.source ?? ""))
            track.app = nil
            track.removal = "replaced by \(id)"
            tracks[replaced] = track
            queue.add(replaced, at: now, asked: now)
        }
        wake()
    }

    func update(_ id: AppID, _ change: @Sendable (inout Track) -> Void) {
        guard var track = tracks[id] else { return }
        change(&track)
        tracks[id] = track
    }

    func forget(_ id: AppID) {
        tracks[id] = nil
        queue.remove(id)
        for index in waiters.indices { waiters[index].ids.remove(id) }
        for waiter in waiters where waiter.ids.isEmpty { waiter.continuation.resume() }
        waiters.removeAll { $0.ids.isEmpty }
    }
}
