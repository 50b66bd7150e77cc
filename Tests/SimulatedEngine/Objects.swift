internal import JSON

/// The states of a task, in the order in which it goes through them.
///
/// Source: swarmkit, `api/types.proto`.
package enum TaskState: Int, CaseIterable, Comparable, Sendable {
    case new, pending, assigned, accepted, preparing, ready, starting, running
    case complete, shutdown, failed, rejected, remove, orphaned

    package static func < (left: TaskState, right: TaskState) -> Bool { left.rawValue < right.rawValue }

    package var name: String { Self.names[rawValue] }

    private static let names = allCases.map { "\($0)" }

    /// Whether nothing comes after it.
    var isFinal: Bool { self > .running }
}

/// What a service's tasks are made from, in one revision.
final class TaskSpec {
    /// The task template as tasks show it.
    let json: JSON
    /// The template without what may change under a running task.
    let essence: JSON
    let placement: JSON
    /// The ports and the mode of the endpoint, which take part in the comparison of tasks.
    let endpoint: JSON
    let bytes: [UInt8]
    let image: String
    let behaviour: Behaviour
    let health: HealthCheck?
    let stopGracePeriod: Int64
    let restart: RestartPolicy
    let constraints: [Constraint]
    let maxReplicas: Int64
    /// Identifiers of the networks.
    let networks: [String]
    /// Names of the volumes.
    let volumes: [String]
    let hostPorts: [String]
    let cpu: Int64
    let memory: Int64

    init(service spec: JSON) {
        var task = spec["TaskTemplate"] ?? [:]
        task["Runtime"] = nil
        json = task
        bytes = task.encoded()
        let container = task["ContainerSpec"] ?? [:]
        placement = task["Placement"] ?? [:]
        var rest = task
        rest["Placement"] = nil
        essence = rest
        endpoint = spec["EndpointSpec"] ?? [:]
        image = container["Image"]?.string ?? ""
        let chosen = container["Env"]?.array?.compactMap(\.string).first { $0.hasPrefix("SIM=") }
        behaviour = Behaviour(String((chosen ?? "SIM=good").dropFirst(4)))
        stopGracePeriod = container["StopGracePeriod"]?.int ?? 10 * second
        let check = container["Healthcheck"]
        let test = check?["Test"]?.array?.compactMap(\.string) ?? []
        if test == ["NONE"] {
            health = nil
        } else if !test.isEmpty, let check {
            health = HealthCheck(
                interval: max(check["Interval"]?.int ?? 0, 0) == 0 ? 30 * second : check["Interval"]?.int ?? 0,
                retries: (check["Retries"]?.int ?? 0) == 0 ? 3 : check["Retries"]?.int ?? 3,
                startPeriod: check["StartPeriod"]?.int ?? 0
            )
        } else {
            health = behaviour.impliedHealthCheck
        }
        restart = RestartPolicy(task["RestartPolicy"])
        constraints = (placement["Constraints"]?.array ?? []).compactMap { $0.string.flatMap(Constraint.init) }
        maxReplicas = placement["MaxReplicas"]?.int ?? 0
        networks = (task["Networks"] ?? spec["Networks"])?.array?.compactMap { $0["Target"]?.string } ?? []
        volumes = (container["Mounts"]?.array ?? []).filter { $0["Type"]?.string == "volume" }
            .compactMap { $0["Source"]?.string }.filter { !$0.isEmpty }
        hostPorts = (endpoint["Ports"]?.array ?? []).filter { $0["PublishMode"]?.string == "host" }.map {
            "\($0["PublishedPort"]?.int ?? 0)/\($0["Protocol"]?.string ?? "tcp")"
        }
        cpu = task["Resources"]?["Reservations"]?["NanoCPUs"]?.int ?? 0
        memory = task["Resources"]?["Reservations"]?["MemoryBytes"]?.int ?? 0
    }
}

