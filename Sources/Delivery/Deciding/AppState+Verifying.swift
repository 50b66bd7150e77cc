/// Whether what was begun succeeded, and what follows from it.
extension AppState {
    mutating func judge(mark: String?, _ stage: Stage) -> Action {
        let fingerprint = pass?.fingerprint
        let hasEarlier = kept?.contains { $0 != fingerprint } ?? false
        return ask(.judge(mark: mark, hasEarlierRevision: hasEarlier), stage)
    }

    // MARK: An attempt under way

    mutating func verify(_ health: Health, _ situation: Situation, at now: Moment) -> Action {
        guard let pass, let declaration, let attempt = record.attempt else { return finish(.again(.zero)) }
        // Nothing of it is left to be made, whoever made it; after the next start as well.
        if pass.plan.forward.isEmpty {
            isUnfinished = false
            if attempt.wasHeld {
                record.attempt?.wasHeld = false
                return save(nil, then: .saving(.again(.zero)))
            }
        }
        // As long as a part of it could not be made, nobody knows whether the whole is well.
        let isPartial = isUnfinished && !pass.plan.forward.isEmpty && elapsed <= declaration.app.timeout
        if case .failed(let failure) = health, !isPartial { return giveUp(failure, at: now) }
        if record.failedFingerprint != pass.fingerprint { clearProblem() }
        // A slow look may meet what keeps failing while it runs, each time.
        let failures = Set(pass.marks.failures.split(separator: " "))
        let hasFailedAnew = !failures.isSubset(of: seenFailures.split(separator: " "))
        if hasFailedAnew { healthySince = nil }
        seenFailures = pass.marks.failures
        let timeout = declaration.app.timeout
        // What was made and the target took back is not made again while nothing takes what is to run.
        let isLeftInPeace = isHeldUp(health) && applies > 0 && !isUnfinished
        if !pass.plan.forward.isEmpty, !isLeftInPeace {
            guard elapsed > timeout else { return goOn(situation, at: now) }
            let message = "not as declared after \(timeout.readable): \(summary(of: pass.plan.forward))"
            return giveUp(Failure(.timedOut, message, next: .needsChange), at: now)
        }
        let wasHeld = isHeld
        isHeld = isHeldUp(health)
        heldSince = isHeld ? heldSince ?? now.instant : nil
        // What was ended with its node begins anew.
        if wasHeld, !isHeld { giveWholeTime() }
        switch health {
        case .failed(let failure): return giveUp(failure, at: now)
        case .progressing(let what):
            healthySince = nil
            guard elapsed <= timeout else {
                let message = "not healthy after \(timeout.readable): \(what)"
                return giveUp(Failure(.timedOut, message, next: .needsChange), at: now)
            }
            return tell(what, .again(pollDelay))
        case .held(let what):
            healthySince = nil
            elapsed -= pass.counted
            // Whoever waits for the app waits for that as well, as long as for any deployment.
            let isPatient = heldSince.map { now.instant - $0 < timeout } ?? true
            let outcome: Outcome = isPatient ? .again(.seconds(1)) : .check(after: .seconds(1))
            return wasHeld ? tell(what, outcome) : tellHeld(what, then: outcome, at: now)
        case .settling(let what):
            healthySince = healthySince ?? now.instant
            guard elapsed <= timeout else {
                let message = "not settled after \(timeout.readable): \(what)"
                return giveUp(Failure(.timedOut, message, next: .needsChange), at: now)
            }
            return finish(.again(.milliseconds(500)))
        case .healthy(let runsNothing):
            if hasFailedAnew, elapsed > timeout, !isSettlingIn(at: now) {
                let window = declaration.app.verifyWindow.readable
                let message = "not well for \(window) without a break after \(timeout.readable)"
                return giveUp(Failure(.timedOut, message, next: .needsChange), at: now)
            }
            let since = healthySince ?? now.instant
            healthySince = since
            // What failed before has to stay well for longer than it takes to fail again.
            let isSuspect = record.failedFingerprint == pass.fingerprint
            let window = max(declaration.app.verifyWindow, isSuspect ? .seconds(30) : .zero)
            // An answer that took long may say how things were when it was asked for.
            let unproven = window > .zero ? window - (pass.lookedAt.map { $0 - since } ?? .zero) : .zero
            let left = max(unproven, timeToTrust(at: now))
            if !runsNothing, left > .zero {
                let watched = max(window, regained == nil ? .zero : Self.staleness)
                return tell("healthy; watched for \(watched.readable)", .again(min(left, .seconds(1))))
            }
            return attemptSucceeded(attempt, at: now)
        }
    }

