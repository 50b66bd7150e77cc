import CVirtualClock
import Files
import Glibc
import Quadlet
import SimulatedNode
import Subprocess
import Systemd

/// One simulated node: its machine, its disk, and the bus to it.
// SAFETY: the process has a single thread.
final class NodeTarget: @unchecked Sendable {
    static let generator = "/usr/libexec/podman/quadlet"
    let layout: NodeLayout
    let machine: SimulatedNode
    /// Where everything of it lies: a folder of this process, in memory where that can be had, by a name that is the same
    /// in every process, because names stand in what is hashed and told.
    let root = "/proc/self/cwd"
    private let place: String
    private let start: Int64
    private unowned let simulation: NodeSimulation

    /// Until when the bus is gone, and until when it answers slowly.
    var downUntil: Int64 = 0
    var slowUntil: Int64 = 0
    /// Until when somebody waits in vain for an answer.
    var lateUntil: Int64 = 0
    /// What each service that runs was started with, as its files said then.
    private(set) var running: [String: String] = [:]
    /// When systemd last started a service anew by itself; nothing for one that was asked for since.
    private(set) var restarted: [String: Int64] = [:]
    private var listeners: [Listener] = []
    private var folderWatches: [FolderWatch] = []
    private var waiters: [Int: [Waiter]] = [:]
    private var results: [Int: String] = [:]
    private var pumpedAt: Int64 = -1

    private struct Listener {
        var owner: World.Owner
        var continuation: AsyncStream<Systemd.Signal>.Continuation
    }
    private struct FolderWatch {
        var owner: World.Owner
        var continuation: AsyncStream<Void>.Continuation
    }
    private struct Waiter {
        var owner: World.Owner
        var continuation: CheckedContinuation<String, Never>
    }
    /// What the dead waited for: what is let go of wakes its reader, and the dead do not wake.
    private nonisolated(unsafe) static var graves: [Any] = []

    init(seed: UInt64, simulation: NodeSimulation) throws {
        self.simulation = simulation
        let memory = fileStatus("/dev/shm")?.kind == .folder ? "/dev/shm" : "/tmp"
        place = "\(memory)/hecate-simulation-\(real_process())"
        try removeTree(place)
        try makeFolder(place)
        guard chdir(place) == 0 else { throw FileError(place) }
        virtual_files_forget()
        start = World.shared.wall
        layout = NodeLayout(
            scope: .user,
            home: "\(root)/home",
            user: "hecate",
            userID: 1000,
            host: "node",
            gitops: nil,
            runtime: "\(root)/run",
            configuration: nil
        )
        let folders = SimulatedNode.Folders(quadlet: layout.quadlet, units: layout.units, home: layout.home)
        machine = SimulatedNode(seed: seed, start: start, folders: folders)
        for folder in ["\(layout.gitops)/system", "\(layout.gitops)/apps"] + [
            layout.quadlet, layout.units, layout.runtime, "\(root)/elsewhere",
        ] {
            try makeFolder(folder)
        }
        machine.onSignal = { [unowned self] in deliver($0) }
        machine.onJobEnd = { [unowned self] in jobEnded($0, $1) }
        machine.onStart = { [unowned self] service in
            running[service] = machine.meaning(of: service)
            let isOwn = machine.properties(of: service)["NRestarts"] != "0"
            restarted[service] = isOwn ? World.shared.now : nil
            Statistics.count("node start of a service")
        }
    }

    // MARK: Time

    /// The machine's time follows the world's.
    func advance() { machine.advance(to: start + World.shared.now) }

    /// Sees to it that the machine turns when something of its own is due.
    func pump() {
        guard let next = machine.nextEvent, next != pumpedAt else { return }
        pumpedAt = next
        World.shared.at(next - start, for: World.nobody) { [weak self] in
            guard let self, pumpedAt == next else { return }
            pumpedAt = -1
            advance()
            pump()
        }
    }

