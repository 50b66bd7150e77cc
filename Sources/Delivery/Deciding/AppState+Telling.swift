/// How a pass ends and what it tells.
extension AppState {
    mutating func ask(_ action: Action, _ stage: Stage) -> Action {
        pass?.stage = stage
        return action
    }

    /// Compares afresh what the pass is about with what is there.
    mutating func observe(_ stage: Stage, since moment: ContinuousClock.Instant? = nil, at now: Moment) -> Action {
        // Since a pass was asked for others may have looked at the same; what they saw is good for a moment.
        let moment = moment ?? max(pass?.asked ?? now.instant, now.instant - .seconds(1))
        pass?.lookedAt = moment
        let isWatched = pass?.fingerprint != nil && record.attempt?.fingerprint == pass?.fingerprint
        return ask(.observe(since: moment, mark: isWatched ? fullMark : nil), stage)
    }

    mutating func finish(_ outcome: Outcome) -> Action {
        switch outcome {
        // A person's word is for now: there was nothing that it was needed for, or nothing could be done.
        case .rest, .check: if pass?.wishes == wishes { forgetWish() }
        case .again, .retry, .gone: break
        }
        pass = nil
        return .finish(outcome)
    }

    /// Saves the record, with an event.
    mutating func save(_ event: Event?, then stage: Stage) -> Action { ask(.save(record, event), stage) }

    /// Ends the pass; what changed is saved first.
    mutating func settle(_ outcome: Outcome) -> Action {
        isUnsaved ? save(nil, then: .saving(outcome)) : finish(outcome)
    }

    /// Forgets what was wrong; that the journal cannot be written only a journal that was written to ends.
    mutating func clearProblem() {
        if record.problem?.reason != .journalFailed { record.problem = nil }
    }

    mutating func wait(_ reason: Reason, _ message: String, at now: Moment) {
        guard record.waiting?.reason != reason || record.waiting?.message != message else { return }
        let since = record.waiting?.reason == reason ? record.waiting?.since ?? now.time : now.time
        record.waiting = Waiting(reason, message, since: since)
    }

    // MARK: Failures

    /// Something that was asked for could not be done.
    mutating func failed(_ failure: Failure, _ situation: Situation, at now: Moment) -> Action {
        guard let pass else { return .finish(.rest) }
        if failure.reason == .unavailable { loseContact() }
        if failure.reason == .leaseHeld { return finish(.check(after: .seconds(1))) }
        switch pass.stage {
        case .preparing:
            if let declaration, declaration.isReadInPlace, failure.next == .needsChange {
                // The files of what is to go may be gone before it: it is kept as it was, and nothing is wrong with it.
                if isLeaving {
                    guard isLastGoodKnown else { return settle(.rest) }
                    self.pass?.role = .lastGood
                    return ask(.restore(except: []), .restoring)
                }
                return standIn(for: failure, declaration, at: now)
            }
        case .observing where record.quarantine != nil && failure.next == .needsChange:
            return refuseKept(pass.fingerprint, because: failure, at: now)
        case .observing where failure.reason == .conflict && spoiledLooks < 6:
            // Files are written one after the other: it is told only when that lasts.
            spoiledLooks += 1
            return finish(.again(Duration.milliseconds(200) * (1 << spoiledLooks)))
        case .observing:
            // What is declared cannot be brought about now: meanwhile what was good is kept as it should be.
            let isPassing = [.unavailable, .conflict, .journalFailed].contains(failure.reason)
            // A registry that is away is no fault of what is under way.
            let isOthersFault = isPassing || failure.reason == .imageNotResolved
            if isOthersFault { unplanned = nil }
            if !isOthersFault, let declaration, record.attempt?.fingerprint == pass.fingerprint {
                return notPlanned(failure, declaration.app, at: now)
            }
            let isKnown = record.deployed == nil ? kept?.isEmpty == false && !record.haveOthersActed : isLastGoodKnown
            guard pass.role == .declared, !isPassing, isKnown else { break }
            guard ![record.deployed, record.attempt?.fingerprint].contains(pass.fingerprint) else { break }
            self.pass?.obstacle = failure
            self.pass?.role = .lastGood
            return ask(.restore(except: []), .restoring)
        case .applying: return notApplied(failure, at: now)
        case .savingAttempt:
            // What is known to be good is put back even when nothing can be written down.
            if record.attempt?.isRestoring == true { return ask(.apply, .applying) }
            dropUntold()
        case .capturingInPlace: record.quarantine = nil
        case .saving(let outcome): return finish(outcome)
        case .savingThenWatching: return watch(at: now)
        case .savingThenTidying(let outcome), .collecting(let outcome), .claiming(.tidying(let outcome)):
            // What is left is not left for long, unless it is not this controller's.
            let isPassing = [.unavailable, .conflict, .journalFailed].contains(failure.reason)
            return finish(outcome == .rest && isPassing ? .check(after: .seconds(60)) : outcome)
        case .announcingRemovals: announcedRemovals = []
        // What could not be told does not go either.
        case .removing where failure.reason == .journalFailed: announcedRemovals = []
        case .committing: return fail(failure, at: now)
        case .superseding, .warning, .noticingDrift, .noticingOwnDrift: return next(.announced, situation, at: now)
        case .claiming(.forgetting) where failure.reason == .notFound:
            // Nothing runs and nothing is claimed: it was never deployed, or all of it was done before.
            let gone = event(.info, .removed, "removed: \(record.removal?.why ?? "")", at: now)
            return ask(.forget(gone, releases: false), .forgetting)
        case .claiming(.removal), .claiming(.forgetting):
            if failure.reason == .dependencyNotReady {
                wait(.dependencyNotReady, failure.message, at: now)
                return settle(.check(after: .seconds(5)))
            }
            if [.refused, .notFound, .superseded].contains(failure.reason) { return leaveToOthers(failure, at: now) }
        case .claiming where isLeaving && [.notFound, .superseded, .refused].contains(failure.reason):
            // It went, or is somebody else's, before it was this controller's turn.
            record.drift = nil
            if record.attempt != nil { abandonAttempt() }
            return settle(.rest)
        default: break
        }
        return fail(failure, at: now)
    }

