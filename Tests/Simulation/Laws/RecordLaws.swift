import Crypto
import Delivery

/// The laws of records and events: checked whenever a controller writes one.
extension Laws {
    func saves(_ record: AppRecord, after old: AppRecord?, _ life: Life) {
        let view = RecordView(record)
        let before = old.map(RecordView.init)
        if let old { checkSource(record, after: old, life) } else { checkFirstSource(record) }
        checkSecrets(view.texts + [view.message, view.rejection ?? ""], "the record of \(record.id)")
        if let rejected = view.rejected, rejected != before?.rejected {
            noteRejection(record.id, view, rejected)
        }
        if let attempted = view.attempted, attempted != before?.attempted {
            Statistics.count("state attempted")
            checkRetry(record.id, attempted)
        }
        if view.reason != before?.reason { Statistics.count("state \(view.reason)") }
    }

    private func noteRejection(_ id: AppID, _ view: RecordView, _ fingerprint: String) {
        Statistics.count("state rejected")
        let declared = simulation.declaration(of: id, at: view.commit)
        if let declared, declared.isGood, !simulation.isMeddledWith(id), !simulation.claimedByOthers.contains(id.name),
            !isMadeTooSlowly(declared)
        {
            fail(
                .goodNeverRejected,
                "\(id) at \(view.commit.prefix(8)) has only services that are well, and was rejected: "
                    + (view.rejection ?? "")
            )
        }
        rejections[id] = Rejection(fingerprint: fingerprint, declared: declared, time: World.shared.now)
    }

    /// Whether what a service needs without saying so may have been made long after it, because each call takes seconds.
    private func isMadeTooSlowly(_ app: DeclaredApp) -> Bool {
        guard app.hasUndeclaredNeed, let target = simulation.target(app.target) else { return false }
        return max(target.slowUntil, target.crawlUntil) > World.shared.now - seconds(60)
    }

    /// Trying again what was rejected needs a reason: a person who asked, or a store that forgot.
    private func checkRetry(_ id: AppID, _ fingerprint: String) {
        guard let rejection = rejections[id], rejection.fingerprint == fingerprint else { return }
        // Of a store that knows nothing deployed a person's word counts for the pass after the one that is under way.
        let isAsked = asked[id].map { $0 >= rejection.time - seconds(5) } ?? false
        let hasChanged = simulation.wasChanged(id, since: rejection.time)
        // What one controller rejected another one's store does not know, unless it stands on the target.
        let isStoreLost = simulation.lastStoreLoss.map { $0 >= rejection.time } ?? false
        let wasForgotten = isStoreLost || simulation.hadSecondController
        // Nor is it known what was put back where Swarm left an update paused that leads from something else.
        let isKnown =
            notedRejections[id] == fingerprint && !simulation.isMeddledWith(id)
            && !(simulation.target(id.target).map { Observation(target: $0).hasPausedUpdate(of: id.name) } ?? false)
        guard !isAsked, !hasChanged, !wasForgotten || isKnown else { return }
        fail(.rejectedNotRetried, "\(id) tries again what was rejected and did not change")
    }

    func keeps(_ revision: DeployedRevision) {
        Statistics.count("state kept revision")
        checkBaseline(revision)
        checkIsGood(revision)
        checkSecrets([String(decoding: revision.payload, as: UTF8.self)], "a kept revision of \(revision.app)")
    }

    /// What is gone back to has to be well.
    private func checkIsGood(_ revision: DeployedRevision) {
        guard !revision.commit.isEmpty, let app = simulation.declaration(of: revision.app, at: revision.commit),
            !app.isGood
        else { return }
        // Of what somebody scaled to nothing none can fail; and what needed a database as it started runs on without.
        if app.ignoresReplicas || app.services.allSatisfy({ $0.nature.isGood(hasDatabase: true) }) { return }
        let natures = app.services.map { "\($0.name): \($0.nature)" }.joined(separator: ", ")
        fail(.onlyGoodKept, "\(revision.app) at \(revision.commit.prefix(8)) is kept as good, with \(natures)")
    }

    /// What every secret's value begins with, as it is and in base 64.
    private static let secretMarks = [
        Array(FleetFiles.secretMark.utf8), Array(base64(Array(FleetFiles.secretMark.utf8.prefix(12))).utf8),
    ]

    private func holds(_ text: String, _ mark: [UInt8]) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            bytes.indices.contains { bytes[$0] == mark[0] && bytes[$0...].starts(with: mark) }
        }
    }

    private func checkSecrets(_ texts: [String], _ place: String) {
        for text in texts where Self.secretMarks.contains(where: { holds(text, $0) }) {
            fail(.secretsUnseen, "a secret's value stands in \(place)")
        }
    }

    func tells(_ event: Event, _ life: Life) {
        checkSecrets([event.message] + event.details, "an event of \(event.subject)")
        Statistics.count("event \(event.reason.rawValue)")
        if event.reason == .awaitingApproval { awaitingTold[event.subject] = World.shared.now }
        checkDrift(event)
        eventCounts[event.subject, default: 0] += 1
        let most = 40 + 8 * simulation.happenings
        if eventCounts[event.subject] == most {
            fail(.eventsBounded, "\(event.subject) has \(most) events, the last: \(event.message)")
        }
    }

    /// What nobody but this controller was at has not drifted.
    private func checkDrift(_ event: Event) {
        guard event.reason == .driftDetected, !simulation.hadSecondController,
            let id = simulation.declaredApps.first(where: { $0.description == event.subject }),
            let target = simulation.target(id.target), !target.touched.contains(id.name)
        else { return }
        fail(.driftIsReal, "\(id) is told to have drifted, and nobody was at it: \(event.message)")
    }

    /// What listeners hear: the same fact again is no news, unless the controller that told it is gone.
    func announces(_ event: Event, _ life: Life) {
        if event.reason == .pruned { toldRemovals[life, default: []].insert(event.subject) }
        // Of two controllers each has listeners of its own.
        let key = "\(life) \(event.subject)"
        let last = lastAnnounced[key]
        let isSame = last?.reason == event.reason && last?.commit == event.commit && last?.message == event.message
        repetitions[key] = isSame ? (repetitions[key] ?? 0) + 1 : 0
        if repetitions[key] == 3 { fail(.toldOnce, "\(event.subject) is told four times in a row: \(event.message)") }
        lastAnnounced[key] = event
    }

    /// A new life may tell again what the last one told.
    func restarted() { repetitions = [:] }
}
