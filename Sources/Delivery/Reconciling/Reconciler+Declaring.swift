/// What sources declare, and which apps have to go because none does.
extension Reconciler {
    /// Takes in what a source declares now.
    ///
    /// Asks nobody: apps are queued at once.
    package func accept(_ fleet: Fleet) async {
        let source = fleet.revision.source
        var ids = register.mentioned(by: source)
        let wasComplete = register.isComplete
        let wasPartial = register[source]?.isPartial ?? false
        register.accept(fleet)
        ids.formUnion(register.mentioned(by: source))
        for (id, place) in states where place.state.record.source == source { ids.insert(id) }
        // Whose some apps are may be known only now.
        if !wasComplete && register.isComplete || wasPartial && !fleet.isPartial { ids.formUnion(register.mentioned) }
        await assign(ids, commit: fleet.revision.commit)
        mapDependants()
        await decideRemovals(of: fleet)
        if !wasComplete, register.isComplete {
            // What nobody declares is known only now.
            for other in register.fleets.values.sorted(by: { $0.revision.source < $1.revision.source })
            where other.revision.source != source {
                noteLeaving(other)
                await decideRemovals(of: other)
            }
        }
        // What moved to another source just now is that one's already, and waits for this look as well.
        for (id, place) in states where place.state.record.source == source || ids.contains(id) { enqueue(id) }
        for target in platforms.keys {
            leasePings[target]?.yield()
            requestSurvey(of: target)
        }
        wake()
    }

    private func assign(_ ids: Set<AppID>, commit: String) async {
        var told: [(Event.Severity, AppID, String)] = []
        for id in ids.sorted() where id.isValid && !mayBeAnothers(id) {
            let before = states[id]?.state.record.source
            let (fate, refused) = register.fate(of: id, heldBy: holder(of: id))
            for refusal in refused where refusals.insert(refusal).inserted {
                let message =
                    "\(refusal.place)'\(id.name)' is also declared by the source '\(refusal.holder)', which had it first; "
                    + "rename one of them"
                told.append((.error, id, message))
            }
            switch fate {
            case .declared(let declaration):
                ensure(id, source: declaration.app.source)
                states[id]?.state.declare(declaration)
                if let before, before != declaration.app.source {
                    refusals = refusals.filter { $0.app != id }
                    told.append((.info, id, "moved from the source '\(before)' to '\(declaration.app.source)'"))
                }
            case .unreadable(let failure, let source, let commit):
                ensure(id, source: source)
                states[id]?.state.leaveAlone(because: failure, source: source, commit: commit)
            case .orphaned: states[id]?.state.abandon()
            case .undeclared, .retired, .leaving: states[id]?.state.leave()
            case .unknown: break
            }
        }
        for (severity, id, message) in told {
            await announce(
                severity,
                severity == .error ? .refused : .newRevision,
                about: id.description,
                commit: commit,
                message
            )
        }
    }

    /// The source that has an app: the one that deployed it, or began to, else the one that the target names and that declares it
    /// still.
    private func holder(of id: AppID) -> String? {
        let record = states[id]?.state.record
        if let record, record.deployed != nil || record.hasBaseline || record.attempt != nil { return record.source }
        let named = claims[id.target]?[id].flatMap { register.source(marked: $0.owner, declaring: id) }
        return named ?? record?.source
    }

    /// Whether an app that the journal does not know may be that of another source than the one that seems to have it: of one
    /// that has not been read yet, as the target says, or of any other that may declare it, while the target has not been asked.
    ///
    /// Until that is known it is nobody's, and nobody who may see another source's apps sees it.
    private func mayBeAnothers(_ id: AppID) -> Bool {
        guard states[id] == nil else { return false }
        guard let known = claims[id.target] else {
            return platforms[id.target] != nil && register.mayHaveSeveralSources(id)
        }
        return known[id].map { register.mayBeUnread($0.owner) } ?? false
    }

    /// Decides again whose the apps are that were never deployed here, now that a target has said who has what.
    private func reassign(on target: String) async {
        let open = register.mentioned.filter { $0.target == target && states[$0]?.state.record.deployed == nil }
        let before = open.reduce(into: [:]) { $0[$1] = states[$1]?.state.record.source }
        await assign(open, commit: "")
        let changed = open.filter { states[$0]?.state.record.source != before[$0] }
        guard !changed.isEmpty else { return }
        mapDependants()
        for id in changed { enqueue(id) }
        leasePings[target]?.yield()
    }

    /// That no source declares an app may be known only once all were read.
    private func noteLeaving(_ fleet: Fleet) {
        let source = fleet.revision.source
        for (id, place) in states where place.state.record.source == source {
            switch register.fate(of: id, heldBy: source).fate {
            case .undeclared, .retired: place.state.leave()
            default: break
            }
        }
    }

