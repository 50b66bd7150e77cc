import Diagnostics
import Testing

@testable import Delivery

/// One app whose deciding is carried out by hand: a target that is a few variables, a store that keeps what it is told.
///
/// It answers each action as a worker would and remembers what was asked of it, in order.
struct AppScript {
    static let id = AppID(target: "t", name: "web")

    var state = AppState(AppRecord(id: AppScript.id, source: "fleet"))
    var now = Moment(instant: .now, time: Timestamp(1_800_000_000))

    // What is declared.
    var fingerprint = "v1"
    var treatment = ""
    var commits = 0
    var leave: Situation.Leave = .held(Claimant(owner: "fleet", controller: "c", until: .now + .seconds(3600)))
    var unmetDependency: String?
    var isTargetKnown = true
    var targetProblem: String?

    // What the target has.
    var running: String?
    var undeclared: [Change] = []
    /// Services that what is declared makes beside what there is.
    var added: [String] = []
    /// Services that went and are made again with whatever is brought about.
    var missing: [String] = []
    /// What has the revision that is kept be started next.
    var standIn: Change?
    /// What differs from what is declared through nobody else's doing.
    var moved: Change?
    var declaredServices = 1
    var health: Health = .healthy(runsNothing: false)
    var kept: [String] = []
    /// Those of the kept revisions that cannot be read.
    var unreadable: Set<String> = []
    /// The tasks that failed.
    var failed = ""
    /// When what runs was changed last, and what ran before when that change is under way.
    var changedAt: Timestamp?
    var before: String?
    /// What stands on the target of what was rejected.
    var noted: Rejection?
    /// What comes of removing something.
    var pruning = Pruning.done

    // What goes wrong: the failure that an action of this name meets.
    var failures: [String: Failure] = [:]

    // What was done, since the last `clear`.
    private(set) var done: [String] = []
    private(set) var events: [Event] = []
    /// The mark that the last plan was made with, and that health was judged by last.
    private(set) var plannedBy: String?
    private(set) var judgedBy: String?
    private(set) var current = ""

    /// The source is at a new commit that describes this state.
    mutating func declare(_ fingerprint: String, source: String = "fleet", commit: String? = nil) {
        self.fingerprint = fingerprint
        commits += 1
        let revision = Revision(source: source, commit: commit ?? "commit\(commits)")
        let app = App(
            id: Self.id,
            source: source,
            place: Place(file: "stacks.yml"),
            timeout: .seconds(60),
            verifyWindow: .seconds(5),
            interval: .seconds(300),
            settings: treatment,
            prepare: { _ in throw Failure(.invalid, "is not prepared here") }
        )
        let snapshot = NoFiles(revision: revision)
        state.declare(
            Declaration(app: app, revision: revision, snapshot: snapshot, owner: source, isReadInPlace: false)
        )
    }

    /// The controller dies and is started again: what it had in memory is gone.
    mutating func restart() {
        let record = state.record
        state = AppState(record)
        state.saved = record
    }

    mutating func advance(_ duration: Duration) {
        now.instant += duration
        now.time = now.time.adding(duration)
    }

    mutating func clear() { (done, events) = ([], []) }

    func asked(_ name: String) -> Int { done.count { $0 == name } }
    var reasons: [Reason] { events.map(\.reason) }

    private var situation: Situation {
        Situation(
            leave: leave,
            targetProblem: isTargetKnown ? targetProblem : "there is no target 't'",
            isTargetKnown: isTargetKnown,
            unmetDependency: unmetDependency,
            pruneShare: 0.5,
            fightAfter: 3
        )
    }

