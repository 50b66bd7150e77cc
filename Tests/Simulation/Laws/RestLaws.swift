import Delivery
import JSON

/// The laws of rest: what must be so when the faults are over and time has passed.
extension Laws {
    /// What keeps the world from being at rest, in words; nil when it is.
    func unrest() -> String? {
        for repository in simulation.repositories {
            for app in repository.fleet.apps {
                if let what = unrest(of: app, in: repository.fleet) { return what }
            }
        }
        return leftover() ?? departing()
    }

    /// What no source declares any more and waits for something else comes to the end of what it is at; what an earlier process
    /// was at stays as it is.
    private func departing() -> String? {
        let now = Timestamp(Double(World.shared.wall) / 1e9)
        return simulation.controllers[0].store.records.first { id, record in
            guard let attempt = record.attempt, abs(now - attempt.since) < 150 else { return false }
            return RecordView(record).isUnderWay && !simulation.repositories.contains { $0.fleet[id.name] != nil }
        }.map { "\($0.key) is still under way" }
    }

    private func unrest(of app: DeclaredApp, in fleet: DeclaredFleet) -> String? {
        guard app.isEnabled, let target = simulation.target(app.target) else { return nil }
        guard !simulation.claimedByOthers.contains(app.name) else { return nil }
        let id = AppID(target: app.target, name: app.name)
        let found = simulation.controllers[0].store.records[id].map(RecordView.init)
        // Which of the two it is to be cannot be told here, but that it comes to its end.
        guard !simulation.isDeclaredTwice(app.name) else {
            let holder = simulation.controllers[0].store.records[id]?.source
            let its = simulation.repositories.first { $0.name == holder }?.fleet[app.name]
            let isRead = its.map { $0.isReadable && !$0.services.isEmpty } ?? false
            return isRead && found?.isUnderWay == true ? "\(id) is still under way" : nil
        }
        guard let record = found else { return "\(id) is unknown to the store" }
        // What cannot be read stays as it is, and is told of.
        let contradictsItself = app.replaces.contains { fleet[$0] != nil }
        guard app.isReadable, !contradictsItself else {
            return record.isReady ? "\(id) cannot be read and is said to be ready" : nil
        }
        let observation = Observation(target: target)
        if isGood(app, in: fleet) {
            if let difference = observation.difference(from: app) { return difference }
            // A job that a drain ended is not started again before its next deployment, and is told of.
            if record.isReady || observation.hasJobEndedByNode(app) { return nil }
            return "\(id) runs as declared and is not ready: \(record.reason) \(record.message)"
        }
        // What only waits for another, and runs already, waits for nothing.
        if app.isGood, record.isReady, observation.runs(app) { return nil }
        return unrest(ofBad: app, id, record, observation, in: fleet)
    }

    /// A revision that cannot work: its last good one runs instead, and the record says why.
    private func unrest(
        ofBad app: DeclaredApp,
        _ id: AppID,
        _ record: RecordView,
        _ observation: Observation,
        in fleet: DeclaredFleet
    ) -> String? {
        // Of what somebody scaled to nothing none can fail; what the Engine refuses is refused all the same.
        let isRefused = app.services.contains { $0.nature == .refused }
        if !isRefused, app.ignoresReplicas,
            observation.services(of: app.name).values.contains(where: { $0.replicas == 0 })
        {
            return nil
        }
        // What the Engine refuses for now is tried for its whole time, whatever else is wrong with it.
        let canReturn = !(simulation.controllers[0].store.revisions[id] ?? []).isEmpty
        if isRefused, canReturn, record.isUnderWay { return "\(id) is still under way" }
        // What needed a database as it started runs on without.
        if app.services.allSatisfy({ $0.nature.isGood(hasDatabase: true) }), observation.runs(app) { return nil }
        if record.isReady, !record.message.contains("waiting for") {
            return "\(id) cannot work as declared and is said to be ready: \(record.message)"
        }
        let natures = Set(app.services.map(\.nature))
        let isRejectable = !natures.isDisjoint(with: [.crash, .unhealthy, .refused, .failingJob])
        let isBlocked =
            natures.contains(.missing) || app.dependsOn.contains { !canBeReady($0, in: fleet) }
        // With nothing to go back to it stays as it is, named.
        let hasEarlier = !(simulation.controllers[0].store.revisions[id] ?? []).isEmpty
        if isRejectable, !isBlocked, hasEarlier, record.rejected == nil {
            return "\(id) cannot work as declared and is not rejected: \(record.reason) \(record.message)"
        }
        // What took over from another knows nothing newer to put in place of what cannot be had.
        if simulation.hadSecondController, record.rejected == nil, isBlocked { return nil }
        // What a store that was lost knew cannot be told; and what is being taken over by hand neither.
        if simulation.lastStoreLoss != nil || simulation.isMeddledWith(id) { return nil }
        guard let revisions = simulation.controllers[0].store.revisions[id], let revision = revisions.first else {
            return nil
        }
        // What is kept may need secrets that somebody removed, or that went with the app before it came back; that is said.
        if simulation.lostSecrets.contains(app.name), revisions.count == 1 || !record.isReady { return nil }
        // What was good then, and has lost since what it needs, is put back all the same, and is not said to be well.
        if !record.isReady, let kept = simulation.declaration(of: id, at: revision.commit),
            observation.difference(from: kept, mayFail: true) == nil
        {
            return nil
        }
        let versions = simulation.repositories.flatMap(\.history).compactMap { $0[app.name] }
        guard versions.contains(where: { isGood($0, in: fleet) }), !revision.commit.isEmpty else { return nil }
        if versions.contains(where: { $0.isGood && observation.runs($0) }) { return nil }
        return "\(id) was rejected (\(record.rejection ?? record.message)) and runs no good revision: "
            + observation.services(of: app.name).sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            .joined(separator: "; ")
    }