/// When an ended task is followed by another.
struct RestartPolicy {
    var condition: String
    /// Nanoseconds.
    var delay: Int64
    var maxAttempts: Int64
    /// Nanoseconds; zero for all times.
    var window: Int64

    init(_ json: JSON?) {
        condition = json?["Condition"]?.string ?? "any"
        delay = json?["Delay"]?.int ?? 5 * second
        maxAttempts = json?["MaxAttempts"]?.int ?? 0
        window = json?["Window"]?.int ?? 0
    }
}

/// How a service's tasks are replaced.
struct UpdatePolicy {
    var parallelism: Int
    var delay: Int64
    var monitor: Int64
    var action: String
    var maxFailureRatio: Double
    var startsFirst: Bool

    init(_ json: JSON?) {
        parallelism = Int(json == nil ? 1 : json?["Parallelism"]?.int ?? 0)
        delay = json?["Delay"]?.int ?? 0
        let given = json?["Monitor"]?.int ?? 0
        monitor = given == 0 ? 5 * second : given
        // A watch shorter than the pause between tasks would see nothing.
        if delay >= monitor { monitor = delay + second }
        action = json?["FailureAction"]?.string ?? "pause"
        maxFailureRatio = json?["MaxFailureRatio"]?.double ?? 0
        startsFirst = json?["Order"]?.string == "start-first"
    }
}

/// The state of a service's last update.
struct UpdateStatus {
    var state: String
    var message: String
    var started: Int64
    var completed: Int64?
}

/// What kind of service it is.
enum ServiceMode: Equatable {
    case replicated(Int64)
    case global
    case replicatedJob(concurrent: Int64, total: Int64)
    case globalJob

    init(_ json: JSON?) {
        if let job = json?["ReplicatedJob"] {
            let concurrent = job["MaxConcurrent"]?.int ?? 1
            self = .replicatedJob(concurrent: concurrent, total: job["TotalCompletions"]?.int ?? concurrent)
        } else if json?["GlobalJob"] != nil {
            self = .globalJob
        } else if json?["Global"] != nil {
            self = .global
        } else {
            self = .replicated(json?["Replicated"]?["Replicas"]?.int ?? 1)
        }
    }

    var isJob: Bool {
        switch self {
        case .replicatedJob, .globalJob: true
        default: false
        }
    }

    var kind: String {
        switch self {
        case .replicated: "replicated"
        case .global: "global"
        case .replicatedJob: "replicated-job"
        case .globalJob: "global-job"
        }
    }
}

final class ServiceObject {
    let id: String
    let created: Int64
    var version: Int64 = 0
    var updated: Int64
    var name: String
    var labels: [String: String]
    var spec: JSON
    var specBytes: [UInt8]
    /// Which revision of the specification this is: the version of the service before it was set.
    var specVersion: Int64
    var previous: (spec: JSON, bytes: [UInt8], version: Int64)?
    var mode: ServiceMode
    var taskSpec: TaskSpec
    var updateStatus: UpdateStatus?
    var iteration: Int64 = 0
    var lastExecution: Int64 = 0
    /// Every task that is still in the store, oldest first.
    var tasks: [TaskObject] = []
    var restarts: [Int: RestartHistory] = [:]
    var isRemoved = false
    var updater: Updater?
    /// The document as it was last written, as long as nothing changes.
    var encoded: [UInt8]? { didSet { parsed = nil } }
    /// The document that was written, read back.
    var parsed: JSON?

    init(id: String, spec: JSON, now: Int64) {
        self.id = id
        created = now
        updated = now
        specVersion = 0
        self.spec = spec
        specBytes = spec.encoded()
        name = spec["Name"]?.string ?? ""
        labels = spec["Labels"]?.strings ?? [:]
        mode = ServiceMode(spec["Mode"])
        taskSpec = TaskSpec(service: spec)
        lastExecution = now
    }

