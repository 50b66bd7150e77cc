package import Delivery
internal import Files
package import Quadlet

/// The gitops folder of a node: it has no commits, says itself when it changes, and is read from the disk each time.
package struct NodeFleetSource: FleetSource {
    package let name = NodePlatform.owner
    package let address: String
    package let interval: Duration
    package let patience = Duration.seconds(120)
    private let reader: NodeReader
    private let watch: FolderWatch
    private let links: String

    /// `quiet`: How long nothing may change before a change is taken up.
    /// - Throws: `FileError` when the system gives no more watches.
    package init(_ platform: NodePlatform, defaults: NodeDefaults, quiet: Duration) throws {
        address = platform.layout.gitops
        links = platform.layout.quadlet
        interval = defaults.interval
        reader = NodeReader(platform: platform, defaults: defaults, isActing: true)
        watch = try FolderWatch(quiet: quiet)
    }

    package func head() async throws -> String { "" }

    package func fleet(at head: String) async throws -> Fleet {
        let (fleet, folders) = try await reader.fleet()
        // Watched before they are compared, so that no change falls between.
        try await watch.watch(folders + [links])
        return fleet
    }

    package var changes: AsyncStream<Void>? { watch.changes }
}
