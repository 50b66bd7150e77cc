internal import Configuration
internal import Controller
internal import Delivery
internal import Diagnostics
internal import Files
internal import Glibc
internal import Journal
internal import Quadlet
internal import Systemd

/// What the agent is run with.
struct AgentSettings: Sendable {
    var layout: NodeLayout
    var store: String
    var defaults: NodeDefaults
    /// How long nothing may change before a change is taken up.
    var debounce: Duration
    /// How often the repository behind the folder is asked for its head.
    var pollInterval: Duration
    var server = ServerConfiguration()
    var notifications = NotificationConfiguration()

    /// Finds out who runs it and where, and what the server and the notifications of the node are to be.
    static func found() throws -> AgentSettings {
        var settings = try found(gitops: nil)
        let environment = ConfigurationEnvironment(variables: environmentVariables(), read: { readFile($0) })
        let file = "\(folder(of: settings.layout.gitops))/config/server.yml"
        let content = readFile(file)
        settings.notifications =
            try content.map { try NotificationConfiguration($0, file: file, environment: environment) }
            ?? NotificationConfiguration()
        settings.server =
            try content.map { try ServerConfiguration($0, file: file, environment: environment) }
            ?? ServerConfiguration(environment: environment)
        return settings
    }

    /// The folders that units are read from, when somebody named them.
    private static func given(_ layout: NodeLayout) throws -> [String] {
        let names = environmentVariable("HECATE_GITOPS_UNITS")?.split { " :".contains($0) }.map(String.init) ?? []
        return try names.map { name in
            let path = layout.specifiers.expand(name)
            guard !path.hasPrefix("/"), !path.split(separator: "/").contains(".."), !path.contains("%") else {
                throw Failure(
                    .invalid,
                    "HECATE_GITOPS_UNITS has '\(name)'; write folders below the gitops folder, such as '.' or 'common hosts/%l'",
                    next: .needsChange
                )
            }
            return path
        }
    }

    /// Finds out who runs it and where.
    ///
    /// `gitops`: The folder that says what should run, when it is not for the environment to say.
    static func found(gitops: String?) throws -> AgentSettings {
        let user = getpwuid(getuid())
        guard let home = environmentVariable("HOME") ?? user.map({ String(cString: $0.pointee.pw_dir) }) else {
            throw Failure(.notFound, "nobody knows the home folder; set HOME", next: .needsChange)
        }
        var layout = NodeLayout(
            scope: getuid() == 0 ? .system : .user,
            home: home,
            user: user.map { String(cString: $0.pointee.pw_name) } ?? "",
            userID: getuid(),
            host: hostName(),
            gitops: gitops ?? environmentVariable("HECATE_GITOPS_DIR"),
            runtime: environmentVariable("XDG_RUNTIME_DIR"),
            configuration: environmentVariable("XDG_CONFIG_HOME")
        )
        layout.given = try given(layout)
        func seconds(_ name: String, _ usual: Double) throws -> Duration {
            guard let text = environmentVariable(name), !text.isEmpty else { return .seconds(usual) }
            guard let number = Double(text), number >= 0 else {
                throw Failure(.invalid, "\(name) is '\(text)'; expected a number of seconds", next: .needsChange)
            }
            return .seconds(number)
        }
        return AgentSettings(
            layout: layout,
            store: environmentVariable("HECATE_STORE") ?? "\(home)/.hecate/state",
            defaults: NodeDefaults(
                timeout: try seconds("HECATE_TIMEOUT", 300),
                verifyWindow: try seconds("HECATE_VERIFY_WINDOW", 5),
                interval: try seconds("HECATE_INTERVAL", 300)
            ),
            debounce: try seconds("HECATE_DEBOUNCE", 0.2),
            pollInterval: try seconds("HECATE_GITOPS_POLL_INTERVAL", 60)
        )
    }

    /// What the node's folder wants, for looking only.
    static func reading(_ settings: AgentSettings, store: Store?) async throws -> (fleet: Fleet, platform: NodePlatform)
    {
        let platform = try await NodePlatform.found(
            layout: settings.layout,
            revisions: { id in ((try? await store?.revisions(of: id)) ?? []).map(\.payload) }
        )
        let reader = NodeReader(platform: platform, defaults: settings.defaults, isActing: false)
        return (try await reader.fleet().fleet, platform)
    }
}
