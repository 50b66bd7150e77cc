internal import Files
internal import Systemd

/// The states of a service, as in systemd's `service.c` as far as services here go through them.
extension SimulatedNode {
    /// Takes a unit to a state.
    func set(_ unit: LoadedUnit, _ sub: String) {
        let wasInactive = ["inactive", "failed"].contains(unit.active)
        unit.sub = sub
        unit.turn += 1
        if wasInactive, !["inactive", "failed"].contains(unit.active) { unit.inactiveExit = now }
        if ["dead", "failed", "exited", "auto-restart"].contains(sub) { unit.mainPID = 0 }
        tell(.changed(unit: unit.name))
        settle(unit, as: unit.active)
    }

    /// Does something later, unless the unit went on to another state meanwhile.
    private func after(_ delay: Int64, in unit: LoadedUnit, _ action: @escaping (SimulatedNode) -> Void) {
        let turn = unit.turn
        after(delay) { [unowned unit] node in
            if unit.turn == turn { action(node) }
        }
    }

    func meetsConditions(_ unit: LoadedUnit) -> Bool {
        unit.conditionTime = now
        unit.conditionResult = unit.definition.conditions.allSatisfy { condition in
            let isNegated = condition.hasPrefix("!")
            return pathExists(isNegated ? String(condition.dropFirst()) : condition) != isNegated
        }
        return unit.conditionResult
    }

    // MARK: Starting

    func launch(_ unit: LoadedUnit) {
        if unit.sub != "auto-restart" { unit.restarts = 0 }
        (unit.result, unit.mainStatus, unit.mainCode) = ("success", 0, 0)
        (unit.isToEnd, unit.isComingBack) = (false, false)
        unit.invocation = chance.identifier()
        unit.mainPID = 1000 + jobCount
        onStart?(unit.name)
        set(unit, "start")
        let definition = unit.definition
        after(definition.startTimeout, in: unit) { node in
            unit.result = "timeout"
            node.terminate(unit)
        }
        switch definition.action {
        case .container(let container):
            let turn = unit.turn
            after(chance.milliseconds(120...300)) { [unowned unit] node in
                if unit.turn == turn { node.run(container, of: unit) }
            }
        case .make(let kind, let name):
            after(chance.milliseconds(60...150), in: unit) { node in
                node.made.insert("\(kind) \(name)")
                node.mainEnded(unit, code: 0)
            }
        case .program(let behaviour):
            let invocation = unit.invocation
            if case .ends(let code, let delay) = behaviour {
                after(max(delay, 2_000_000)) { [unowned unit] node in
                    guard unit.invocation == invocation else { return }
                    node.mainEnded(unit, code: code)
                }
            }
            if definition.type != .oneshot { set(unit, "running") }
        }
    }

    /// What `podman run` does.
    private func run(_ definition: ContainerDefinition, of unit: LoadedUnit) {
        let missing = definition.uses.contains { $0.hasPrefix("network") && !made.contains($0) }
        var environment = definition.environment
        var isReadable = true
        for path in definition.environmentFiles {
            guard let bytes = try? fileContent(path) else {
                isReadable = false
                continue
            }
            environment += String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        }
        guard images.contains(definition.image), isReadable, !missing else { return mainEnded(unit, code: 125) }
        let behaviour = Behaviour(environment)
        let identifier = chance.identifier()
        containers[definition.name] = RunningContainer(
            definition: definition,
            service: unit.name,
            environment: environment,
            behaviour: behaviour,
            started: now,
            identifier: identifier
        )
        if case .ends(let code, let delay) = behaviour {
            after(delay + chance.milliseconds(10...40)) { [unowned unit] node in
                guard node.containers[definition.name]?.identifier == identifier else { return }
                node.containers[definition.name] = nil
                node.mainEnded(unit, code: code)
            }
        }
        guard unit.definition.type != .oneshot else { return }
        guard definition.tellsHealth, let check = definition.health else { return set(unit, "running") }
        awaitHealth(check, behaviour, unit)
    }

    private func awaitHealth(_ check: HealthCheck, _ behaviour: Behaviour, _ unit: LoadedUnit) {
        let began = now
        func look(_ node: SimulatedNode) {
            if check.passes(behaviour, uptime: node.now - began) { return node.set(unit, "running") }
            node.after(check.interval, in: unit, look)
        }
        after(chance.milliseconds(30...90), in: unit, look)
    }

    // MARK: Ending

