internal import Diagnostics

/// Carries one pass's questions out and brings the answers back.
///
/// It decides nothing.
struct Worker {
    let id: AppID
    private let target: (any Platform)?
    let journal: any Journal
    let environment: Environment

    private var deployment: (any Deployment)?
    private var planned: (any Planned)?
    private var ownership: Ownership?

    init(id: AppID, platform: (any Platform)?, journal: any Journal, environment: Environment) {
        self.id = id
        target = platform
        self.journal = journal
        self.environment = environment
    }

    /// Does what is asked for and gives what came of it; never throws, because a failure is an answer too.
    mutating func perform(_ action: Action) async -> Answer {
        do {
            return try await answer(action)
        } catch let failure as Failure {
            return .failed(failure)
        } catch let invalid as Invalid {
            return .failed(Failure(invalid))
        } catch is CancellationError {
            return .cancelled
        } catch {
            return .failed(Failure(.unavailable, "\(error)"))
        }
    }

    private mutating func answer(_ action: Action) async throws -> Answer {
        switch action {
        case .compare(let reading, let declaration): return try await compare(reading, declaration)
        case .listRevisions:
            return .revisions(try await revisions().map(\.fingerprint))
        case .prepare(let declaration): return try await prepare(declaration)
        case .restore(let refused):
            guard let revision = try await revisions().first(where: { !refused.contains($0.fingerprint) }) else {
                return .nothingKept
            }
            let platform = try platform
            do {
                let restored = try await platform.restore(id, payload: revision.payload)
                deployment = restored
                return .restored(fingerprint: restored.fingerprint)
            } catch let failure as Failure {
                return .notRestored(fingerprint: revision.fingerprint, failure)
            } catch let invalid as Invalid {
                return .notRestored(fingerprint: revision.fingerprint, Failure(invalid))
            }
        case .prepareRemoval:
            let removal = try await platform.removal(of: id)
            deployment = removal
            return .restored(fingerprint: removal.fingerprint)
        case .observe(let moment, let mark):
            guard let deployment else { return .cancelled }
            let made = try await deployment.plan(observedSince: moment, mark: mark)
            planned = made
            var marks = Marks(now: made.mark, failures: made.failures)
            marks.isAmidChange = made.isAmidChange
            if mark == nil { marks.changedAt = made.changedAt } else { marks.sparing = made.sparing }
            return .observed(made.plan, declaredServices: made.declaredServices, marks)
        case .claim(let claimant):
            let claimed = try await platform.claim(id, as: claimant)
            ownership = claimed
            return .claimed(claimed.rejection)
        case .capture(let record, let event): return try await capture(record, event)
        case .save(let record, let event): return try await save(record, event)
        case .apply:
            guard let planned, let ownership else { return .cancelled }
            try await planned.apply(ownership)
            return .applied
        case .judge(let mark, let hasEarlier):
            guard let planned else { return .cancelled }
            return .judged(try await planned.health(since: mark, hasEarlierRevision: hasEarlier))
        case .commit(let record, let event): return try await commit(record, event)
        case .prune(let blocked):
            guard let planned, let ownership else { return .cancelled }
            return .pruned(try await planned.prune(ownership, leaving: blocked))
        case .collect:
            guard let ownership else { return .cancelled }
            let kept = try await revisions().map(\.payload)
            do {
                try await platform.collectGarbage(ownership, keeping: kept)
            } catch let failure as Failure {
                await announce(warning(about: failure))
            }
            return .collected
        case .forget(let event, let releases): return try await forget(event, releases: releases)
        case .announce(let event):
            await announce(event)
            return .announced
        case .finish: return .cancelled
        }
    }

    private var platform: any Platform {
        get throws {
            guard let target else { throw Failure(.notFound, "there is no target '\(id.target)'", next: .needsChange) }
            return target
        }
    }

    // MARK: Reading

