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

    var journal: any Journal { reconciler.journal }
    var surroundings: Surroundings { reconciler.surroundings }

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
            return await fail(Failure(invalid), track)
        } catch is CancellationError {
            return .retry
        } catch {
            return await fail(Failure(.unavailable, "\(error)"), track)
        }
    }

    // MARK: The usual way

    func reconcile(_ start: Track, _ platform: any Platform) async throws -> Outcome {
        var track = start
        guard let app = track.app, let fleet = await reconciler.fleets[track.record.source] else { return .rest }
        track.record.commit = fleet.revision.commit
        clear(&track.record, .suspended)

        if try await isUntouched(&track, app, fleet, platform) { return try await rest(track) }

        let recording = RecordingSnapshot(fleet.snapshot, settings: app.settings)
        let desired: any Deployment
        do {
            desired = try await app.prepare(recording)
        } catch let invalid as Invalid where platform.readsDeclarationsInPlace {
            return try await standIn(track, app, platform, for: Failure(invalid))
        } catch let failure as Failure where platform.readsDeclarationsInPlace && failure.next == .needsChange {
            return try await standIn(track, app, platform, for: failure)
        }
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

    /// Keeps the last good revision in place of a declaration that cannot be used.
    func standIn(
        _ start: Track,
        _ app: App,
        _ platform: any Platform,
        for failure: Failure
    ) async throws -> Outcome {
        var track = start
        let fingerprint = "refused \(app.settings)"
        if track.record.quarantine?.fingerprint == fingerprint {
            return try await converge(track, app, try await lastGood(platform), platform)
        }
        track.fingerprint = fingerprint
        track.record.quarantine = nil
        await reconciler.update(id) { $0.fingerprint = fingerprint }
        return try await reject(track, failure)
    }

    /// What a new state has to wait for before it is begun, in words; nil when nothing.
    func unmetDependency(_ track: Track, _ app: App, _ desired: any Deployment) async -> String? {
        let record = track.record
        guard record.deployed != desired.fingerprint, record.attempt?.fingerprint != desired.fingerprint else {
            return nil
        }
        for dependency in app.dependsOn {
            let other = await reconciler.tracks[dependency]
            if other?.isCurrent == true { continue }
            let why = other?.record.ready.map { " (\($0.message))" } ?? ""
            return "waiting for \(dependency.name)\(why)"
        }
        return nil
    }

    func wait(_ start: Track, _ waitsFor: String) async throws -> Outcome {
        var track = start
        set(&track.record, .ready, false, .dependencyNotReady, waitsFor)
        set(&track.record, .reconciling, true, .dependencyNotReady, waitsFor)
        return try await rest(track, isCurrent: false)
    }

    /// Whether neither the app's files nor its objects changed since it was last found right.
    func isUntouched(
        _ track: inout Track,
        _ app: App,
        _ fleet: Fleet,
        _ platform: any Platform
    ) async throws -> Bool {
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

    func rest(_ track: Track, isCurrent: Bool = true) async throws -> Outcome {
        if track.record != (await reconciler.tracks[id])?.record { try await save(track.record, event: nil) }
        if isCurrent { await reconciler.becameReady(id) }
        return .rest
    }

    /// The deployment to return to: the last verified revision, or nothing when there never was one.
    func lastGood(_ platform: any Platform) async throws -> any Deployment {
        if let revision = try await journal.revisions(of: id).first {
            return try await platform.restore(id, payload: revision.payload)
        }
        return try await platform.removal(of: id)
    }

    func converge(
        _ start: Track,
        _ app: App,
        _ deployment: any Deployment,
        _ platform: any Platform
    ) async throws -> Outcome {
        var track = start
        if let attempt = track.record.attempt, attempt.fingerprint != deployment.fingerprint {
            // A newer state takes over at once; what the older one changed is part of what is compared now.
            if !attempt.isRestoring, track.record.quarantine == nil {
                var overtaken = track.record
                overtaken.commit = attempt.commit
                await announce(
                    .info,
                    .superseded,
                    overtaken,
                    "the deployment\(at(attempt.commit)) gives way to a newer one"
                )
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

    func apply(
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
                commit: isRejected ? track.record.deployedCommit ?? "" : commit(of: deployment, track),
                started: surroundings.now(),
                mark: planned.mark,
                isRestoring: isDeployed || isRejected
            )
        }
        let changes = planned.plan.forward
        let summary = summarise(changes)
        if !isRejected { set(&track.record, .ready, false, .applying, summary) }
        set(&track.record, .reconciling, true, isRejected ? .rollingBack : .applying, summary)
        let event = event(
            .info,
            isRejected ? .rollingBack : .applying,
            track.record,
            summary,
            details: describe(changes)
        )
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
        return .again(.milliseconds(20))
    }

    func claim(_ track: Track, _ platform: any Platform) async throws {
        guard let owner = await reconciler.fleets[track.record.source]?.owner else { return }
        try await platform.claim(id, for: owner, isOurs: track.record.deployed != nil)
    }

    /// The commit a deployment stands for: the source's, or the deployed one while that is kept.
    func commit(of deployment: any Deployment, _ track: Track) -> String {
        let isDeclared = deployment.fingerprint == track.fingerprint
        return isDeclared ? track.record.commit : track.record.deployedCommit ?? track.record.commit
    }

    func isOverdue(_ track: Track, _ app: App) -> Bool {
        guard let attempt = track.record.attempt else { return false }
        return surroundings.now() - attempt.started > app.timeout.inSeconds
    }

    /// Keeps what runs before the first change by this controller, so that there is something to roll back to.
    func keepBaseline(_ track: Track, _ platform: any Platform) async throws {
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
    func noteDrift(_ track: inout Track, _ plan: Plan) async -> Bool {
        var worst = 0
        // Differences that come back after a long peace are no fight.
        if let last = track.lastRepair, ContinuousClock.now - last > .seconds(900) { track.repairs = [:] }
        for change in plan.forward {
            let key = ([change.kind, change.name, change.action.rawValue] + change.fields.map(\.path)).joined(
                separator: " "
            )
            track.repairs[key, default: 0] += 1
            worst = max(worst, track.repairs[key] ?? 0)
        }
        let known = track
        await reconciler.update(id) { current in
            current.repairs = known.repairs
            current.lastRepair = .now
        }
        let details = describe(plan.forward)
        if worst > reconciler.limits.fightAfter, worst % 4 != 0 {
            let message =
                "something keeps changing it back: \(details.joined(separator: "; ")); "
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
}
