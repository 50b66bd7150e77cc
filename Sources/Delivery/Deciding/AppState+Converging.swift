/// From the plan to the deed: what begins, what is claimed first, what is written down before.
extension AppState {
    /// Begins what the plan asks for.
    mutating func converge(_ situation: Situation, at now: Moment) -> Action {
        guard let pass else { return .finish(.rest) }
        if let attempt = record.attempt, attempt.fingerprint != pass.fingerprint {
            // A newer state takes over at once; what the older one changed is part of what is compared now.
            let isNews = !attempt.isRestoring && record.quarantine == nil
            // What ended with the target may be told of only later, and is no newer attempt's fault either.
            let regained = isSettlingIn(at: now) ? regained : nil
            abandonAttempt()
            regainedBefore = regained
            if record.haveOthersActed { forgetWhatOthersMadeGood() }
            record.isInterrupted = true
            if isNews {
                var event = event(
                    .info,
                    .superseded,
                    "the deployment\(at(attempt.commit)) gives way to a newer one",
                    at: now
                )
                event.commit = attempt.commit
                return ask(.announce(event), .superseding)
            }
        }
        return convergeUndisturbed(situation, at: now)
    }

    mutating func convergeUndisturbed(_ situation: Situation, at now: Moment) -> Action {
        guard let pass else { return .finish(.rest) }
        if pass.role == .declared, pass.plan.removals.isEmpty { forgetRemovals() }
        if record.attempt != nil {
            if needsSparing || isSettlingIn(at: now) { sparing = pass.marks.sparing }
            needsSparing = false
            // What was begun is judged before anything is applied again: the target may have given it up by itself.
            return judge(mark: fullMark, .judging)
        }
        if !pass.plan.forward.isEmpty {
            // A failed attempt wakes the app by its own events, and they are no reason to try again at once.
            if let givenUp, givenUp.fingerprint == pass.fingerprint, now.instant < givenUp.until {
                return settle(.check(after: givenUp.until - now.instant))
            }
            return change(situation, at: now)
        }
        // What is kept in place of a declaration that cannot be brought about is nothing new.
        guard isDeployed || record.quarantine != nil || pass.role == .lastGood else {
            return claim(for: .adoption, situation)
        }
        // What went well is kept before anything goes; and of what is to go as a whole nothing goes before it.
        if unkept(at: now) == nil, !isLeaving, !openRemovals(at: now).isEmpty {
            return removeUndeclared(situation, at: now)
        }
        return watch(at: now)
    }

    /// Whether the pass is about what is deployed.
    var isDeployed: Bool { pass?.fingerprint == record.deployed }

    private mutating func change(_ situation: Situation, at now: Moment) -> Action {
        // Whoever takes it back is in a fight, as with any other difference.
        let why = pass?.obstacle?.message ?? (isLeaving ? "" : nil)
        isStandingIn = why != nil && stoodInFor != why && pass?.plan.forward.allSatisfy(\.isForNextStart) == true
        let isSettled = isDeployed || record.quarantine != nil
        guard let pass, isSettled, !isOnItsWayBack, !record.isInterrupted, !isStandingIn, !pass.plan.isOwnDoing else {
            return claim(for: .change, situation)
        }
        // Differences that come back after a long peace are no fight.
        if let lastRepair, now.instant - lastRepair > .seconds(900) { repairs = [:] }
        let worst = pass.plan.forward.map { repairs[$0.repairKey] ?? 0 }.max() ?? 0
        let summary = summary(of: pass.plan.forward)
        let details = described(pass.plan.forward)
        let since = record.drift?.since ?? now.time
        if worst >= situation.fightAfter, let lastRepair {
            let pause = Duration.seconds(30 * (1 << min(worst - situation.fightAfter, 5)))
            let left = pause - (now.instant - lastRepair)
            if left > .zero {
                let message =
                    "something keeps changing it back: \(details.joined(separator: "; ")); "
                    + "find who does, or name the field in ignore_differences"
                // What comes and goes by itself, such as a container that crashes, is one fight.
                let subjects = Set(pass.plan.forward.map(\.repairKey))
                let isKnown = toldFight.map { $0.over == subjects && now.instant - $0.at < .seconds(900) } ?? false
                let isNews = record.drift?.isFight != true && !isKnown
                if isNews { toldFight = (subjects, now.instant) }
                record.drift = Drift(message: message, isFight: true, since: since)
                let news = isNews ? event(.warning, .driftFight, message, at: now) : nil
                return save(news, then: .saving(.check(after: left)))
            }
        }
        let isKnown = record.drift != nil
        let drift = Drift(message: summary, isFight: record.drift?.isFight ?? false, since: since)
        let told = event(.warning, .driftDetected, summary, details: details, at: now)
        guard !isLeaving else {
            // Of what is to go it is not known before whether it is this controller's still.
            self.pass?.untoldDrift = isKnown ? nil : (drift, told)
            return claim(for: .change, situation)
        }
        record.drift = drift
        return isKnown ? claim(for: .change, situation) : ask(.announce(told), .noticingDrift)
    }

