import Delivery
import Files
import Quadlet
import SimulatedNode
import Systemd

/// Watches the run of a node: gathers what happens and holds it against the laws.
// SAFETY: the process has a single thread.
final class NodeLaws: @unchecked Sendable {
    unowned let simulation: NodeSimulation
    private(set) var violations: [Violation] = []
    var exceptions: Set<String> = []
    /// Jobs that an agent asked for: when, which, and whether the unit was up as declared already.
    private var jobs: [(time: Int64, method: Systemd.UnitMethod, service: String)] = []
    private var rejections: [AppID: (fingerprint: String, time: Int64)] = [:]
    var asked: [AppID: Int64] = [:]
    var approvedAt: Int64?
    private var eventCounts: [String: Int] = [:]
    private var lastAnnounced: [String: Event] = [:]
    private var repetitions: [String: Int] = [:]
    private var callWindow: Int64 = 0
    private var callsInWindow = 0
    private var foreignFiles: [String: String] = [:]
    /// Since when nothing should happen any more, and whether the machine itself begins anew then.
    var restSince: Int64?
    var isBooting = false

    /// The most calls of an agent in a minute, in a storm and at rest.
    private static let mostCalls = (storm: 3000, rest: 900)

    init(simulation: NodeSimulation) { self.simulation = simulation }

    private var declared: DeclaredNode { simulation.history.declared }
    private var target: NodeTarget { simulation.target }

    func fail(_ law: Law, _ message: String) {
        guard !exceptions.contains(law.rawValue) else { return }
        simulation.trace("!! \(law.rawValue): \(message)")
        let message = message.replacing(simulation.target.root, with: "")
        violations.append(Violation(law: law, message: message, time: World.shared.now))
    }

    private func id(_ unit: DeclaredUnit) -> AppID { AppID(target: "node", name: unit.name) }

    // MARK: Calls

    func calls(_ life: Life) {
        Statistics.count("node calls")
        let minute = World.shared.now / seconds(60)
        if callWindow != minute { (callWindow, callsInWindow) = (minute, 0) }
        callsInWindow += 1
        // A unit that cannot work and has nothing to go back to is started again and again, by its own signals: not mended
        // yet.
        let isHopeless = declared.units.contains { unit in
            !declared.isGood(unit) && simulation.store.records[id(unit)].map(RecordView.init)?.rejected == nil
        }
        let isAtRest = !isHopeless && (restSince.map { World.shared.now > $0 + seconds(60) } ?? false)
        Statistics.highest("node calls in a minute\(isAtRest ? " at rest" : "")", callsInWindow)
        let most = isAtRest ? Self.mostCalls.rest : Self.mostCalls.storm
        if callsInWindow == most { fail(.noCircle, "\(life) made \(most) calls in less than a minute") }
    }

