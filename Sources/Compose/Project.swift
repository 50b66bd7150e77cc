package import Diagnostics

/// Compose files after merging, interpolation, extension and validation: what a stack should be, in types.
///
/// Field names and meanings are those of the Compose Specification; only what Docker Swarm can do is kept.
package struct Project: Sendable {
    /// The project's name as the file gives it; a stack is named by the fleet repository instead.
    package var name: String?
    package var services: [Service] = []
    package var networks: [String: Network] = [:]
    package var volumes: [String: Volume] = [:]
    package var configs: [String: FileObject] = [:]
    package var secrets: [String: FileObject] = [:]
    /// What was found on the way that does not stop the project from being used.
    package var warnings: [Diagnostic] = []

    package init() {}
}

/// One service of a project.
package struct Service: Sendable {
    package var name: String
    package var place: Place
    package var image = ""
    package var imagePlace: Place
    package var entrypoint: [String] = []
    package var command: [String] = []
    package var environment: [String: String?] = [:]
    package var labels: [String: String] = [:]
    package var hostname = ""
    package var user = ""
    package var workingDirectory = ""
    package var stopSignal = ""
    package var stopGracePeriod: Duration?
    package var isolation = ""
    package var terminal = false
    package var stdinOpen = false
    package var readOnly = false
    package var runsInit: Bool?
    package var oomScoreAdjust = 0
    package var extraHosts: [(name: String, address: String)] = []
    package var dns: [String] = []
    package var dnsSearch: [String] = []
    package var dnsOptions: [String] = []
    /// `group_add`: more groups of the process, by name or number.
    package var groups: [String] = []
    package var capAdd: [String] = []
    package var capDrop: [String] = []
    package var sysctls: [String: String] = [:]
    package var ulimits: [String: Ulimit] = [:]
    package var healthcheck: Healthcheck?
    package var logging: Logging?
    package var credentialSpec: CredentialSpec?
    package var ports: [Port] = []
    package var mounts: [Mount] = []
    package var networks: [NetworkAttachment] = []
    package var configs: [FileReference] = []
    package var secrets: [FileReference] = []
    package var dependsOn: [String] = []
    /// Those of `dependsOn` that say `required: false`.
    package var optionalDependencies: Set<String> = []
    /// The older way to say `deploy.restart_policy`.
    package var restart = ""
    package var deploy = Deploy()

    package init(name: String, place: Place) {
        self.name = name
        self.place = place
        imagePlace = place
    }
}

/// `ulimits`: a soft and a hard limit.
package struct Ulimit: Sendable, Hashable {
    package var soft: Int
    package var hard: Int
}

/// `healthcheck`.
package struct Healthcheck: Sendable {
    package var isDisabled = false
    package var test: [String] = []
    package var interval: Duration?
    package var timeout: Duration?
    package var startPeriod: Duration?
    package var startInterval: Duration?
    package var retries = 0
}

/// `logging`.
package struct Logging: Sendable {
    package var driver: String
    package var options: [String: String]
}

/// `credential_spec` of Windows services.
package struct CredentialSpec: Sendable {
    package var config = ""
    package var file = ""
    package var registry = ""
}

/// One published port.
package struct Port: Sendable, Hashable {
    package var target: Int
    package var published: Int
    package var transport: String
    package var mode: String
    package var place: Place
}

/// One mount of a service.
package struct Mount: Sendable {
    package var type: String
    package var source: String
    package var target: String
    package var readOnly = false
    package var propagation: String?
    package var hasBindOptions = false
    package var noCopy = false
    package var tmpfsSize: Int?
    package var hasTmpfsOptions = false
    package var place: Place
}

/// How a service is attached to a network.
package struct NetworkAttachment: Sendable {
    package var network: String
    package var aliases: [String]
    package var driverOptions: [String: String]

    package init(network: String, aliases: [String] = [], driverOptions: [String: String] = [:]) {
        self.network = network
        self.aliases = aliases
        self.driverOptions = driverOptions
    }
}

/// A config or secret as a service uses it.
package struct FileReference: Sendable {
    package var source: String
    package var target: String
    package var uid: String
    package var gid: String
    package var mode: Int
    package var place: Place
}

/// `deploy`: what a cluster does with a service.
package struct Deploy: Sendable {
    package var mode = "replicated"
    package var replicas: Int?
    package var labels: [String: String] = [:]
    package var endpointMode = ""
    package var updateConfig: UpdateConfig?
    package var rollbackConfig: UpdateConfig?
    package var limits: Resources?
    package var reservations: Resources?
    package var restartPolicy: RestartPolicy?
    package var constraints: [String] = []
    package var preferences: [String] = []
    package var maxReplicasPerNode = 0
}

/// `update_config` and `rollback_config`.
package struct UpdateConfig: Sendable {
    package var parallelism = 1
    package var delay: Duration?
    package var failureAction = ""
    package var monitor: Duration?
    package var maxFailureRatio = 0.0
    package var order = ""
}

/// `resources.limits` and `resources.reservations`.
package struct Resources: Sendable {
    package var nanoCPUs = 0
    package var memory = 0
    package var pids = 0
    package var generic: [(kind: String, value: Int)] = []
}

/// `restart_policy`.
package struct RestartPolicy: Sendable {
    package var condition = ""
    package var delay: Duration?
    package var maxAttempts: Int?
    package var window: Duration?
}

/// A network of a project.
package struct Network: Sendable {
    package var place: Place
    package var name: String?
    package var isExternal = false
    package var driver = ""
    package var driverOptions: [String: String] = [:]
    package var labels: [String: String] = [:]
    package var isInternal = false
    package var isAttachable = false
    package var ipamDriver = ""
    package var subnets: [String] = []
}

/// A volume of a project.
package struct Volume: Sendable {
    package var place: Place
    package var name: String?
    package var isExternal = false
    package var driver = ""
    package var driverOptions: [String: String]?
    package var labels: [String: String] = [:]
}

/// A config or a secret of a project, with its content when the project brings it.
package struct FileObject: Sendable {
    package var place: Place
    package var name: String?
    package var isExternal = false
    package var content: [UInt8] = []
    package var driver = ""
    package var driverOptions: [String: String] = [:]
    package var templateDriver = ""
    package var labels: [String: String] = [:]
}
