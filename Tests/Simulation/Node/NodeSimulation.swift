import CVirtualClock
import Delivery
import Files
import Quadlet
import SimulatedNode
import Systemd

/// One seed with a node: its machine, what happens to it, and what the laws say to that.
// SAFETY: the process has a single thread.
final class NodeSimulation: @unchecked Sendable {
    /// One seed in five has a node instead of Swarms.
    static func takes(_ seed: UInt64) -> Bool { seed % 5 == 4 }

    let seed: UInt64
    private let only: Set<String>?
    private let isTracing: Bool
    let storm: NodeStorm
    private(set) lazy var laws = NodeLaws(simulation: self)
    private var node: NodeTarget?
    var target: NodeTarget {
        guard let node else { preconditionFailure("a node is used before it is built") }
        return node
    }
    let history = NodeHistory()
    let store = MemoryStore()
    private(set) var running: NodeLife?
    /// Whether a repository is behind the gitops folder; else people write into it.
    private(set) var hasRepository = false
    private(set) var generator = NodeGenerator(random: Random(0))

    /// Units that somebody else made.
    static let foreignServices: Set<String> = ["foreign.service", "byhand.service", "elsewhere.service"]
    /// A declared unit in whose place a file of somebody else's lies.
    private(set) var blocked: String?
    /// The file that stands there.
    private(set) var blockedPath: String?
    /// Units that people handled, and when last.
    var meddled: [String: Int64] = [:]
    var lastStoreLoss: Int64?
    var lastPowerCut: Int64?
    var fired: [String] = []
    private var calls: UInt64 = 0
    var faultRate = 0.0
    var faultsUntil: Int64 = 0
    private(set) var isOver = false
    private var lives = 0
    var questions: [Simulation.Question] = []

    init(seed: UInt64, only: Set<String>?, isTracing: Bool) {
        self.seed = seed
        self.only = only
        self.isTracing = isTracing
        World.shared.reset(seed: seed)
        storm = NodeStorm(seed: seed)
    }

    var isRunning: Bool { !isOver && laws.violations.isEmpty }

    func isWanted(_ name: String) -> Bool { only?.contains(name) ?? true }

    func trace(_ text: @autoclosure () -> String) {
        guard isTracing else { return }
        let milliseconds = World.shared.now / 1_000_000
        let fraction = String(milliseconds % 1000)
        let padding = String(repeating: "0", count: 3 - fraction.count)
        print("\(milliseconds / 1000).\(padding)\(fraction)s \(text())")
    }

    // MARK: The world

    func build() throws {
        var random = Random(seed: seed, subject: 3)
        let target = try NodeTarget(seed: seed, simulation: self)
        node = target
        hasRepository = random.happens(0.5)
        generator = NodeGenerator(random: Random(random.next()))
        let declared = generator.initial(random.within(1...4))
        let layout = target.layout
        let body =
            "[Container]\nImage=localhost/web:1.0.0\nEnvironment=STAMP=foreign\n[Install]\nWantedBy=default.target\n"
        target.write("\(layout.quadlet)/foreign.container", Array(body.utf8))
        target.write("\(target.root)/elsewhere/elsewhere.container", Array(body.utf8))
        try replaceLink("\(layout.quadlet)/elsewhere.container", to: "\(target.root)/elsewhere/elsewhere.container")
        target.write("\(layout.units)/byhand.service", Array("[Service]\nExecStart=/bin/sleep 1000\n".utf8))
        if random.happens(0.1), let unit = random.pick(declared.units) {
            let path = target.link(of: unit)
            (blocked, blockedPath) = (unit.stem, path)
            target.write(path, Array((unit.isProgram ? "[Service]\nExecStart=/bin/sleep 1000\n" : body).utf8))
            Statistics.count("node state a file stands in the way")
        }
        target.perform { machine in
            machine.reload()
            for service in Self.foreignServices.sorted() { _ = try? machine.enqueue(.start, service) }
        }
        laws.noteForeignFiles()
        commit(declared)
        start()
    }

