internal import Delivery
internal import JSON
internal import Subprocess
internal import Systemd

/// How a unit is, by what systemd and Podman say of it.
extension NodeDeployment {
    /// How the unit is.
    func health() async throws -> Health {
        guard let unit, !name.isTemplate else { return .healthy(runsNothing: true) }
        do {
            var progress = await platform.progress(of: unit.service)
            if progress == .underWay {
                // The job's end is told by a signal; should one be lost, the unit itself says that no job is left.
                guard try await platform.hasLostItsJob(unit.service) else {
                    return .progressing("\(unit.service) is starting")
                }
                progress = await platform.progress(of: unit.service)
            }
            var properties = try await platform.systemd.properties(of: unit.service)
            let isStarted = await platform.start(of: unit.service)?.fingerprint == unit.fingerprint
            if isStarted, case .failed(let result, let then) = progress {
                // systemd may be restarting it by now; what counts is how it was when its start failed.
                properties.merge(then) { _, old in old }
                await platform.forgetProgress(of: unit.service)
                return .failed(await failure(unit, properties, job: result))
            }
            let isDown = ["inactive", "failed"].contains(properties["ActiveState"] ?? "")
            if case .takenAway = progress {
                // How it was ended by whoever took its start away says nothing of it.
                let isUp = ["active", "activating", "reloading"].contains(properties["ActiveState"] ?? "")
                if !isUp, wasTakenAway(progress, properties) {
                    return .progressing("\(unit.service) is still to be started, its start was cancelled")
                }
                await platform.forgetProgress(of: unit.service)
                progress = nil
            }
            // An unmet ExecCondition= is no failure either.
            let hasNotFailed =
                properties["ActiveState"] == "inactive"
                && ["success", "exec-condition"].contains(properties["Result"] ?? "")
            if isDown, hasNotFailed || !isStarted,
                try await platform.systemd.units(named: [unit.service]).first?.hasJob != true,
                try await expectation(unit, properties, isDeclared: isStarted) != .up
            {
                return .healthy(runsNothing: true)
            }
            // After a boot, or when an agent ended amid a change, nobody may have started what is declared yet, or somebody
            // stopped it: that is still to be done, and how anything else does that runs says nothing of it.
            if !isStarted || hasNotFailed {
                return .progressing("\(unit.service) is still to be started with what is declared")
            }
            return try await judged(unit, properties, progress)
        } catch let error as SystemdError {
            throw Failure(.unavailable, "\(error)")
        }
    }

    private func judged(
        _ unit: UnitDeclaration,
        _ properties: [String: String],
        _ progress: NodePlatform.Progress?
    ) async throws -> Health {
        let active = properties["ActiveState"] ?? ""
        let sub = properties["SubState"] ?? ""
        if sub == "auto-restart" { return .failed(await failure(unit, properties, job: nil)) }
        if case .done(let restarts) = progress, let now = properties["NRestarts"].flatMap(Int.init), now > restarts {
            await platform.forgetProgress(of: unit.service)
            return .failed(await failure(unit, properties, job: nil))
        }
        switch active {
        case "active", "reloading":
            guard unit.hasOwnHealthCheck else { return .healthy(runsNothing: false) }
            return try await containerHealth(unit)
        case "activating" where properties["Type"] == "oneshot" && sub == "start" && progress != .underWay:
            // Somebody else started it, such as a timer, and this is its work.
            return .settling("\(unit.service) is running")
        case "activating", "deactivating": return .progressing("\(unit.service) is \(active) (\(sub))")
        default:
            // What it requires is being restarted, and it comes after that.
            if let now = try? await platform.systemd.units(named: [unit.service]).first, now.hasJob {
                return .progressing("\(unit.service) waits for its turn")
            }
            // While the machine is still starting, nobody has tried to start it yet.
            if let state = try? await platform.systemd.managerState(), ["initializing", "starting"].contains(state) {
                return .progressing("\(unit.service) waits for the machine to finish starting")
            }
            return .failed(await failure(unit, properties, job: nil))
        }
    }

    /// Asks Podman for the state of the container's health command.
    private func containerHealth(_ unit: UnitDeclaration) async throws -> Health {
        guard let container = unit.containerName(layout) else { return .healthy(runsNothing: false) }
        let status = try await inspected(
            container,
            "{{if .State.Health}}{{.State.Health.Status}}{{end}}",
            old: "{{.State.Healthcheck.Status}}"
        )
        switch status {
        case "unhealthy":
            var failure = Failure(.healthCheckFailed, "\(unit.service): the health command of '\(container)' fails")
            failure.details = await lastCheck(of: container)
            failure.details += await platform.logs(of: unit.service).map { "log: \($0)" }
            return .failed(failure)
        case "starting": return .progressing("\(unit.service): waiting for the first health check")
        default: return .healthy(runsNothing: false)
        }
    }

    /// What Podman says of a container; empty when it says nothing.
    ///
    /// `old`: The same for Podman 3, which calls its health Healthcheck. Asked for what it does not have it ends well and only
    /// complains.
    private func inspected(_ container: String, _ form: String, old: String) async throws -> String {
        var answer = try await platform.podman(["container", "inspect", "--format", form, container])
        if answer.code != 0 || answer.output.isEmpty && !answer.errorText.isEmpty {
            answer = try await platform.podman(["container", "inspect", "--format", old, container])
        }
        return trimmed(answer.outputText.replacing("\n", with: ""))
    }

    /// How the health command ended last, and what it printed.
    private func lastCheck(of container: String) async -> [String] {
        let log = try? await inspected(
            container,
            "{{json .State.Health.Log}}",
            old: "{{json .State.Healthcheck.Log}}"
        )
        guard let log, let last = try? JSON(parsing: Array(log.utf8)).array?.last else { return [] }
        let lines = (last["Output"]?.string ?? "").split(whereSeparator: \.isNewline).suffix(5).map(String.init)
        let end = "the check ended with \(last["ExitCode"]?.int ?? 0)"
        return lines.isEmpty ? ["\(end) and printed nothing"] : ["\(end):"] + lines.map { "check: \($0)" }
    }

    private func failure(_ unit: UnitDeclaration, _ properties: [String: String], job: String?) async -> Failure {
        let why: String
        switch (job, properties["Result"] ?? "") {
        case ("dependency", _): why = "a unit it requires did not start"
        case ("timeout", _), (_, "timeout"):
            why = "it was not ready in time (TimeoutStartSec)"
        case ("assert", _): why = "it was not started, \(unit.assertions.joined(separator: ", ")) does not hold"
        case (_, "exit-code"): why = "it exited with code \(properties["ExecMainStatus"] ?? "?")"
        case (_, "signal"), (_, "core-dump"): why = "it was ended by signal \(properties["ExecMainStatus"] ?? "?")"
        case (_, "start-limit-hit"): why = "it failed too often in a row"
        case (_, "protocol"): why = "it ended before it was ready"
        case (let job?, let result):
            why = result.isEmpty || result == "success" ? "the start ended as '\(job)'" : result
        case (nil, _):
            why = "it is \(properties["ActiveState"] ?? "unknown") (\(properties["SubState"] ?? ""))"
        }
        let reason: Reason = why.contains("in time") ? .timedOut : .healthCheckFailed
        var failure = Failure(reason, "\(unit.service) failed: \(why)")
        failure.details = await platform.logs(of: unit.service).map { "log: \($0)" }
        return failure
    }
}