    /// For how long a target that came back may still tell of what ended with it as running: a restarted Engine does so for up
    /// to six seconds.
    private static let staleness = Duration.seconds(10)

    /// How long what a target says runs is not to be believed yet.
    private func timeToTrust(at now: Moment) -> Duration {
        regained.map { max(.zero, Self.staleness - ((pass?.lookedAt ?? now.instant) - $0)) } ?? .zero
    }

    private func isHeldUp(_ health: Health) -> Bool { if case .held = health { true } else { false } }

    /// Says, once, that the attempt cannot go on by itself, and looks again.
    private mutating func tellHeld(_ what: String, then outcome: Outcome, at now: Moment) -> Action {
        if record.attempt?.phase == .applying { record.attempt?.phase = .verifying }
        record.attempt?.message = what
        let message = "cannot go on now, and its time-out waits: \(what)"
        return save(event(.warning, .unavailable, message, at: now), then: .saving(outcome))
    }

    /// Makes what is still to be changed; what the target paused goes on only when what runs of it has proved itself, because
    /// what excuses a failure may excuse that of a bad revision, and the rest still runs the one before.
    private mutating func goOn(_ situation: Situation, at now: Moment) -> Action {
        if let notBefore, now.instant < notBefore { return finish(.again(notBefore - now.instant)) }
        if let pass, let declaration, pass.plan.forward.allSatisfy(\.isResumption) {
            let since = healthySince ?? now.instant
            healthySince = since
            let window = max(declaration.app.verifyWindow, .seconds(5))
            guard (pass.lookedAt ?? now.instant) - since >= window else {
                let progress = "paused for nothing that was its fault; what runs of it is watched first"
                return tell(progress, .again(.seconds(1)))
            }
        }
        healthySince = nil
        return claim(for: .change, situation)
    }

    /// Says how far the attempt is, when that changed, and looks again.
    private mutating func tell(_ progress: String, _ outcome: Outcome) -> Action {
        if record.attempt?.phase == .applying { record.attempt?.phase = .verifying }
        guard record.attempt?.message != progress else { return finish(outcome) }
        record.attempt?.message = progress
        return save(nil, then: .saving(outcome))
    }

    /// How long until the next look: short at first, so that a quick start is seen at once.
    private var pollDelay: Duration { .seconds(min(max(elapsed.inSeconds / 4, 0.1), 1)) }

    private mutating func attemptSucceeded(_ attempt: Attempt, at now: Moment) -> Action {
        let took = Duration.seconds(max(0, now.time - attempt.since)).readable
        record.attempt = nil
        (givenUp, toldFailure, toldIllness, retried) = (nil, nil, nil, nil)
        resetClock()
        (record.isInterrupted, record.haveOthersActed) = (false, false)
        record.failedFingerprint = nil
        clearProblem()
        record.drift = nil
        if let quarantine = record.quarantine, isOnItsWayBack {
            noteRolledBack()
            hasLeftovers = true
            let message = "rolled back in \(took), \(whatIsBack): \(quarantine.failure)"
            let told = event(.warning, .rolledBack, message, details: quarantine.details, at: now)
            return save(told, then: .savingThenTidying(.rest))
        }
        if pass?.role == .lastGood, !isDeployed {
            // What was found before the first change is as it was, for want of what is declared: nothing was deployed.
            let told = event(.info, .driftRepaired, "what was there before is back, after \(took)", at: now)
            return save(told, then: .savingThenTidying(.again(.zero)))
        }
        // What cannot be brought about now is told of next; that what runs would be started again as it is says nothing more.
        if isStandingIn, isDeployed { return save(nil, then: .savingThenTidying(.again(.zero))) }
        let (reason, message): (Reason, String) =
            switch attempt.purpose {
            // What somebody else mended in the meantime was no deed of this controller's.
            case .repair: (.driftRepaired, applies > 0 ? "repaired in \(took)" : "as declared again after \(took)")
            case .restore: (.deployed, "restored in \(took)")
            case .adopt: (.adopted, "already runs as declared and is healthy; taken over without a change")
            case .deploy, .rollBack: (.deployed, "deployed in \(took)")
            }
        return succeed(reason, message, at: now)
    }