    // MARK: Ownership

    /// Asks for the leave to change the app, afresh in every pass.
    mutating func claim(for errand: Errand, _ situation: Situation, takesUnclaimed: Bool = true) -> Action {
        guard case .held(var claimant) = situation.leave else { return finish(.check(after: .seconds(1))) }
        claimant.takesUnclaimed = takesUnclaimed && !isLeaving
        claimant.rejection = rejectionNote(for: errand)
        return ask(.claim(claimant), .claiming(errand))
    }

    /// What is to stand beside the claim about what was rejected.
    private func rejectionNote(for errand: Errand) -> RejectionNote {
        if let quarantine = record.quarantine { return .write(Rejection(quarantine)) }
        guard let pass, let reading, record.attempt?.isRestoring != true else { return .leave }
        switch errand {
        case .change, .adoption:
            guard pass.role == .declared else { return .leave }
            return retried == pass.fingerprint ? .erase : .begin(fingerprint: pass.fingerprint)
        // What is known to be good and is declared needs no word of what was rejected.
        case .tidying, .removals:
            guard record.attempt == nil else { return .leave }
            let isGood = pass.role == .declared && isDeployed
            return isGood ? .erase : .declare(fingerprint: reading.fingerprint)
        case .removal, .forgetting: return .leave
        }
    }

    /// What is about to be begun was rejected by another controller, or before the store was lost: it is not tried again, as
    /// long as there is something to return to.
    ///
    /// - Returns: Nil when there is nothing to heed.
    mutating func heed(
        _ rejection: Rejection,
        for errand: Errand,
        _ situation: Situation,
        at now: Moment
    ) -> Action? {
        guard let pass, record.quarantine == nil, rejection.fingerprint == pass.fingerprint else { return nil }
        let hasKept = kept?.contains { $0 != pass.fingerprint } ?? false
        // Nobody else has begun anything since, which would have taken the note away.
        let isOwn = !rejection.controller.isEmpty && rejection.controller == situation.controller
        let isHeeded: Bool
        switch errand {
        // What runs in full though it was rolled back somebody has put there since.
        case .adoption: isHeeded = hasKept && !rejection.isRolledBack
        // What was good here was put out of the way by somebody else.
        case _ where isDeployed: isHeeded = rejection.isRolledBack
        case .change: isHeeded = hasKept || rejection.isRolledBack
        default: return nil
        }
        guard isHeeded else { return disregard(for: errand, situation) }
        var isPutBack = rejection.isRolledBack
        if isPutBack, pass.marks.isAmidChange, !(isOwn && hasKept) {
            // What is being replaced there is not what was put back, and neither is what it replaces.
            let since = heedingSince ?? now.instant
            heedingSince = since
            if now.instant - since < declaration?.app.timeout ?? .zero {
                wait(.rollingBack, "was rejected before, and is being replaced: \(rejection.failure)", at: now)
                return settle(.again(.seconds(1)))
            }
            isPutBack = false
            guard hasKept else { return disregard(for: errand, situation) }
        }
        endHeeding()
        if record.attempt != nil { abandonAttempt() }
        record.quarantine = Quarantine(
            fingerprint: pass.fingerprint,
            commit: record.commit,
            since: now.time,
            reason: rejection.reason,
            failure: rejection.failure,
            details: []
        )
        let message = "was rejected before, and is not tried again: \(rejection.failure)"
        let told = event(.warning, rejection.reason, message, at: now)
        // Whoever rejected it put back what was good: that is newer than what is kept here, unless it was this controller.
        if isPutBack, !(isOwn && hasKept) { return ask(.capture(record, told), .capturingInPlace) }
        resetClock()
        return save(told, then: .saving(.again(.zero)))
    }

