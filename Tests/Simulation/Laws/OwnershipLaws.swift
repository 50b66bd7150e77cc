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

    /// An app stays with the source that had it first, as long as that one declares it.
    func checkSource(_ record: AppRecord, after old: AppRecord) {
        guard record.source != old.source, simulation.controllers.count == 1,
            let holder = simulation.repositories.first(where: { $0.name == old.source })
        else { return }
        let begin = World.shared.now - seconds(400)
        guard holder.fleet[record.id.name] != nil, holder.fleet.isReadable,
            !holder.changes(of: record.id.name).contains(where: { $0 > begin })
        else { return }
        fail(.holderKeeps, "\(record.id) went from \(old.source), which declares it, to \(record.source)")
    }

    /// What a controller removes it has to have read that it goes, and much of it only with approval.
    func checkAgainstReading(_ mutating: Mutating, on target: Target, _ life: Life) {
        let id = AppID(target: target.name, name: mutating.stack)
        let store = simulation.controllers.first { $0.number == life.controller }?.store
        guard let record = store?.records[id].map(RecordView.init) else { return }
        let fleets = fleetsRead(by: life)
        let settled = World.shared.now - seconds(30)
        guard !fleets.isEmpty, fleets.allSatisfy({ $0.time <= settled && $0.fleet.isReadable }) else { return }
        let declared = fleets.compactMap { $0.fleet[mutating.stack] }.filter {
            $0.isEnabled && $0.target == target.name
        }
        let isApproved = approvedAt.map { time in fleets.allSatisfy { time >= $0.time } } ?? false
        if let app = declared.first, declared.count == 1 {
            if record.isLeaving {
                return fail(.removalDeclared, "\(mutating.name) of \(id) was removed as undeclared, and is declared")
            }
            guard record.rejected == nil, record.deployedCommit == record.commit, app.isReadable, !isApproved else {
                return
            }
            let running = Observation(target: target).services(of: mutating.stack)
            let gone = running.keys.count { name in !app.services.contains { $0.name == name } }
            guard Double(gone) > Double(gone + app.services.count) / 2 else { return }
            fail(.manyRemovalsApproved, "\(gone) services of \(id) are being removed, and nobody approved it")
        } else if declared.isEmpty, record.isLeaving, !isApproved {
            for reading in (lastReads[life] ?? [:]).values where reading.dropped.contains(mutating.stack) {
                let count = reading.dropped.count
                guard count > 2, 2 * count > count + reading.left else { continue }
                fail(.manyRemovalsApproved, "\(count) apps are being removed at once, and nobody approved it")
            }
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
        guard !simulation.isMeddledWith(revision.app) else { return }
        let changes = simulation.repositories.reduce(0) { $0 + $1.changes(of: revision.app.name).count }
        fail(
            .baselineIsForeign,
            "\(revision.app) was kept as found after \(changes) changes, and nobody else ever deployed it"
        )
    }
}