    func asks(_ method: Systemd.UnitMethod, _ service: String, _ life: Life) {
        Statistics.count("node call \(method.rawValue)")
        jobs.append((World.shared.now, method, service))
        checkForeignFiles()
        if NodeSimulation.foreignServices.contains(service) || simulation.blocked.map({ "\($0).service" }) == service {
            fail(.foreignUntouched, "\(method.rawValue) \(service)")
        }
        let unit = declared.units.first { $0.service == service }
        switch method {
        case .restart:
            guard service.hasSuffix("-network.service") == false else { return }
            let now = target.perform { ($0.isActive(service), $0.meaning(of: service)) }
            // What is written just while it is started may run already and not be known to.
            // And what systemd starts anew by itself, or a person, may have been started with what it is about to be
            // restarted for.
            let last =
                unit ?? simulation.history.states.lazy.compactMap { $0.units.first { $0.service == service } }.last
            let earlier = simulation.history.states.suffix(2).compactMap { $0.units.first { $0.service == service } }
            let isByOthers =
                earlier.contains { !$0.nature.isGood }
                || last.map { !$0.nature.isGood || simulation.meddled[$0.stem] != nil } ?? false
            // So may what a bus that takes seconds for each answer tells of too late.
            let isSlow = max(target.slowUntil, target.lateUntil) > World.shared.now - seconds(10)
            // The volume that units share is no unit of theirs.
            let files = last.map { Array($0.files.keys) } ?? ["system/data.volume"]
            // Such as a task that became a service as it ran: its end came before it was ready.
            let isByItself = target.restarted[service].map { $0 >= lastWritten(files) } ?? false
            let links = last.map { [target.link(of: $0), "\(target.link(of: $0)).d"] } ?? []
            // What was written since the boot, before anybody could note what the boot had started, leaves that unknown; of files
            // that were taken out since, the link tells, which was pointed to the kept copy.
            let boot = simulation.lastBoot
            let written = max(lastWritten(files), unit == nil ? lastLinked(links) : 0)
            let isUnnoted =
                boot > 0 && written >= boot && jobs.count { $0.service == service && $0.time >= boot } == 1
            // Nor is it known what another unit's reload, under way as the links were made, had systemd read and then start.
            let linked = lastLinked(links)
            let isLinkedAmidReload =
                World.shared.now < linked + seconds(15)
                && jobs.count { $0.service == service && $0.time >= linked } == 1
            let isKnown =
                !isByOthers && !isByItself && !isSlow && !isUnnoted && !isLinkedAmidReload
                && World.shared.now >= lastWritten(files) + seconds(15)
            if now.0, now.1 == target.running[service], isKnown {
                fail(.noPointlessUpdate, "\(service) runs as its files say and is restarted")
            }
        case .stop:
            guard let unit else { return }
            // Network units are stopped to be made anew; nothing else that is declared is.
            guard World.shared.now - simulation.history.lastChange(of: unit.stem) > seconds(60), isInFolder(unit) else {
                return
            }
            fail(.removalDeclared, "\(service) is declared and is stopped")
        case .start: break
        }
    }

    /// When the newest of some files of the folder was written; far in the past when none is there.
    private func lastWritten(_ files: [String]) -> Int64 {
        newest(files.compactMap { fileStatus("\(target.layout.gitops)/\($0)") })
    }

    /// When the newest of some links was made.
    private func lastLinked(_ links: [String]) -> Int64 {
        newest(links.compactMap { fileStatus($0, followsLinks: false) })
    }

    private func newest(_ found: [FileStatus]) -> Int64 {
        let changed = found.map(\.changedMicroseconds).max().map { Int64($0) * 1000 } ?? 0
        return changed - (World.shared.wall - World.shared.now)
    }

    private func isInFolder(_ unit: DeclaredUnit) -> Bool {
        unit.files.keys.allSatisfy { pathExists("\(target.layout.gitops)/\($0)") }
    }

    func reloads(_ life: Life) {
        Statistics.count("node call Reload")
        checkForeignFiles()
    }

    func reads() { checkForeignFiles() }

    // MARK: What is somebody else's

    private var foreignPaths: [String] {
        let layout = target.layout
        let blocked = simulation.blockedPath.map { [$0] } ?? []
        return blocked + [
            "\(layout.quadlet)/foreign.container", "\(layout.quadlet)/elsewhere.container",
            "\(target.root)/elsewhere/elsewhere.container", "\(layout.units)/byhand.service",
        ]
    }

    private func state(of path: String) -> String {
        let content = (try? fileContent(path)).map { String(decoding: $0, as: UTF8.self) } ?? "none"
        return "\(linkTarget(path) ?? "no link") \(content)"
    }

    func noteForeignFiles() { for path in foreignPaths { foreignFiles[path] = state(of: path) } }

    func checkForeignFiles() {
        for (path, before) in foreignFiles.sorted(by: { $0.key < $1.key }) where state(of: path) != before {
            fail(.foreignUntouched, "\(path) was changed")
        }
    }

    // MARK: Records and events