    /// Does something to the machine now.
    @discardableResult
    func perform<Value>(_ body: (SimulatedNode) throws -> Value) rethrows -> Value {
        advance()
        defer { pump() }
        return try body(machine)
    }

    var isAway: Bool { machine.phase == .off || World.shared.now < downUntil }

    // MARK: Power

    func cutPower() {
        perform { $0.cutPower() }
        running = [:]
        forgetAll()
        // What lasts until the next boot only.
        try? removeTree(layout.runtime)
        try? makeFolder(layout.runtime)
    }

    // MARK: The bus

    func listen(_ owner: World.Owner) -> AsyncStream<Systemd.Signal> {
        let (stream, continuation) = AsyncStream.makeStream(of: Systemd.Signal.self)
        listeners.append(Listener(owner: owner, continuation: continuation))
        return stream
    }

    private func deliver(_ signal: Systemd.Signal) {
        for listener in listeners {
            let delay = Int64(World.shared.random.within(50_000...3_000_000))
            World.shared.at(World.shared.now + delay, for: listener.owner) { listener.continuation.yield(signal) }
        }
    }

    func result(of job: Int, for owner: World.Owner) async -> String {
        if let result = results[job] { return result }
        return await withCheckedContinuation { continuation in
            waiters[job, default: []].append(Waiter(owner: owner, continuation: continuation))
        }
    }

    private func jobEnded(_ number: Int, _ result: String) {
        results[number] = result
        for waiter in waiters.removeValue(forKey: number) ?? [] {
            World.shared.at(World.shared.now + 1_000_000, for: waiter.owner) {
                waiter.continuation.resume(returning: result)
            }
        }
    }

    /// Breaks every connection, as a restart of the bus does: what was waited for ends as unknown.
    func breakBus() {
        for listener in listeners {
            World.shared.at(World.shared.now, for: listener.owner) { listener.continuation.yield(.disconnected) }
        }
        for (_, all) in waiters.sorted(by: { $0.key < $1.key }) {
            for waiter in all {
                World.shared.at(World.shared.now, for: waiter.owner) {
                    waiter.continuation.resume(returning: "unknown")
                }
            }
        }
        Self.graves += listeners as [Any]
        (listeners, waiters) = ([], [:])
    }

    private func forgetAll() {
        Self.graves += listeners as [Any] + folderWatches as [Any] + Array(waiters.values) as [Any]
        (listeners, folderWatches, waiters) = ([], [], [:])
    }

    func forget(_ owner: World.Owner) {
        Self.graves +=
            listeners.filter { $0.owner == owner } as [Any] + folderWatches.filter { $0.owner == owner } as [Any]
        listeners.removeAll { $0.owner == owner }
        folderWatches.removeAll { $0.owner == owner }
        for (job, all) in waiters {
            Self.graves += all.filter { $0.owner == owner } as [Any]
            waiters[job] = all.filter { $0.owner != owner }
        }
    }

    // MARK: The disk

    /// Rings a while after something changed in a folder that the agent watches.
    func changes(for owner: World.Owner) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        folderWatches.append(FolderWatch(owner: owner, continuation: continuation))
        return stream
    }

    func ring() {
        for watch in folderWatches {
            let delay = Int64(World.shared.random.within(200...600)) * 1_000_000
            World.shared.at(World.shared.now + delay, for: watch.owner) { watch.continuation.yield() }
        }
    }

    /// Where the link to a unit belongs.
    func link(of unit: DeclaredUnit) -> String {
        "\(unit.isProgram ? layout.units : layout.quadlet)/\(unit.name)"
    }

    /// Writes a file as an editor does, and notes when.
    func write(_ path: String, _ bytes: [UInt8]) {
        try? makeFolder(folder(of: path))
        if (try? fileContent(path)) != bytes { try? replaceFile(path, with: bytes) }
        _ = fileStatus(path)
    }

    func end() {
        (machine.onSignal, machine.onJobEnd, machine.onStart) = (nil, nil, nil)
        forgetAll()
        chdir("/")
        try? removeTree(place)
    }
}
