/// What goes: objects of an app that are no longer declared, whole apps, and what nobody needs.
extension AppState {
    // MARK: Inside an app

    /// The removals of the plan that are not known to be impossible now.
    mutating func openRemovals(at now: Moment) -> [Change] {
        if let blockedSince, let declaration, now.instant - blockedSince > declaration.app.interval { blocked = [:] }
        return (pass?.plan.removals ?? []).filter { blocked[$0.subject] == nil }
    }

    /// Removes what is not declared: told of first, never many at once without a person, and only what is ours.
    mutating func removeUndeclared(_ situation: Situation, at now: Moment) -> Action {
        guard let pass else { return .finish(.rest) }
        let removals = openRemovals(at: now)
        let subjects = Set(removals.map(\.subject))
        // What is gone, and comes back, is another matter.
        let present = pass.plan.removals.map(\.subject)
        approvedRemovals.formIntersection(present)
        announcedRemovals.formIntersection(present)
        // What a failed commit added goes with it; nobody has to approve that.
        let added = record.quarantine == nil ? [] : record.addedServices
        let guarded = Plan(removals.filter { $0.kind != "service" || !added.contains($0.name) })
        let isMany = guarded.removesMany(ofDeclared: pass.declaredServices, share: situation.pruneShare)
        let count = removals.count { $0.kind == "service" }
        let message =
            "the change removes \(count) of \(count + pass.declaredServices) services (\(summary(of: removals))); "
            + "nothing is removed until it is approved: hecate approve \(id.name)"
        if let waitedBefore, waitedBefore.isApproved, waitedBefore.words == message { approvedRemovals = subjects }
        waitedBefore = nil
        if isMany, !subjects.isSubset(of: approvedRemovals) {
            awaitedRemovals = subjects
            let isNews = record.waiting?.message != message
            wait(.awaitingApproval, message, at: now)
            guard isNews else { return watch(at: now) }
            let told = event(.warning, .awaitingApproval, message, details: described(removals), at: now)
            return save(told, then: .savingThenWatching)
        }
        guard !subjects.isSubset(of: announcedRemovals.union(toldBlocked)) else {
            return claim(for: .removals, situation)
        }
        announcedRemovals = subjects
        let words = "removing what is not declared: \(summary(of: removals))"
        return ask(
            .save(record, event(.info, .pruned, words, details: described(removals), at: now)),
            .announcingRemovals
        )
    }

    mutating func pruned(_ pruning: Pruning, _ situation: Situation, at now: Moment) -> Action {
        switch pruning {
        case .done:
            let removals = openRemovals(at: now)
            record.addedServices.subtract(removals.map(\.name))
            endRemovals()
            let told = event(.info, .pruned, "removed \(listed(removals))", at: now)
            return save(told, then: .saving(.again(.zero)))
        case .waits:
            conflicts += 1
            let delay = min(Duration.milliseconds(200) * (1 << min(conflicts - 1, 6)), .seconds(10))
            guard conflicts >= 6 else { return finish(.again(delay)) }
            // Whoever waits for the app is not kept waiting for the last container's grace period, nor for one that never ends,
            // such as that of a node that is gone; and meanwhile what is to stay is judged.
            pass?.removesAfter = delay
            return watch(at: now)
        case .blocked(let why):
            blocked.merge(why) { _, new in new }
            blockedSince = now.instant
            endRemovals()
            // Who uses it may change; that it cannot go is the same fact.
            let isNews = !Set(why.keys).isSubset(of: toldBlocked)
            toldBlocked.formUnion(why.keys)
            guard isNews else { return save(nil, then: .savingThenWatching) }
            let list = why.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            let message = "cannot be removed now: \(list.joined(separator: "; "))"
            return save(event(.warning, .conflict, message, at: now), then: .savingThenWatching)
        }
    }

    /// Nothing is there to be removed: nothing waits for anybody, and what a person approved was for what was there then.
    mutating func forgetRemovals() {
        let conflicts = conflicts
        endRemovals()
        self.conflicts = conflicts
        toldBlocked = []
    }

