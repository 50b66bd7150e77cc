/// Writes a fleet as the files of a repository.
struct FleetFiles {
    /// Stands in every secret; must never be seen in a record or an event.
    static let secretMark = "PLANTED-SECRET"

    let fleet: DeclaredFleet
    /// The name of the targets, the default first.
    let targets: [String]

    func files() -> [String: [UInt8]] {
        var files = ["stacks.yml": Array(stacks().utf8)]
        for app in fleet.apps where app.oddity != .noFile {
            files["\(app.name)/compose.yml"] = Array(compose(app).utf8)
            for service in app.services {
                if let config = service.config {
                    files["\(app.name)/config-\(config).txt"] = Array("setting = \(config)\n".utf8)
                }
                if let secret = service.secret {
                    files["\(app.name)/secret-\(secret).txt"] = Array("\(Self.secretMark)-\(app.name)-\(secret)".utf8)
                }
            }
        }
        return files
    }

    private func stacks() -> String {
        switch fleet.oddity {
        case .notYAML: return "stacks: [\n  - {\n"
        case .notMapping: return "- just\n- a list\n"
        case nil: break
        }
        var text = fleet.apps.isEmpty ? "stacks: []\n" : "stacks:\n"
        for app in fleet.apps { text += entry(app) }
        if !fleet.apps.isEmpty {
            for _ in 0..<fleet.namelessEntries { text += "  - compose_file: nameless/compose.yml\n" }
            for _ in 0..<fleet.emptyItems { text += "  -\n" }
        }
        if !fleet.retired.isEmpty { text += "retired_stacks: [\(fleet.retired.joined(separator: ", "))]\n" }
        return text
    }

    private func entry(_ app: DeclaredApp) -> String {
        var text = "  - name: \(app.name)\n    compose_file: \(app.name)/compose.yml\n"
        if app.target != targets.first { text += "    target: \(app.target)\n" }
        if !app.isEnabled { text += "    enabled: false\n" }
        if !app.dependsOn.isEmpty { text += "    depends_on: [\(app.dependsOn.joined(separator: ", "))]\n" }
        if !app.replaces.isEmpty { text += "    replaces: [\(app.replaces.joined(separator: ", "))]\n" }
        if app.ignoresReplicas { text += "    ignore_differences: [replicas]\n" }
        if app.oddity == .unknownKey { text += "    compose_fiel: \(app.name)/compose.yml\n" }
        return text
    }

    private func compose(_ app: DeclaredApp) -> String {
        switch app.oddity {
        case .emptyFile: return ""
        case .brokenFile: return "services:\n  web:\n    image: [good\n"
        default: break
        }
        var text = app.comment > 0 ? "# \(app.comment)\n" : ""
        text += app.services.isEmpty ? "services: {}\n" : "services:\n"
        for service in app.services { text += self.service(service, of: app) }
        let configs = Set(app.services.compactMap(\.config)).sorted()
        if !configs.isEmpty {
            text += "configs:\n"
            for config in configs { text += "  settings\(config):\n    file: ./config-\(config).txt\n" }
        }
        let secrets = Set(app.services.compactMap(\.secret)).sorted()
        if !secrets.isEmpty {
            text += "secrets:\n"
            for secret in secrets { text += "  password\(secret):\n    file: ./secret-\(secret).txt\n" }
        }
        if app.network > 0, !app.services.isEmpty { text += "networks:\n  net\(app.network): {}\n" }
        return text.replacing("NETWORK", with: app.network > 0 ? "net\(app.network)" : "default")
    }

    private func service(_ service: DeclaredService, of app: DeclaredApp) -> String {
        var text = "  \(service.name):\n    image: \(SimulatedImages.image(service.nature))\n"
        text += "    environment:\n      STAMP: \"\(service.stamp)\"\n"
        text += "      SIM: \"\(SimulatedImages.behaviour(of: service))\"\n    networks: [NETWORK]\n"
        text += SimulatedImages.extras(service.nature)
        if app.declaresNeed(of: service) { text += "    depends_on: [\(DeclaredService.database)]\n" }
        if let config = service.config { text += "    configs: [settings\(config)]\n" }
        if let secret = service.secret { text += "    secrets: [password\(secret)]\n" }
        text += "    deploy:\n      replicas: \(service.replicas)\n"
        // Mostly Swarm watches an update for a moment only: the more commits fit into a storm.
        if service.stamp % 4 > 0 { text += "      update_config:\n        monitor: 1s\n" }
        if service.stamp % 5 == 1, service.stamp % 4 > 0 { text += "        failure_action: rollback\n" }
        if service.nature.isJob { text += "      restart_policy:\n        condition: none\n" }
        return text
    }
}
