internal import Documents
internal import Arguments
internal import Delivery
internal import Diagnostics
internal import Files
internal import JSON
internal import Kubernetes
internal import Quadlet

/// `hecate migrate k3s`: what a cluster runs becomes units of this node.
enum MigrateCommand {
    static let command = Subcommand(
        "migrate k3s",
        summary: "show what a k3s cluster runs and what would become of it here; with --apply, move it",
        arguments: ["[APP...]"],
        options: [
            Option(
                "inventory",
                value: "FILE,...",
                help: "read what kubectl get -A -o json wrote, instead of asking the cluster"
            ),
            .kubectl, Option("to", value: "FOLDER", help: "write the units and their files there"),
            Option("apply", help: "move the apps, one at a time; what is not well here goes back"),
            Option("back", help: "stop the apps here and start them in the cluster again"), .format,
        ],
        discussion: """
            Makes Quadlet files of Deployments, StatefulSets and DaemonSets with their ConfigMaps, Secrets and
            claims, and lists what cannot be carried over. An app is moved by stopping it in the cluster, copying
            its data (an archive stays in ~/.hecate/backups/k3s), and starting it here; the cluster's own data is
            never changed. What is interrupted goes on where it was.
            """,
        example: "hecate migrate k3s --apply web",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let cluster = Cluster(invocation["kubectl"])
        let installation = try migrationInstallation(invocation)
        let inventory = try await inventory(invocation, cluster)
        let migration = Migration(inventory: inventory, root: root(installation), host: installation.layout.host)
        let apps = try chosen(invocation.arguments, migration.apps())
        if let folder = invocation["to"] { try write(apps, below: folder) }
        guard invocation.has("apply") || invocation.has("back") else {
            Terminal.print(report(apps, inventory.leftovers, invocation["format"]))
            return apps.contains { $0.findings.hasErrors } ? .failure : .success
        }
        if invocation.has("apply") { try carryKeys(of: inventory, to: installation) }
        return try await move(apps, installation, cluster, back: invocation.has("back"))
    }

    /// Only moving needs a node; looking and writing files does not.
    private static func migrationInstallation(_ invocation: Invocation) throws -> NodeInstallation {
        if invocation.has("apply") || invocation.has("back") { return try NodeInstallation.required(invocation) }
        return NodeInstallation(settings: try AgentSettings.found())
    }

    private static func inventory(_ invocation: Invocation, _ cluster: Cluster) async throws -> Inventory {
        guard let files = invocation["inventory"] else { return try await cluster.inventory() }
        var inventory = Inventory()
        for file in files.split(separator: ",").map(String.init) {
            do {
                try inventory.add(try fileContent(file, limit: 256 * 1024 * 1024, waits: true), file: file)
            } catch let error as FileError {
                throw Failure(.notFound, "the inventory \(error)", next: .needsChange)
            }
        }
        return inventory
    }

    /// The node's folder as units name it.
    private static func root(_ installation: NodeInstallation) -> String {
        let home = installation.layout.home
        return installation.root.hasPrefix("\(home)/")
            ? "%h\(installation.root.dropFirst(home.count))" : installation.root
    }

    private static func chosen(_ names: [String], _ apps: [MigratedApp]) throws -> [MigratedApp] {
        try names.isEmpty
            ? apps
            : names.map { name in
                guard let app = apps.first(where: { $0.name == name }) else {
                    let hint = suggestion(for: name, among: apps.map(\.name)) ?? "see 'hecate migrate k3s'"
                    throw Failure(.notFound, "the cluster has no app '\(name)'; \(hint)")
                }
                return app
            }
    }

    private static func move(
        _ apps: [MigratedApp],
        _ installation: NodeInstallation,
        _ cluster: Cluster,
        back: Bool
    ) async throws -> HecateProgram.ExitCode {
        var move = try await AppMove(installation: installation, cluster: cluster)
        for app in apps {
            if back {
                try await move.rollBack(app, because: "asked for by \(Settings.author)")
            } else {
                for finding in app.findings.warnings { Terminal.print("\(finding)") }
                // The next app waits for this one: what went wrong once is looked at first.
                guard try await move.move(app) else { return .failure }
            }
        }
        return .success
    }

