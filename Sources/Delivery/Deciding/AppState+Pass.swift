/// The course of a pass: from what is wanted to the plan against what is there.
extension AppState {
    /// What the answer that is waited for is about.
    enum Stage: Sendable {
        case comparing
        case listing
        case preparing
        case warning
        case restoring
        case observing
        case superseding
        case claiming(Errand)
        case capturing
        case capturingBefore(Health)
        /// What runs in place of what was rejected before this controller's time is kept.
        case capturingInPlace
        case noticingDrift
        case noticingOwnDrift(Errand)
        case savingAttempt
        case applying
        case judging
        case watching
        case confirming(Failure)
        case adopting
        case committing
        case announcingRemovals
        case pruning
        case collecting(Outcome)
        case preparingRemoval
        case observingRemoval
        case removing
        case forgetting
        /// The record is saved, and then the pass ends so.
        case saving(Outcome)
        /// The record is saved, and then what is there is judged.
        case savingThenWatching
        /// The record is saved, and then leftovers are collected.
        case savingThenTidying(Outcome)

        /// Whether what is saved may be the failure itself.
        var tellsOfFailure: Bool { if case .saving = self { true } else { false } }
    }

    /// What the leave to change the app is asked for.
    enum Errand: Sendable {
        case change
        case adoption
        case removals
        case tidying(Outcome)
        case removal
        case forgetting
    }

    // MARK: Begin

    /// Begins a pass.
    ///
    /// `asked`: Observations must not be older.
    mutating func begin(
        asked: ContinuousClock.Instant,
        correlation: String,
        _ situation: Situation,
        at now: Moment
    ) -> Action {
        pass = Pass(
            asked: asked,
            correlation: correlation,
            generation: generation,
            wishes: wishes,
            stage: .comparing
        )
        if record.hold != nil {
            loseContact()
            forgetWish()
            retried = nil
            return settle(.rest)
        }
        if !situation.isTargetKnown, let removal = record.removal { return leaveBehind(removal, at: now) }
        switch situation.leave {
        case .held:
            leaseTries = 0
            if record.waiting?.reason == .leaseHeld { record.waiting = nil }
        case .waiting(let holder):
            loseContact()
            // What was asked for is for whoever acts, and not for much later.
            forgetWish()
            retried = nil
            othersActed()
            wait(.leaseHeld, "another controller acts for this source: \(holder)", at: now)
            return settle(.rest)
        case .nobody:
            loseContact()
            return settle(.rest)
        case .unknown:
            // It is being asked for; whoever waits for the app waits for that too, for a while.
            loseContact()
            leaseTries += 1
            guard leaseTries >= 20 || situation.targetProblem != nil else {
                return finish(.again(min(.milliseconds(25) * (1 << min(leaseTries - 1, 5)), .milliseconds(500))))
            }
            if situation.targetProblem == nil, record.waiting.map({ $0.reason == .leaseHeld }) ?? true {
                let why = situation.leaseProblem.map { ": \($0)" } ?? ""
                wait(.leaseHeld, "nobody knows who acts for this source\(why)", at: now)
            }
            return settle(.check(after: .seconds(1)))
        }
        if let problem = situation.targetProblem {
            loseContact()
            wait(.unavailable, problem, at: now)
            return settle(.rest)
        }
        if record.waiting?.reason == .unavailable { record.waiting = nil }
        if let unreadable {
            loseContact()
            return fail(unreadable, at: now)
        }
        guard let declaration else {
            guard record.removal != nil else { return finish(.rest) }
            return ask(.prepareRemoval, .preparingRemoval)
        }
        if mayBeUntouched(declaration), let reading { return ask(.compare(reading, declaration), .comparing) }
        return list(declaration)
    }

    /// What the app is to run, when a pass would do nothing but compare, and nothing would follow from finding it untouched; nil
    /// otherwise.
    func fingerprintAtRest(_ situation: Situation) -> String? {
        guard record.hold == nil, record.removal == nil, record.waiting == nil, unreadable == nil, !isAsked,
            situation.isTargetKnown, situation.targetProblem == nil, case .held = situation.leave,
            let declaration, let reading, mayBeUntouched(declaration)
        else { return nil }
        let commit = declaration.revision.commit
        let isSaid = reading.commit == commit && record.commit == commit && !isUnsaved
        return isSaid && !record.haveOthersActed && stoodInFor == nil && leaseTries == 0 ? reading.fingerprint : nil
    }

