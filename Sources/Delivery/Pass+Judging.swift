/// Whether a deployment under way succeeded, and what follows from it.
extension Pass {
    func verify(
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
                return try await giveUp(
                    track,
                    Failure(.timedOut, "not settled after \(app.timeout.readable): \(what)", next: .needsChange),
                    isRestoring: attempt.isRestoring
                )
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
    func pollDelay(_ elapsed: Double) -> Duration { .seconds(min(max(elapsed / 4, 0.1), 1)) }

    func finish(
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
            let back = track.record.deployedCommit.map { "\(running($0)) again" } ?? "removed"
            let message = "rolled back in \(took), \(back): \(quarantine.failure)"
            markRolledBack(&track.record, quarantine)
            try await save(
                track.record,
                event: event(.warning, .rolledBack, track.record, message, details: quarantine.details)
            )
            await forgetHealth()
            return isPruned ? .rest : .again(.seconds(1))
        }
        track.record.deployed = deployment.fingerprint
        track.record.deployedCommit = commit(of: deployment, track)
        track.record.deployedAt = surroundings.now()
        let isRepair = attempt.isRestoring
        let message = isRepair ? "repaired in \(took)" : "deployed in \(took)"
        set(
            &track.record,
            .ready,
            true,
            isRepair ? .driftRepaired : .deployed,
            "\(message)\(at(track.record.deployedCommit ?? ""))"
        )
        clear(&track.record, .reconciling, .stalled, .drifted)
        let done = event(.info, isRepair ? .driftRepaired : .deployed, track.record, message)
        try await commit(track.record, deployment, event: done, platform)
        await forgetHealth()
        await reconciler.becameReady(id)
        return isPruned ? .rest : .again(.seconds(1))
    }

    func commit(
        _ record: AppRecord,
        _ deployment: any Deployment,
        event: Event,
        _ platform: any Platform
    ) async throws {
        let revision = DeployedRevision(
            app: id,
            fingerprint: deployment.fingerprint,
            commit: record.deployedCommit ?? record.commit,
            deployedAt: surroundings.now(),
            payload: try await deployment.payload()
        )
        try await journal.commit(revision, record: record, event: event)
        await publish(record, event)
        let kept = try await journal.revisions(of: id).map(\.payload)
        try await platform.collectGarbage(of: id, keeping: kept)
    }

    func giveUp(_ track: Track, _ failure: Failure, isRestoring: Bool) async throws -> Outcome {
        let hasNothingBetter = try await journal.revisions(of: id).isEmpty
        if reconciler.platforms[id.target]?.readsDeclarationsInPlace == true, hasNothingBetter, !isRestoring {
            // It has never run, perhaps because something it needs is not there yet: it stays and is tried again.
            var track = track
            track.record.attempt = nil
            try await tell(&track, failure, .error)
            return .retry
        }
        if isRestoring {
            // What was good before is put back already; there is nothing better to turn to.
            var track = track
            try await tell(&track, failure, .error)
            return .retry
        }
        return try await reject(track, failure)
    }

    /// Puts the desired state into quarantine; the next pass rolls the whole app back.
    func reject(_ start: Track, _ failure: Failure) async throws -> Outcome {
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
        set(&track.record, .reconciling, true, .rollingBack, "rolling back: \(failure.message)")
        try await save(
            track.record,
            event: event(.error, failure.reason, track.record, failure.message, details: failure.details)
        )
        await forgetHealth()
        return .again(.zero)
    }
}