    func saves(_ record: AppRecord, after old: AppRecord?) {
        let view = RecordView(record)
        let before = old.map(RecordView.init)
        checkSecrets(view.texts + [view.message, view.rejection ?? ""], "the record of \(record.id)")
        if let rejected = view.rejected, rejected != before?.rejected { noteRejection(record.id, view, rejected) }
        if let attempted = view.attempted, attempted != before?.attempted { checkRetry(record.id, attempted) }
        if view.reason != before?.reason { Statistics.count("node state \(view.reason)") }
    }

    private func noteRejection(_ id: AppID, _ view: RecordView, _ fingerprint: String) {
        Statistics.count("node state rejected")
        rejections[id] = (fingerprint, World.shared.now)
        guard let unit = declared.units.first(where: { $0.name == id.name }), simulation.meddled[unit.stem] == nil,
            simulation.blocked == nil, declared.isGood(unit)
        else { return }
        // What is read may be older than what is declared.
        let change = simulation.history.lastChange(of: unit.stem)
        guard World.shared.now - change > seconds(15), isInFolder(unit) else { return }
        let wasBad = simulation.history.states.dropLast().suffix(1).contains { old in
            old[unit.stem].map { !old.isGood($0) } ?? false
        }
        guard !wasBad || World.shared.now - change > seconds(90) else { return }
        fail(.goodNeverRejected, "\(id) is well as declared, and was rejected: \(view.rejection ?? "")")
    }

    /// Trying again what was rejected needs a reason: a person who asked, or a store that forgot.
    private func checkRetry(_ id: AppID, _ fingerprint: String) {
        guard let rejection = rejections[id], rejection.fingerprint == fingerprint else { return }
        let isAsked = asked[id].map { $0 >= rejection.time } ?? false
        let wasForgotten = simulation.lastStoreLoss.map { $0 >= rejection.time } ?? false
        let stem = String(id.name.prefix { $0 != "." })
        let hasChanged = simulation.history.lastChange(of: stem) >= rejection.time - seconds(60)
        guard !isAsked, !wasForgotten, !hasChanged else { return }
        fail(.rejectedNotRetried, "\(id) tries again what was rejected and did not change")
    }

    func keeps(_ revision: DeployedRevision) {
        checkSecrets([String(decoding: revision.payload, as: UTF8.self)], "a kept revision of \(revision.app)")
    }

    private func checkSecrets(_ texts: [String], _ place: String) {
        for text in texts where text.contains(FleetFiles.secretMark) {
            fail(.secretsUnseen, "a secret's value stands in \(place)")
        }
    }

    func tells(_ event: Event) {
        checkSecrets([event.message] + event.details, "an event of \(event.subject)")
        Statistics.count("node event \(event.reason.rawValue)")
        eventCounts[event.subject, default: 0] += 1
        let most = 40 + 8 * (simulation.fired.count + simulation.history.states.count)
        // A crash loop that a store without memory found running is told of at each turn: not mended yet.
        let isTakenOver =
            simulation.lastStoreLoss != nil
            && declared.units.contains { "node/\($0.name)" == event.subject && $0.nature == .crashLoop }
        if eventCounts[event.subject] == most, !isTakenOver {
            fail(.eventsBounded, "\(event.subject) has \(most) events, the last: \(event.message)")
        }
    }

    func announces(_ event: Event) {
        let last = lastAnnounced[event.subject]
        let isSame = last?.reason == event.reason && last?.commit == event.commit && last?.message == event.message
        repetitions[event.subject] = isSame ? (repetitions[event.subject] ?? 0) + 1 : 0
        if repetitions[event.subject] == 3 {
            fail(.toldOnce, "\(event.subject) is told four times in a row: \(event.message)")
        }
        lastAnnounced[event.subject] = event
    }

    /// A new life may tell again what the last one told.
    func restarted() { repetitions = [:] }

    // MARK: Rest

