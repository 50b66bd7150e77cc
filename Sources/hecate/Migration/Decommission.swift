internal import Delivery
internal import Files
internal import Kubernetes
internal import Quadlet

/// Takes k3s off this machine, when nothing needs it any more.
///
/// Every step that is done is written down; what was interrupted goes on with the next.
struct Decommission: Sendable {
    let installation: NodeInstallation
    let cluster: Cluster
    /// Where k3s keeps everything; its own `--data-dir`.
    let dataFolder: String
    let isRehearsal: Bool
    private var record: MigrationRecord

    private static let uninstallers = ["k3s-agent-uninstall.sh", "k3s-uninstall.sh"].map { "/usr/local/bin/\($0)" }

    private var backup: String { "\(installation.root)/backups/k3s" }

    init(installation: NodeInstallation, cluster: Cluster, dataFolder: String, isRehearsal: Bool) throws {
        self.installation = installation
        self.cluster = cluster
        self.dataFolder = dataFolder
        self.isRehearsal = isRehearsal
        record = try MigrationRecord(path: AppMove.recordPath(installation))
    }

    mutating func execute() async throws {
        try await step("check", "nothing runs in the cluster, and what was moved is well here") { me in
            try await me.checkCluster()
            try await me.checkNode()
        }
        try await step("back up", "all objects to \(backup)/cluster.json, \(dataFolder) to \(backup)/k3s.tar") { me in
            try makeFolder(me.backup, mode: 0o700)
            try replaceFile("\(me.backup)/cluster.json", with: try await me.cluster.dump(), mode: 0o600)
            if fileStatus(me.dataFolder) != nil {
                try await Archive.pack([me.dataFolder], to: "\(me.backup)/k3s.tar")
            }
        }
        for script in Self.uninstallers where fileStatus(script) != nil || isDone("run \(script)") {
            try await step("run \(script)", "k3s's own removal") { _ in try await Archive.asRoot([script]) }
        }
        let leftovers = [dataFolder, "\(installation.root)/kubeconfig"]
        try await step("remove", leftovers.joined(separator: " and ")) { _ in
            for path in leftovers where fileStatus(path) != nil { try await Archive.asRoot(["rm", "-rf", path]) }
        }
    }

    private func isDone(_ name: String) -> Bool { record.steps.contains(name) }

    private mutating func step(
        _ name: String,
        _ description: String,
        _ body: (Self) async throws -> Void
    ) async throws {
        if isDone(name) {
            Terminal.print("done before: \(name)")
        } else if isRehearsal, name != "check" {
            Terminal.print("would \(name): \(description)")
        } else {
            try await body(self)
            if !isRehearsal { try record.finish(name) }
            Terminal.print("\(name): \(description)")
        }
    }

    private func checkCluster() async throws {
        let inventory = try await cluster.inventory()
        let running = inventory.runningPods
        let wanted = inventory.workloads.filter { workload in
            workload.object.kind != "DaemonSet" && workload.replicas > 0
        }
        guard running.isEmpty, wanted.isEmpty else {
            let names = Set(running.map(\.title) + wanted.map(\.object.title)).sorted()
            throw Failure(
                .refused,
                "the cluster is still in use; move what runs with 'hecate migrate k3s', or delete it",
                next: .needsChange,
                details: names
            )
        }
        let others = inventory.nodes.filter { $0 != installation.layout.host }
        let isServer = fileStatus(Self.uninstallers[1]) != nil
        guard !isServer || others.isEmpty else {
            throw Failure(
                .refused,
                "this is the cluster's server, and \(others.joined(separator: ", ")) still belong to it; decommission them first",
                next: .needsChange
            )
        }
    }

    /// Every app that was moved has to be well here.
    private func checkNode() async throws {
        let moved = record.entries.filter { $0.value.state == .moved }
        let broken = record.entries.filter { [.stopped, .copied].contains($0.value.state) }.keys.sorted()
        guard broken.isEmpty else {
            throw Failure(
                .refused,
                "\(broken.joined(separator: ", ")) is between the cluster and this node; run 'hecate migrate k3s --apply' again",
                next: .needsChange
            )
        }
        guard !moved.isEmpty else { return }
        let platform = try await NodePlatform.found(layout: installation.layout, revisions: { _ in [] })
        let running = try await platform.overview().filter { $0.state == "active" }.map(\.name)
        let sick = moved.values.flatMap(\.units).filter { !running.contains($0) }
        guard sick.isEmpty else {
            throw Failure(
                .healthCheckFailed,
                "not everything that was moved is well here; see 'hecate status'",
                details: sick.sorted()
            )
        }
    }
}