    /// Nothing is waited for any more that somebody else puts back.
    mutating func endHeeding() {
        heedingSince = nil
        guard record.waiting?.reason == .rollingBack else { return }
        record.waiting = nil
        hasLeftovers = true
    }

    /// What was rejected before is tried all the same, and what is said of it goes first: whoever goes on with what is begun
    /// now, after this process, must not heed it.
    private mutating func disregard(for errand: Errand, _ situation: Situation) -> Action {
        retried = pass?.fingerprint
        return claim(for: errand, situation)
    }

    /// What runs in place of what was rejected is kept, and written down with the rejection; nil where nothing runs.
    mutating func heeded(keeping fingerprint: String?, _ situation: Situation, at now: Moment) -> Action {
        guard let fingerprint else {
            record.quarantine = nil
            return disregard(for: .change, situation)
        }
        noteCaptured(.captured(fingerprint: fingerprint))
        resetClock()
        return finish(.again(.zero))
    }

    /// Something else is wanted since it was asked for: what was kept stays kept, and what could not be is heeded anew.
    mutating func noteCaptured(_ answer: Answer) {
        guard case .captured(let fingerprint?) = answer else {
            record.quarantine = nil
            return
        }
        saved = record
        kept = [fingerprint] + (kept ?? []).filter { $0 != fingerprint }
    }

    mutating func proceed(with errand: Errand, _ situation: Situation, at now: Moment) -> Action {
        switch errand {
        case .change:
            if record.attempt != nil {
                guard isUnsaved else { return ask(.apply, .applying) }
                return ask(.save(record, nil), .savingAttempt)
            }
            let hasNothingToReturnTo = record.deployed == nil && kept?.isEmpty != false
            if record.quarantine == nil, hasNothingToReturnTo, !record.hasBaseline {
                let message = "kept what was running before the first change, to return to"
                return ask(.capture(record, event(.info, .adopted, message, at: now)), .capturing)
            }
            return startAttempt(at: now)
        case .adoption: return judge(mark: nil, .adopting)
        case .removals:
            // Meanwhile the app was taken out, and of what is to go as a whole nothing goes before it.
            guard !isLeaving else { return finish(.rest) }
            return ask(.prune(leaving: Set(blocked.keys)), .pruning)
        case .tidying(let outcome): return ask(.collect, .collecting(outcome))
        case .removal: return announceRemoval(at: now)
        case .forgetting:
            return ask(
                .forget(event(.info, .removed, "removed: \(record.removal?.why ?? "")", at: now), releases: true),
                .forgetting
            )
        }
    }

    /// The mark of the attempt under way, with what has been learnt since: each platform reads its own.
    var fullMark: String? {
        guard let attempt = record.attempt else { return nil }
        return [attempt.mark, completion.isEmpty ? "" : "since \(completion)", sparing].filter { !$0.isEmpty }
            .joined(separator: " ")
    }

    // MARK: Attempts