    private func compare(_ reading: Reading, _ declaration: Declaration) async throws -> Answer {
        var reading = reading
        let settings = declaration.app.settings
        if reading.commit != declaration.revision.commit {
            let holds = try await reading.inputs.stillHold(in: declaration.snapshot, settings: settings)
            guard holds else { return .compared(isSame: false, reading) }
            reading.commit = declaration.revision.commit
        }
        let isSame = try await platform.isUntouched(id, fingerprint: reading.fingerprint, observedSince: asked)
        return .compared(isSame: isSame, reading)
    }

    /// When the pass was asked for.
    var asked = ContinuousClock.now

    private mutating func prepare(_ declaration: Declaration) async throws -> Answer {
        let recording = RecordingSnapshot(declaration.snapshot, settings: declaration.app.settings)
        let desired = try await declaration.app.prepare(recording)
        deployment = desired
        let reading = Reading(
            inputs: recording.inputs,
            fingerprint: desired.fingerprint,
            commit: declaration.revision.commit,
            treatment: desired.treatment
        )
        return .prepared(reading, warnings: desired.warnings)
    }

    /// The kept revisions, newest first; a journal that cannot be read says nothing of the target.
    private func revisions() async throws -> [DeployedRevision] {
        do {
            return try await journal.revisions(of: id)
        } catch {
            throw journalFailure(error, "read")
        }
    }

    // MARK: Writing

    private func save(_ record: AppRecord, _ event: Event?) async throws -> Answer {
        do {
            try await journal.save(record, event: event)
        } catch {
            // The record is saved again with the next change. What was about to be done is not told of, because it is not
            // done; what went wrong is.
            if let event, event.severity != .info { environment.announce(event) }
            throw journalFailure(error)
        }
        if let event { environment.announce(event) }
        return .saved
    }

    private func commit(_ record: AppRecord, _ event: Event) async throws -> Answer {
        guard let planned, let deployed = record.deployed else { return .cancelled }
        let revision = DeployedRevision(
            app: id,
            fingerprint: deployed,
            commit: record.deployedCommit ?? record.commit,
            deployedAt: environment.now(),
            payload: try await planned.payload()
        )
        do {
            try await journal.commit(revision, record: record, event: event)
        } catch {
            throw journalFailure(error)
        }
        environment.announce(event)
        return .committed
    }

    private func capture(_ record: AppRecord, _ event: Event) async throws -> Answer {
        guard let ownership, let planned, !planned.ranNothing,
            let payload = try await platform.capture(ownership, before: planned)
        else {
            return .captured(fingerprint: nil)
        }
        let restored = try await platform.restore(id, payload: payload)
        let revision = DeployedRevision(
            app: id,
            fingerprint: restored.fingerprint,
            commit: "",
            deployedAt: environment.now(),
            payload: payload
        )
        do {
            try await journal.commit(revision, record: record, event: event)
        } catch {
            throw journalFailure(error)
        }
        environment.announce(event)
        return .captured(fingerprint: restored.fingerprint)
    }

    private func forget(_ event: Event, releases: Bool) async throws -> Answer {
        if releases, let ownership {
            try await platform.collectGarbage(ownership, keeping: [])
            try await platform.release(ownership)
        }
        do {
            try await journal.forget(id, event: event)
        } catch {
            throw journalFailure(error)
        }
        environment.announce(event)
        return .forgotten
    }

    private func announce(_ event: Event) async {
        // A journal that cannot be written must not stop delivery; the listener still hears of it.
        try? await journal.record(event)
        environment.announce(event)
    }

    private func warning(about failure: Failure) -> Event {
        Event(
            time: environment.now(),
            severity: .warning,
            reason: failure.reason,
            subject: id.description,
            message: "leftovers stay for now: \(failure.message)"
        )
    }

    private func journalFailure(_ error: any Error, _ verb: String = "written") -> any Error {
        if error is CancellationError { return error }
        let message = (error as? Failure)?.message ?? "\(error)"
        return Failure(.journalFailed, "the journal cannot be \(verb): \(message)")
    }
}