    /// Whether the cheap comparison says all that has to be known.
    private func mayBeUntouched(_ declaration: Declaration) -> Bool {
        guard let reading, record.deployed == reading.fingerprint, record.isSettled, record.drift == nil else {
            return false
        }
        // Nor is it known that it is kept before the kept revisions were listed.
        let isKept = kept?.contains(reading.fingerprint) ?? false
        guard record.quarantine == nil, !record.isInterrupted, !isForced, !hasLeftovers else { return false }
        return saved != nil && announcedRemovals.isEmpty && isKept
            && reading.inputs.settings == declaration.app.settings
    }

    private mutating func list(_ declaration: Declaration) -> Action {
        kept == nil ? ask(.listRevisions, .listing) : ask(.prepare(declaration), .preparing)
    }

    // MARK: Next

    /// Takes an answer in and says what is to be done next.
    mutating func next(_ answer: Answer, _ situation: Situation, at now: Moment) -> Action {
        guard let pass else { return .finish(.rest) }
        if case .cancelled = answer { return finish(.retry) }
        switch answer {
        case .saved, .committed:
            saved = record
            if record.problem?.reason == .journalFailed, !pass.stage.tellsOfFailure { record.problem = nil }
        default: break
        }
        if case .forgetting = pass.stage { return forgotten(answer, at: now) }
        // Something else is wanted by now. What was done is seen by the next pass.
        guard pass.generation == generation else {
            if case .committed = answer { noteCommitted() }
            switch (pass.stage, answer) {
            // What could not be told has not begun.
            case (.savingAttempt, .failed)
            where record.attempt?.isRestoring == false && record.attempt != saved?.attempt:
                dropUntold()
            // Not all of it was made, whatever is wanted next.
            case (.savingAttempt, _), (.applying, .failed): isUnfinished = true
            case (.applying, .applied):
                noteApplied()
                // What a person let go meanwhile may be as they left it.
                if released > pass.generation { noteReleased() }
            // What could not be told is told before it goes.
            case (.announcingRemovals, .failed): announcedRemovals = []
            case (.removing, .failed(let failure)) where failure.reason == .journalFailed: announcedRemovals = []
            // An approval is spent by what it was for.
            case (.pruning, .pruned(.done)): return pruned(.done, situation, at: now)
            // What is kept is kept, and was told of.
            case (.capturing, .captured(let fingerprint?)): (kept, record.hasBaseline) = ([fingerprint], true)
            case (.capturingBefore, .captured(let fingerprint)):
                record.hasBaseline = true
                if let fingerprint { kept = [fingerprint] }
            default: break
            }
            if case .failed(let failure) = answer, failure.reason == .unavailable { loseContact() }
            if case .capturingInPlace = pass.stage { noteCaptured(answer) }
            return finish(.again(.zero))
        }
        if case .failed(let failure) = answer { return failed(failure, situation, at: now) }
        switch (pass.stage, answer) {
        case (.comparing, .compared(let isSame, let reading)):
            guard let declaration else { return finish(.again(.zero)) }
            guard isSame else { return list(declaration) }
            self.reading = reading
            record.commit = declaration.revision.commit
            if reading.fingerprint == record.deployed { record.haveOthersActed = false }
            if !isLeaving { stoodInFor = nil }
            return settle(.rest)
        case (.listing, .revisions(let kept)):
            self.kept = kept
            guard let declaration else { return finish(.again(.zero)) }
            // A controller that starts may find all as it was, by what its platform remembers.
            if mayBeUntouched(declaration), let reading { return ask(.compare(reading, declaration), .comparing) }
            return ask(.prepare(declaration), .preparing)
        case (.preparing, .prepared(let reading, let warnings)):
            return prepared(reading, warnings, situation, at: now)
        case (.warning, .announced): return chooseRole(situation, at: now)
        case (.restoring, .restored(let fingerprint)):
            self.pass?.fingerprint = fingerprint
            return observe(.observing, at: now)
        case (.restoring, .notRestored(let fingerprint, let failure)):
            return notRestored(fingerprint, failure, at: now)
        case (.restoring, .nothingKept): return nothingKept(at: now)
        case (.observing, .observed(let plan, let services, let marks)):
            contact(at: now)
            (unplanned, spoiledLooks) = (nil, 0)
            // What it lacked is there.
            if pass.role == .declared, !isLeaving { stoodInFor = nil }
            take(plan, services, marks)
            return converge(situation, at: now)
        case (.superseding, .announced): return convergeUndisturbed(situation, at: now)
        case (.claiming(let errand), .claimed(let rejection)):
            self.pass?.isOwner = true
            if let rejection, let action = heed(rejection, for: errand, situation, at: now) { return action }
            endHeeding()
            if let untold = self.pass?.untoldDrift {
                self.pass?.untoldDrift = nil
                record.drift = untold.drift
                return ask(.announce(untold.event), .noticingOwnDrift(errand))
            }
            return proceed(with: errand, situation, at: now)
        case (.noticingOwnDrift(let errand), .announced): return proceed(with: errand, situation, at: now)
        case (.capturing, .captured(let fingerprint)):
            if let fingerprint { kept = [fingerprint] }
            return startAttempt(at: now)
        case (.capturingInPlace, .captured(let fingerprint)):
            return heeded(keeping: fingerprint, situation, at: now)
        case (.capturingBefore(let health), .captured(let fingerprint)):
            record.hasBaseline = true
            if let fingerprint { kept = [fingerprint] }
            return adopt(health, at: now)
        case (.noticingDrift, .announced): return claim(for: .change, situation)
        case (.savingAttempt, .saved):
            toldAttempt = pass.fingerprint
            if record.quarantine != nil { toldRollbacks.insert(pass.fingerprint) }
            return ask(.apply, .applying)
        case (.applying, .applied): return applied(at: now)
        case (.judging, .judged(let health)):
            contact(at: now)
            return verify(health, situation, at: now)
        case (.watching, .judged(let health)): return watched(health, situation, at: now)
        case (.confirming(let failure), .observed(let plan, _, _)):
            // It may have failed since it was compared: then there is something to do about it, and no news yet.
            if !plan.forward.isEmpty { return finish(.again(.milliseconds(50))) }
            recovery.relapse(isNews: record.problem == nil, at: now.instant)
            return tell(failure, .error, then: .retry, at: now)
        case (.adopting, .judged(let health)): return adopted(health, at: now)
        case (.committing, .committed):
            noteCommitted()
            // What was wrong before what is deployed was kept again is looked at once more.
            return tidy(record.problem == nil ? .rest : .again(.zero), situation)
        case (.announcingRemovals, .saved): return claim(for: .removals, situation)
        case (.pruning, .pruned(let pruning)): return pruned(pruning, situation, at: now)
        case (.collecting(let outcome), .collected):
            hasLeftovers = false
            return settle(outcome)
        case (.preparingRemoval, .restored):
            return observe(.observingRemoval, at: now)
        case (.observingRemoval, .observed(let plan, let services, let marks)):
            take(plan, services, marks)
            return claim(for: plan.isEmpty ? .forgetting : .removal, situation, takesUnclaimed: false)
        case (.removing, .saved): return ask(.prune(leaving: []), .removing)
        case (.removing, .pruned(let pruning)): return removed(pruning, at: now)
        case (.saving(let outcome), .saved): return finish(outcome)
        case (.savingThenWatching, .saved): return watch(at: now)
        case (.savingThenTidying(let outcome), .saved): return tidy(outcome, situation)
        default:
            // An answer to a question that was not asked; the next pass begins with a fresh look.
            return finish(.retry)
        }
    }

