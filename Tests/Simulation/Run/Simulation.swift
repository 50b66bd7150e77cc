import Delivery

/// One seed: a world, what happens in it, and what the laws say to that.
// SAFETY: the process has a single thread.
final class Simulation: @unchecked Sendable {
    let seed: UInt64
    /// The names of the only disturbances that are to happen; nil for all that the seed draws.
    let only: Set<String>?
    let isTracing: Bool
    let storm: Storm

    private(set) var targets: [Target] = []
    private(set) var repositories: [Repository] = []
    var controllers: [Controller] = []
    var generators: [String: FleetGenerator] = [:]
    private(set) lazy var laws = Laws(simulation: self)

    /// Stacks deployed by hand that no source declares.
    private(set) var foreignStacks: Set<String> = ["outsider"]
    /// Stacks of ours, by their names, that another controller has claimed.
    private(set) var claimedByOthers: Set<String> = []

    /// Whose names have fired, for shrinking.
    var fired: [String] = []
    private var calls: UInt64 = 0
    var faultRate = 0.0
    var faultsUntil: Int64 = 0
    private(set) var isOver = false
    /// Whether the faults have ended.
    var isCalm = false
    var lastStoreLoss: Int64?
    var hadSecondController = false
    var questions: [Question] = []
    private var nextOwner = 0

    /// A controller: its disk, and its process while it runs.
    final class Controller {
        let number: Int
        var store = MemoryStore()
        var running: ControllerLife?

        init(number: Int) { self.number = number }
    }

    /// Somebody who asked for a reconcile and waits.
    struct Question {
        var number: Int
        var life: Life
        var text: String
        var time: Int64
        var isAnswered = false
    }

    init(seed: UInt64, only: Set<String>? = nil, isTracing: Bool = false) {
        self.seed = seed
        self.only = only
        self.isTracing = isTracing
        World.shared.reset(seed: seed)
        storm = Storm(seed: seed)
    }

    var isRunning: Bool { !isOver && laws.violations.isEmpty }

    func trace(_ text: @autoclosure () -> String) {
        guard isTracing else { return }
        let milliseconds = World.shared.now / 1_000_000
        let fraction = String(milliseconds % 1000)
        let padding = String(repeating: "0", count: 3 - fraction.count)
        print("\(milliseconds / 1000).\(padding)\(fraction)s \(text())")
    }

    // MARK: The world

    func build() {
        var random = Random(seed: seed, subject: 3)
        let hasTwoTargets = storm.kind == .silence || random.happens(0.25)
        let names = hasTwoTargets ? ["default", "second"] : ["default"]
        targets = names.enumerated().map { Target(name: $1, seed: seed &+ UInt64($0), simulation: self) }
        let sources = storm.kind != .silence && random.happens(0.3) ? ["main", "other"] : ["main"]
        for (index, name) in sources.enumerated() {
            let prefix = index == 0 ? "app" : "side"
            var generator = FleetGenerator(random: Random(random.next()), targets: names, prefix: prefix)
            var fleet = generator.initial(
                apps: random.pick(weighted: index == 0 ? [(2, 1), (5, 2), (3, 3)] : [(3, 1), (1, 2)]) ?? 1
            )
            if storm.kind == .silence {
                // Most of the work is on the one that falls silent.
                fleet = generator.initial(apps: random.within(2...3))
                for app in fleet.apps.indices { fleet.apps[app].target = names[min(app, 1)] }
            } else if index == 0, random.happens(0.03) {
                // What never was well has nothing to go back to.
                fleet.apps[0].services[0].nature = random.pick([.crash, .unhealthy, .failingJob]) ?? .crash
            }
            generators[name] = generator
            repositories.append(Repository(name: name, targets: names, fleet: fleet))
        }
        for target in targets {
            target.begin()
            let person = Person(target: target)
            person.deploy(stack: "outsider", services: ["web"], stamp: "foreign", port: SimulatedImages.takenPort)
        }
        buildNamesakes(&random)
        controllers = [Controller(number: 1)]
        buildStray(&random)
        start(controllers[0])
    }

    /// Sometimes a stack of a declared name is there already: by hand, or claimed by another controller.
    private func buildNamesakes(_ random: inout Random) {
        guard storm.kind == .safety || storm.kind == .liveness, random.happens(0.3),
            let app = random.pick(repositories[0].fleet.apps), let target = target(app.target)
        else { return }
        let person = Person(target: target)
        person.deploy(stack: app.name, services: ["web", "old"], stamp: "by-hand")
        meddled.insert(AppID(target: app.target, name: app.name))
        Statistics.count("state deployed by hand before")
        guard random.happens(0.4) else { return }
        person.claim(stack: app.name, owner: "elsewhere ffffffffffff")
        claimedByOthers.insert(app.name)
        Statistics.count("state claimed by another controller")
    }

    /// Sometimes the store remembers an app without a name, as one that was edited by hand or written by a defect does.
    private func buildStray(_ random: inout Random) {
        guard storm.kind == .safety || storm.kind == .liveness, random.happens(0.05),
            let target = random.pick(targets), let source = random.pick(repositories)
        else { return }
        let id = AppID(target: target.name, name: "")
        controllers[0].store.records[id] = AppRecord(id: id, source: source.name)
        Statistics.count("state a record without a name")
    }

    /// Stacks that were given up and whose claims somebody removed: nobody may take them again to remove them.
    var handedOver: Set<String> = []

    /// The apps of whose kept revisions somebody removed a secret.
    var lostSecrets: Set<String> = []

    /// Apps that people changed by hand, so that what runs is not only the controller's doing.
    private(set) var meddled: Set<AppID> = []

    func start(_ controller: Controller) {
        nextOwner += 1
        let life = Life(controller: controller.number, owner: nextOwner)
        let process = ControllerLife(
            life: life,
            store: controller.store,
            targets: targets,
            sources: repositories,
            in: self
        )
        controller.running = process
        laws.restarted()
        trace("-- \(life) starts")
        process.start()
    }

    /// The next fault of a call, if there is to be one; what it is depends on the seed and the number of the call alone.
    func faultOfNextCall() -> CallFault? {
        calls += 1
        let name = "c\(calls)"
        var random = Random(seed: seed, subject: 1_000_000 + calls)
        let draw = random.fraction()
        let fault = CallFault.drawn(&random)
        if let only {
            guard only.contains(name) else { return nil }
        } else {
            guard World.shared.now < faultsUntil, draw < faultRate else { return nil }
        }
        fired.append(name)
        Statistics.count("fault \(fault.rawValue)")
        return fault
    }

    func end() {
        isOver = true
        for controller in controllers { stop(controller) }
        for target in targets { target.end() }
    }

    // SAFETY: the process has a single thread.
    private nonisolated(unsafe) static var graves: [ControllerLife] = []

    /// Ends a controller's process as `kill -9` does.
    func stop(_ controller: Controller) {
        guard let process = controller.running else { return }
        controller.running = nil
        World.shared.kill(process.life.owner)
        for target in targets { target.forget(process.life.owner) }
        // What is let go of might wake those who waited for it; the dead keep what they had.
        Self.graves.append(process)
        questions.removeAll { $0.life == process.life && !$0.isAnswered }
    }

    /// Whether a source of ours ever declared a stack of this name.
    func wasDeclared(_ stack: String) -> Bool {
        repositories.contains { $0.history.contains { $0[stack] != nil || $0.retired.contains(stack) } }
    }
}
