internal import Diagnostics

/// One look at one app: compares, changes what must change, judges what was changed, and says when to look again.
///
/// Everything that a crash must not lose is written to the journal before the step it announces; a pass that starts
/// anew after a crash reads the same level and goes on.
struct Pass {
    let reconciler: Reconciler
    let id: AppID
    let asked: ContinuousClock.Instant
    let correlation: String

    private var journal: any Journal { reconciler.journal }
    private var surroundings: Surroundings { reconciler.surroundings }

    func run() async -> Outcome {
        guard let track = await reconciler.tracks[id] else { return .rest }
        guard let platform = reconciler.platforms[id.target] else {
            return await fail(Failure(.notFound, "there is no target '\(id.target)'", next: .needsChange), track)
        }
        do {
            if let hold = await reconciler.holds[id] { return try await suspend(track, hold) }
            if let failure = track.unreadable { throw failure }
            if track.app == nil {
                guard let why = track.removal else { return .rest }
                return try await remove(track, platform, why: why)
            }
            return try await reconcile(track, platform)
        } catch let failure as Failure {
            return await fail(failure, track)
        } catch let invalid as Invalid {
            let failure = Failure(
                .invalid,
                invalid.errors.first?.description ?? "invalid",
                next: .needsChange,
                details: invalid.diagnostics.map(\.description)
            )
            return await fail(failure, track)
        } catch is CancellationError {
            return .retry
        } catch {
            return await fail(Failure(.unavailable, "\(error)"), track)
        }
    }

    // MARK: The usual way

    private func reconcile(_ start: Track, _ platform: any Platform) async throws -> Outcome {
        var track = start
        guard let app = track.app, let fleet = await reconciler.fleets[track.record.source] else { return .rest }
        track.record.commit = fleet.revision.commit
        clear(&track.record, .suspended)

        if try await isUntouched(&track, app, fleet, platform) { return try await rest(track) }

        let recording = RecordingSnapshot(fleet.snapshot, settings: app.settings)
        let desired = try await app.prepare(recording)
        track.inputs = recording.inputs
        track.fingerprint = desired.fingerprint
        track.evaluatedCommit = fleet.revision.commit
        await warn(&track, desired.warnings)
        let known = track
        await reconciler.update(id) { current in
            current.inputs = known.inputs
            current.fingerprint = known.fingerprint
            current.evaluatedCommit = known.evaluatedCommit
            current.warnings = known.warnings
        }
        if track.isForced {
            track.record.quarantine = nil
            await reconciler.update(id) { $0.isForced = false }
        }
        if let quarantine = track.record.quarantine, quarantine.fingerprint != desired.fingerprint {
            track.record.quarantine = nil
        }
        if track.record.quarantine != nil {
            return try await converge(track, app, try await lastGood(platform), platform)
        }
        if let waitsFor = await unmetDependency(track, app, desired) {
            track.waitsFor = waitsFor
            guard track.record.deployed != nil else { return try await wait(track, waitsFor) }
            // Meanwhile what is deployed is kept as it should be.
            return try await converge(track, app, try await lastGood(platform), platform)
        }
        return try await converge(track, app, desired, platform)
    }

    /// What a new state has to wait for before it is begun, in words; nil when nothing.
    private func unmetDependency(_ track: Track, _ app: App, _ desired: any Deployment) async -> String? {
        let record = track.record
        guard record.deployed != desired.fingerprint, record.attempt?.fingerprint != desired.fingerprint else { return nil }
        for dependency in app.dependsOn {
            let other = await reconciler.tracks[dependency]
            if other?.isCurrent == true { continue }
            let why = other?.record.ready.map { " (\($0.message))" } ?? ""
            return "waiting for \(dependency.name)\(why)"
        }
        return nil
    }

    private func wait(_ start: Track, _ waitsFor: String) async throws -> Outcome {
        var track = start
        set(&track.record, .ready, false, .dependencyNotReady, waitsFor)
        set(&track.record, .reconciling, true, .dependencyNotReady, waitsFor)
        return try await rest(track, isCurrent: false)
    }

