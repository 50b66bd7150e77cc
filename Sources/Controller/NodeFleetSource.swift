package import Delivery
internal import Files
package import Quadlet

/// The gitops folder of a node: it has no commits, says itself when it changes, and is read from the disk each time that it
/// may have.
package actor NodeFleetSource: FleetSource {
    package nonisolated let name = NodePlatform.owner
    package nonisolated let address: String
    package nonisolated let interval: Duration
    package nonisolated let patience = Duration.seconds(120)
    private let reader: NodeReader
    private nonisolated let watch: FolderWatch
    /// Where links to the units lie, which somebody may remove.
    private let links: [String]
    /// How things were at the last reading that was taken up, and at the last one; nil where they may have changed unseen.
    private var standing: Standing?
    private var candidate: Standing?
    /// What was watched before the last reading began.
    private var watched: Set<String> = []

    /// How things were at a reading during which nothing changed.
    private struct Standing {
        var position: Int
        var folders: [FolderIdentity]
        var read: ContinuousClock.Instant
    }

    /// `quiet`: How long nothing may change before a change is taken up.
    /// - Throws: `FileError` when the system gives no more watches.
    package init(_ platform: NodePlatform, defaults: NodeDefaults, quiet: Duration) throws {
        address = platform.layout.gitops
        links = [platform.layout.quadlet, platform.layout.units]
        interval = defaults.interval
        reader = NodeReader(platform: platform, defaults: defaults, isActing: true)
        watch = try FolderWatch(quiet: quiet)
    }

    package func head() async throws -> String { "" }

    package func fleet(at head: String) async throws -> Fleet {
        (standing, candidate) = (nil, nil)
        // A folder that was made anew is another one.
        try await watch.watch(watched.sorted())
        let (begun, position) = (ContinuousClock.now, watch.position)
        let reading = try await reader.fleet()
        let wishes = ((try? names(in: links[1])) ?? []).filter { $0.hasSuffix(".wants") || $0.hasSuffix(".requires") }
        let folders = Set(reading.folders + (links + wishes.map { "\(links[1])/\($0)" }).filter(pathExists))
        // Watched before they are compared, so that no change falls between.
        try await watch.watch(folders.sorted())
        // What was watched only since may have changed unseen.
        if reading.isSelfContained, folders.isSubset(of: watched), let position, position == watch.position {
            let identities = folders.sorted().map(FolderIdentity.init)
            let mounts = Mount.all()
            func isTold(_ folder: FolderIdentity) -> Bool {
                folder.isThere && Mount.holding(folder.path, among: mounts)?.tellsOfChanges ?? false
            }
            if identities.allSatisfy(isTold) {
                candidate = Standing(position: position, folders: identities, read: begun)
            }
        }
        watched = folders
        return reading.fleet
    }

    package func accepted(_ head: String) async { standing = candidate }

    /// The kernel tells of every change in the folders, unless another folder took the place of one; now and then all is read
    /// anyway.
    package func isUnchanged() async -> Bool {
        guard let standing, standing.position == watch.position, .now - standing.read < interval * 0.9 else {
            return false
        }
        return standing.folders.allSatisfy { FolderIdentity($0.path) == $0 }
    }

    package nonisolated var changes: AsyncStream<Void>? { watch.changes }
}
