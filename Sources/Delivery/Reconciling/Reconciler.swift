/// Keeps every app of every source equal to what the source says.
///
/// Levels, not edges: whatever woke it, a pass compares what should be with what is. The actor carries: it asks an app's
/// `AppState` what is to be done, has a `Worker` do it, and hands the answer back. Nothing it took before an await is
/// written back.
package actor Reconciler {
    let platforms: [String: any Platform]
    let journal: any Journal
    let limits: Limits
    let environment: Environment
    private let backoff = Backoff()

    var states: [AppID: Place] = [:]
    var register: FleetRegister
    /// Removals that wait for a person, and those a person has approved, by source.
    var awaiting: [String: Set<AppID>] = [:]
    var approved: [String: Set<AppID>] = [:]
    var holds: [AppID: Hold] = [:]
    /// The last reading of the holds that was begun, and that was taken in.
    private var holdReads = (begun: 0, taken: 0)
    /// What each target said of who owns what, when it was asked last.
    var claims: [String: [AppID: Claim]] = [:]
    var refusals: Set<FleetRegister.Refusal> = []
    /// The removals that were said to wait for a person, by source.
    var toldRemovals: [String: Set<AppID>] = [:]
    /// What a source asks to remove and was found not to be its own, by source and app; told once.
    var staysTold: Set<String> = []
    /// Why a target cannot be worked with now.
    var targetProblems: [String: String] = [:]
    var leases: [LeaseKey: LeaseEntry] = [:]
    var leaseAlarms: [String: Alarms] = [:]
    var leasePings: [String: AsyncStream<Void>.Continuation] = [:]
    /// The apps that wait for each.
    var dependants: [AppID: Set<AppID>] = [:]

    /// One queue a target, so that none can be held up by another's silence.
    var queues: [String: WorkQueue<AppID>] = [:]
    private var wakeUp: AsyncStream<Void>.Continuation?
    /// When the alarms that are already set will ring.
    private var alarms = Alarms()
    private var waiters: [Waiter] = []
    /// Set once nothing is worked on any more: whoever asks from then on would wait for ever.
    private(set) var hasEnded = false
    /// How many passes are compared together now, by target.
    var crowded: [String: Int] = [:]
    /// When each pass that is under way began.
    private var passes: [AppID: ContinuousClock.Instant] = [:]
    /// When the events of this moment are looked into, by target.
    private var eventSlots: [String: ContinuousClock.Instant] = [:]
    /// Never later than the next app's interval ends; looked at closely only when it comes, because there may be many.
    private var nextSweep: ContinuousClock.Instant?
    /// Targets whose claims are to be read, and who waits for that.
    var surveys: [String: Bool] = [:]
    /// When a target is asked again that could not be asked.
    var surveyRetries: [String: ContinuousClock.Instant] = [:]
    var surveyWaiters: [CheckedContinuation<Void, Never>] = []

    /// Where an app's state is: it is large, and so looked at and changed without being copied.
    final class Place {
        var state: AppState

        init(_ state: AppState) { self.state = state }
    }

    /// Somebody who waits until apps have come to rest.
    private struct Waiter {
        var ids: Set<AppID>
        var asked: ContinuousClock.Instant
        var continuation: CheckedContinuation<Void, Never>
    }

    /// `sources`: The names of all sources that are configured; nil when any may come.
    ///
    /// An app of a configured source that has not been read yet is nobody else's.
    package init(
        platforms: [any Platform],
        journal: any Journal,
        limits: Limits,
        environment: Environment,
        sources: Set<String>? = nil
    ) {
        self.platforms = Dictionary(platforms.map { ($0.name, $0) }) { first, _ in first }
        self.journal = journal
        self.limits = limits
        self.environment = environment
        register = FleetRegister(sources: sources)
    }

    // MARK: Life

    /// Reads what the journal knows.
    ///
    /// To be called once, before anything else.
    package func restore() async throws {
        for record in try await journal.records() where record.id.isValid {
            var state = AppState(record)
            state.saved = record
            states[record.id] = Place(state)
        }
        try await refreshHolds()
    }

    /// Has every record saved and what is deployed kept again, because an empty journal took the place of a damaged one.
    package func saveAgain() {
        for id in states.keys {
            states[id]?.state.saved = nil
            states[id]?.state.kept = nil
            enqueue(id, priority: .periodic)
        }
        wake()
    }

    /// Works until the task is cancelled.
    ///
    /// Passes under way end at their next step; the journal says where they were.
    package func run() async {
        let (wakes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        wakeUp = continuation
        continuation.yield()
        await withDiscardingTaskGroup { group in
            for target in platforms.keys { group.addTask { await self.keepLeases(on: target) } }
            for await _ in wakes {
                if Task.isCancelled { break }
                sweepIfDue()
                for (target, due) in surveyRetries where due <= .now {
                    surveyRetries[target] = nil
                    requestSurvey(of: target)
                }
                for target in surveys.filter(\.value).keys.sorted() {
                    surveys[target] = false
                    group.addTask { await self.survey(target) }
                }
                let due = takeDue()
                for pass in due.passes { group.addTask { await self.work(pass) } }
                for (target, crowd) in due.crowds { group.addTask { await self.compare(crowd, on: target) } }
                setAlarm(in: &group)
            }
            group.cancelAll()
        }
        (wakeUp, hasEnded) = (nil, true)
        for waiter in waiters { waiter.continuation.resume() }
        waiters = []
        endSurveys()
    }

    func wake() { wakeUp?.yield() }

    /// Begins the passes that are due; those of apps at rest are one question together.
    private func takeDue() -> (passes: [BegunPass], crowds: [String: [CrowdMember]]) {
        let now = ContinuousClock.now
        var begun: [BegunPass] = []
        var crowds: [String: [CrowdMember]] = [:]
        for target in queues.keys.sorted() {
            // Asked in place: a queue that is held twice is copied when something is taken from it.
            while mayBegin(on: target), let (id, entry) = queues[target]?.take(at: now) {
                if platforms[target]?.comparesTogether == true, let fingerprint = fingerprintAtRest(of: id) {
                    passes[id] = now
                    crowded[target, default: 0] += 1
                    crowds[target, default: []].append(CrowdMember(id: id, entry: entry, fingerprint: fingerprint))
                } else {
                    begun.append(begin(id, entry))
                }
            }
        }
        return (begun, crowds)
    }

    /// Whether one more pass may begin: those that are one question together count apart.
    private func mayBegin(on target: String) -> Bool {
        let crowd = crowded[target] ?? 0
        let others = (queues[target]?.activeCount ?? .max) - crowd
        return others < limits.parallelism(on: target) && crowd < 1000
    }

    /// Makes sure that the loop turns when the next pass or sweep is due.
    private func setAlarm(in group: inout DiscardingTaskGroup) {
        var next = surveyRetries.values.reduce(nextSweep) { soonest, due in soonest.map { min($0, due) } ?? due }
        for target in queues.keys where mayBegin(on: target) {
            if let due = queues[target]?.nextDue { next = next.map { min($0, due) } ?? due }
        }
        guard let next, alarms.set(next) else { return }
        group.addTask {
            try? await Task.sleep(until: next, clock: .continuous)
            await self.rang(next)
        }
    }

    /// An alarm rang, perhaps a little early: whichever it was, the next one is set anew.
    private func rang(_ instant: ContinuousClock.Instant) {
        alarms.rang(instant)
        wake()
    }

    // MARK: What wakes it

    func enqueue(
        _ id: AppID,
        at due: ContinuousClock.Instant = .now,
        priority: WorkQueue<AppID>.Priority = .event
    ) {
        queues[id.target, default: WorkQueue()].add(id, at: due, asked: due, priority: priority)
    }

    /// Something happened on a target; nil means anything may have.
    package func notice(_ id: AppID?, on target: String) {
        let now = ContinuousClock.now
        // Events come in bursts; one look a moment later sees them all, and in a crowd one look serves everybody.
        let isCrowd = queues[target]?.depth ?? 0 > 20
        var slot = eventSlots[target] ?? now
        if slot <= now { slot = now + (isCrowd ? .seconds(5) : .milliseconds(150)) }
        eventSlots[target] = slot
        if let id {
            if id.target == target, states[id] != nil { enqueue(id, at: slot) }
        } else {
            for known in states.keys where known.target == target { enqueue(known, at: slot, priority: .periodic) }
            requestSurvey(of: target)
        }
        wake()
    }

    /// A target cannot be worked with: its apps are not asked about until it answers again.
    package func targetFailed(_ target: String, _ problem: String) {
        guard targetProblems[target] != problem else { return }
        targetProblems[target] = problem
        for id in states.keys where id.target == target { enqueue(id, priority: .periodic) }
        wake()
    }

    /// A target answers (again).
    package func targetAnswers(_ target: String) {
        guard targetProblems.removeValue(forKey: target) != nil else { return }
        for id in states.keys where id.target == target { enqueue(id, priority: .periodic) }
        requestSurvey(of: target)
        leasePings[target]?.yield()
        wake()
    }

    /// A person asks for apps to be reconciled now: they go first, and a rejected revision is tried once more.
    ///
    /// Returns when they have come to rest.
    package func reconcile(_ ids: [AppID]) async {
        for id in ids { states[id]?.state.force() }
        await bringToRest(ids)
    }

    /// Has a pass made over apps now, before any others, in which what was rejected stays so.
    ///
    /// Returns when each has had a pass since and is neither settling nor waiting to be tried again soon.
    package func bringToRest(_ ids: [AppID]) async {
        let now = ContinuousClock.now
        let known = ids.filter { states[$0] != nil }
        guard !known.isEmpty, !hasEnded else { return }
        for id in known { enqueue(id, at: now, priority: .user) }
        wake()
        await withCheckedContinuation { continuation in
            waiters.append(Waiter(ids: Set(known), asked: now, continuation: continuation))
        }
    }

    /// Reads the holds again, after a person changed one.
    ///
    /// A pass under way may be amid a step that cannot be ended.
    /// - Returns: The apps of which a hold came, changed or went.
    @discardableResult package func refreshHolds() async throws -> Set<AppID> {
        holdReads.begun += 1
        let number = holdReads.begun
        let read = try await journal.holds()
        // One that began later knows more.
        guard number > holdReads.taken else { return [] }
        holdReads.taken = number
        let before = holds
        holds = Dictionary(read.map { ($0.app, $0) }) { _, last in last }
        let changed = Set(before.keys).union(holds.keys).filter { before[$0] != holds[$0] }
        for id in changed { enqueue(id, priority: .user) }
        for (id, place) in states where place.state.record.hold != holds[id] { place.state.hold(holds[id]) }
        wake()
        return changed
    }

    /// When the pass over an app that is under way began; nil when there is none.
    package func pass(over id: AppID) -> ContinuousClock.Instant? { passes[id] }

    /// When the oldest of the passes under way began; nil when there is none.
    ///
    /// For a watchdog: passes have to end.
    package var oldestPass: ContinuousClock.Instant? { passes.values.min() }

    /// How many passes are due or under way.
    package var queueDepth: Int { queues.values.reduce(0) { $0 + $1.depth } }

    /// What a pass over an app would change now, by the very code that a pass runs.
    /// - Throws: `Failure` when the app is not declared or its declaration cannot be read.
    package func plan(of id: AppID) async throws -> Plan {
        guard let state = states[id]?.state else { throw Failure(.notFound, "there is no app '\(id)'") }
        if let failure = state.unreadable { throw failure }
        if state.record.removal != nil {
            guard let platform = platforms[id.target] else { return Plan() }
            return try await platform.removal(of: id).plan(observedSince: .now).plan
        }
        guard let declaration = state.declaration else {
            throw Failure(.notFound, "no source that can be read declares '\(id)'")
        }
        return try await declaration.app.prepare(declaration.snapshot).plan(observedSince: .now).plan
    }

    /// Every app that a source declares or the journal remembers.
    package var apps: [AppID] { states.keys.sorted() }

    /// The source that has each app.
    package var sources: [AppID: String] { states.mapValues(\.state.record.source) }

    /// The present record of every app, as it is in memory: what a journal that cannot be written does not know.
    package var records: [AppRecord] { states.values.map(\.state.record).sorted { $0.id < $1.id } }

    // MARK: Sweeps

    private func noteInterval(of id: AppID, since moment: ContinuousClock.Instant) {
        guard let interval = states[id]?.state.declaration?.app.interval else { return }
        let due = moment + interval
        nextSweep = nextSweep.map { min($0, due) } ?? due
    }

    /// Looks at every app whose interval is over, together with those whose nearly is: they share one observation.
    private func sweepIfDue() {
        let now = ContinuousClock.now
        guard let next = nextSweep, next <= now else { return }
        nextSweep = nil
        let isDue = states.values.contains { place in
            place.state.declaration.flatMap { declaration in
                place.state.lastPass.map { $0 + declaration.app.interval <= now }
            } ?? false
        }
        for (id, place) in states {
            guard let interval = place.state.declaration?.app.interval, let last = place.state.lastPass else {
                continue
            }
            if isDue, last + interval * 0.8 <= now {
                place.state.lastPass = now
                enqueue(id, at: now, priority: .periodic)
                noteInterval(of: id, since: now)
            } else {
                noteInterval(of: id, since: last)
            }
        }
    }

    // MARK: Work

    /// A pass that has begun, with what it asks first.
    struct BegunPass: Sendable {
        var id: AppID
        var entry: WorkQueue<AppID>.Entry
        var start: ContinuousClock.Instant
        var worker: Worker
        var action: Action
    }

    func begin(_ id: AppID, _ entry: WorkQueue<AppID>.Entry) -> BegunPass {
        let correlation = hexadecimal(environment.chance()) + hexadecimal(environment.chance())
        let start = ContinuousClock.now
        passes[id] = start
        var worker = Worker(id: id, platform: platforms[id.target], journal: journal, environment: environment)
        worker.asked = min(entry.asked, start)
        let action = states[id]?.state.begin(
            asked: worker.asked,
            correlation: correlation,
            situation(of: id),
            at: environment.moment
        )
        return BegunPass(id: id, entry: entry, start: start, worker: worker, action: action ?? .finish(.gone))
    }

    func work(_ begun: BegunPass) async {
        var begun = begun
        let outcome = await pass(&begun)
        end(begun.id, begun.entry, outcome, since: begun.start)
        wake()
    }

    func end(_ id: AppID, _ entry: WorkQueue<AppID>.Entry, _ outcome: Outcome, since start: ContinuousClock.Instant) {
        let now = ContinuousClock.now
        environment.measure(id, now - start, outcome != .retry)
        passes[id] = nil
        queues[id.target]?.finish(id)
        finish(id, outcome, asked: entry.asked, at: now)
    }

    private func pass(_ begun: inout BegunPass) async -> Outcome {
        while true {
            if case .finish(let outcome) = begun.action { return outcome }
            var answer = await begun.worker.perform(begun.action)
            if case .claim(let claimant) = begun.action, !claimant.takesUnclaimed, case .claimed = answer,
                states[begun.id]?.state.record.removal != nil, let failure = await obstacle(toRemoving: begun.id)
            {
                answer = .failed(failure)
            }
            let situation = situation(of: begun.id)
            guard let next = states[begun.id]?.state.next(answer, situation, at: environment.moment) else {
                return .gone
            }
            begun.action = next
        }
    }

    private func finish(
        _ id: AppID,
        _ outcome: Outcome,
        asked: ContinuousClock.Instant,
        at now: ContinuousClock.Instant
    ) {
        states[id]?.state.lastPass = now
        noteInterval(of: id, since: now)
        switch outcome {
        case .rest:
            states[id]?.state.failures = 0
            if states[id]?.state.isCurrent == true { becameReady(id) }
            settle(id, asked: asked)
        case .again(let delay): enqueue(id, at: now + delay)
        case .check(let delay):
            enqueue(id, at: now + delay, priority: .periodic)
            if states[id]?.state.isCurrent == true { becameReady(id) }
            settle(id, asked: asked)
        case .retry:
            let failures = (states[id]?.state.failures ?? 0) + 1
            states[id]?.state.failures = failures
            var delay = backoff.delay(afterFailures: failures, jitter: environment.chance())
            // A target or a disk that was away is back sooner than a mistake is mended.
            if let reason = states[id]?.state.record.problem?.reason, [.unavailable, .journalFailed].contains(reason) {
                delay = min(delay, .seconds(30))
            }
            enqueue(id, at: now + delay, priority: .periodic)
            settle(id, asked: asked)
        case .gone: forget(id)
        }
    }

    private func hexadecimal(_ chance: Double) -> String {
        let digits = String(UInt16(chance * 65535), radix: 16)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }

    /// Answers those who waited for an app.
    private func settle(_ id: AppID, asked: ContinuousClock.Instant) {
        for index in waiters.indices
        where waiters[index].asked <= asked && !waitsForOthers(id, among: waiters[index].ids) {
            waiters[index].ids.remove(id)
        }
        // Those that only waited for it come to rest with it.
        for other in dependants[id] ?? [] where waiters.contains(where: { $0.ids.contains(other) }) { enqueue(other) }
        answerWaiters()
    }

    /// Whether an app does nothing but wait for some of these, which have not come to rest themselves.
    private func waitsForOthers(_ id: AppID, among ids: Set<AppID>) -> Bool {
        guard let state = states[id]?.state, state.record.waiting?.reason == .dependencyNotReady else { return false }
        return state.declaration?.app.dependsOn.contains { ids.contains($0) && !depends($0, on: id) } ?? false
    }

    /// Whether an app depends on another, directly or not; each depends on itself.
    private func depends(_ id: AppID, on other: AppID) -> Bool {
        var rest = [id]
        var seen: Set<AppID> = []
        while let next = rest.popLast() {
            if next == other { return true }
            if seen.insert(next).inserted { rest += states[next]?.state.declaration?.app.dependsOn ?? [] }
        }
        return false
    }

    private func answerWaiters() {
        for waiter in waiters where waiter.ids.isEmpty { waiter.continuation.resume() }
        waiters.removeAll { $0.ids.isEmpty }
    }

    private func forget(_ id: AppID) {
        // Whose an app is that was never this controller's the target goes on knowing.
        if states.removeValue(forKey: id) != nil { claims[id.target]?[id] = nil }
        queues[id.target]?.remove(id)
        for index in waiters.indices { waiters[index].ids.remove(id) }
        answerWaiters()
        for other in dependants[id] ?? [] { enqueue(other) }
    }
}