    mutating func startAttempt(at now: Moment) -> Action {
        guard let pass else { return .finish(.rest) }
        let purpose: Attempt.Purpose
        if isOnItsWayBack {
            purpose = .rollBack
        } else if isDeployed || pass.role == .lastGood {
            purpose = record.isInterrupted || pass.plan.isOwnDoing ? .restore : .repair
        } else {
            purpose = .deploy
        }
        // What goes afterwards is told of with the rest.
        let changes = purpose == .deploy ? pass.plan.changes : pass.plan.forward
        let summary = summary(of: changes)
        begin(purpose, message: summary, at: now)
        announcedRemovals = purpose == .deploy ? Set(pass.plan.removals.map(\.subject)) : []
        if purpose == .deploy { record.addedServices.formUnion(pass.plan.createdServices) }
        let reason: Reason = purpose == .rollBack ? .rollingBack : .applying
        // What failed before and is tried again was told of.
        let isKnown =
            isStandingIn || [record.failedFingerprint, toldAttempt].contains(pass.fingerprint)
            || purpose == .rollBack && toldRollbacks.contains(pass.fingerprint)
        let event = event(.info, reason, summary, details: described(changes), at: now)
        return ask(.save(record, isKnown ? nil : event), .savingAttempt)
    }

    mutating func begin(_ purpose: Attempt.Purpose, message: String, at now: Moment) {
        guard let pass else { return }
        let commit = pass.role == .declared ? record.commit : record.deployedCommit ?? ""
        record.attempt = Attempt(
            fingerprint: pass.fingerprint,
            commit: commit,
            purpose: purpose,
            since: now.time,
            mark: pass.marks.now,
            phase: purpose == .rollBack ? .rollingBack : purpose == .adopt ? .verifying : .applying,
            message: message
        )
        record.hasBaseline = true
        if record.failedFingerprint != pass.fingerprint { clearProblem() }
        elapsed = .zero
        lastContact = now.instant
        healthySince = nil
        resetCounts()
        // It may begin long after the other gave way.
        regained = regainedBefore
        needsSparing = isSettlingIn(at: now)
        if !needsSparing { regained = nil }
        regainedBefore = nil
    }

    /// What could not be told has not begun, and nothing goes for it.
    mutating func dropUntold() {
        record.attempt = nil
        announcedRemovals = []
    }

    /// Ends an attempt that led nowhere.
    mutating func abandonAttempt() {
        record.attempt = nil
        hasLeftovers = true
        resetClock()
    }

    /// Another controller acts, or acted, for this app.
    mutating func othersActed() {
        record.haveOthersActed = true
        if record.attempt == nil { forgetWhatOthersMadeGood() }
    }

    /// What was begun here, and is not under way any more, somebody else who acted since may have brought to a good end.
    private mutating func forgetWhatOthersMadeGood() {
        (record.addedServices, record.isInterrupted) = ([], false)
    }

    mutating func resetClock() {
        toldAttempt = nil
        healthySince = nil
        recovery.since = nil
        lastContact = nil
        elapsed = .zero
        resetCounts()
    }

    private mutating func resetCounts() {
        (needsSparing, sparing, regained) = (false, "", nil)
        (isUnfinished, completion) = (false, "")
        (isHeld, heldSince) = (false, nil)
        seenFailures = ""
        (silences, applies, conflicts) = (0, 0, 0)
        (notBefore, unplanned) = (nil, nil)
    }

    mutating func applied(at now: Moment) -> Action {
        contact(at: now)
        (conflicts, notBefore) = (0, nil)
        noteApplied()
        if record.attempt?.purpose == .repair, !isStandingIn, let pass {
            for change in pass.plan.forward { repairs[change.repairKey, default: 0] += 1 }
            lastRepair = now.instant
        }
        // A quick start is seen at once; what has to be applied again is in no hurry.
        return settle(.again(applies == 1 ? .zero : .milliseconds(200)))
    }

