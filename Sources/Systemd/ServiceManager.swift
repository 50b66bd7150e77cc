/// A service manager as whoever works with its units sees it: `Systemd`, or a simulation of it.
package protocol ServiceManager: Sendable {
    /// The units of these names, loaded for it where need be.
    func units(named names: [String]) async throws(SystemdError) -> [Systemd.Unit]

    /// The simple properties of a unit and of its service part.
    func properties(of unit: String) async throws(SystemdError) -> [String: String]

    /// The version of systemd, such as `257`.
    func managerVersion() async throws(SystemdError) -> String

    /// How far the machine, or the user's session, is: `starting`, `running`, `degraded` and others.
    func managerState() async throws(SystemdError) -> String

    /// When it read its units.
    func readings() async throws(SystemdError) -> Systemd.Readings

    /// Queues a job and gives it at once.
    /// - Throws: `SystemdError` when the unit does not exist or the job cannot be queued.
    func enqueue(_ method: Systemd.UnitMethod, _ unit: String) async throws(SystemdError) -> Systemd.JobID

    /// Waits for a job's end and gives its result.
    func result(of job: Systemd.JobID) async -> String

    /// Reads every unit file again and runs the generators; returns when that is done.
    func reload() async throws(SystemdError)

    /// Forgets that a unit failed.
    func resetFailed(_ unit: String) async throws(SystemdError)

    /// Changes with all that it told of units until now, which is every change of one's state, and with each time that it read
    /// its units; nil when it tells nothing.
    ///
    /// Asked for before the units themselves: equal positions, equal answers.
    func position() async throws(SystemdError) -> String?

    /// What is told from now on.
    func signals() async throws(SystemdError) -> AsyncStream<Systemd.Signal>
}

extension ServiceManager {
    package func position() async throws(SystemdError) -> String? { nil }

    /// Queues a job and waits for its result.
    @discardableResult
    package func run(_ method: Systemd.UnitMethod, _ unit: String) async throws -> String {
        await result(of: try await enqueue(method, unit))
    }
}