    private func ensure(_ id: AppID, source: String) {
        guard states[id] == nil else { return }
        var record = AppRecord(id: id, source: source)
        record.hold = holds[id]
        states[id] = Place(AppState(record))
    }

    private func mapDependants() {
        dependants = [:]
        for (id, place) in states {
            for other in place.state.declaration?.app.dependsOn ?? [] { dependants[other, default: []].insert(id) }
        }
    }

    // MARK: Removals

    /// Marks what a source declares no longer.
    ///
    /// Only what this source had is marked, only from a fleet that was read in full, and never more at once than the guard
    /// allows. Whether it really is this source's the target is asked before anything is removed.
    private func decideRemovals(of fleet: Fleet) async {
        let source = fleet.revision.source
        let going = leaving(fleet)
        guard !going.isEmpty else {
            awaiting[source] = nil
            approved[source] = nil
            toldRemovals[source] = nil
            return
        }
        let total = fleet.apps.count + fleet.unreadable.count + going.count
        let isMany = going.count > limits.pruneCount && Double(going.count) > Double(total) * limits.pruneShare
        let ids = Set(going.keys)
        awaiting[source] = isMany ? ids : nil
        if isMany, !ids.isSubset(of: approved[source] ?? []) {
            approved[source] = nil
            // The same removals are the same fact, whatever made them be decided about again.
            guard toldRemovals[source] != ids else { return }
            toldRemovals[source] = ids
            await announce(
                .warning,
                .awaitingApproval,
                about: source,
                commit: fleet.revision.commit,
                "the change removes \(going.count) of \(total) apps; nothing is removed until it is approved: "
                    + "hecate approve \(source)",
                details: ids.sorted().map(\.description)
            )
            return
        }
        // An approval is for these very removals, and is spent with them.
        awaiting[source] = nil
        approved[source] = nil
        toldRemovals[source] = nil
        for (id, why) in going {
            ensure(id, source: source)
            markForRemoval(id, because: why)
        }
        // What only the target knew may be the first there that a lease is needed for.
        for target in Set(going.keys.map(\.target)) { leasePings[target]?.yield() }
    }

    /// The apps a source lets go, with why.
    private func leaving(_ fleet: Fleet) -> [AppID: String] {
        let source = fleet.revision.source
        let place = fleet.revision.commit.isEmpty ? "" : " at \(fleet.revision.short)"
        // What a declared app replaces goes when that one is ready.
        let replaced = Set(fleet.apps.flatMap(\.replaces))
        var going: [AppID: String] = [:]
        func consider(_ id: AppID, heldBy holder: String) {
            switch register.fate(of: id, heldBy: holder).fate {
            case .retired(let from) where from == source: going[id] = "the source asks for its removal"
            case .undeclared(let from)
            where from == source && fleet.unreadable.isEmpty && !replaced.contains(id):
                going[id] = "it is no longer in \(source)\(place)"
            default: break
            }
        }
        for (id, place) in states where place.state.record.source == source && place.state.record.removal == nil {
            consider(id, heldBy: source)
        }
        // What the journal does not know, and the target says is this source's. All targets are heard first: the guard counts
        // what goes everywhere.
        guard isSurveyed else { return going }
        for (id, claim) in claims.values.joined() where claim.owner == fleet.owner && states[id] == nil {
            consider(id, heldBy: source)
        }
        return going
    }

    /// Whether every target has said who owns what since the start.
    private var isSurveyed: Bool { platforms.keys.allSatisfy { claims[$0] != nil } }

    func markForRemoval(_ id: AppID, because why: String) {
        states[id]?.state.remove(because: why, at: environment.now())
        enqueue(id)
        wake()
    }

    /// A person lets a commit remove more than the guard allows: apps of a source, or services of one app.
    ///
    /// `name`: A source, or an app with or without its target.
    /// - Returns: Whether anything waited for it.
    @discardableResult
    package func approve(source name: String) async -> Bool {
        var isAnything = false
        if let fleet = register[name], let waiting = awaiting[name] {
            approved[name] = waiting
            isAnything = true
            await decideRemovals(of: fleet)
        }
        for id in states.keys where id.name == name || id.description == name {
            if states[id]?.state.approve() == true {
                isAnything = true
                enqueue(id, priority: .user)
            }
        }
        wake()
        return isAnything
    }

    /// Whether a source of this name was read since the start.
    package func isSource(_ name: String) -> Bool { register[name] != nil }

    /// Whether a source was read since the start; what is no source has nothing to be read.
    package func isRead(_ source: String) -> Bool { register.isRead(source) }

    // MARK: Surveys

    /// Has a target asked who owns what there, soon.
    func requestSurvey(of target: String) {
        guard platforms[target] != nil else { return }
        surveys[target] = true
    }