    /// Whether what was rejected is still to be rolled back.
    var isOnItsWayBack: Bool { record.quarantine?.isRolledBack == false }

    /// Whether what runs was not well when it was last looked at.
    var isKnownIll: Bool { [.healthCheckFailed, .timedOut].contains(record.problem?.reason) }

    /// What was rejected is rolled back; what differs later is another matter.
    private mutating func noteRolledBack() {
        record.quarantine?.isRolledBack = true
        (toldRollbacks, toldRefusals) = ([], [:])
    }

    /// What a rollback brought back, in words.
    private var whatIsBack: String {
        record.deployed == nil || isDeployed ? "\(record.running) again" : "an older kept revision runs"
    }

    /// What the pass is about is deployed, verified, and kept.
    private mutating func succeed(_ reason: Reason, _ message: String, at now: Moment) -> Action {
        guard let pass else { return .finish(.rest) }
        let isNew = record.deployed != pass.fingerprint
        (retried, toldFailure) = (nil, nil)
        record.deployed = pass.fingerprint
        record.deployedCommit = pass.role == .declared ? record.commit : record.deployedCommit
        record.deployedAt = now.time
        // What was rejected may have added something that is still to go.
        if record.quarantine == nil { record.addedServices = [] }
        record.haveOthersActed = false
        record.result = .init(reason, "\(message)\(at(record.deployedCommit ?? ""))", since: now.time)
        if record.waiting?.reason != .awaitingApproval { record.waiting = nil }
        var details: [String] = []
        if reason == .adopted, !pass.plan.removals.isEmpty {
            announcedRemovals = Set(pass.plan.removals.map(\.subject))
            details = ["not declared, and removed next:"] + described(pass.plan.removals)
        }
        let done = event(.info, reason, message, details: details, at: now)
        guard isNew || kept?.first != pass.fingerprint || isTreatedOtherwise else {
            return save(done, then: .savingThenTidying(.rest))
        }
        uncommitted = done
        return commit(done)
    }

    /// Whether what is declared is to be treated in another way than what is kept of it.
    private var isTreatedOtherwise: Bool {
        guard pass?.role == .declared, record.quarantine == nil, let reading else { return false }
        return reading.treatment != record.treatment
    }

    /// Keeps what the pass is about.
    private mutating func commit(_ event: Event) -> Action {
        var record = record
        if pass?.role == .declared, let reading { record.treatment = reading.treatment }
        return ask(.commit(record, event), .committing)
    }

    /// The event of a success that the journal has not kept; nil when what is deployed, and what the pass is about, is kept.
    ///
    /// A journal that was damaged has lost it, and a controller that died before it could be kept leaves a record of what is
    /// deployed with another revision.
    func unkept(at now: Moment) -> Event? {
        guard isDeployed, let pass else { return nil }
        if let uncommitted { return uncommitted }
        guard let kept else { return nil }
        guard kept.first != pass.fingerprint else {
            guard isTreatedOtherwise else { return nil }
            return event(.info, .unchanged, "runs as declared; its options are kept with it from now on", at: now)
        }
        let isOutOfOrder = pass.role == .declared && record.quarantine == nil
        guard isOutOfOrder || !kept.contains(pass.fingerprint) else { return nil }
        return event(.info, .recovered, "kept to return to: the journal did not have it", at: now)
    }

    mutating func noteCommitted() {
        guard let deployed = record.deployed else { return }
        uncommitted = nil
        if pass?.role == .declared, let reading {
            record.treatment = reading.treatment
            saved?.treatment = reading.treatment
        }
        let others = (kept ?? []).filter { $0 != deployed }
        hasLeftovers = hasLeftovers || !others.isEmpty
        kept = Array(([deployed] + others).prefix(5))
    }

    // MARK: Failure

