/// Apps with nothing under way: watched, adopted, removed, held.
extension Pass {
    /// Judges an app with nothing to change and nothing under way.
    func watch(
        _ planned: any Planned,
        _ start: Track,
        _ deployment: any Deployment,
        _ platform: any Platform
    ) async throws -> Outcome {
        var track = start
        if !planned.plan.removals.isEmpty, try await !planned.prune() { return .again(.seconds(1)) }
        if let quarantine = track.record.quarantine {
            if track.record.ready?.reason != .rolledBack {
                markRolledBack(&track.record, quarantine)
                let message = "rolled back: \(quarantine.failure)"
                try await save(track.record, event: event(.warning, .rolledBack, track.record, message))
            }
            return .rest
        }
        switch try await deployment.health(since: nil) {
        case .healthy, .settling:
            if let waitsFor = track.waitsFor {
                set(
                    &track.record,
                    .ready,
                    true,
                    .dependencyNotReady,
                    "\(running(track.record.deployedCommit ?? "")); \(waitsFor)"
                )
                set(&track.record, .reconciling, true, .dependencyNotReady, waitsFor)
                clear(&track.record, .drifted)
                return try await rest(track, isCurrent: false)
            }
            let wasWrong = track.record.ready.map { !$0.isTrue && Self.failures.contains($0.reason) } ?? false
            if !track.record.isReady || track.record.conditions.count > 1 {
                set(&track.record, .ready, true, .unchanged, running(track.record.commit))
                clear(&track.record, .reconciling, .stalled, .drifted, .suspended)
                track.record.details = []
            }
            track.record.deployedCommit = track.record.commit
            if wasWrong {
                // Whoever was told that it is not well is told that it is.
                let message = "well again, \(running(track.record.commit))"
                try await save(track.record, event: event(.info, .recovered, track.record, message))
            }
            return try await rest(track)
        case .progressing(let what):
            try await tell(&track, Failure(.healthCheckFailed, what), .warning)
            return .again(.seconds(2))
        case .failed(let failure):
            // It may have failed since it was compared: then there is something to do about it, and no news yet.
            let fresh = try await deployment.plan(observedSince: .now)
            if !fresh.plan.forward.isEmpty { return .again(.milliseconds(50)) }
            try await tell(&track, failure, .error)
            return .retry
        }
    }

    /// Why an app that is deployed was said not to be well.
    private static let failures: Set<Reason> = [
        .authenticationFailed, .conflict, .healthCheckFailed, .imageNotResolved, .invalid, .notFound, .refused,
        .timedOut,
        .unavailable, .unknown,
    ]

    /// Says that a deployed app is not well; the same failure again is the same fact and is told once.
    func tell(_ track: inout Track, _ failure: Failure, _ severity: Event.Severity) async throws {
        let isNews = track.record.isReady || track.record.ready?.reason != failure.reason
        set(&track.record, .ready, false, failure.reason, failure.message)
        track.record.details = failure.details
        let told = event(severity, failure.reason, track.record, failure.message, details: failure.details)
        try await save(track.record, event: isNews ? told : nil)
    }

    /// Puts into the record that a revision was rolled back and why.
    func markRolledBack(_ record: inout AppRecord, _ quarantine: Quarantine) {
        let message =
            "\(quarantine.commit.isEmpty ? "the change" : short(quarantine.commit)) was rolled back: \(quarantine.failure)"
        set(&record, .ready, false, .rolledBack, message)
        set(&record, .stalled, true, .rolledBack, "waits for a commit that changes it")
        clear(&record, .reconciling, .drifted)
        record.details = quarantine.details
    }

    /// What the source wants already runs, and the journal does not know it: it is taken over as it is.
    func adopt(
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
            set(
                &track.record,
                .ready,
                true,
                .adopted,
                "already ran as declared\(at(track.record.commit)); nothing was changed"
            )
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

    func remove(_ start: Track, _ platform: any Platform, why: String) async throws -> Outcome {
        var track = start
        let deployment = try await platform.removal(of: id)
        let planned = try await deployment.plan(observedSince: asked)
        guard planned.plan.isEmpty else {
            if track.record.ready?.reason != .removed {
                set(&track.record, .ready, false, .removed, "being removed: \(why)")
                set(&track.record, .reconciling, true, .removed, "being removed: \(why)")
                let details = describe(planned.plan.removals)
                try await save(
                    track.record,
                    event: event(.info, .pruned, track.record, "removing: \(why)", details: details)
                )
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

    func suspend(_ start: Track, _ hold: Hold) async throws -> Outcome {
        var track = start
        let message = "held by \(hold.author): \(hold.reason)"
        guard !track.record.conditions.contains(where: { $0.kind == .suspended && $0.message == message }) else {
            return .rest
        }
        set(&track.record, .suspended, true, .suspended, message)
        try await save(track.record, event: nil)
        return .rest
    }
}
