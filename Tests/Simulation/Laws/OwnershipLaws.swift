import Delivery
import HTTP
import JSON
import SimulatedEngine

/// The laws of who may do what: leases, approvals, what others own.
extension Laws {
    /// Checked when a call is sent: it may arrive late, and then nobody can help it.
    func sends(_ request: Request, to target: Target, _ life: Life) {
        let parts = Self.parts(of: request)
        // A secret's update is a question; and leases themselves are not under the lease.
        guard parts.first != "secrets", parts.first != "configs" || !isLease(request, parts, on: target) else { return }
        let leases = target.engine.labels(ofConfigs: "hecate.lease.")
        let holders = leases.compactMap { $0["io.hecate.instance"] }
        guard !leases.isEmpty, !holders.contains("\(life.owner)") else { return }
        // Its own earlier life's lease is taken over before anything else.
        fail(.oneActs, "\(life) sends \(request.method) \(request.path), and the leases are held by \(holders)")
    }

    private func isLease(_ request: Request, _ parts: [String], on target: Target) -> Bool {
        if parts.count > 1, let name = target.engine.name(ofConfig: parts[1]) { return name.hasPrefix("hecate.lease.") }
        let body = request.body.flatMap { try? JSON(parsing: $0) }
        return body?["Name"]?.string?.hasPrefix("hecate.lease.") == true
    }

    /// What nobody claims and nobody declares is not claimed, not even to be removed.
    func checkClaim(_ mutating: Mutating, _ life: Life) {
        guard mutating.path == "/configs/create", mutating.name == "hecate.\(mutating.stack)" else { return }
        let fleets = fleetsRead(by: life)
        let settled = World.shared.now - seconds(30)
        guard !fleets.isEmpty, fleets.allSatisfy({ $0.time <= settled && $0.fleet.isReadable }),
            !fleets.contains(where: { $0.fleet[mutating.stack] != nil })
        else { return }
        fail(.foreignUntouched, "'\(mutating.stack)' is claimed, and no source declares it")
    }

    /// An app stays with the source that had it first, until the controller has read that this one does without it.
    func checkSource(_ record: AppRecord, after old: AppRecord, _ life: Life) {
        guard record.source != old.source, simulation.repositories.contains(where: { $0.name == old.source }) else {
            return
        }
        Statistics.count("state moved to another source")
        if missed[life]?[old.source]?.contains(record.id) == true { return }
        // Of what it never deployed the target knows better.
        if old.deployed == nil,
            simulation.hadSecondController || claimant(of: record.id) == ControllerLife.owner(record.source)
        {
            return
        }
        fail(
            .holderKeeps,
            "\(record.id) went from \(old.source), which declares it as far as known, to \(record.source)"
        )
    }

    /// Who the target says an app is claimed by; nil when nobody.
    private func claimant(of id: AppID) -> String? {
        simulation.target(id.target)?.engine.labels(ofConfigs: "hecate.\(id.name)")
            .first { $0["io.hecate.app"] == id.name }?["io.hecate.owner"]
    }

    /// A controller that knows nothing of an app gives it to nobody but the source that the target names, as long as that one
    /// may still declare it.
    func checkFirstSource(_ record: AppRecord) {
        guard let owner = claimant(of: record.id),
            let named = simulation.repositories.first(where: { ControllerLife.owner($0.name) == owner }),
            named.name != record.source, named.awayUntil > World.shared.now, named.fleet[record.id.name] != nil
        else { return }
        fail(
            .holderKeeps,
            "\(record.id) is \(named.name)'s, which is away, as the target says, and went to \(record.source)"
        )
    }

    /// What a controller removes it has to have read that it goes, and much of it only with approval.
    func checkAgainstReading(_ mutating: Mutating, on target: Target, _ life: Life) {
        let id = AppID(target: target.name, name: mutating.stack)
        // What somebody else removed meanwhile is not hurt.
        guard mutating.object != nil,
            let store = simulation.controllers.first(where: { $0.number == life.controller })?.store,
            let record = store.records[id].map(RecordView.init)
        else { return }
        // What was asked for before it was read that the app goes may take seconds to be done.
        let isSlow = max(target.slowUntil, target.crawlUntil) > World.shared.now - seconds(10)
        let wasJustRead = (lastReads[life] ?? [:]).values.contains { reading in
            reading.dropped.contains(mutating.stack) && reading.time > World.shared.now - seconds(10)
        }
        if isSlow, wasJustRead { return }
        // A record that could not be written says what was before.
        if record.isLeaving || declaredSince[life]?[id] == nil {
            checkLeaving(id, mutating, of: store.records[id]?.source, life)
        } else {
            checkIsKept(id, mutating, record, store, life)
            checkServicesApproved(id, mutating, record, on: target, life)
        }
    }

    /// A whole app goes because no source declares it, and many apps go at once only with approval.
    private func checkLeaving(_ id: AppID, _ mutating: Mutating, of holder: String?, _ life: Life) {
        if toldRemovals[life]?.contains(id.description) != true {
            fail(.toldBeforeRemoved, "\(mutating.name) of \(id) is being removed, and nobody was told")
        }
        if let since = declaredSince[life]?[id], since <= World.shared.now - seconds(30) {
            fail(.removalDeclared, "\(mutating.name) of \(id) was removed as undeclared, and is declared")
        }
        for (source, reading) in lastReads[life] ?? [:]
        where reading.dropped.contains(mutating.stack) && source == holder {
            // What another source declares does not go.
            let kept = Set((declaredSince[life] ?? [:]).keys.map(\.name))
            // What came back and went again before anything of it was made is nothing to be removed.
            let count = reading.dropped.subtracting(kept).count(where: isThere)
            guard count > 2, 2 * count > count + reading.left, approvedAt.map({ $0 < reading.time }) ?? true,
                declaredSince[life]?[id] == nil
            else { continue }
            fail(.manyRemovalsApproved, "\(count) apps of \(source) are being removed at once, and nobody approved it")
        }
    }