    /// The attempt failed.
    mutating func giveUp(_ failure: Failure, at now: Moment) -> Action {
        guard let pass, let attempt = record.attempt else { return fail(failure, at: now) }
        let isRestoring = attempt.isRestoring
        // What of it another controller brought to a good end goes only when somebody wants that.
        if record.haveOthersActed { record.addedServices = [] }
        abandonAttempt()
        let times = givenUp?.fingerprint == pass.fingerprint ? (givenUp?.times ?? 0) + 1 : 1
        let pause = Backoff().delay(afterFailures: times, jitter: 0.5)
        givenUp = (pass.fingerprint, times, now.instant + pause)
        if isRestoring {
            // What was good before is put back already; there is nothing better to return to.
            return tell(failure, .error, then: .retry, at: now)
        }
        guard kept?.contains(where: { $0 != pass.fingerprint }) == true else {
            // Nothing to go back to: it stays as it is, named, and is tried again.
            record.failedFingerprint = pass.fingerprint
            return tell(failure, .error, then: .retry, at: now)
        }
        return reject(failure, at: now)
    }

    /// Puts the desired state into quarantine; the next pass brings the whole app back.
    mutating func reject(_ failure: Failure, at now: Moment) -> Action {
        guard let pass else { return .finish(.rest) }
        record.quarantine = Quarantine(
            fingerprint: pass.fingerprint,
            commit: record.commit,
            since: now.time,
            reason: failure.reason,
            failure: failure.message,
            details: failure.details
        )
        record.attempt = nil
        record.problem = nil
        retried = nil
        (toldRollbacks, toldRefusals) = ([], [:])
        hasLeftovers = true
        recovery.begun = nil
        resetClock()
        let told = event(.error, failure.reason, failure.message, details: failure.details, at: now)
        return save(told, then: .saving(.again(.zero)))
    }

    // MARK: Nothing under way

    /// Judges an app with nothing to change and nothing under way.
    mutating func watch(at now: Moment) -> Action { judge(mark: nil, .watching) }

    mutating func watched(_ health: Health, _ situation: Situation, at now: Moment) -> Action {
        record.isInterrupted = false
        switch health {
        case .progressing, .held: break
        default: progressingSince = nil
        }
        recovery.begun = isOnItsWayBack ? recovery.begun ?? now.instant : nil
        switch health {
        case .healthy, .settling:
            if health != .healthy(runsNothing: true), let left = timeToProve(isOnItsWayBack, at: now) {
                guard isOnItsWayBack else {
                    // Whoever waits for the app waits for that as well, unless it did not last before.
                    return settle(recovery.relapses == 0 ? .again(min(left, .seconds(1))) : .check(after: left))
                }
                let timeout = declaration?.app.timeout ?? .zero
                guard let begun = recovery.begun, now.instant - begun > timeout else {
                    return settle(.again(min(left, .seconds(1))))
                }
                let message = "what was there before does not stay well, \(timeout.readable) after it was put back"
                return tell(Failure(.healthCheckFailed, message), .warning, then: .check(after: left), at: now)
            }
            guard let quarantine = record.quarantine, isOnItsWayBack else { return well(situation, at: now) }
            // Nothing had to be changed to be back, the target did it by itself, or an earlier pass did it all.
            noteRolledBack()
            let message = "rolled back, \(whatIsBack): \(quarantine.failure)"
            let told = event(.warning, .rolledBack, message, details: quarantine.details, at: now)
            return save(told, then: .savingThenWatching)
        case .progressing(let what), .held(let what):
            let since = progressingSince ?? now.instant
            progressingSince = since
            recovery.since = nil
            let elapsed = now.instant - (recovery.begun ?? since)
            // What somebody just restarted is no news yet, and whoever waits for the app waits for it, for a while.
            let timeout = declaration?.app.timeout ?? .zero
            if elapsed < (isOnItsWayBack ? timeout : situation.restartPatience) {
                return finish(.again(.milliseconds(500)))
            }
            let isPatient = elapsed < timeout
            let outcome: Outcome = isPatient ? .again(.seconds(2)) : .check(after: .seconds(30))
            recovery.relapse(isNews: record.problem == nil, at: now.instant)
            return tell(Failure(.healthCheckFailed, what), .warning, then: outcome, at: now)
        case .failed(let failure):
            return observe(.confirming(failure), since: now.instant, at: now)
        }
    }

