package import Delivery

/// Where desired state comes from: something that is followed.
package protocol FleetSource: Sendable {
    /// The source's name in the configuration; the fleets it gives carry it.
    var name: String { get }

    /// Where it is, for people; holds no secret.
    var address: String { get }

    /// How often it is asked when nothing says that it changed.
    var interval: Duration { get }

    /// How long one look may take before it counts as failed.
    var patience: Duration { get }

    /// The commit it is at now: the cheap question asked at every look. Empty when it has no commits and has to be read
    /// each time.
    func head() async throws -> String

    /// What it declares at a head that it gave.
    /// - Throws: `Invalid` when what stands there cannot be used as a whole, `Failure` when it cannot be reached.
    func fleet(at head: String) async throws -> Fleet

    /// Whether it is known to declare what it did when it was read last, so that it need not be read; for one without commits.
    func isUnchanged() async -> Bool

    /// What it declared at a head it gave before, without asking anybody; nil when that is not known here.
    func kept(_ head: String) async -> Fleet?

    /// This is what counts from now on: as far as it is known here, it has to stay so until another is named.
    func accepted(_ head: String) async

    /// Sees to it that what counts is known here for when nobody answers. Called when there is time for it.
    /// - Throws: `Failure` when that cannot be had.
    func keep(_ head: String) async throws

    /// Yields when it may have changed; nil when it has to be asked. For one listener.
    var changes: AsyncStream<Void>? { get }
}

extension FleetSource {
    package func kept(_ head: String) async -> Fleet? { nil }
    package func isUnchanged() async -> Bool { false }
    package func accepted(_ head: String) async {}
    package func keep(_ head: String) async throws {}
    package var changes: AsyncStream<Void>? { nil }
}
