import Systemd

/// Plays calls to a machine and says what it answers, in words that two machines can have in common.
struct NodePlayer {
    let stage: NodeStage
    private var invocations: [String: String] = [:]

    init(stage: NodeStage) { self.stage = stage }

    /// Plays a call, waits until nothing goes on any more, and describes what is there then.
    mutating func play(_ call: NodeCall) async throws -> [String] {
        let answer = try await answer(to: call)
        if case .queue = call {} else if case .pause = call {} else { try await settle() }
        return ["\(answer)"] + (isQueue(call) ? [] : try await describe())
    }

    private func isQueue(_ call: NodeCall) -> Bool { if case .queue = call { true } else { false } }

    private func answer(to call: NodeCall) async throws -> String {
        do throws(SystemdError) {
            switch call {
            case .write(let name, let text): try? stage.write(name, text)
            case .remove(let name): try? stage.remove(name)
            case .link(let name, let target): try? stage.link(name, to: target)
            case .reload: try await stage.manager.reload()
            case .job(let method, let unit):
                let job = try await stage.manager.enqueue(method, unit)
                return (try? await stage.result(of: job)) ?? "no result"
            case .queue(let method, let unit): _ = try await stage.manager.enqueue(method, unit)
            case .resetFailed(let unit): try await stage.manager.resetFailed(unit)
            case .kill(let unit): try? await stage.kill(unit)
            case .pause(let count): for _ in 0..<count { try? await stage.wait() }
            case .generator: return ((try? await stage.complaints()) ?? ["none"]).sorted().joined(separator: "; ")
            }
            return "done"
        } catch {
            return "\(error.name): \(error.description.replacing("systemd (user): ", with: ""))"
        }
    }

    /// Waits until no unit is on its way and none has a job.
    private func settle() async throws {
        var quiet = 0
        for _ in 0..<1200 {
            let units = try await stage.manager.units(named: NodeCalls.services)
            let isBusy = units.contains { $0.hasJob || $0.active.hasSuffix("ing") }
            quiet = isBusy ? 0 : quiet + 1
            // What runs only for a moment has to have ended.
            if quiet >= 24 { return }
            try await stage.wait()
        }
    }

    private mutating func describe() async throws -> [String] {
        // A health command that fails is a failed unit of Podman's own: degraded counts as running.
        let state = try await stage.manager.managerState().replacing("degraded", with: "running")
        var running: Set<String> = []
        var lines = ["state \(state)"]
        for unit in try await stage.manager.units(named: NodeCalls.services) {
            let properties = try await stage.manager.properties(of: unit.name)
            if unit.active == "active" { running.insert(unit.name) }
            let names = [
                "LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus", "ExecMainCode", "NRestarts",
            ]
            let told = names.map { "\($0)=\(properties[$0] ?? "")" }
            let invocation = properties["InvocationID"] ?? ""
            let isNew = invocations.updateValue(invocation, forKey: unit.name) != invocation
            lines.append(
                ([unit.name, unit.load, unit.active, unit.sub, unit.hasJob ? "job" : "no job"] + told + [
                    properties["MainPID"] == "0" ? "no process" : "a process",
                    properties["InactiveExitTimestampMonotonic"] == "0" ? "never begun" : "begun",
                    "reload=\(properties["NeedDaemonReload"] ?? "")", isNew ? "another run" : "the same run",
                ]).joined(separator: " ")
            )
        }
        // Of what does not run nobody asks the health.
        for name in NodeCalls.containers where running.contains("\(name).service") {
            lines.append("\(name) health \(try await stage.health(of: "systemd-\(name)") ?? "none")")
        }
        return lines
    }
}