    private mutating func take(_ plan: Plan, _ services: Int, _ marks: Marks) {
        pass?.plan = plan
        pass?.declaredServices = services
        pass?.marks = marks
    }

    // MARK: Which state

    private mutating func prepared(
        _ reading: Reading,
        _ warnings: [String],
        _ situation: Situation,
        at now: Moment
    ) -> Action {
        self.reading = reading
        pass?.fingerprint = reading.fingerprint
        record.commit = reading.commit
        if isForced { dropQuarantine() }
        if isForced || isAsked { retried = reading.fingerprint }
        forgetWish()
        if retried != reading.fingerprint { retried = nil }
        if let quarantine = record.quarantine, quarantine.fingerprint != reading.fingerprint {
            dropQuarantine()
            // What is said of it on the target goes as well, also where nothing is to be changed.
            hasLeftovers = true
        }
        guard self.warnings != warnings else { return chooseRole(situation, at: now) }
        self.warnings = warnings
        guard !warnings.isEmpty else { return chooseRole(situation, at: now) }
        let count = warnings.count
        let message = count == 1 ? warnings[0] : "\(count) warnings in its files"
        return ask(
            .announce(event(.warning, .warning, message, details: count == 1 ? [] : warnings, at: now)),
            .warning
        )
    }

    private mutating func chooseRole(_ situation: Situation, at now: Moment) -> Action {
        guard let pass else { return .finish(.rest) }
        if let quarantine = record.quarantine {
            self.pass?.role = .lastGood
            return ask(.restore(except: quarantine.refused), .restoring)
        }
        let isBegun = record.deployed == pass.fingerprint || record.attempt?.fingerprint == pass.fingerprint
        guard !isBegun, let waitsFor = situation.unmetDependency else {
            if record.waiting?.reason == .dependencyNotReady { record.waiting = nil }
            return observe(.observing, at: now)
        }
        self.pass?.waitsFor = waitsFor
        wait(.dependencyNotReady, waitsFor, at: now)
        if record.problem?.reason == .dependencyNotReady { record.problem = nil }
        guard isLastGoodKnown else {
            // What an older attempt did stays as it is until the new one may begin.
            if record.attempt != nil {
                abandonAttempt()
                record.isInterrupted = true
            }
            return settle(.rest)
        }
        // Meanwhile what is deployed is kept as it should be.
        self.pass?.role = .lastGood
        return ask(.restore(except: []), .restoring)
    }