    /// Whether anything on a target is an app's, or says so.
    private func isThere(_ name: String) -> Bool {
        simulation.targets.contains { target in
            !Observation(target: target).services(of: name).isEmpty
                || claimant(of: AppID(target: target.name, name: name)) != nil
        }
    }

    /// Inside an app, what is not declared goes when what is declared was found good and is kept.
    private func checkIsKept(
        _ id: AppID,
        _ mutating: Mutating,
        _ record: RecordView,
        _ store: MemoryStore,
        _ life: Life
    ) {
        // What a failed commit added goes when an earlier revision is put back, be it an older one.
        // And what no source declares any more goes as a whole, also before that could be written down.
        guard record.rejected == nil, declaredSince[life]?[id] != nil else { return }
        guard let newest = store.revisions[id]?.first else {
            if simulation.lastStoreLoss == nil {
                fail(.keptBeforeRemoved, "\(mutating.name) is being removed, and nothing is kept of \(id)")
            }
            return
        }
        let kept = (try? JSON(parsing: newest.payload))?["services"]?.array ?? []
        guard kept.contains(where: { $0["name"]?.string == mutating.name }) else { return }
        fail(.keptBeforeRemoved, "\(mutating.name) is being removed, and what is kept as good has it")
    }

    /// Most services of an app go only with approval.
    private func checkServicesApproved(
        _ id: AppID,
        _ mutating: Mutating,
        _ record: RecordView,
        on target: Target,
        _ life: Life
    ) {
        // What is verified by now is what the record says is deployed; what a failed commit added needs no approval.
        guard let commit = record.deployedCommit, let app = simulation.declaration(of: id, at: commit), app.isReadable
        else { return }
        let failed = record.rejectedCommit.flatMap { simulation.declaration(of: id, at: $0) }
        guard record.rejected == nil || failed?.isReadable == true else { return }
        // Those that gave way to what failed may have added some before they did.
        let superseded =
            record.rejected == nil ? [] : simulation.repositories.flatMap(\.history).compactMap { $0[id.name] }
        let read = (lastReads[life] ?? [:]).values.map(\.time).max() ?? 0
        // One that was left for this life is for what was told before it.
        let told = awaitingTold[id.description] ?? read
        if let approvedAt, approvedAt >= min(read, told) { return }
        let running = Observation(target: target).services(of: mutating.stack)
        let gone = running.keys.count { name in
            !(app.services + (failed?.services ?? []) + superseded.flatMap(\.services)).contains { $0.name == name }
        }
        guard 2 * gone > gone + app.services.count else { return }
        fail(.manyRemovalsApproved, "\(gone) services of \(id) are being removed, and nobody approved it")
    }

    /// A secret's content is kept nowhere else, so the secret of a kept revision stays.
    func checkSecretIsNotKept(_ mutating: Mutating, on target: Target, _ life: Life) {
        let id = AppID(target: target.name, name: mutating.stack)
        guard let store = simulation.controllers.first(where: { $0.number == life.controller })?.store,
            let record = store.records[id].map(RecordView.init), !record.isLeaving, declaredSince[life]?[id] != nil
        else { return }
        for revision in store.revisions[id] ?? [] where secrets(of: revision).contains(mutating.name) {
            fail(.keptFilesExist, "the secret '\(mutating.name)' of a kept revision of \(id) is being removed")
        }
    }

    /// The names under which the secrets of a kept revision are on the target.
    func secrets(of revision: DeployedRevision) -> [String] {
        let files = (try? JSON(parsing: revision.payload))?["files"]?.array ?? []
        return files.filter { $0["kind"]?.string == "secret" }.map {
            ($0["deployedName"] ?? $0["name"])?.string ?? ""
        }
    }

    private func fleetsRead(by life: Life) -> [(source: String, fleet: DeclaredFleet, time: Int64)] {
        let readings = lastReads[life] ?? [:]
        guard readings.count == simulation.repositories.count else { return [] }
        return simulation.repositories.compactMap { repository in
            guard let reading = readings[repository.name], let commit = repository.commit(reading.commit) else {
                return nil
            }
            return (repository.name, commit.fleet, reading.time)
        }
    }

    /// Fields that a declaration leaves to others are not touched.
    func checkIgnored(_ mutating: Mutating, _ before: JSON, _ after: JSON) {
        let versions = simulation.repositories.flatMap(\.history).compactMap { $0[mutating.stack] }
        guard !versions.isEmpty, versions.allSatisfy(\.ignoresReplicas) else { return }
        guard !simulation.meddled.contains(where: { $0.name == mutating.stack }) else { return }
        let old = before["Mode"]?["Replicated"]?["Replicas"]?.int
        let new = after["Mode"]?["Replicated"]?["Replicas"]?.int
        guard let old, let new, old != new else { return }
        fail(.ignoredUntouched, "\(mutating.name) was scaled from \(old) to \(new), and that is left to others")
    }

    /// What was found before the first change cannot be what an attempt of our own left.
    func checkBaseline(_ revision: DeployedRevision) {
        guard revision.commit.isEmpty, simulation.lastStoreLoss == nil, !simulation.hadSecondController else { return }
        guard !simulation.isMeddledWith(revision.app), !simulation.handedOver.contains(revision.app.name) else {
            return
        }
        let changes = simulation.repositories.reduce(0) { $0 + $1.changes(of: revision.app.name).count }
        fail(
            .baselineIsForeign,
            "\(revision.app) was kept as found after \(changes) changes, and nobody else ever deployed it"
        )
    }
}