    /// Whether neither the app's files nor its objects changed since it was last found right.
    private func isUntouched(_ track: inout Track, _ app: App, _ fleet: Fleet, _ platform: any Platform) async throws -> Bool
    {
        let record = track.record
        guard record.isReady, record.attempt == nil, record.quarantine == nil, !track.isForced,
            let inputs = track.inputs, let fingerprint = track.fingerprint, record.deployed == fingerprint
        else { return false }
        if track.evaluatedCommit != fleet.revision.commit {
            guard try await inputs.stillHold(in: fleet.snapshot, settings: app.settings) else { return false }
            track.evaluatedCommit = fleet.revision.commit
            await reconciler.update(id) { $0.evaluatedCommit = fleet.revision.commit }
        } else if inputs.settings != app.settings {
            return false
        }
        return try await platform.isUntouched(id, fingerprint: fingerprint, observedSince: asked)
    }

    private func rest(_ track: Track, isCurrent: Bool = true) async throws -> Outcome {
        if track.record != (await reconciler.tracks[id])?.record { try await save(track.record, event: nil) }
        if isCurrent { await reconciler.becameReady(id) }
        return .rest
    }

    /// The deployment to return to: the last verified revision, or nothing when there never was one.
    private func lastGood(_ platform: any Platform) async throws -> any Deployment {
        if let revision = try await journal.revisions(of: id).first {
            return try await platform.restore(id, payload: revision.payload)
        }
        return try await platform.removal(of: id)
    }

    private func converge(
        _ start: Track,
        _ app: App,
        _ deployment: any Deployment,
        _ platform: any Platform
    ) async throws -> Outcome {
        var track = start
        if let attempt = track.record.attempt, attempt.fingerprint != deployment.fingerprint {
            // A newer state takes over at once; what the older one changed is part of what is compared now.
            if !attempt.isRestoring, track.record.quarantine == nil {
                await announce(.info, .superseded, track.record, "the deployment of \(short(attempt.commit)) gives way to a newer one")
            }
            track.record.attempt = nil
            await forgetHealth()
        }
        let planned = try await deployment.plan(observedSince: asked)
        let isDeployed = track.record.deployed == deployment.fingerprint
        if !planned.plan.forward.isEmpty {
            return try await apply(planned, track, app, deployment, platform, isDeployed: isDeployed)
        }
        if let attempt = track.record.attempt {
            return try await verify(attempt, planned, track, app, deployment, platform)
        }
        if isDeployed || track.record.quarantine != nil {
            return try await watch(planned, track, deployment, platform)
        }
        return try await adopt(planned, track, app, deployment, platform)
    }

    // MARK: Applying

    private func apply(
        _ planned: any Planned,
        _ start: Track,
        _ app: App,
        _ deployment: any Deployment,
        _ platform: any Platform,
        isDeployed: Bool
    ) async throws -> Outcome {
        var track = start
        let isRejected = track.record.quarantine != nil
        if track.record.attempt == nil {
            if isDeployed, !isRejected {
                let isFight = await noteDrift(&track, planned.plan)
                if isFight { return .retry }
            } else if !isRejected {
                try await keepBaseline(track, platform)
            }
            track.record.attempt = Attempt(
                fingerprint: deployment.fingerprint,
                commit: isRejected ? track.record.deployedCommit ?? "" : track.record.commit,
                started: surroundings.now(),
                mark: planned.mark,
                isRestoring: isDeployed || isRejected
            )
        }
        let changes = planned.plan.forward
        let summary = summarise(changes)
        if !isRejected { set(&track.record, .ready, false, .applying, summary) }
        set(&track.record, .reconciling, true, isRejected ? .turningBack : .applying, summary)
        let event = event(.info, isRejected ? .turningBack : .applying, track.record, summary, details: describe(changes))
        try await save(track.record, event: event)
        await reconciler.update(id) { track in
            track.healthySince = nil
            track.attemptSince = track.attemptSince ?? .now
        }
        do {
            try await claim(track, platform)
            try await planned.apply()
        } catch let failure as Failure where failure.reason == .conflict && !isOverdue(track, app) {
            // Something moved between looking and acting: look again.
            return .again(.milliseconds(250))
        } catch let failure as Failure where failure.next == .needsChange && !isDeployed && !isRejected {
            return try await reject(track, failure)
        }
        return .again(.milliseconds(100))
    }