    /// Asks a target who owns what there; decided again is what depends on it.
    func survey(_ target: String) async {
        defer { surveyEnded(target) }
        // When it cannot be asked, nothing more is removed, and whose some apps are stays unknown.
        guard targetProblems[target] == nil, let platform = platforms[target] else { return }
        guard let found = try? await platform.claims() else {
            surveyRetries[target] = .now + .seconds(15)
            return wake()
        }
        claims[target] = found
        await reassign(on: target)
        noteMoved(on: target)
        for fleet in register.fleets.values.sorted(by: { $0.revision.source < $1.revision.source }) {
            let isConcerned = claims.values.joined().contains { $0.value.owner == fleet.owner && states[$0.key] == nil }
            if isConcerned { await decideRemovals(of: fleet) }
            await tellWhatStays(of: fleet, on: platform)
        }
        wake()
    }

    /// What moved from one source of this controller to another while the target was away is still said to be the former's.
    private func noteMoved(on target: String) {
        let owners = Set(register.fleets.values.map(\.owner))
        for (id, claim) in claims[target] ?? [:] where owners.contains(claim.owner) {
            guard let owner = states[id]?.state.declaration?.owner, owner != claim.owner else { continue }
            states[id]?.state.hasLeftovers = true
            enqueue(id)
        }
    }

    /// Asks once more each target that did not say who has what, where that leaves apps without a source.
    ///
    /// - Returns: Why such apps are left out, for each target that still does not say it.
    package func askWhoseAgain() async -> [Failure] {
        var failures: [Failure] = []
        for target in platforms.keys.sorted() where targetProblems[target] == nil && !undecided(on: target).isEmpty {
            await survey(target)
            let names = undecided(on: target).map(\.name)
            guard claims[target] == nil, !names.isEmpty else { continue }
            let message = "'\(target)' could not be asked whose its apps are, so that these are left out: "
            failures.append(Failure(.unavailable, message + names.joined(separator: ", ")))
        }
        return failures
    }

    /// The apps of a target that are nobody's until it was asked.
    private func undecided(on target: String) -> [AppID] {
        guard claims[target] == nil else { return [] }
        return register.mentioned.filter { $0.target == target && $0.isValid && states[$0] == nil }.sorted()
    }

    /// Says, once, what a source asks to remove and has no say about.
    private func tellWhatStays(of fleet: Fleet, on platform: any Platform) async {
        let source = fleet.revision.source
        let named = fleet.retired + fleet.apps.flatMap(\.replaces)
        for id in Set(named).sorted() where id.target == platform.name && id.isValid {
            guard !register.declares(source, id), !staysTold.contains("\(source) \(id)"),
                let why = await reasonToStay(id, fleet, platform)
            else { continue }
            staysTold.insert("\(source) \(id)")
            guard !why.isEmpty else { continue }
            let message = "'\(id.name)' is not removed, though '\(source)' asks for it: \(why)"
            await announce(.warning, .refused, about: id.description, commit: fleet.revision.commit, message)
        }
    }

    /// Why an app is not a source's to remove; empty when there is nothing to remove, nil when it is the source's or nobody
    /// can say now.
    private func reasonToStay(_ id: AppID, _ fleet: Fleet, _ platform: any Platform) async -> String? {
        if let holder = states[id]?.state.record.source {
            return holder == fleet.revision.source
                ? nil : "the source '\(holder)' has it; take it out there, or take the name out here"
        }
        if let claim = claims[id.target]?[id] {
            return claim.owner == fleet.owner
                ? nil : "it belongs to another source, '\(claim.owner)'; take the name out here"
        }
        guard let plan = try? await platform.removal(of: id).plan(observedSince: .now).plan else { return nil }
        return plan.isEmpty ? "" : "nothing on '\(id.target)' says that it is this controller's; remove it by hand"
    }

    private func surveyEnded(_ target: String) {
        if surveys[target] == false { surveys[target] = nil }
        if surveys.isEmpty { endSurveys() }
    }

    func endSurveys() {
        for waiter in surveyWaiters { waiter.resume() }
        surveyWaiters = []
    }

    /// Returns when every target that can be asked has said who owns what.
    package func surveyed() async {
        guard !surveys.isEmpty, !hasEnded else { return }
        wake()
        await withCheckedContinuation { surveyWaiters.append($0) }
    }

    // MARK: Telling

    func announce(
        _ severity: Event.Severity,
        _ reason: Reason,
        about subject: String,
        commit: String = "",
        _ message: String,
        details: [String] = []
    ) async {
        let event = Event(
            time: environment.now(),
            severity: severity,
            reason: reason,
            subject: subject,
            commit: commit,
            message: message,
            details: details
        )
        // A journal that cannot be written must not stop delivery; the listener still hears of it.
        try? await journal.record(event)
        environment.announce(event)
    }
}