    /// What keeps the node from being at rest, in words; nil when it is.
    func unrest() -> String? {
        for unit in declared.units where unit.stem != simulation.blocked {
            if let what = unrest(of: unit) { return what }
        }
        let present = Set(declared.units.map(\.name))
        for (folder, suffix) in [(target.layout.quadlet, ".container"), (target.layout.units, ".service")] {
            for name in (try? Files.names(in: folder)) ?? [] where name.hasSuffix(suffix) {
                let isOurs = target.layout.owns(linkAt: "\(folder)/\(name)")
                if isOurs, !present.contains(name) { return "\(name) is declared no more and still linked" }
            }
        }
        return nil
    }

    private func unrest(of unit: DeclaredUnit) -> String? {
        guard let record = simulation.store.records[id(unit)].map(RecordView.init) else {
            return "\(unit.name) is unknown to the store"
        }
        let found = running(unit.service)
        if declared.isGood(unit) {
            // What a person killed while it was watched is rejected, and rightly.
            if record.rejected != nil, simulation.meddled[unit.stem] != nil { return nil }
            if found == nil, unit.nature.staysUp, declared.isAskedFor(unit, blocked: simulation.blocked) {
                return "\(unit.service) is not active"
            }
            let isOver = unit.nature.isOver && unit.isWanted
            let last = isOver ? target.running[unit.service] ?? "nothing" : found
            if let last, let mark = unit.marks.first(where: { !last.contains($0) }) {
                return "\(unit.service) runs without \(mark)"
            }
            return record.isReady
                ? nil : "\(unit.name) runs as declared and is not ready: \(record.reason) \(record.message)"
        }
        // What nothing starts cannot show what is wrong with it; nor does it count when something else starts it later.
        guard unit.isWanted || unit.nature.isRefused else { return nil }
        // What is well by itself and only requires what is not may go on as it was.
        if record.isReady, !unit.nature.isGood {
            return "\(unit.name) cannot work as declared and is said to be ready: \(record.message)"
        }
        guard simulation.lastStoreLoss == nil, simulation.meddled[unit.stem] == nil, !unit.nature.isGood,
            unit.requires == nil
        else { return nil }
        let versions = simulation.history.states.filter { old in old[unit.stem].map { old.isGood($0) } ?? false }
        guard simulation.store.revisions[id(unit)]?.isEmpty == false, !versions.isEmpty else { return nil }
        if record.rejected == nil { return "\(unit.name) cannot work and is not rejected: \(record.message)" }
        // What its last good versions require may be declared no more: not mended yet. Which of the last two was seen to be
        // good cannot be told here.
        if versions.suffix(2).contains(where: { $0[unit.stem]?.requires.map { declared[$0] == nil } ?? false }) {
            return nil
        }
        let isBack = versions.contains { old in
            found.map { text in old[unit.stem]?.marks.allSatisfy(text.contains) ?? false } ?? false
        }
        // A version that is rightly down when all is well is back without running.
        let mayBeDown = versions.contains { old in
            old[unit.stem].map { !$0.nature.staysUp || !old.isAskedFor($0, blocked: simulation.blocked) } ?? false
        }
        return isBack || mayBeDown
            ? nil : "\(unit.name) was rejected (\(record.rejection ?? "")) and runs no good version"
    }

    /// What a service that is active was started with; nil when it is not.
    private func running(_ service: String) -> String? {
        guard target.perform({ $0.isActive(service) }) else { return nil }
        return target.running[service]
    }

    /// Nothing was asked of units that are well since the rest began.
    func checkRest(_ law: Law, _ when: String) {
        guard let since = restSince else { return }
        for job in jobs where job.time > since {
            guard let unit = declared.units.first(where: { $0.service == job.service }), declared.isGood(unit) else {
                continue
            }
            // What a person ended while it was watched was rejected, which a store that was lost does not tell the next.
            let isForgotten = simulation.lastStoreLoss != nil && simulation.meddled[unit.stem] != nil
            if isForgotten, rejections[id(unit)] != nil { continue }
            fail(law, "\(job.method.rawValue) \(job.service) \(when), at \(job.time / 1_000_000_000) s")
        }
    }
}