    /// Whether the newest kept revision is what was last known to be good here, so that it may take the place of what runs though
    /// nothing was rejected.
    ///
    /// Another controller may have deployed something newer, and a journal that could not be written to may have an older one.
    var isLastGoodKnown: Bool { !record.haveOthersActed && record.deployed != nil && kept?.first == record.deployed }

    /// What was rejected counts no more; where it was not rolled back yet, or to an older revision than what was deployed, nobody
    /// else made what differs.
    private mutating func dropQuarantine() {
        if let quarantine = record.quarantine {
            // What was deployed may never have been kept.
            let restored = kept?.first { !quarantine.refused.contains($0) }
            let isOlder = !quarantine.refused.isEmpty || restored.map { $0 != record.deployed } ?? false
            if !quarantine.isRolledBack || isOlder { record.isInterrupted = true }
        }
        record.quarantine = nil
    }

    /// Keeps the last good revision in place of a declaration that cannot be used.
    mutating func standIn(for failure: Failure, _ declaration: Declaration, at now: Moment) -> Action {
        let fingerprint = "refused \(declaration.app.settings)"
        record.commit = declaration.revision.commit
        if isForced { dropQuarantine() }
        forgetWish()
        if let quarantine = record.quarantine, quarantine.fingerprint == fingerprint {
            pass?.role = .lastGood
            return ask(.restore(except: quarantine.refused), .restoring)
        }
        dropQuarantine()
        guard kept?.isEmpty == false else { return fail(failure, at: now) }
        pass?.fingerprint = fingerprint
        return reject(failure, at: now)
    }

    /// A kept revision cannot be made use of: an older one takes the place of what failed, but never that of what is deployed.
    private mutating func notRestored(_ fingerprint: String, _ failure: Failure, at now: Moment) -> Action {
        if record.quarantine != nil, failure.next == .needsChange {
            return refuseKept(fingerprint, because: failure, at: now)
        }
        // No change is waited for: what is declared takes its place as soon as it may.
        return fail(pass?.obstacle ?? Failure(failure.reason, failure.message, details: failure.details), at: now)
    }

    private mutating func nothingKept(at now: Moment) -> Action {
        if let obstacle = pass?.obstacle { return fail(obstacle, at: now) }
        guard let quarantine = record.quarantine else { return settle(.rest) }
        let failure = Failure(
            .refused,
            "no kept revision can be put back in place of \(quarantine.commit.prefix(12)), which failed: "
                + quarantine.failure,
            details: quarantine.details
        )
        // What was refused may be taken the next time.
        record.quarantine?.refused = []
        return tell(failure, .error, then: .retry, at: now)
    }
}