    private func claim(_ track: Track, _ platform: any Platform) async throws {
        guard let owner = await reconciler.fleets[track.record.source]?.owner else { return }
        try await platform.claim(id, for: owner, isOurs: track.record.deployed != nil)
    }

    private func isOverdue(_ track: Track, _ app: App) -> Bool {
        guard let attempt = track.record.attempt else { return false }
        return surroundings.now() - attempt.started > app.timeout.inSeconds
    }

    /// Keeps what runs before the first change by this controller, so that there is something to turn back to.
    private func keepBaseline(_ track: Track, _ platform: any Platform) async throws {
        guard track.record.deployed == nil, try await journal.revisions(of: id).isEmpty,
            let payload = try await platform.capture(id)
        else { return }
        let restored = try await platform.restore(id, payload: payload)
        let revision = DeployedRevision(
            app: id,
            fingerprint: restored.fingerprint,
            commit: "",
            deployedAt: surroundings.now(),
            payload: payload
        )
        let message = "kept what was running before the first change, to return to"
        try await journal.commit(revision, record: track.record, event: event(.info, .adopted, track.record, message))
    }

    /// Says what drifted; true when the same difference keeps coming back and is left for a while.
    private func noteDrift(_ track: inout Track, _ plan: Plan) async -> Bool {
        var worst = 0
        for change in plan.forward {
            let key = ([change.kind, change.name, change.action.rawValue] + change.fields.map(\.path)).joined(separator: " ")
            track.repairs[key, default: 0] += 1
            worst = max(worst, track.repairs[key] ?? 0)
        }
        let repairs = track.repairs
        await reconciler.update(id) { $0.repairs = repairs }
        let details = describe(plan.forward)
        if worst > reconciler.limits.fightAfter, worst % 4 != 0 {
            let message = "something keeps changing it back: \(details.joined(separator: "; ")); "
                + "find who does, or name the field in ignore_differences"
            set(&track.record, .drifted, true, .driftFight, message)
            try? await save(track.record, event: event(.warning, .driftFight, track.record, message))
            return true
        }
        set(&track.record, .drifted, true, .driftDetected, summarise(plan.forward))
        let found = event(.warning, .driftDetected, track.record, summarise(plan.forward), details: details)
        try? await save(track.record, event: found)
        return false
    }

    // MARK: Judging

    private func verify(
        _ attempt: Attempt,
        _ planned: any Planned,
        _ start: Track,
        _ app: App,
        _ deployment: any Deployment,
        _ platform: any Platform
    ) async throws -> Outcome {
        var track = start
        switch try await deployment.health(since: attempt.mark) {
        case .failed(let failure):
            return try await giveUp(track, failure, isRestoring: attempt.isRestoring)
        case .progressing(let what):
            await forgetHealth()
            let elapsed = surroundings.now() - attempt.started
            if elapsed > app.timeout.inSeconds {
                let failure = Failure(
                    .timedOut,
                    "not healthy after \(app.timeout.readable): \(what)",
                    next: .needsChange
                )
                return try await giveUp(track, failure, isRestoring: attempt.isRestoring)
            }
            if track.record.conditions.first(where: { $0.kind == .reconciling })?.message != what {
                set(&track.record, .reconciling, true, .verifying, what)
                try await save(track.record, event: nil)
            }
            return .again(pollDelay(elapsed))
        case .settling(let what):
            let since = await reconciler.tracks[id]?.healthySince ?? .now
            await reconciler.update(id) { $0.healthySince = since }
            if surroundings.now() - attempt.started > app.timeout.inSeconds {
                return try await giveUp(track, Failure(.timedOut, "not settled after \(app.timeout.readable): \(what)", next: .needsChange), isRestoring: attempt.isRestoring)
            }
            return .again(.milliseconds(500))
        case .healthy(let runsNothing):
            let now = ContinuousClock.now
            let since = await reconciler.tracks[id]?.healthySince ?? now
            if !runsNothing, now - since < app.verifyWindow {
                await reconciler.update(id) { $0.healthySince = since }
                let window = app.verifyWindow
                if track.record.conditions.first(where: { $0.kind == .reconciling })?.reason != .verifying {
                    set(&track.record, .reconciling, true, .verifying, "healthy; watched for \(window.readable)")
                    try await save(track.record, event: nil)
                }
                return .again(min(window - (now - since), .seconds(1)))
            }
            return try await finish(attempt, planned, track, deployment, platform)
        }
    }