    /// One pass, from its beginning to its end.
    ///
    /// `meanwhile`: Called with the name of each action before it is answered.
    @discardableResult
    mutating func pass(meanwhile: (String, inout AppScript) -> Void = { _, _ in }) -> Outcome {
        let before = (atRest: state.fingerprintAtRest(situation), record: state.record, asked: done.count)
        var action = state.begin(asked: now.instant, correlation: "p", situation, at: now)
        let generation = state.generation
        for _ in 0..<100 {
            if case .finish(let outcome) = action {
                // What is at rest needs no pass of its own when it is found untouched.
                if before.atRest != nil, done.count == before.asked + 1, state.generation == generation {
                    #expect(done.last == "compare" && outcome == .rest && state.record == before.record)
                }
                return outcome
            }
            let name = Self.name(of: action)
            if before.atRest != nil, done.count == before.asked { #expect(name == "compare") }
            done.append(name)
            meanwhile(name, &self)
            let answer = failures[name].map(Answer.failed) ?? answer(to: action)
            action = state.next(answer, situation, at: now)
        }
        done.append("a pass without an end")
        return .retry
    }

    /// Passes until the app rests or as much time has gone by.
    mutating func run(
        for limit: Duration = .seconds(600),
        meanwhile: (String, inout AppScript) -> Void = { _, _ in }
    ) {
        let end = now.instant + limit
        while now.instant < end {
            switch pass(meanwhile: meanwhile) {
            case .rest, .gone: return
            case .again(let delay): advance(max(delay, .milliseconds(10)))
            case .check(let delay): advance(delay)
            case .retry: advance(.seconds(20))
            }
        }
    }

    private mutating func answer(to action: Action) -> Answer {
        switch action {
        case .compare(let reading, _):
            let isWell = if case .failed = health { false } else { true }
            // What the files say now is another reading.
            let isRead = reading.fingerprint == fingerprint
            return .compared(isSame: isRead && running == fingerprint && moved == nil && isWell, reading)
        case .listRevisions: return .revisions(kept)
        case .prepare(let declaration):
            current = fingerprint
            let reading = Reading(
                inputs: Inputs(settings: treatment, files: [:]),
                fingerprint: fingerprint,
                commit: declaration.revision.commit,
                treatment: treatment
            )
            return .prepared(reading, warnings: [])
        case .restore(let refused):
            guard let good = kept.first(where: { !refused.contains($0) }) else { return .nothingKept }
            if unreadable.contains(good) {
                return .notRestored(fingerprint: good, Failure(.invalid, "\(good) cannot be read", next: .needsChange))
            }
            current = good
            return .restored(fingerprint: good)
        case .prepareRemoval:
            current = ""
            return .restored(fingerprint: "")
        case .observe(_, let mark):
            plannedBy = mark
            var changes = current.isEmpty || running == current ? [] : [Change(.update, "service", "web")]
            // What takes the place of what is declared is found as it should be, but for what is started next.
            if current != fingerprint, let standIn { changes.append(standIn) }
            if let moved { changes.append(moved) }
            if current == fingerprint, running != current { changes += added.map { Change(.create, "service", $0) } }
            if running != current { changes += missing.map { Change(.create, "service", $0) } }
            changes += current.isEmpty && running != nil ? [Change(.remove, "service", "web")] : undeclared
            return .observed(
                Plan(changes),
                declaredServices: declaredServices,
                Marks(
                    now: "\(done.count)",
                    failures: failed,
                    isAmidChange: before != nil,
                    sparing: "spared \(done.count)",
                    changedAt: changedAt
                )
            )
        case .claim(let claimant):
            let told = claimant.rejection.told(of: noted)
            noted = claimant.rejection.noted(over: noted, by: claimant.controller)
            return .claimed(told)
        case .capture(_, let event):
            guard let captured = before ?? running else { return .captured(fingerprint: nil) }
            events.append(event)
            kept.insert(captured, at: 0)
            return .captured(fingerprint: captured)
        case .save(_, let event):
            if let event { events.append(event) }
            return .saved
        case .apply:
            running = current
            if current != fingerprint { standIn = nil }
            moved = nil
            return .applied
        case .judge(let mark, _):
            judgedBy = mark
            return .judged(health)
        case .commit(_, let event):
            events.append(event)
            kept = [current] + kept.filter { $0 != current }
            return .committed
        case .prune:
            guard case .done = pruning else { return .pruned(pruning) }
            undeclared = []
            if current.isEmpty { running = nil }
            return .pruned(.done)
        case .collect: return .collected
        case .forget(let event, _):
            events.append(event)
            return .forgotten
        case .announce(let event):
            events.append(event)
            return .announced
        case .finish: return .cancelled
        }
    }

    private static func name(of action: Action) -> String {
        switch action {
        case .compare: "compare"
        case .listRevisions: "list"
        case .prepare: "prepare"
        case .restore: "restore"
        case .prepareRemoval: "prepareRemoval"
        case .observe: "observe"
        case .claim(let claimant): claimant.takesUnclaimed ? "claim" : "claim what is ours"
        case .capture: "capture"
        case .save: "save"
        case .apply: "apply"
        case .judge: "judge"
        case .commit: "commit"
        case .prune: "prune"
        case .collect: "collect"
        case .forget(_, let releases): releases ? "forget and release" : "forget"
        case .announce: "announce"
        case .finish: "finish"
        }
    }

    private struct NoFiles: Snapshot {
        var revision: Revision
        func read(_ path: String) async throws -> [UInt8] { throw Failure(.notFound, "no \(path)") }
        func identifier(of path: String) async throws -> String? { nil }
    }
}
