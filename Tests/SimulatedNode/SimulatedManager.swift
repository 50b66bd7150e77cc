internal import Files
package import Subprocess
package import Systemd

/// A simulated machine where a real one's systemd would be: each call is answered at once, at the machine's present time.
package actor SimulatedManager: ServiceManager {
    private let node: SimulatedNode
    private var finished: [String: String] = [:]
    private var waiters: [String: [CheckedContinuation<String, Never>]] = [:]
    private var listeners: [AsyncStream<Systemd.Signal>.Continuation] = []
    private var ended: [(number: Int, result: String)] = []
    private var told: [Systemd.Signal] = []

    /// `clockError`: By how many nanoseconds its clock is ahead of the one that files are marked by.
    package init(seed: UInt64, start: Int64, clockError: Int64 = 0, folders: SimulatedNode.Folders) {
        node = SimulatedNode(seed: seed, start: start, clockError: clockError, folders: folders)
    }

    /// Looks at the machine or changes it.
    package func with<Value: Sendable>(_ body: @Sendable (SimulatedNode) throws -> Value) rethrows -> Value {
        node.onJobEnd = { [unowned self] number, result in
            assumeIsolated { $0.ended.append((number, result)) }
        }
        node.onSignal = { [unowned self] signal in assumeIsolated { $0.told.append(signal) } }
        let value = try body(node)
        for (number, result) in ended {
            let path = Self.path(number)
            finished[path] = result
            for waiter in waiters.removeValue(forKey: path) ?? [] { waiter.resume(returning: result) }
        }
        for signal in told { for listener in listeners { listener.yield(signal) } }
        (ended, told) = ([], [])
        return value
    }

    /// Lets time go on by so much.
    package func pass(_ duration: Duration) {
        let parts = duration.components
        with { $0.advance(to: $0.now + parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000) }
    }

    package func run(_ command: Command) -> Completion { with { $0.run(command) } }

    private static func path(_ number: Int) -> String { "/org/freedesktop/systemd1/job/\(number)" }

    /// How many wait for the end of a job.
    package var waiting: Int { waiters.values.reduce(0) { $0 + $1.count } }

    /// Breaks every connection, as a restart of the bus does: nobody hears how a job ends.
    package func breakConnections() {
        for waiter in waiters.values.flatMap(\.self) { waiter.resume(returning: "unknown") }
        for listener in listeners { listener.yield(.disconnected) }
        (waiters, listeners) = ([:], [])
    }

    // MARK: What systemd is asked

    package func units(named names: [String]) -> [Systemd.Unit] { with { $0.units(named: names) } }

    package func position() -> String? { with { $0.position } }

    package func properties(of unit: String) -> [String: String] { with { $0.properties(of: unit) } }

    package func managerVersion() -> String { "257" }

    package func managerState() -> String { with { $0.state } }

    package func readings() -> Systemd.Readings { with { $0.readings } }

    package func enqueue(_ method: Systemd.UnitMethod, _ unit: String) throws(SystemdError) -> Systemd.JobID {
        let answer = with { node -> Result<Int, SystemdError> in
            do throws(SystemdError) { return .success(try node.enqueue(method, unit)) } catch { return .failure(error) }
        }
        return Systemd.JobID(path: Self.path(try answer.get()))
    }

    package func result(of job: Systemd.JobID) async -> String {
        if let result = finished[job.path] { return result }
        return await withCheckedContinuation { waiters[job.path, default: []].append($0) }
    }

    /// How a job ended; nil while it has not.
    package func resultSoFar(of job: Systemd.JobID) -> String? { finished[job.path] }

    package func reload() { with { $0.reload() } }

    package func resetFailed(_ unit: String) { with { $0.resetFailed(unit) } }

    package func signals() -> AsyncStream<Systemd.Signal> {
        let (stream, continuation) = AsyncStream.makeStream(of: Systemd.Signal.self)
        listeners.append(continuation)
        return stream
    }
}
