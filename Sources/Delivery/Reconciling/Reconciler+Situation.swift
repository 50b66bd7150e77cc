/// What a step is told of the world around its app.
extension Reconciler {
    func situation(of id: AppID) -> Situation {
        let place = states[id]
        let owner = place?.state.declaration?.owner ?? place.flatMap { register[$0.state.record.source]?.owner }
        return Situation(
            leave: leave(for: id, of: owner),
            targetProblem: platforms[id.target] == nil
                ? "there is no target '\(id.target)' in the configuration" : targetProblems[id.target],
            leaseProblem: owner.flatMap { leases[LeaseKey(owner: $0, target: id.target)]?.problem },
            isTargetKnown: platforms[id.target] != nil,
            unmetDependency: unmetDependency(of: id, place?.state.declaration?.app.dependsOn ?? []),
            pruneShare: limits.pruneShare,
            fightAfter: limits.fightAfter,
            restartPatience: platforms[id.target]?.restartPatience ?? .seconds(3)
        )
    }

    private func leave(for id: AppID, of owner: String?) -> Situation.Leave {
        guard let owner else { return .nobody }
        switch leases[LeaseKey(owner: owner, target: id.target)]?.lease.standing(at: .now) ?? .unknown {
        case .unknown: return .unknown
        case .waiting(let holder): return .waiting(holder: holder)
        case .held(let until):
            return .held(
                Claimant(
                    owner: owner,
                    formerOwners: register.formerOwners(of: id, otherThan: owner),
                    owners: register.owners,
                    controller: environment.identity.id,
                    until: until
                )
            )
        }
    }

    /// What a new state of an app has to wait for before it is begun, in words; nil when nothing.
    private func unmetDependency(of id: AppID, _ dependencies: [AppID]) -> String? {
        for dependency in dependencies {
            if states[dependency]?.state.isCurrent == true { continue }
            let why = states[dependency]?.state.record.ready.map { " (\($0.message))" } ?? ""
            return "waiting for \(dependency.target == id.target ? dependency.name : dependency.description)\(why)"
        }
        return nil
    }

    /// Looks again at the apps that wait for this one, and at those it replaces.
    func becameReady(_ id: AppID) {
        for other in dependants[id] ?? [] where states[other]?.state.record.waiting?.reason == .dependencyNotReady {
            enqueue(other)
        }
        // What was read only in part may declare it all the same.
        guard let app = states[id]?.state.declaration?.app, register[app.source]?.isPartial == false else { return }
        for replaced in app.replaces where !register.isDeclared(replaced) {
            guard let state = states[replaced]?.state else {
                // The journal does not know it; the target says whose it is.
                let owner = states[id]?.state.declaration?.owner
                guard claims[replaced.target]?[replaced]?.owner == owner else { continue }
                states[replaced] = Place(AppState(AppRecord(id: replaced, source: app.source)))
                markForRemoval(replaced, because: "replaced by \(id)")
                continue
            }
            guard state.record.source == app.source, state.record.removal == nil else { continue }
            markForRemoval(replaced, because: "replaced by \(id)")
        }
    }
}
