package import Diagnostics
internal import YAML

/// What the controller is configured with: `config.yml` in Hecate's own form or in HiveMind's, or the environment.
package struct Configuration: Sendable {
    package var sources: [SourceConfiguration] = []
    package var targets: [TargetConfiguration] = []
    package var registries: [RegistryConfiguration] = []
    /// This machine's own units, when the controller keeps them as well.
    package var node: NodeConfiguration?
    /// The folder of the journal and the mirrors.
    package var store = "/var/lib/hecate"
    package var parallelism = 64
    package var timeout: Duration = .seconds(300)
    package var verifyWindow: Duration = .seconds(10)
    package var interval: Duration = .seconds(300)
    package var pruneShare = 0.5
    package var variables: [String: String] = [:]
    package var bindRoot = Self.defaultBindRoot
    /// The stacks written into the configuration itself, as the bytes of a stacks file, and where they stand.
    package var inlineStacks: (bytes: [UInt8], file: String)?
    package var server = ServerConfiguration()
    package var notifications = NotificationConfiguration()
    package var warnings: [Diagnostic] = []

    package init() {}

    /// Where relative bind mounts lie on the nodes unless somebody says otherwise.
    package static let defaultBindRoot = "/var/lib/hecate/files"
}

/// One Git repository to follow.
package struct SourceConfiguration: Sendable {
    /// What part of the history is followed.
    package enum Reference: Sendable, Hashable {
        case branch(String)
        case tag(String)
        case semver(String)
    }

    package var name: String
    package var url: String
    package var reference: Reference = .branch("main")
    package var path = ""
    package var stacksFile = "stacks.yml"
    package var username: String?
    package var password: String?
    package var sshKey: String?
    /// What pushes to the repository are signed with.
    package var webhookSecret: String?
    package var knownHosts: String?
    package var pollInterval: Duration = .seconds(60)
    package var timeout: Duration = .seconds(60)
}

/// One Docker Swarm.
package struct TargetConfiguration: Sendable {
    package var name: String
    /// As `DOCKER_HOST` writes it: `unix:///path` or `tcp://host:port`.
    package var endpoint: String
    package var place: Place?
    /// PEM files for mutual TLS: authority, certificate, key.
    package var tls: (authority: String, certificate: String, key: String)?
}

/// The units of the machine the controller runs on.
package struct NodeConfiguration: Sendable, Hashable {
    /// The folder that says what should run; nil for the usual one.
    package var gitops: String?

    package init(gitops: String? = nil) { self.gitops = gitops }
}

/// Who the controller is at a registry.
package struct RegistryConfiguration: Sendable, Hashable {
    package var server: String
    package var username: String
    package var password: String

    package init(server: String, username: String, password: String) {
        self.server = server
        self.username = username
        self.password = password
    }
}

/// How a configuration reaches what lies outside its file: the environment and secrets in files.
package struct ConfigurationEnvironment: Sendable {
    package var variables: [String: String]
    /// Reads a file of the machine; nil when it cannot be read.
    package var read: @Sendable (String) -> [UInt8]?

    package init(variables: [String: String], read: @escaping @Sendable (String) -> [UInt8]?) {
        self.variables = variables
        self.read = read
    }

    /// A variable by Hecate's name or by HiveMind's.
    func value(_ name: String) -> String? {
        for prefix in ["HECATE_", "HIVEMIND_"] {
            guard var value = variables[prefix + name] else { continue }
            // HiveMind takes quotes off what is said of its repository.
            if prefix == "HIVEMIND_", name.hasPrefix("GIT_") { value = unquoted(value) }
            if !value.isEmpty { return value }
        }
        return nil
    }

    private func unquoted(_ value: String) -> String {
        guard let quote = value.first, quote == "\"" || quote == "'", value.count > 1, value.last == quote else {
            return value
        }
        return String(value.dropFirst().dropLast())
    }
}