    /// Whether an app is not well and nothing is kept that could be put back, or only what was found there, and nobody has
    /// seen well.
    func isTriedAgain(_ stack: String, _ target: String) -> Bool {
        let id = AppID(target: target, name: stack)
        let store = simulation.controllers[0].store
        let isReady = store.records[id].map(RecordView.init)?.isReady ?? true
        return !isReady && (store.revisions[id] ?? []).allSatisfy(\.commit.isEmpty)
    }

    private func isGood(_ app: DeclaredApp?, in fleet: DeclaredFleet) -> Bool {
        guard let app, app.isGood else { return false }
        return app.dependsOn.allSatisfy { name in name == app.name || canBeReady(name, in: fleet) }
    }

    /// Whether what depends on an app need not wait for ever: it can work, and is not somebody else's.
    private func canBeReady(_ name: String, in fleet: DeclaredFleet) -> Bool {
        !simulation.claimedByOthers.contains(name) && isGood(fleet[name], in: fleet)
    }

    /// What runs and is declared no more.
    private func leftover() -> String? {
        let fleets = simulation.repositories.map(\.fleet)
        guard fleets.allSatisfy(\.isReadable) else { return nil }
        for target in simulation.targets {
            for service in Person(target: target).services() {
                let stack = service.stack
                guard simulation.wasDeclared(stack), !simulation.foreignStacks.contains(stack),
                    !simulation.handedOver.contains(stack),
                    !simulation.claimedByOthers.contains(stack)
                else { continue }
                let isWanted = fleets.contains { fleet in
                    let isDeclared = fleet[stack].map { $0.isEnabled && $0.target == target.name } ?? false
                    // What is replaced stays until its replacement is ready, and another source may have that.
                    return isDeclared
                        || fleet.apps.contains { app in
                            let isAnothers = fleets.count { $0[app.name] != nil } > 1
                            return app.replaces.contains(stack) && (isAnothers || !isGood(app, in: fleet))
                        }
                }
                if !isWanted { return "\(stack) is declared no more and still runs on \(target.name)" }
            }
        }
        return nil
    }

    /// Whether what the store keeps could be restored.
    func checkKeptFiles() {
        for controller in simulation.controllers {
            for (id, revisions) in controller.store.revisions {
                // Of what no source declares nothing is gone back to.
                guard let target = simulation.target(id.target), simulation.declaredApps.contains(id) else { continue }
                let files = Observation(target: target).files()
                // Its removal took them away, and was overtaken before the app was forgotten.
                let wasGoing = mutations.contains { $0.stack == id.name && $0.text.hasPrefix("DELETE /secrets") }
                guard !wasGoing, !simulation.lostSecrets.contains(id.name) else { continue }
                for revision in revisions {
                    for name in secrets(of: revision) where !files.contains("secret \(name)") {
                        fail(.keptFilesExist, "the secret '\(name)' of a kept revision of \(id) is gone")
                    }
                }
            }
        }
    }

    func checkQuestions() {
        for question in simulation.openQuestions {
            fail(.questionsAnswered, "\(question.text), asked at \(question.time / 1_000_000_000) s, is not answered")
        }
    }

    func checkLoad() {
        for controller in simulation.controllers {
            if let life = controller.running?.life { checkLoad(of: life) }
        }
    }

    /// Checked every minute, and at rest.
    func checkLoad(of life: Life) {
        let load = World.shared.load(of: life.owner)
        let most = 24 + 16 * simulation.declaredApps.count
        Statistics.highest("load", load)
        if load > most { fail(.loadBounded, "\(life) has \(load) tasks asleep or ready") }
    }

    /// What an app still is without after a commit, in words; nil when it runs and its controller knows it to be well.
    func difference(from app: DeclaredApp, at commit: String) -> String? {
        guard let target = simulation.target(app.target) else { return nil }
        if let difference = Observation(target: target).difference(from: app) { return difference }
        let record = simulation.controllers[0].store.records[AppID(target: app.target, name: app.name)]
        guard let view = record.map(RecordView.init), view.isReady, view.deployedCommit == commit else {
            return "it runs and is not known to be deployed"
        }
        return nil
    }
}

extension JSON {
    /// The stack that an object belongs to, by its label.
    var stack: String { self["Spec"]?["Labels"]?["com.docker.stack.namespace"]?.string ?? "" }
}
