package import Delivery
package import JSON

/// What the server asks of the controller or agent it stands in front of.
package protocol ControllerBackend: Sendable {
    /// What would change on an app's target now; `Failure` when that cannot be said.
    func plan(of id: AppID) async throws -> Plan
    /// An app's services and tasks, or its unit, as the target reports them now; null when it cannot be asked.
    func describe(_ id: AppID) async -> JSON
    /// The last lines an app wrote.
    func logs(of id: AppID) async -> [String]
    /// Has apps compared and repaired now.
    func reconcile(_ ids: [AppID]) async
    /// Lets removals go ahead that wait for a person: of a source, or of one app as `target/name`; false when none did.
    func approve(_ name: String) async -> Bool
    /// Takes up holds that were changed.
    func refreshHolds() async
    /// Looks at a source now instead of at its next poll.
    func wake(source: String) async
    /// How many apps wait for a worker.
    func queueDepth() async -> Int
    /// Who acts for each source on each target.
    func leases() async -> [LeaseStanding]
}