    /// How long until the next look: short at first, so that a quick start is seen at once.
    private func pollDelay(_ elapsed: Double) -> Duration { .seconds(min(max(elapsed / 4, 0.1), 1)) }

    private func finish(
        _ attempt: Attempt,
        _ planned: any Planned,
        _ start: Track,
        _ deployment: any Deployment,
        _ platform: any Platform
    ) async throws -> Outcome {
        var track = start
        let isPruned = try await planned.prune()
        let took = Duration.seconds(max(0, surroundings.now() - attempt.started)).readable
        track.record.attempt = nil
        track.record.details = []
        if let quarantine = track.record.quarantine {
            let back = track.record.deployedCommit.map { "running \(short($0)) again" } ?? "removed"
            let message = "turned back in \(took), \(back): \(quarantine.failure)"
            set(&track.record, .ready, false, .rolledBack, "\(short(quarantine.commit)) was turned back: \(quarantine.failure)")
            set(&track.record, .stalled, true, .rolledBack, "waits for a commit that changes it")
            clear(&track.record, .reconciling, .drifted)
            track.record.details = quarantine.details
            try await save(track.record, event: event(.warning, .rolledBack, track.record, message, details: quarantine.details))
            await forgetHealth()
            return isPruned ? .rest : .again(.seconds(1))
        }
        track.record.deployed = deployment.fingerprint
        track.record.deployedCommit = track.record.commit
        track.record.deployedAt = surroundings.now()
        let isRepair = attempt.isRestoring
        let message = isRepair ? "repaired in \(took)" : "deployed in \(took)"
        set(&track.record, .ready, true, isRepair ? .driftRepaired : .deployed, "\(message) at \(short(track.record.commit))")
        clear(&track.record, .reconciling, .stalled, .drifted)
        let done = event(.info, isRepair ? .driftRepaired : .deployed, track.record, message)
        try await commit(track.record, deployment, event: done, platform)
        await forgetHealth()
        await reconciler.becameReady(id)
        return isPruned ? .rest : .again(.seconds(1))
    }

    private func commit(
        _ record: AppRecord,
        _ deployment: any Deployment,
        event: Event,
        _ platform: any Platform
    ) async throws {
        let revision = DeployedRevision(
            app: id,
            fingerprint: deployment.fingerprint,
            commit: record.commit,
            deployedAt: surroundings.now(),
            payload: try await deployment.payload()
        )
        try await journal.commit(revision, record: record, event: event)
        await publish(record, event)
        let kept = try await journal.revisions(of: id).map(\.payload)
        try await platform.collectGarbage(of: id, keeping: kept)
    }

    private func giveUp(_ track: Track, _ failure: Failure, isRestoring: Bool) async throws -> Outcome {
        if isRestoring {
            // What was good before is put back already; there is nothing better to turn to.
            var record = track.record
            set(&record, .ready, false, failure.reason, failure.message)
            record.details = failure.details
            try await save(record, event: event(.error, failure.reason, record, failure.message, details: failure.details))
            return .retry
        }
        return try await reject(track, failure)
    }

    /// Puts the desired state into quarantine; the next pass turns the whole app back.
    private func reject(_ start: Track, _ failure: Failure) async throws -> Outcome {
        var track = start
        guard let fingerprint = track.fingerprint else { throw failure }
        track.record.quarantine = Quarantine(
            fingerprint: fingerprint,
            commit: track.record.commit,
            since: surroundings.now(),
            failure: failure.message,
            details: failure.details
        )
        track.record.attempt = nil
        track.record.details = failure.details
        set(&track.record, .ready, false, failure.reason, failure.message)
        set(&track.record, .reconciling, true, .turningBack, "turning back: \(failure.message)")
        try await save(
            track.record,
            event: event(.error, failure.reason, track.record, failure.message, details: failure.details)
        )
        await forgetHealth()
        return .again(.zero)
    }

    // MARK: Watching what is deployed

