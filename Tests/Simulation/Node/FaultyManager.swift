import Files
import Quadlet
import SimulatedNode
import Subprocess
import Systemd

/// What a controller calls a node's systemd through: takes time, and fails as the storm wants it.
struct FaultyManager: ServiceManager {
    let target: NodeTarget
    let life: Life
    let simulation: NodeSimulation

    private static let gone = SystemdError(name: "", description: "systemd (user): Transport endpoint is not connected")
    private static let late = SystemdError(
        name: "org.freedesktop.DBus.Error.NoReply",
        description: "systemd (user): Connection timed out"
    )

    private func call<Value>(
        _ text: String,
        patience: Int64 = seconds(30),
        before: () -> Void = {},
        _ body: (NodeTarget) throws(SystemdError) -> Value
    ) async throws(SystemdError) -> Value {
        let world = World.shared
        simulation.laws.calls(life)
        await wait()
        if target.isAway { throw Self.gone }
        let fault = simulation.faultOfNextCall()
        if let fault { simulation.trace("\(life) fault \(fault.rawValue): \(text)") }
        switch fault {
        case .error:
            throw SystemdError(
                name: "org.freedesktop.DBus.Error.LimitsExceeded",
                description: "systemd (user): the maximum number of active connections has been reached"
            )
        case .refused: throw Self.gone
        case .timeout:
            target.lateUntil = world.now + patience
            await world.pause(patience)
            throw Self.late
        case .crashBefore:
            simulation.crash(life, lostStore: false)
            await world.hang()
        case .slow: await world.pause(Int64(world.random.within(1...12)) * seconds(1))
        case .lostAnswer, .lateAnswer, .crashAfter, nil: break
        }
        if target.isAway { throw Self.gone }
        before()
        target.advance()
        let answer: Result<Value, SystemdError>
        do throws(SystemdError) { answer = .success(try body(target)) } catch { answer = .failure(error) }
        target.pump()
        world.note(text)
        switch fault {
        case .lostAnswer: throw Self.gone
        case .lateAnswer:
            target.lateUntil = world.now + patience
            await world.pause(patience)
            throw Self.late
        case .crashAfter:
            simulation.crash(life, lostStore: false)
            await world.hang()
        default: break
        }
        return try answer.get()
    }

    private func wait() async {
        let world = World.shared
        if world.now < target.slowUntil { await world.pause(Int64(world.random.within(200...4000)) * 1_000_000) }
        if world.random.happens(0.8) { await world.pause(Int64(world.random.within(50_000...2_000_000))) }
    }

    // MARK: What systemd is asked

    func units(named names: [String]) async throws(SystemdError) -> [Systemd.Unit] {
        try await call("units") { $0.machine.units(named: names) }
    }

    func position() async throws(SystemdError) -> String? { try await call("position") { $0.machine.position } }

    func properties(of unit: String) async throws(SystemdError) -> [String: String] {
        try await call("properties of \(unit)") { $0.machine.properties(of: unit) }
    }

    func managerVersion() async throws(SystemdError) -> String { try await call("version") { _ in "257" } }

    func readings() async throws(SystemdError) -> Systemd.Readings {
        try await call("readings") { $0.machine.readings }
    }

    func managerState() async throws(SystemdError) -> String { try await call("state") { $0.machine.state } }

    func enqueue(_ method: Systemd.UnitMethod, _ unit: String) async throws(SystemdError) -> Systemd.JobID {
        let text = "\(method.rawValue) \(unit)"
        return try await call(text, before: { simulation.laws.asks(method, unit, life) }) {
            target throws(SystemdError) in
            do throws(SystemdError) {
                let number = try target.machine.enqueue(method, unit)
                simulation.trace("\(life) \(text) -> job \(number)")
                return Systemd.JobID(path: "\(number)")
            } catch {
                simulation.trace("\(life) \(text) -> \(error.name)")
                throw error
            }
        }
    }

    func result(of job: Systemd.JobID) async -> String {
        guard let number = Int(job.path) else { return "unknown" }
        return await target.result(of: number, for: life.owner)
    }

    func reload() async throws(SystemdError) {
        await World.shared.pause(Int64(World.shared.random.within(100...500)) * 1_000_000)
        try await call("Reload", patience: seconds(600), before: { simulation.laws.reloads(life) }) { target in
            target.machine.reload()
            simulation.trace("\(life) Reload")
            target.ring()
        }
    }

    func resetFailed(_ unit: String) async throws(SystemdError) {
        try await call("ResetFailed \(unit)") { $0.machine.resetFailed(unit) }
    }

    func signals() async throws(SystemdError) -> AsyncStream<Systemd.Signal> {
        try await call("Subscribe") { $0.listen(life.owner) }
    }

    // MARK: Programs

    /// Programs need no bus; they only take their time.
    func run(_ command: Command) async throws -> Completion {
        simulation.laws.calls(life)
        await wait()
        return target.perform { $0.run(command) }
    }
}
