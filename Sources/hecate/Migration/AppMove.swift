internal import Documents
internal import Delivery
internal import Diagnostics
internal import Files
internal import JSON
internal import Kubernetes
internal import Quadlet
internal import Subprocess
internal import Systemd

/// Moves one app at a time from the cluster to this node, and back when it is not well here.
struct AppMove: Sendable {
    let installation: NodeInstallation
    let cluster: Cluster
    var record: MigrationRecord
    let platform: NodePlatform

    private var apps: String { "\(installation.layout.gitops)/apps" }
    private var backups: String { "\(installation.root)/backups/k3s" }

    static func recordPath(_ installation: NodeInstallation) -> String { "\(installation.root)/migration/k3s.json" }

    init(installation: NodeInstallation, cluster: Cluster) async throws {
        self.installation = installation
        self.cluster = cluster
        record = try MigrationRecord(path: Self.recordPath(installation))
        platform = try await NodePlatform.found(layout: installation.layout, revisions: { _ in [] })
    }

    /// - Returns: Whether the app runs here and is well.
    mutating func move(_ app: MigratedApp) async throws -> Bool {
        if record.entries[app.name]?.state == .moved {
            Terminal.print("\(app.name): moved already")
            return true
        }
        try await prepare(app)
        // The replicas of before are written down once: after an interruption the cluster says zero.
        var entry =
            record.entries[app.name].flatMap { $0.state == .rolledBack ? nil : $0 }
            ?? MigrationRecord.Entry(
                state: .stopped,
                replicas: Dictionary(uniqueKeysWithValues: app.workloads.map { ($0.object.title, $0.replicas) })
            )
        entry.state = .stopped
        entry.units = app.units.keys.sorted()
        try record.note(app.name, entry)
        do {
            for workload in app.workloads {
                try await cluster.scale(workload, to: 0)
                try await cluster.waitUntilGone(workload, within: .seconds(180))
                Terminal.print("\(app.name): \(workload.object.title) is stopped in the cluster")
            }
            for volume in app.volumes { try await copy(volume, of: app) }
            entry.state = .copied
            try record.note(app.name, entry)
            try write(app)
            guard try await installation.settle(app.units.keys.sorted()) == .success else {
                throw Failure(.healthCheckFailed, "it is not well on this node")
            }
        } catch {
            Terminal.complain("\(app.name): \(error); it goes back to the cluster")
            try await rollBack(app, because: "\(error)")
            return false
        }
        entry.state = .moved
        try record.note(app.name, entry)
        Terminal.print("\(app.name): moved")
        return true
    }

    /// Everything that can go wrong before the app is touched goes wrong here.
    private func prepare(_ app: MigratedApp) async throws {
        guard !app.findings.hasErrors else {
            let details = app.findings.errors.map(\.description)
            throw Failure(.invalid, "\(app.name) cannot be moved as it is", next: .needsChange, details: details)
        }
        let folder = "\(apps)/\(app.name)"
        for unit in try await platform.overview() where app.units[unit.name] != nil {
            guard unit.name != "k3s.network", fileStatus("\(folder)/\(unit.name)") == nil else { continue }
            throw Failure(
                .invalid,
                "there is a unit '\(unit.name)' on this node; rename or remove it",
                next: .needsChange
            )
        }
        for file in app.files where file.isPrivate { try store(file) }
        for image in Set(app.images).sorted() {
            if try await platform.podman(["image", "exists", image]).code == 0 { continue }
            let credentials = app.authentication.map { ["--authfile", "\(installation.root)/\($0)"] } ?? []
            let answer = try await platform.podman(
                ["pull", "--quiet"] + credentials + [image],
                timeout: .seconds(1800)
            )
            guard answer.code == 0 else {
                throw Failure(
                    .imageNotResolved,
                    "\(app.name): the image '\(image)' cannot be pulled: \(answer.errorText)"
                )
            }
        }
    }