    /// The target answers, and what is under way gets no nearer to its end.
    private mutating func notPlanned(_ failure: Failure, _ app: App, at now: Moment) -> Action {
        // Whatever held up the question itself is nobody's fault.
        let passed = unplanned.map { min(now.instant - $0.seen, .seconds(30)) } ?? .zero
        let time = (unplanned?.time ?? .zero) + passed
        unplanned = (time, now.instant)
        guard time > app.timeout else { return fail(failure, then: .check(after: .seconds(10)), at: now) }
        let message = "not done after \(app.timeout.readable): \(failure.message)"
        return giveUp(Failure(.timedOut, message, next: .needsChange, details: failure.details), at: now)
    }

    /// Ends the pass with a failure that says what is wrong with the app now.
    ///
    /// `then`: How the pass ends, when not as the failure says.
    mutating func fail(_ failure: Failure, then: Outcome? = nil, at now: Moment) -> Action {
        if let declaration { record.commit = declaration.revision.commit }
        let isKnown =
            record.problem.map { $0.reason == failure.reason && $0.message == failure.message } ?? false
            && (toldCommit ?? saved?.commit) == record.commit
        // A connection that comes and goes during a deployment is one fact, too; and what only a change can mend is one for as
        // long as nothing went well, as is what keeps a rollback from being made.
        let isRecent =
            toldFailure.map { told in
                let isLately = failure.next == .needsChange || isOnItsWayBack || now.instant - told.at < .seconds(60)
                return told.failure == failure.message && isLately
            } ?? false && toldCommit == record.commit
        if !isKnown, !isRecent { toldFailure = (failure.message, now.instant) }
        toldCommit = record.commit
        let since = record.problem?.since ?? now.time
        record.problem = Problem(failure, since: since)
        let told = event(.error, failure.reason, failure.message, details: failure.details, at: now)
        let outcome = then ?? (failure.next == .needsChange ? .rest : .retry)
        // The same failure again is the same fact; it was told.
        return isKnown || isRecent ? settle(outcome) : save(told, then: .saving(outcome))
    }

    /// Says that an app is not well; the same failure again is the same fact and is told once.
    mutating func tell(_ failure: Failure, _ severity: Event.Severity, then outcome: Outcome, at now: Moment) -> Action
    {
        // That the journal could not be written meanwhile, or the target not be reached, makes it no news; nor does the next try of
        // a rollback that cannot be made.
        let isHidden = [.journalFailed, .unavailable].contains(record.problem?.reason) || isOnItsWayBack
        let state = record.quarantine?.fingerprint ?? pass?.fingerprint ?? ""
        let isKnown = isHidden && toldIllness.map { $0 == (failure.message, state) } ?? false
        let isNews = record.problem?.reason != failure.reason && !isKnown
        toldIllness = (failure.message, state)
        record.problem = Problem(failure, since: record.problem?.since ?? now.time)
        let told = event(severity, failure.reason, failure.message, details: failure.details, at: now)
        return isNews ? save(told, then: .saving(outcome)) : settle(outcome)
    }

    // MARK: Words

    func event(
        _ severity: Event.Severity,
        _ reason: Reason,
        _ message: String,
        details: [String] = [],
        at now: Moment
    ) -> Event {
        Event(
            time: now.time,
            severity: severity,
            reason: reason,
            subject: id.description,
            commit: record.commit,
            message: message,
            details: details,
            correlation: pass?.correlation ?? ""
        )
    }

    /// ` at 0123456789ab`, or nothing for a source that has no commits.
    func at(_ commit: String) -> String { commit.isEmpty ? "" : " at \(commit.prefix(12))" }

    func summary(of changes: [Change]) -> String {
        let counts = Dictionary(grouping: changes, by: \.action)
        let words = [Change.Action.create, .update, .replace, .remove].compactMap { action in
            counts[action].map { "\($0.count) to \(action.rawValue)" }
        }
        return words.joined(separator: ", ") + ": " + listed(changes)
    }

    func listed(_ changes: [Change]) -> String {
        changes.prefix(6).map(\.subject).joined(separator: ", ") + (changes.count > 6 ? ", ..." : "")
    }

    func described(_ changes: [Change]) -> [String] {
        changes.prefix(20).map { change in
            let fields = change.fields.prefix(8).map { field in
                "\(field.path): \(field.from ?? "nothing") -> \(field.to ?? "nothing")"
            }
            return "\(change.action.rawValue) \(change.subject)"
                + (fields.isEmpty ? "" : " (" + fields.joined(separator: ", ") + ")")
        }
    }
}
