package import Delivery
package import Repository
package import Swarm

/// A Git repository whose stacks file says what runs on Swarms.
package struct GitFleetSource: FleetSource {
    private let repository: GitSource
    private let reader: FleetReader
    package let address: String
    package let interval: Duration
    package let patience: Duration

    /// `url`: Where the repository is.
    ///
    /// `interval`: How often its head is asked for. `timeout`: How long one call of git may take.
    package init(
        _ repository: GitSource,
        reader: FleetReader,
        url: String,
        interval: Duration,
        timeout: Duration
    ) {
        self.repository = repository
        self.reader = reader
        address = publicURL(url)
        self.interval = interval
        // Asking for the head is one call, and fetching may take five times as long.
        patience = timeout * 7
    }

    package var name: String { repository.name }

    package func head() async throws -> String { try await repository.head() }

    package func fleet(at head: String) async throws -> Fleet {
        try await reader.fleet(at: try await repository.snapshot(at: head)).fleet
    }

    package func kept(_ head: String) async -> Fleet? {
        guard let snapshot = await repository.kept(head) else { return nil }
        return try? await reader.fleet(at: snapshot).fleet
    }

    package func accepted(_ head: String) async { await repository.retain(head) }

    package func keep(_ head: String) async throws { try await repository.keep(head) }
}
