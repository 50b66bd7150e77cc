internal import Delivery
internal import Systemd

/// What the words of a unit ask for while its service is down (systemd.unit(5), systemd.service(5)).
enum Expectation: Equatable {
    /// It has to be up.
    case up
    /// Nothing that is up wants it: a timer, a socket, a path or a person starts it.
    case onDemand
    /// It ran to a good end, after which its unit has it stay down.
    case over
    /// systemd was asked to start it, and a condition of its unit was not met; with the words of its conditions.
    case skipped(String)
}

extension Expectation {
    /// Why a service is down, in words; empty when it should not be.
    var reason: String {
        switch self {
        case .up: ""
        case .onDemand: "nothing that is up wants it: it is started by hand, or by a timer, a socket or a path"
        case .over: "it ran to a good end"
        case .skipped(let conditions): "it was not started: \(conditions) not met"
        }
    }
}

extension NodeDeployment {
    /// What a service that is down should be.
    ///
    /// `isDeclared`: Whether what it ran last, or was to run, is what is declared.
    func expectation(
        _ unit: UnitDeclaration,
        _ properties: [String: String],
        isDeclared: Bool
    ) async throws -> Expectation {
        guard properties["LoadState"] != "not-found" else { return unit.isWantedByItself ? .up : .onDemand }
        guard try await isWanted(unit, properties) else { return .onDemand }
        guard isDeclared, properties["ActiveState"] == "inactive" else { return .up }
        if properties["Result"] == "exec-condition" {
            return .skipped(
                unit.unit.all("Service", "ExecCondition").map { "ExecCondition=\($0.value)" }.joined(separator: ", ")
            )
        }
        let begun = number(properties, "InactiveExitTimestampMonotonic")
        let tried = number(properties, "ConditionTimestampMonotonic")
        if properties["ConditionResult"] == "0", tried > 0, tried >= begun {
            return .skipped(unit.conditions.joined(separator: ", "))
        }
        guard begun > 0, hasEndedWell(unit, properties), properties["RemainAfterExit"] != "1" else { return .up }
        if properties["Type"] == "oneshot" { return .over }
        // It is gone by its own wish once it has elapsed.
        if properties["RemainAfterElapse"] == "0" { return .over }
        // A pod ends with its containers, whoever ended those.
        guard [.container, .service].contains(unit.name.kind) else { return .up }
        // What systemd would start again by itself did not end by itself.
        guard !["always", "on-success"].contains(properties["Restart"] ?? "no") else { return .up }
        let wasStopped = await platform.wasStopped(unit.service, run: properties["InvocationID"] ?? "")
        return wasStopped ? .up : .over
    }

    /// Whether the last run came to a good end.
    ///
    /// `systemctl reset-failed` takes the result back and leaves how the main process ended.
    private func hasEndedWell(_ unit: UnitDeclaration, _ properties: [String: String]) -> Bool {
        guard properties["Result"] == "success" else { return false }
        let status = Int(properties["ExecMainStatus"] ?? "0") ?? 0
        let good = unit.unit.values("Service", "SuccessExitStatus").flatMap(words)
        // Killed, with or without a dump (`CLD_KILLED`, `CLD_DUMPED`): the status is a signal.
        guard !["2", "3"].contains(properties["ExecMainCode"]) else {
            let name = ExitStatuses.signals[status]
            let isClean = properties["Type"] != "oneshot" && ExitStatuses.cleanSignals.contains(name ?? "")
            return isClean || name.map(good.contains) ?? false
        }
        return status == 0 || good.contains { $0 == "\(status)" || ExitStatuses.names[$0] == status }
    }

    /// Whether something asks for it that is up, or will be.
    private func isWanted(_ unit: UnitDeclaration, _ properties: [String: String]) async throws -> Bool {
        let wanting = wanting(properties)
        if wanting.contains(where: Self.bootTargets.contains) { return true }
        if !wanting.isEmpty {
            let states = try await platform.systemd.units(named: wanting)
            if states.contains(where: { ["active", "activating", "reloading"].contains($0.active) || $0.hasJob }) {
                return true
            }
            // What wants it may be still to come; once a machine starts its units, it has jobs for those that are.
            if try await platform.systemd.managerState() == "initializing" { return true }
        }
        guard unit.name.kind.isThing else { return false }
        // What Podman keeps outlives a boot; it has to be made once.
        guard number(properties, "InactiveExitTimestampMonotonic") == 0, properties["ActiveState"] == "inactive" else {
            return true
        }
        let newest = await platform.revisions(id).first
        return newest.flatMap(KeptUnits.fingerprint) != unit.fingerprint
    }

    /// The units that have it started when they are.
    func wanting(_ properties: [String: String]) -> [String] {
        ["WantedBy", "RequiredBy", "UpheldBy", "BoundBy"]
            .flatMap { properties[$0]?.split(separator: " ").map(String.init) ?? [] }
    }

    /// Targets that a machine or a user's session is at when it is up.
    private static let bootTargets: Set<String> = ["default.target", "multi-user.target", "graphical.target"]

    private func number(_ properties: [String: String], _ key: String) -> UInt64 {
        properties[key].flatMap(UInt64.init) ?? 0
    }
}

extension UnitKind {
    /// Whether it describes something that Podman keeps, and no process.
    var isThing: Bool {
        switch self {
        case .volume, .network, .image, .build: true
        default: false
        }
    }
}

extension UnitDeclaration {
    /// Whether its own words have something start it.
    var isWantedByItself: Bool { name.kind.isThing || unit.isInstalled }

    /// Its conditions, as they are written; what does not meet them is not started, and has not failed.
    var conditions: [String] { written("Condition") }
    /// Its assertions, as they are written; a start that does not meet them fails.
    var assertions: [String] { written("Assert") }

    private func written(_ prefix: String) -> [String] {
        unit.entries.filter { $0.section == "Unit" && $0.key.hasPrefix(prefix) && !$0.value.isEmpty }
            .map { "\($0.key)=\($0.value)" }
    }
}

/// What `SuccessExitStatus=` may call the ways in which a process ends.
private enum ExitStatuses {
    /// Exit statuses (systemd.exec(5), "Process Exit Codes"): those of C, of LSB and of BSD.
    static let names = [
        "SUCCESS": 0, "FAILURE": 1, "INVALIDARGUMENT": 2, "NOTIMPLEMENTED": 3, "NOPERMISSION": 4, "NOTINSTALLED": 5,
        "NOTCONFIGURED": 6, "NOTRUNNING": 7, "USAGE": 64, "DATAERR": 65, "NOINPUT": 66, "NOUSER": 67, "NOHOST": 68,
        "UNAVAILABLE": 69, "SOFTWARE": 70, "OSERR": 71, "OSFILE": 72, "CANTCREAT": 73, "IOERR": 74, "TEMPFAIL": 75,
        "PROTOCOL": 76, "NOPERM": 77, "CONFIG": 78, "EXCEPTION": 255,
    ]

    /// Signals by their numbers on Linux (signal(7)).
    static let signals = [
        1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 6: "SIGABRT", 9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2",
        13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
    ]

    /// Those that end a service well when its unit says nothing (systemd.service(5), `SuccessExitStatus=`).
    static let cleanSignals = ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"]
}