    /// Nothing to change and nothing under way: is it still well?
    private func watch(
        _ planned: any Planned,
        _ start: Track,
        _ deployment: any Deployment,
        _ platform: any Platform
    ) async throws -> Outcome {
        var track = start
        if !planned.plan.removals.isEmpty, try await !planned.prune() { return .again(.seconds(1)) }
        if track.record.quarantine != nil {
            if track.record.conditions.first(where: { $0.kind == .ready })?.reason != .rolledBack, let quarantine = track.record.quarantine {
                set(&track.record, .ready, false, .rolledBack, "\(short(quarantine.commit)) was turned back: \(quarantine.failure)")
                set(&track.record, .stalled, true, .rolledBack, "waits for a commit that changes it")
                clear(&track.record, .reconciling)
                try await save(track.record, event: event(.warning, .rolledBack, track.record, "turned back: \(quarantine.failure)"))
            }
            return .rest
        }
        switch try await deployment.health(since: nil) {
        case .healthy, .settling:
            if let waitsFor = track.waitsFor {
                set(&track.record, .ready, true, .dependencyNotReady, "running \(short(track.record.deployedCommit ?? "")); \(waitsFor)")
                set(&track.record, .reconciling, true, .dependencyNotReady, waitsFor)
                clear(&track.record, .drifted)
                return try await rest(track, isCurrent: false)
            }
            if !track.record.isReady || track.record.conditions.count > 1 {
                set(&track.record, .ready, true, .unchanged, "running \(short(track.record.commit))")
                clear(&track.record, .reconciling, .stalled, .drifted, .suspended)
                track.record.details = []
            }
            track.record.deployedCommit = track.record.commit
            return try await rest(track)
        case .progressing(let what):
            set(&track.record, .ready, false, .healthCheckFailed, what)
            try await save(track.record, event: changedReadiness(track.record, what, .warning))
            return .again(.seconds(2))
        case .failed(let failure):
            set(&track.record, .ready, false, failure.reason, failure.message)
            track.record.details = failure.details
            try await save(track.record, event: changedReadiness(track.record, failure.message, .error))
            return .retry
        }
    }

    private func changedReadiness(_ record: AppRecord, _ message: String, _ severity: Event.Severity) -> Event {
        event(severity, .healthCheckFailed, record, message, details: record.details)
    }

    /// What the source wants already runs, and the journal does not know it: it is taken over as it is.
    private func adopt(
        _ planned: any Planned,
        _ start: Track,
        _ app: App,
        _ deployment: any Deployment,
        _ platform: any Platform
    ) async throws -> Outcome {
        var track = start
        switch try await deployment.health(since: nil) {
        case .healthy, .settling:
            try await claim(track, platform)
            let isPruned = try await planned.prune()
            track.record.deployed = deployment.fingerprint
            track.record.deployedCommit = track.record.commit
            track.record.deployedAt = surroundings.now()
            set(&track.record, .ready, true, .adopted, "runs as \(short(track.record.commit)) says; nothing was changed")
            clear(&track.record, .reconciling, .stalled, .drifted)
            let event = event(.info, .adopted, track.record, "already runs as declared; taken over without a change")
            try await commit(track.record, deployment, event: event, platform)
            await reconciler.becameReady(id)
            return isPruned ? .rest : .again(.seconds(1))
        case .progressing(let what):
            set(&track.record, .ready, false, .verifying, what)
            try await save(track.record, event: nil)
            return .again(.seconds(1))
        case .failed(let failure):
            throw failure
        }
    }

    // MARK: Removing

    private func remove(_ start: Track, _ platform: any Platform, why: String) async throws -> Outcome {
        var track = start
        let deployment = try await platform.removal(of: id)
        let planned = try await deployment.plan(observedSince: asked)
        guard planned.plan.isEmpty else {
            if track.record.ready?.reason != .removed {
                set(&track.record, .ready, false, .removed, "being removed: \(why)")
                set(&track.record, .reconciling, true, .removed, "being removed: \(why)")
                let details = describe(planned.plan.removals)
                try await save(track.record, event: event(.info, .pruned, track.record, "removing: \(why)", details: details))
            }
            _ = try await planned.prune()
            return .again(.milliseconds(200))
        }
        try await platform.collectGarbage(of: id, keeping: [])
        let gone = event(.info, .removed, track.record, "removed: \(why)")
        try await journal.forget(id, event: gone)
        surroundings.announce(gone)
        await reconciler.forget(id)
        return .rest
    }

