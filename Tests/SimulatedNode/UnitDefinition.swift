/// A unit as its files describe it.
struct UnitDefinition {
    /// What its service does.
    enum Action: Equatable {
        case container(ContainerDefinition)
        /// Makes something of Podman's and ends, such as `volume systemd-data`.
        case make(kind: String, name: String)
        /// A program.
        case program(Behaviour)
    }

    /// How a service tells that it is up.
    enum ServiceType: String { case simple, exec, notify, oneshot, forking }

    /// When systemd starts it anew by itself.
    enum Restart: String {
        case no, always
        case onFailure = "on-failure"
        case onSuccess = "on-success"
        case onAbnormal = "on-abnormal"
    }

    var name: String
    /// `loaded`, `not-found`, `bad-setting`, `masked`.
    var load = "loaded"
    /// Whether it is a target: it has no process.
    var isTarget = false
    /// The file it was made of.
    var source = ""
    /// What it says, without comments.
    var meaning = ""
    var action = Action.program(.stays)
    /// Files that systemd reads variables from at each start of a program.
    var environmentFiles: [String] = []
    var type = ServiceType.simple
    var staysAfterExit = false
    var restart = Restart.no
    var restartDelay: Int64 = 100_000_000
    var startTimeout: Int64 = 90_000_000_000
    var stopTimeout: Int64 = 90_000_000_000
    var startLimitBurst = 5
    var startLimitInterval: Int64 = 10_000_000_000
    var requires: [String] = []
    var wants: [String] = []
    var after: [String] = []
    var wantedBy: [String] = []
    var requiredBy: [String] = []
    /// Paths of `ConditionPathExists=`, with a `!` before what must not be there.
    var conditions: [String] = []

    static func missing(_ name: String) -> UnitDefinition { UnitDefinition(name: name, load: "not-found") }

    /// What every service file may say.
    mutating func read(_ text: UnitText) {
        meaning = text.entries.map { "\($0.section).\($0.key)=\($0.value)" }.joined(separator: "\n")
        requires = text.words("Unit", "Requires")
        wants = text.words("Unit", "Wants")
        after = text.words("Unit", "After")
        conditions = text.all("Unit", "ConditionPathExists")
        wantedBy = text.words("Install", "WantedBy")
        requiredBy = text.words("Install", "RequiredBy")
        startLimitBurst = text.last("Unit", "StartLimitBurst").flatMap(Int.init) ?? startLimitBurst
        startLimitInterval = text.span("Unit", "StartLimitIntervalSec") ?? startLimitInterval
        if let written = text.last("Service", "Type").flatMap(ServiceType.init) { type = written }
        if type == .oneshot { startTimeout = Int64.max / 4 }
        staysAfterExit = text.isTrue("Service", "RemainAfterExit")
        restart = text.last("Service", "Restart").flatMap(Restart.init) ?? .no
        restartDelay = text.span("Service", "RestartSec") ?? restartDelay
        startTimeout = text.span("Service", "TimeoutStartSec") ?? startTimeout
        stopTimeout = text.span("Service", "TimeoutStopSec") ?? stopTimeout
        // systemd refuses what would never end.
        if type == .oneshot, restart == .always || restart == .onSuccess { load = "bad-setting" }
    }

    func restarts(after result: String) -> Bool {
        switch restart {
        case .no: false
        case .always: true
        case .onSuccess: result == "success"
        case .onFailure: result != "success"
        case .onAbnormal: ["signal", "timeout", "core-dump", "watchdog"].contains(result)
        }
    }
}

/// A container as a `.container` file describes it.
struct ContainerDefinition: Equatable {
    var name: String
    var image: String
    var environment: [String]
    /// Files that Podman reads variables from at each start; it refuses the container when one is not there.
    var environmentFiles: [String] = []
    var health: HealthCheck?
    /// Whether its service is up only once the health command passed.
    var tellsHealth = false
    /// What it mounts and where it is connected, which has to be there: `volume systemd-data`.
    var uses: [String] = []
}