    func take(_ spec: JSON, bytes: [UInt8]? = nil) {
        self.spec = spec
        specBytes = bytes ?? spec.encoded()
        labels = spec["Labels"]?.strings ?? [:]
        mode = ServiceMode(spec["Mode"])
        taskSpec = TaskSpec(service: spec)
    }
}

final class TaskObject {
    let id: String
    let service: ServiceObject
    let serviceName: String
    let labels: [String: String]
    let slot: Int
    let spec: TaskSpec
    let specVersion: Int64
    let iteration: Int64?
    let created: Int64
    var version: Int64 = 0
    var updated: Int64
    var node: NodeObject?
    var state = TaskState.new
    var desired: TaskState
    var message = "created"
    var error = ""
    var since: Int64
    /// The container's identifier once there is one.
    var container: String?
    var exitCode = 0
    var hasFailedContainer = false
    var isInStore = true
    /// Steps planned for an earlier state of things are void.
    var generation = 0
    /// Whether the agent is on its way to the next state.
    var isMoving = false
    var isStopping = false
    var hasStopSignal = false
    var isUnhealthy = false
    /// Whether its start waits for a delay or for its predecessor.
    var isDelayed = false
    /// Whether it ended before it was to be started.
    var endedEarly = false
    var whenStopped: [() -> Void] = []
    var history: [TaskRecord.Change] = []
    var encoded: [UInt8]?

    init(id: String, service: ServiceObject, slot: Int, node: NodeObject?, desired: TaskState, now: Int64) {
        self.id = id
        self.service = service
        self.slot = slot
        self.node = node
        self.desired = desired
        serviceName = service.name
        labels = service.labels
        spec = service.taskSpec
        specVersion = service.specVersion
        iteration = service.mode.isJob ? service.iteration : nil
        created = now
        updated = now
        since = now
    }

    /// The place the task fills: its slot, or its node for one task per node.
    var place: Int {
        switch service.mode {
        case .global, .globalJob: node?.number ?? 0
        default: slot
        }
    }

    var hasStopped: Bool { !isInStore || state.isFinal }
}

final class NodeObject {
    let id: String
    let number: Int
    let hostname: String
    let role: String
    var labels: [String: String]
    var availability = "active"
    /// Whether its agent can be reached.
    var isUp = true
    /// Whether the managers know that it cannot.
    var isDown = false
    var cpu: Int64
    var memory: Int64
    var version: Int64 = 0
    var created: Int64
    var updated: Int64

    init(id: String, number: Int, hostname: String, role: String, labels: [String: String], now: Int64) {
        self.id = id
        self.number = number
        self.hostname = hostname
        self.role = role
        self.labels = labels
        cpu = 4 * second
        memory = 8 << 30
        created = now
        updated = now
    }

    var isReady: Bool { !isDown && availability == "active" }
}

final class NetworkObject {
    let id: String
    let name: String
    let labels: [String: String]
    let created: Int64
    /// Whether the cluster has it; a node keeps a removed network until its last container has let go.
    var isInCluster = true
    let isPredefined: Bool
    let body: JSON
    let encoded: [UInt8]

    init(id: String, name: String, labels: [String: String], created: Int64, isPredefined: Bool, body: JSON) {
        self.id = id
        self.name = name
        self.labels = labels
        self.created = created
        self.isPredefined = isPredefined
        self.body = body
        encoded = body.encoded()
    }
}

/// A config or a secret.
final class FileObject {
    let id: String
    let name: String
    let isSecret: Bool
    let data: String
    let created: Int64
    var updated: Int64
    var version: Int64 = 0
    var labels: [String: String]
    var spec: JSON
    var encoded: [UInt8]?

    init(id: String, name: String, isSecret: Bool, spec: JSON, now: Int64) {
        self.id = id
        self.name = name
        self.isSecret = isSecret
        self.spec = spec
        data = spec["Data"]?.string ?? ""
        labels = spec["Labels"]?.strings ?? [:]
        created = now
        updated = now
    }
}