    /// All that was planned is made, whatever is wanted by now.
    mutating func noteApplied() {
        applies += 1
        if isStandingIn { stoodInFor = pass?.obstacle?.message ?? "" }
        if isUnfinished { completion = pass?.marks.now ?? "" }
        isUnfinished = false
        record.attempt?.wasHeld = false
    }

    /// An apply that did not go through.
    mutating func notApplied(_ failure: Failure, at now: Moment) -> Action {
        guard let attempt = record.attempt, let declaration else { return fail(failure, at: now) }
        isUnfinished = true
        if failure.reason != .unavailable { contact(at: now) }
        if failure.reason == .conflict {
            // Something moved between looking and acting: look again, ever more slowly.
            conflicts += 1
            guard elapsed > declaration.app.timeout else {
                let delay = min(Duration.milliseconds(250) * (1 << min(conflicts - 1, 6)), .seconds(15))
                // What was tried makes events of its own, and they are no reason to try again at once.
                notBefore = now.instant + min(delay, .seconds(5))
                return finish(.again(delay))
            }
            let timeout = declaration.app.timeout.readable
            return giveUp(
                Failure(.timedOut, "not done after \(timeout): \(failure.message)", next: .needsChange),
                at: now
            )
        }
        guard failure.next == .needsChange else { return fail(failure, at: now) }
        if record.quarantine != nil, !isAliveAgain { return refuseKept(attempt.fingerprint, because: failure, at: now) }
        return attempt.isRestoring ? fail(failure, at: now) : giveUp(failure, at: now)
    }

    /// A kept revision that the target refuses, or that cannot be read; an older one is tried.
    mutating func refuseKept(_ fingerprint: String, because failure: Failure, at now: Moment) -> Action {
        // One that was refused already is not tried again at once.
        guard let quarantine = record.quarantine, !quarantine.refused.contains(fingerprint) else {
            return fail(failure, at: now)
        }
        record.quarantine?.refused.append(fingerprint)
        record.quarantine?.isRolledBack = false
        abandonAttempt()
        let message = "a kept revision cannot be put back, an older one is tried: \(failure.message)"
        let isNews = toldRefusals.updateValue(failure.message, forKey: fingerprint) != failure.message
        let told = event(.warning, failure.reason, message, details: failure.details, at: now)
        return save(isNews ? told : nil, then: .saving(.again(.zero)))
    }

    /// Whether what is repaired runs, as far as is known: that it cannot be repaired just now is no reason to give it up.
    private var isAliveAgain: Bool {
        guard let pass, !isOnItsWayBack, record.deployed == pass.fingerprint else { return false }
        return !isKnownIll && pass.plan.createdServices.isEmpty
    }

    // MARK: The clock of an attempt

    /// The target answered: the time since its last answer counts.
    mutating func contact(at now: Moment) {
        guard record.attempt != nil else { return }
        if let lastContact {
            // Whatever held up the question itself is nobody's fault.
            let passed = min(now.instant - lastContact, .seconds(10))
            elapsed += passed
            pass?.counted += passed
        } else {
            // Nobody knows what happened meanwhile.
            giveWholeTime()
            needsSparing = true
            regained = now.instant
        }
        lastContact = now.instant
    }

    /// Gives what is under way its whole time again; not for ever, when the target comes and goes.
    mutating func giveWholeTime() {
        silences += 1
        if silences <= 3 { elapsed = .zero }
    }

    /// Whether the target came back so lately that what fails there may be its own doing.
    func isSettlingIn(at now: Moment) -> Bool {
        regained.map { now.instant - $0 < .seconds(30) } ?? false
    }

    /// The target did not answer, or was not asked: what happens meanwhile counts against nobody.
    mutating func loseContact() {
        lastContact = nil
        healthySince = nil
        (heedingSince, unplanned) = (nil, nil)
        (recovery.since, recovery.begun) = (nil, nil)
    }
}

extension Change {
    /// What makes two repairs the same.
    fileprivate var repairKey: String { ([kind, name, action.rawValue] + fields.map(\.path)).joined(separator: " ") }
}