    /// The keys that every node's daemon reads lay in one secret of the cluster; those the node has already stay.
    private static func carryKeys(of inventory: Inventory, to installation: NodeInstallation) throws {
        let found = inventory.all("Secret").filter { $0.name == "hecate-secrets" }.first
        guard let keys = found.flatMap({ inventory.data(of: $0) }), !keys.isEmpty else { return }
        let path = "\(installation.root)/secrets/api-keys.env"
        var text = (try? fileContent(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let known = Set(text.split(whereSeparator: \.isNewline).compactMap { $0.split(separator: "=").first })
        let missing = keys.filter { !known.contains(Substring($0.key)) && !$0.value.contains(UInt8(ascii: "\n")) }
        guard !missing.isEmpty else { return }
        if !text.isEmpty, text.last != "\n" { text += "\n" }
        for (key, value) in missing.sorted(by: { $0.key < $1.key }) {
            text += "\(key)=\(String(decoding: value, as: UTF8.self))\n"
        }
        try makeFolder(folder(of: path), mode: 0o700)
        try replaceFile(path, with: Array(text.utf8), mode: 0o600)
        Terminal.print("wrote \(missing.keys.sorted().joined(separator: ", ")) to \(path)")
    }

    /// Writes what would be made, and touches nothing else.
    private static func write(_ apps: [MigratedApp], below root: String) throws {
        for app in apps {
            try makeFolder("\(root)/gitops/apps/\(app.name)")
            for (name, text) in app.units {
                try replaceFile("\(root)/gitops/apps/\(app.name)/\(name)", with: Array(text.utf8))
            }
            for file in app.files {
                let path = "\(root)/\(file.path)"
                try makeFolder(folder(of: path), mode: 0o700)
                try replaceFile(path, with: file.bytes, mode: file.isPrivate ? 0o600 : 0o644)
            }
        }
    }

    // MARK: The report

    private static func report(_ apps: [MigratedApp], _ leftovers: [Diagnostic], _ format: String?) -> String {
        let findings = apps.flatMap(\.findings.all) + leftovers
        let document: JSON = [
            "apps": .array(
                apps.map { app in
                    [
                        "name": .string(app.name), "movable": .bool(!app.findings.hasErrors),
                        "workloads": JSON(app.workloads.map(\.object.title)), "images": JSON(app.images),
                        "units": JSON(app.units.keys.sorted()), "files": JSON(app.files.map(\.path)),
                        "volumes": .array(
                            app.volumes.map {
                                ["claim": .string($0.claim), "volume": .string($0.name), "source": .string($0.source)]
                            }
                        ),
                    ]
                }
            ),
            "notCarriedOver": .array(
                findings.map { finding in
                    JSON.compact([
                        "severity": .string(finding.severity.rawValue), "of": .string(finding.place?.file ?? ""),
                        "message": .string(finding.message), "cure": finding.cure.map { .string($0) },
                    ])
                }
            ),
        ]
        if let text = formatted(document, as: format) { return text }
        var text = Terminal.table(
            ["APP", "FROM", "UNITS", "VOLUMES", "MOVABLE"],
            apps.map { app in
                [
                    app.name, app.workloads.map(\.object.title).joined(separator: ", "), "\(app.units.count)",
                    app.volumes.map(\.name).joined(separator: ", "), app.findings.hasErrors ? "no" : "yes",
                ]
            }
        )
        if !findings.isEmpty {
            text += "\n\nNot carried over, or not as it was:\n" + findings.map { "  \($0)" }.joined(separator: "\n")
        }
        return text + "\n\nNothing was changed; --apply moves the apps, one at a time."
    }
}