    private func copy(_ volume: MigratedVolume, of app: MigratedApp) async throws {
        let file = "\(backups)/\(app.name)/\(volume.name).tar"
        if try await platform.podman(["volume", "inspect", volume.name]).code == 0 {
            // What an earlier attempt left here is kept beside the cluster's data, not thrown away.
            let older = "\(backups)/\(app.name)/\(volume.name).node-\(Int64(currentTime().seconds)).tar"
            let place = try await platform.podman(["volume", "inspect", "--format", "{{.Mountpoint}}", volume.name])
            let path = String(place.outputText.prefix { !$0.isNewline })
            try makeFolder(folder(of: older), mode: 0o700)
            let tar = ["tar", "--numeric-owner", "-C", path, "-cf", older, "."]
            let answer =
                installation.layout.scope == .user
                ? try await platform.podman(["unshare"] + tar, timeout: .seconds(3600)) : try await Archive.asRoot(tar)
            guard answer.code == 0 else { throw Failure(.refused, "tar: \(answer.errorText)") }
            let removed = try await platform.podman(["volume", "rm", volume.name])
            guard removed.code == 0 else { throw Failure(.refused, "podman volume rm: \(removed.errorText)") }
            Terminal.print("\(app.name): the volume '\(volume.name)' that was here is kept in \(older)")
        }
        try await Archive.pack([volume.source], to: file)
        try await Archive.unpack(file, into: volume.name, platform, isRoot: installation.layout.scope == .system)
        Terminal.print("\(app.name): the data of \(volume.claim) is in the volume '\(volume.name)', and in \(file)")
    }

    private func store(_ file: MigratedFile) throws {
        let path = "\(installation.root)/\(file.path)"
        if file.path.hasPrefix("secrets/") {
            try makeFolder("\(installation.root)/secrets", mode: 0o700)
            try setMode("\(installation.root)/secrets", 0o700)
        }
        try makeFolder(folder(of: path))
        try replaceFile(path, with: file.bytes, mode: file.isPrivate ? 0o600 : 0o644)
    }

    /// Writes what the units read first, and then all units at once.
    private func write(_ app: MigratedApp) throws {
        for file in app.files { try store(file) }
        let (folder, staged) = ("\(apps)/\(app.name)", "\(apps)/.\(app.name).new")
        try removeTree(staged)
        try makeFolder(staged)
        for (name, text) in app.units where name != "k3s.network" {
            try replaceFile("\(staged)/\(name)", with: Array(text.utf8))
        }
        if let network = app.units["k3s.network"], fileStatus("\(apps)/k3s.network") == nil {
            try replaceFile("\(apps)/k3s.network", with: Array(network.utf8))
        }
        try removeTree(folder)
        try renameFile(staged, to: folder)
    }

    /// Stops an app here and starts it in the cluster again; its data there was never touched.
    mutating func rollBack(_ app: MigratedApp, because reason: String) async throws {
        guard var entry = record.entries[app.name], entry.state != .rolledBack else {
            throw Failure(.notFound, "'\(app.name)' was not moved; there is nothing to bring back")
        }
        let units = app.units.keys.filter { $0 != "k3s.network" }.sorted()
        let wasHere = fileStatus("\(apps)/\(app.name)") != nil
        try removeTree("\(apps)/\(app.name)")
        if wasHere { _ = try await installation.settle(units) }
        for workload in app.workloads {
            let replicas = entry.replicas[workload.object.title] ?? 1
            try await cluster.scale(workload, to: replicas)
            if replicas > 0 { try await cluster.waitUntilReady(workload, within: .seconds(180)) }
            Terminal.print("\(app.name): \(workload.object.title) runs in the cluster again")
        }
        entry.state = .rolledBack
        entry.reason = reason
        try record.note(app.name, entry)
        for volume in app.volumes where wasHere {
            Terminal.print("\(app.name): what was written here since stays in the volume '\(volume.name)'")
        }
    }
}