    /// The main process ended, by itself or by a signal.
    func mainEnded(_ unit: LoadedUnit, code: Int, signal: Int? = nil) {
        (unit.mainCode, unit.mainStatus) = signal.map { (2, $0) } ?? (1, code)
        unit.mainPID = 0
        let isClean = signal == nil ? code == 0 : signal == 15
        if unit.result == "success", !isClean { unit.result = signal == nil ? "exit-code" : "signal" }
        switch unit.sub {
        case "start":
            guard isClean else { return cleanUp(unit) }
            if unit.definition.type == .oneshot {
                if unit.definition.staysAfterExit { return set(unit, "exited") }
            } else if unit.result == "success" {
                unit.result = "protocol"
            }
            cleanUp(unit)
        case "running":
            guard isClean else { return cleanUp(unit) }
            if unit.definition.staysAfterExit { return set(unit, "exited") }
            guard case .container = unit.definition.action else { return die(unit) }
            set(unit, "stop")
            after(chance.milliseconds(80...200), in: unit) { $0.cleanUp(unit) }
        case "stop", "stop-sigterm": cleanUp(unit)
        default: break
        }
    }

    /// What is left of a container is removed.
    private func cleanUp(_ unit: LoadedUnit) {
        guard case .container(let container) = unit.definition.action else { return die(unit) }
        set(unit, "stop-post")
        containers[container.name] = nil
        after(chance.milliseconds(60...130), in: unit) { $0.die(unit) }
    }

    private func die(_ unit: LoadedUnit) {
        let end = unit.result == "success" ? "dead" : "failed"
        guard !unit.isToEnd, unit.definition.restarts(after: unit.result) else { return set(unit, end) }
        settle(unit, as: end == "dead" ? "inactive" : "failed")
        set(unit, "auto-restart")
        after(unit.definition.restartDelay, in: unit) { node in
            unit.restarts += 1
            unit.isComingBack = true
            if (try? node.install(.start, unit.name)) == nil { node.set(unit, "failed") }
            node.jobs[unit.name]?.blockedAt = nil
            node.dispatch()
        }
    }

    /// The end that somebody asked for.
    func stop(_ unit: LoadedUnit) {
        unit.isToEnd = true
        switch unit.sub {
        case "active": set(unit, "dead")
        case "auto-restart": set(unit, "dead")
        case "exited":
            if case .container = unit.definition.action {
                set(unit, "stop")
                after(chance.milliseconds(80...200), in: unit) { $0.cleanUp(unit) }
            } else {
                die(unit)
            }
        case "start": terminate(unit)
        case "running":
            guard case .container(let container) = unit.definition.action else { return terminate(unit) }
            set(unit, "stop")
            guard containers[container.name]?.behaviour == .stubborn else {
                after(chance.milliseconds(150...300), in: unit) { $0.mainEnded(unit, code: 0) }
                return
            }
            // Podman kills what does not end within ten seconds.
            if unit.definition.stopTimeout > 10_000_000_000 {
                after(10_000_000_000, in: unit) { $0.mainEnded(unit, code: 137) }
            } else {
                after(unit.definition.stopTimeout, in: unit) { node in
                    unit.result = "timeout"
                    node.terminate(unit)
                }
            }
        default: break
        }
    }

    /// SIGTERM, and SIGKILL when that is not heard.
    private func terminate(_ unit: LoadedUnit) {
        set(unit, "stop-sigterm")
        let isStubborn =
            switch unit.definition.action {
            case .container(let container): containers[container.name]?.behaviour == .stubborn
            case .program(let behaviour): behaviour == .stubborn
            case .make: false
            }
        guard isStubborn else {
            let isContainer = if case .container = unit.definition.action { true } else { false }
            after(chance.milliseconds(isContainer ? 60...150 : 1...5), in: unit) { node in
                if isContainer { node.mainEnded(unit, code: 0) } else { node.mainEnded(unit, code: 0, signal: 15) }
            }
            return
        }
        after(unit.definition.stopTimeout, in: unit) { node in
            unit.result = "timeout"
            node.mainEnded(unit, code: 0, signal: 9)
        }
    }

    /// Kills a service's main process; nothing happens when it has none.
    package func kill(_ service: String) {
        guard let unit = loaded[service], ["start", "running", "stop", "stop-sigterm"].contains(unit.sub),
            unit.mainPID > 0
        else { return }
        if case .container(let container) = unit.definition.action { containers[container.name] = nil }
        mainEnded(unit, code: 0, signal: 9)
        dispatch()
    }
}
