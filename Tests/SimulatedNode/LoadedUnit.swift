internal import Files
internal import Systemd

/// A unit as systemd has it in memory.
final class LoadedUnit {
    let name: String
    var definition: UnitDefinition
    /// The state of its kind: `dead`, `start`, `running`, `exited`, `stop`, `stop-sigterm`, `stop-post`, `failed`,
    /// `auto-restart`, and `active` for targets.
    var sub = "dead"
    var result = "success"
    var mainStatus = 0
    /// How the main process ended: 1 by itself, 2 by a signal.
    var mainCode = 0
    var mainPID = 0
    var restarts = 0
    var invocation = ""
    /// When it last began to be anything else than inactive; zero for never.
    var inactiveExit: Int64 = 0
    /// Whether its conditions were met when that was asked last, and when that was; zero for never.
    var conditionResult = false
    var conditionTime: Int64 = 0
    /// Whether somebody asked for its end, so that it is not started by itself.
    var isToEnd = false
    /// Whether the time until it is started by itself is over.
    var isComingBack = false
    /// Changes with every state, so that what was due in an older one is not done.
    var turn = 0
    private var windowBegin: Int64 = 0
    private var startsInWindow = 0

    /// What identified the file it was made of when it was loaded.
    private var sourceIdentity = ""

    init(_ definition: UnitDefinition) {
        name = definition.name
        self.definition = definition
        load(definition)
    }

    /// Takes a newer description of it.
    func load(_ definition: UnitDefinition) {
        self.definition = definition
        sourceIdentity = fileStatus(definition.source)?.identity ?? ""
    }

    /// Whether its file changed since it was loaded.
    var needsReload: Bool {
        guard !definition.source.isEmpty else { return false }
        // What masks it is older than anything.
        if linkTarget(definition.source) == "/dev/null" { return false }
        return fileStatus(definition.source)?.identity != sourceIdentity
    }

    /// `active`, `inactive`, `failed`, `activating`, `deactivating`.
    var active: String {
        switch sub {
        case "dead": "inactive"
        case "failed": "failed"
        case "start", "auto-restart": "activating"
        case "stop", "stop-sigterm", "stop-post": "deactivating"
        default: "active"
        }
    }

    /// Whether systemd may forget everything of it.
    var isAtBeginning: Bool { sub == "dead" }

    /// Whether it may be started once more (StartLimitBurst=).
    func mayStart(at now: Int64) -> Bool {
        guard definition.startLimitInterval > 0 else { return true }
        if startsInWindow == 0 || now > windowBegin + definition.startLimitInterval {
            (windowBegin, startsInWindow) = (now, 0)
        }
        guard startsInWindow < definition.startLimitBurst else { return false }
        startsInWindow += 1
        return true
    }

    func forgetFailure() {
        if sub == "failed" {
            sub = "dead"
            turn += 1
        }
        (result, restarts, startsInWindow) = ("success", 0, 0)
    }
}

/// What is to be done with a unit.
struct Job {
    enum Kind { case start, stop, restart }

    var number: Int
    var unit: String
    var kind: Kind
    var isRunning = false
    /// The unit's turn at which it could not begin; it is tried again at the next.
    var blockedAt: Int?
}

/// A container that runs.
struct RunningContainer {
    var definition: ContainerDefinition
    var service: String
    /// All its variables, those of files included.
    var environment: [String]
    var behaviour: Behaviour
    var started: Int64
    var identifier: String

    /// Its health as Podman reports it; empty without a health command.
    func health(at now: Int64) -> String {
        guard let check = definition.health else { return "" }
        let uptime = now - started
        var failures = 0
        var time: Int64 = 0
        var status = "starting"
        // What happened long ago no longer matters: a check that passes once goes on passing.
        while time <= uptime, failures < 1000 {
            if check.passes(behaviour, uptime: time) {
                (status, failures) = ("healthy", 0)
                break
            }
            failures += 1
            if failures >= check.retries { status = "unhealthy" }
            time += check.interval
        }
        return status
    }
}

extension SimulatedNode {
    // MARK: What is known of units

    /// A unit as its files describe it now.
    func define(_ name: String) -> UnitDefinition {
        let path = "\(folders.units)/\(name)"
        if linkTarget(path) == "/dev/null" { return UnitDefinition(name: name, load: "masked") }
        if let bytes = try? fileContent(path) {
            var unit = UnitDefinition(name: name)
            var text = UnitText(String(decoding: bytes, as: UTF8.self))
            for part in UnitText.dropIns("\(path).d") { text.append(part) }
            unit.read(text)
            unit.action = .program(Behaviour(text.all("Service", "Environment")))
            unit.environmentFiles = text.all("Service", "EnvironmentFile").map {
                $0.replacing("%h", with: folders.home)
            }
            unit.source = path
            if text.last("Service", "ExecStart") == nil { unit.load = "bad-setting" }
            return unit
        }
        if let unit = generated[name] { return unit }
        guard name == "default.target" else { return .missing(name) }
        var target = UnitDefinition(name: name, isTarget: true)
        let enabled = (try? names(in: "\(folders.units)/default.target.wants")) ?? []
        target.wants =
            enabled + generated.values.filter { $0.wantedBy.contains(name) }.map(\.name).sorted()
        target.after = target.wants
        return target
    }

    /// The unit, as it is in memory or else as its files describe it.
    func unit(_ name: String) -> LoadedUnit {
        if let known = loaded[name] {
            // What was not there is looked for each time it is asked about.
            if known.definition.load == "not-found" { known.load(define(name)) }
            guard known.isAtBeginning, jobs[name] == nil, !isReferenced(name) else { return known }
            loaded[name] = nil
        }
        let unit = LoadedUnit(define(name))
        loaded[name] = unit
        return unit
    }

    /// Whether a unit that stays in memory leads to it, so that it stays there as well.
    private func isReferenced(_ name: String) -> Bool {
        var reached = Set(loaded.values.filter { !$0.isAtBeginning || jobs[$0.name] != nil }.map(\.name))
        reached.remove(name)
        if phase == .running || phase == .starting { reached.insert("default.target") }
        var open = reached.sorted()
        while let next = open.popLast() {
            let definition = loaded[next]?.definition ?? define(next)
            for other in definition.requires + definition.wants where reached.insert(other).inserted {
                if other == name { return true }
                open.append(other)
            }
        }
        return false
    }

    /// Runs Podman's generator.
    func generate() {
        let model = QuadletModel(folder: folders.quadlet, home: folders.home)
        generated = Dictionary(model.units.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Reads every unit file again and runs the generators.
    package func reload() {
        changeCount += 1
        generate()
        readings.last = monotonic(now)
        for (name, unit) in loaded { unit.load(define(name)) }
        dispatch()
    }
}