    /// Declares something: in the repository, or in the folder itself.
    func commit(_ declared: DeclaredNode) {
        let before = history.states.isEmpty ? DeclaredNode() : history.declared
        history.push(declared)
        for unit in declared.units where before[unit.stem] != unit {
            Statistics.count("node nature \(unit.nature.rawValue)")
        }
        guard !hasRepository else { return }
        // People save again when the disk has room.
        virtual_disk_set_full("", 0)
        let gitops = target.layout.gitops
        let (old, new) = (before.files, declared.files)
        for (path, bytes) in new.sorted(by: { $0.key < $1.key }) { target.write("\(gitops)/\(path)", bytes) }
        for path in old.keys.sorted() where new[path] == nil {
            try? removeFile("\(gitops)/\(path)")
            if path.hasSuffix(".conf") { try? removeTree(folder(of: "\(gitops)/\(path)")) }
        }
        target.ring()
    }

    func mutate(_ random: inout Random) -> String {
        var declared = history.declared
        generator.random = Random(random.next())
        let mutation = NodeMutation.drawn(&random)
        generator.change(&declared, by: mutation)
        Statistics.count("node commit \(mutation.rawValue)")
        commit(declared)
        return "\(history.head) \(mutation.rawValue)"
    }

    func start() {
        guard running == nil, [.starting, .running].contains(target.machine.phase) else { return }
        lives += 1
        let life = NodeLife(life: Life(controller: 1, owner: lives), simulation: self)
        running = life
        laws.restarted()
        trace("-- \(life.life) starts")
        life.start()
    }

    // SAFETY: the process has a single thread.
    private nonisolated(unsafe) static var graves: [NodeLife] = []

    /// Ends the agent's process as `kill -9` does.
    func stop() {
        guard let process = running else { return }
        running = nil
        World.shared.kill(process.life.owner)
        target.forget(process.life.owner)
        process.died()
        Self.graves.append(process)
        questions.removeAll { $0.life == process.life && !$0.isAnswered }
    }

    func crash(_ life: Life, lostStore: Bool, restartAfter delay: Int64? = nil) {
        guard running?.life == life else { return }
        trace("-- \(life) dies\(lostStore ? " and loses its store" : "")")
        stop()
        if lostStore {
            store.lose()
            lastStoreLoss = World.shared.now
        }
        let pause = delay ?? seconds(World.shared.random.within(1...30))
        World.shared.at(World.shared.now + pause, for: World.nobody) { [weak self] in
            guard let self, isRunning else { return }
            start()
        }
    }

    /// When the machine booted last.
    private(set) var lastBoot: Int64 = 0

    /// The machine is dark for a while; then it boots, and the agent is among what it starts.
    func cutPower(for duration: Int64) {
        trace("-- the power is cut")
        lastPowerCut = World.shared.now
        stop()
        target.cutPower()
        World.shared.at(World.shared.now + duration, for: World.nobody) { [weak self] in self?.boot() }
    }

    func boot() {
        guard isRunning, target.machine.phase == .off else { return }
        trace("-- the machine boots")
        lastBoot = World.shared.now
        target.perform { $0.boot() }
        let delay = Int64(World.shared.random.within(700...3000)) * 1_000_000
        World.shared.at(World.shared.now + delay, for: World.nobody) { [weak self] in
            guard let self, isRunning else { return }
            start()
        }
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
        Statistics.count("node fault \(fault.rawValue)")
        return fault
    }

    func ask(_ id: AppID) {
        guard let process = running else { return }
        let number = questions.count
        laws.asked[id] = World.shared.now
        questions.append(
            Simulation.Question(number: number, life: process.life, text: "reconcile \(id)", time: World.shared.now)
        )
        process.reconcile([id]) { [weak self] in
            guard let self, let index = questions.firstIndex(where: { $0.number == number }) else { return }
            questions[index].isAnswered = true
        }
    }

    func end() {
        isOver = true
        stop()
        target.end()
    }
}