    /// How long an app that was not well, or that its target itself has rolled back, has still to stay well before that is
    /// believed; nil when it is.
    private mutating func timeToProve(_ isOnItsWayBack: Bool, at now: Moment) -> Duration? {
        guard isOnItsWayBack || isKnownIll, let pass else { return nil }
        let failures = Set(pass.marks.failures.split(separator: " "))
        let hasFailedAnew = !failures.isSubset(of: (recovery.seenFailures ?? pass.marks.failures).split(separator: " "))
        recovery.seenFailures = pass.marks.failures
        let since = hasFailedAnew ? now.instant : recovery.since ?? now.instant
        recovery.since = since
        let left = recovery.window(declaration?.app.verifyWindow ?? .zero) - ((pass.lookedAt ?? since) - since)
        return left > .zero ? left : nil
    }

    private mutating func well(_ situation: Situation, at now: Moment) -> Action {
        endHeeding()
        if pass?.role == .declared { retried = nil }
        if let obstacle = pass?.obstacle { return fail(obstacle, at: now) }
        record.drift = nil
        if pass?.role == .declared || isDeployed { record.haveOthersActed = false }
        if let event = unkept(at: now) { return commit(event) }
        let wasWrong = record.problem != nil
        record.problem = nil
        if pass?.waitsFor == nil, record.quarantine == nil {
            record.deployedCommit = record.commit
            if wasWrong || record.result == nil {
                record.result = .init(.unchanged, record.running, since: now.time)
            }
        }
        (toldFailure, toldIllness) = (nil, nil)
        // Whoever was told that it is not well is told that it is.
        guard wasWrong else { return tidy(.rest, situation) }
        (recovery.since, recovery.seenFailures, recovery.last) = (nil, nil, now.instant)
        let message = "well again, \(record.running)"
        toldFight = nil
        return save(event(.info, .recovered, message, at: now), then: .savingThenTidying(.rest))
    }

    // MARK: Adoption

    /// Whether running for a moment proves nothing: an attempt of this controller was at the app and nothing was ever
    /// verified, or something else is known to be good and what is new was started by somebody else, such as a node's boot,
    /// or it was changed so lately that nobody can have watched it, such as by a controller that is gone, or it has failed as
    /// it is now, whenever that was: the target's clock may be another.
    private func isUnproven(at now: Moment) -> Bool {
        let age = pass?.marks.changedAt.map { Duration.seconds(now.time - $0) }
        let isYoung = age.map { $0 < (declaration?.app.verifyWindow ?? .zero) + .seconds(30) } ?? false
        let hasFailed = pass?.marks.failures.isEmpty == false
        let isSuspect = hasFailed || record.failedFingerprint == pass?.fingerprint
        return isYoung || isSuspect || record.hasBaseline && record.deployed == nil
            || record.deployed.map { $0 != pass?.fingerprint } ?? false
    }

    /// What the source wants already runs, and the journal does not know it: it is taken over as it is.
    mutating func adopted(_ health: Health, at now: Moment) -> Action {
        if pass?.marks.isAmidChange == true, kept?.isEmpty != false, !record.hasBaseline {
            let message = "kept what was there before the change under way, to return to"
            return ask(.capture(record, event(.info, .adopted, message, at: now)), .capturingBefore(health))
        }
        return adopt(health, at: now)
    }

    mutating func adopt(_ health: Health, at now: Moment) -> Action {
        switch health {
        case .healthy where isUnproven(at: now), .settling where isUnproven(at: now):
            begin(.adopt, message: "running; watched", at: now)
            return save(nil, then: .saving(.again(.milliseconds(500))))
        case .healthy, .settling:
            clearProblem()
            let message = "already runs as declared; taken over without a change"
            return succeed(.adopted, message, at: now)
        case .progressing(let what), .held(let what):
            begin(.adopt, message: what, at: now)
            return save(nil, then: .saving(.again(.milliseconds(100))))
        case .failed(let failure):
            // It gets the time that any deployment gets.
            begin(.adopt, message: failure.message, at: now)
            return save(nil, then: .saving(.again(.milliseconds(100))))
        }
    }
}