    private func suspend(_ start: Track, _ hold: Hold) async throws -> Outcome {
        var track = start
        let message = "held by \(hold.author): \(hold.reason)"
        guard !track.record.conditions.contains(where: { $0.kind == .suspended && $0.message == message }) else { return .rest }
        set(&track.record, .suspended, true, .suspended, message)
        try await save(track.record, event: nil)
        return .rest
    }

    // MARK: Telling

    private func fail(_ failure: Failure, _ start: Track) async -> Outcome {
        var track = start
        if let fresh = await reconciler.tracks[id] { track.record = fresh.record }
        let waits = failure.next == .needsChange
        let isKnown = track.record.ready.map { $0.reason == failure.reason && $0.message == failure.message } ?? false
        set(&track.record, .ready, false, failure.reason, failure.message)
        if waits { set(&track.record, .stalled, true, failure.reason, "waits for a change") }
        track.record.details = failure.details
        let event = event(.error, failure.reason, track.record, failure.message, details: failure.details)
        // The same failure again is the same fact; it was told.
        if !isKnown { try? await save(track.record, event: event) }
        return waits ? .rest : .retry
    }

    private func warn(_ track: inout Track, _ warnings: [String]) async {
        guard track.warnings != warnings else { return }
        track.warnings = warnings
        guard !warnings.isEmpty else { return }
        let count = warnings.count
        await announce(
            .warning, .warning, track.record,
            count == 1 ? warnings[0] : "\(count) warnings in its files", details: count == 1 ? [] : warnings
        )
    }

    private func forgetHealth() async {
        await reconciler.update(id) { track in
            track.healthySince = nil
            track.attemptSince = nil
        }
    }

    private func save(_ record: AppRecord, event: Event?) async throws {
        try await journal.save(record, event: event)
        await publish(record, event)
    }

    private func publish(_ record: AppRecord, _ event: Event?) async {
        await reconciler.update(id) { $0.record = record }
        if let event { surroundings.announce(event) }
    }

    private func announce(
        _ severity: Event.Severity,
        _ reason: Reason,
        _ record: AppRecord,
        _ message: String,
        details: [String] = []
    ) async {
        await reconciler.announce(
            severity, reason, about: id.description, commit: record.commit, message, details: details, correlation: correlation
        )
    }

    private func event(
        _ severity: Event.Severity,
        _ reason: Reason,
        _ record: AppRecord,
        _ message: String,
        details: [String] = []
    ) -> Event {
        Event(
            time: surroundings.now(),
            severity: severity,
            reason: reason,
            subject: id.description,
            commit: record.commit,
            message: message,
            details: details,
            correlation: correlation
        )
    }

    private func set(_ record: inout AppRecord, _ kind: Condition.Kind, _ isTrue: Bool, _ reason: Reason, _ message: String) {
        let old = record.conditions.first { $0.kind == kind }
        let since = old?.isTrue == isTrue ? old?.since ?? surroundings.now() : surroundings.now()
        record.conditions.removeAll { $0.kind == kind }
        record.conditions.append(Condition(kind, isTrue, reason, message, since: since))
        record.conditions.sort { $0.kind.rawValue < $1.kind.rawValue }
    }

    private func clear(_ record: inout AppRecord, _ kinds: Condition.Kind...) {
        record.conditions.removeAll { kinds.contains($0.kind) }
    }

    private func short(_ commit: String) -> String { String(commit.prefix(12)) }

    private func summarise(_ changes: [Change]) -> String {
        let counts = Dictionary(grouping: changes, by: \.action)
        let words = [Change.Action.create, .update, .replace, .remove].compactMap { action in
            counts[action].map { "\($0.count) to \(action.rawValue)" }
        }
        return words.joined(separator: ", ") + ": " + changes.prefix(6).map { "\($0.kind) \($0.name)" }.joined(separator: ", ")
            + (changes.count > 6 ? ", ..." : "")
    }

    private func describe(_ changes: [Change]) -> [String] {
        changes.prefix(20).map { change in
            let fields = change.fields.prefix(8).map { field in
                "\(field.path): \(field.from ?? "nothing") -> \(field.to ?? "nothing")"
            }
            return "\(change.action.rawValue) \(change.kind) \(change.name)"
                + (fields.isEmpty ? "" : " (" + fields.joined(separator: ", ") + ")")
        }
    }
}