    /// What was announced or approved is done; an approval is spent.
    mutating func endRemovals() {
        conflicts = 0
        announcedRemovals = []
        approvedRemovals = []
        awaitedRemovals = []
        waitedBefore = nil
        if record.waiting?.reason == .awaitingApproval { record.waiting = nil }
    }

    // MARK: Leftovers

    /// Collects what no revision needs, when there may be any, and then ends the pass.
    mutating func tidy(_ outcome: Outcome, _ situation: Situation) -> Action {
        var outcome = outcome
        let isToGo = !(pass?.plan.removals ?? []).filter { blocked[$0.subject] == nil }.isEmpty
        if isToGo, awaitedRemovals.isEmpty, !isLeaving {
            // Told of in this pass, made in the next.
            outcome =
                pass?.removesAfter.map(Outcome.check) ?? .again(record.result?.reason == .adopted ? .seconds(5) : .zero)
        }
        guard hasLeftovers, record.attempt == nil else { return settle(outcome) }
        return pass?.isOwner == true
            ? ask(.collect, .collecting(outcome)) : claim(for: .tidying(outcome), situation)
    }

    // MARK: Whole apps

    mutating func announceRemoval(at now: Moment) -> Action {
        guard let pass, let removal = record.removal else { return finish(.again(.zero)) }
        if record.waiting?.reason == .dependencyNotReady { record.waiting = nil }
        let subjects = Set(pass.plan.removals.map(\.subject))
        guard !subjects.isSubset(of: announcedRemovals) else { return ask(.prune(leaving: []), .removing) }
        let isFirst = announcedRemovals.isEmpty
        announcedRemovals.formUnion(subjects)
        let message = "removing: \(removal.why)"
        let told = event(.info, .pruned, message, details: described(pass.plan.removals), at: now)
        return ask(.save(record, isFirst ? told : nil), .removing)
    }

    mutating func removed(_ pruning: Pruning, at now: Moment) -> Action {
        conflicts += 1
        let delay = min(Duration.milliseconds(200) * (1 << min(conflicts / 5, 6)), .seconds(10))
        switch pruning {
        case .done, .waits: return finish(conflicts < 60 ? .again(delay) : .check(after: delay))
        case .blocked(let why):
            let list = why.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            let failure = Failure(.conflict, "cannot be removed now: \(list.joined(separator: "; "))")
            return tell(failure, .warning, then: .retry, at: now)
        }
    }

    /// The app is not this controller's to remove: it is left as it is and forgotten.
    mutating func leaveToOthers(_ failure: Failure, at now: Moment) -> Action {
        guard failure.reason != .superseded else {
            let moved = event(.info, .newRevision, "left as it is: \(failure.message)", at: now)
            return ask(.forget(moved, releases: false), .forgetting)
        }
        let message = "left as it is, because it is not this source's to remove: \(failure.message)"
        return ask(.forget(event(.warning, .refused, message, at: now), releases: false), .forgetting)
    }

    /// The configuration has the target no more, and nothing can be removed there; should it come back, its claims tell what
    /// is not declared.
    mutating func leaveBehind(_ removal: Removal, at now: Moment) -> Action {
        let message = "left as it is, because there is no target '\(id.target)' in the configuration: \(removal.why)"
        return ask(.forget(event(.warning, .unavailable, message, at: now), releases: false), .forgetting)
    }

    /// Whether nothing but its removal is said of it.
    private var isToGo: Bool { record.removal != nil && declaration == nil && unreadable == nil }

    mutating func forgotten(_ answer: Answer, at now: Moment) -> Action {
        switch answer {
        // Another generation may be no more than a person's hold.
        case .forgotten where pass?.generation == generation || isToGo: return finish(.gone)
        case .forgotten:
            // Declared anew meanwhile: it begins from nothing, and what a person said meanwhile stands.
            let (source, hold) = (record.source, record.hold)
            record = AppRecord(id: id, source: source)
            record.hold = hold
            unplanned = nil
            saved = nil
            kept = []
            reading = nil
            announcedRemovals = []
            (toldFailure, toldCommit) = (nil, nil)
            return finish(.again(.zero))
        case .failed(let failure): return fail(failure, at: now)
        default: return finish(.retry)
        }
    }
}
