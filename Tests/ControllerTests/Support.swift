import Configuration
import Controller
import Delivery
import Diagnostics
import Journal
import Synchronization
import TestSupport

/// A source whose words the test decides.
final class ScriptedSource: FleetSource {
    struct State: Sendable {
        var head: Result<String, Failure>
        /// What stands at each head; a head that is not there cannot be read.
        var apps: [String: [String]] = [:]
        /// The heads that are known without asking.
        var kept: Set<String> = []
        /// Whether asking never ends.
        var hangs = false
        /// Whether it is read only in part.
        var isPartial = false
        /// How long an answer takes.
        var delay = Duration.zero
        /// Whether a reading never ends, and hears of no cancellation, as one of a named pipe.
        var neverReads = false
        /// What it passes over.
        var warnings: [Diagnostic] = []
        /// Whether preparing an app never ends.
        var neverPrepares = false
        /// The targets whose apps are never prepared.
        var stuck: Set<String> = []
        /// Why nothing can be copied.
        var copying: Failure?
        var copied: [String] = []
        var asked = 0
        var log: [String] = []
    }

    /// What its apps answer when they are to be prepared.
    static let unprepared = "nothing is to be prepared here"

    let name: String
    let address = "memory:"
    let interval: Duration
    let patience: Duration
    let state: Mutex<State>

    init(
        _ name: String,
        head: Result<String, Failure>,
        apps: [String: [String]] = [:],
        kept: Set<String> = [],
        hangs: Bool = false,
        interval: Duration = .seconds(3600),
        patience: Duration = .seconds(30)
    ) {
        self.name = name
        self.interval = interval
        self.patience = patience
        state = Mutex(State(head: head, apps: apps, kept: kept, hangs: hangs))
    }

    func set(_ change: @Sendable (inout State) -> Void) { state.withLock { change(&$0) } }
    var asked: Int { state.withLock { $0.asked } }
    var log: [String] { state.withLock { $0.log } }

    func head() async throws -> String {
        let (hangs, head, delay) = state.withLock { state in
            state.asked += 1
            state.log.append("head")
            return (state.hangs, state.head, state.delay)
        }
        // Deaf to cancellation, as a call of the system may be.
        if hangs { await Task { try? await Task.sleep(for: .seconds(600)) }.value }
        try await Task.sleep(for: delay)
        return try head.get()
    }

    func fleet(at head: String) async throws -> Fleet {
        let (apps, neverReads) = state.withLock { state in
            state.log.append("read \(head)")
            return (state.apps[head], state.neverReads)
        }
        if neverReads { await Task { try? await Task.sleep(for: .seconds(600)) }.value }
        guard let apps else { throw Invalid(at: Place(file: "stacks.yml"), "'\(head)' is broken") }
        return fleet(apps, at: head)
    }

    func kept(_ head: String) async -> Fleet? {
        let apps = state.withLock { state in
            state.log.append("kept \(head)")
            return state.kept.contains(head) ? state.apps[head] : nil
        }
        return apps.map { fleet($0, at: head) }
    }

    func keep(_ head: String) async throws {
        try state.withLock { state in
            if let failure = state.copying { throw failure }
            state.copied.append(head)
        }
    }

    private func fleet(_ names: [String], at head: String) -> Fleet {
        let apps = names.map { app in
            // On the target it names, or on the one that is usual.
            let parts = app.split(separator: "/").map(String.init)
            let id = AppID(target: parts.count > 1 ? parts[0] : "default", name: parts.last ?? app)
            return App(
                id: id,
                source: name,
                place: Place(file: "stacks.yml"),
                timeout: .seconds(1),
                verifyWindow: .seconds(1),
                interval: .seconds(3600),
                settings: "",
                prepare: { [self] snapshot in
                    let isStuck = state.withLock { state in
                        state.log.append("prepare \(id) at \(snapshot.revision.commit)")
                        return state.neverPrepares || state.stuck.contains(id.target)
                    }
                    if isStuck { try await Task.sleep(for: .seconds(600)) }
                    throw Failure(.notFound, Self.unprepared)
                }
            )
        }
        var fleet = Fleet(
            revision: Revision(source: name, commit: head),
            owner: name,
            snapshot: NoFiles(revision: Revision(source: name, commit: head)),
            apps: apps
        )
        (fleet.isPartial, fleet.warnings) = state.withLock { ($0.isPartial, $0.warnings) }
        return fleet
    }
}

private struct NoFiles: Snapshot {
    let revision: Revision
    func read(_ path: String) async throws -> [UInt8] { throw Failure(.notFound, "there are no files") }
    func identifier(of path: String) async throws -> String? { nil }
}

/// A controller over scripted sources, with a real journal and no target.
struct Rig: Sendable {
    let scratch: Scratch
    let store: Store
    let controller: Controller

    init(
        _ sources: [ScriptedSource],
        scratch: Scratch? = nil,
        targets: [Target] = [],
        secure: @escaping @Sendable () throws -> Void = {}
    ) throws {
        let scratch = try scratch ?? Scratch()
        self.scratch = scratch
        store = try Store(path: "\(scratch.path)/hecate.db", secure: secure)
        let context = ControllerContext(
            targets: targets,
            store: store,
            folder: scratch.path,
            sources: Set(sources.map(\.name)),
            limits: Limits(),
            log: { _ in }
        )
        controller = Controller(context, sources: sources, targets: targets)
    }

    /// The names of the apps that the reconciler knows.
    func apps() async -> Set<String> { Set(await controller.context.reconciler.apps.map(\.name)) }

    /// Whether a source declares an app, beside what the journal remembers of it.
    func isDeclared(_ name: String) async -> Bool {
        do {
            _ = try await controller.context.reconciler.plan(of: AppID(target: "default", name: name))
            return true
        } catch let failure as Failure {
            return failure.message == ScriptedSource.unprepared
        } catch {
            return false
        }
    }

    func events(about subject: String) async throws -> [Event] {
        try await store.events(after: 0, subject: subject, limit: 100)
    }

    /// Runs the controller until it ends.
    func follow(_ wakeups: AsyncStream<Void>) async throws {
        let services = Services(
            server: { _, _ in nil },
            notifications: { try NotificationRunner(.init(), .init(), context: $0) }
        )
        try await controller.follow(services, wakeups: wakeups, status: "testing")
    }

    /// Runs the controller for as long as the body takes.
    func running(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let (wakeups, _) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await follow(wakeups)
                return false
            }
            group.addTask {
                try await body()
                return true
            }
            if try await group.next() == false { throw Unmet("the controller ended by itself") }
            group.cancelAll()
        }
    }
}

/// Looks again and again until something holds.
func eventually(_ what: String, within limit: Duration = .seconds(20), _ holds: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try await holds() { return }
        try await Task.sleep(for: .milliseconds(20))
    }
    throw Unmet("not within \(limit): \(what)")
}
