internal import Files
package import Systemd

/// What systemd answers to questions.
extension SimulatedNode {
    /// Changes with every signal, with every job and with every reload.
    package var position: String { "\(changeCount) \(jobCount)" }

    /// What `ListUnitsByNames` answers.
    package func units(named names: [String]) -> [Systemd.Unit] {
        names.map { name in
            let unit = unit(name)
            return Systemd.Unit(
                name: name,
                load: unit.definition.load,
                active: unit.active,
                sub: unit.sub,
                hasJob: jobs[name] != nil
            )
        }
    }

    /// A service's properties, as far as anybody here reads them.
    package func properties(of name: String) -> [String: String] {
        let unit = unit(name)
        return [
            "Id": name, "LoadState": unit.definition.load, "ActiveState": unit.active, "SubState": unit.sub,
            "Result": unit.result, "ExecMainStatus": "\(unit.mainStatus)", "ExecMainCode": "\(unit.mainCode)",
            "NRestarts": "\(unit.restarts)", "MainPID": "\(unit.mainPID)", "InvocationID": unit.invocation,
            "InactiveExitTimestampMonotonic": "\(monotonic(unit.inactiveExit))",
            "NeedDaemonReload": unit.needsReload ? "1" : "0", "Type": unit.definition.type.rawValue,
            "RemainAfterExit": unit.definition.staysAfterExit ? "1" : "0",
            "Restart": unit.definition.restart.rawValue, "ConditionResult": unit.conditionResult ? "1" : "0",
            "ConditionTimestampMonotonic": "\(monotonic(unit.conditionTime))",
            "WantedBy": unit.definition.load == "loaded" && define("default.target").wants.contains(name)
                ? "default.target" : "",
            "RequiredBy": requiring(name).joined(separator: " "),
        ]
    }

    /// The services that require one.
    private func requiring(_ name: String) -> [String] {
        let definitions = Array(generated.values) + loaded.values.map(\.definition)
        return Set(definitions.filter { $0.requires.contains(name) }.map(\.name)).sorted()
    }

    /// What `SystemState` says.
    package var state: String {
        switch phase {
        case .off: "offline"
        case .initializing: "initializing"
        case .starting: "starting"
        case .running: loaded.values.contains { $0.sub == "failed" } ? "degraded" : "running"
        }
    }

    package func resetFailed(_ name: String) { loaded[name]?.forgetFailure() }

    /// The services that run now, and those with a job.
    package var busy: Bool {
        !jobs.isEmpty || loaded.values.contains { ["activating", "deactivating"].contains($0.active) }
    }
}

extension SimulatedNode {
    /// What identifies all that a service would run with if it were started now: its unit and the files it reads; nil when
    /// there is no such unit.
    package func meaning(of service: String) -> String? {
        let unit = loaded[service]?.definition ?? define(service)
        guard unit.load == "loaded" else { return nil }
        var paths = unit.environmentFiles
        if case .container(let container) = unit.action { paths = container.environmentFiles }
        let files = paths.map { path in
            (try? fileContent(path)).map { String(decoding: $0, as: UTF8.self) } ?? "none"
        }
        return ([unit.meaning] + files).joined(separator: "\n")
    }

    /// Whether a unit is active, as `systemctl is-active` says.
    package func isActive(_ service: String) -> Bool { loaded[service]?.active == "active" }
}
