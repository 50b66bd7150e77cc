package import Configuration
internal import Delivery
internal import Diagnostics
internal import Documents
internal import Journal
internal import Mail
package import Operations
internal import Server

/// Who is notified of what happens in a controller, and the sign of life.
package struct NotificationRunner: Sendable {
    private let notifier: Notifier?
    private let heartbeat: Heartbeat?
    private let context: ControllerContext

    /// - Throws: `Failure` that names the place when a notification cannot be made as it is configured.
    package init(
        _ configuration: NotificationConfiguration,
        _ server: ServerConfiguration,
        context: ControllerContext
    ) throws {
        self.context = context
        heartbeat = configuration.heartbeat.map { Heartbeat(url: $0.url, interval: $0.interval) }
        let channels = try configuration.channels.map(Self.channel)
        guard !channels.isEmpty else {
            notifier = nil
            return
        }
        notifier = Notifier(
            channels,
            store: context.store,
            base: server.url,
            now: currentTime,
            report: { await context.tell($0) },
            count: { context.metrics.count("hecate_notifications", $0, $1) }
        )
    }

    func run() async {
        let changes = context.changes.stream()
        await withDiscardingTaskGroup { group in
            if let notifier { group.addTask { await notifier.run(changes: changes) } }
            if let heartbeat {
                group.addTask {
                    await heartbeat.run(
                        isAlive: {
                            // The reconciler's own turn, and the journal's.
                            _ = await context.reconciler.queueDepth
                            return (try? await context.store.generation()) != nil
                        },
                        changed: { problem in
                            if let problem {
                                let words = "the sign of life failed: \(problem)"
                                await context.note(.warning, .unavailable, "heartbeat", words)
                            } else {
                                await context.note(.info, .recovered, "heartbeat", "the sign of life is given again")
                            }
                        }
                    )
                }
            }
        }
    }

    /// A channel of the configuration.
    package static func channel(_ given: NotificationConfiguration.Channel) throws -> Channel {
        func wrong(_ what: String) -> Failure {
            let place = given.place.map { "\($0): " } ?? ""
            return Failure(.invalid, "\(place)the notification '\(given.name)': \(what)", next: .needsChange)
        }
        var channel = Channel(name: given.name, kind: kind(given))
        if let severity = given.severity.flatMap(Event.Severity.init) { channel.severity = severity }
        channel.reasons = try given.reasons.map { names in
            Set(
                try names.map { name in
                    guard let reason = Reason(rawValue: name) else {
                        let hint = suggestion(for: name, among: Reason.allCases.map(\.rawValue))
                        throw wrong("there is no reason '\(name)'; \(hint ?? "see docs/reference.md")")
                    }
                    return reason
                }
            )
        }
        channel.apps = given.apps
        channel.sources = Set(given.sources)
        if let group = given.group { channel.group = group }
        if case .commitStatus = channel.kind { channel.group = .zero }
        do throws(TemplateError) {
            channel.template = try given.template.map { text throws(TemplateError) in try Template(text) }
        } catch {
            throw wrong("its template cannot be read: \(error.description)")
        }
        return channel
    }

    private static func kind(_ given: NotificationConfiguration.Channel) -> Channel.Kind {
        func value(_ key: String) -> String { given.values[key] ?? "" }
        func plain(_ url: String) -> String { url.hasSuffix("/") ? String(url.dropLast()) : url }
        switch given.kind {
        case "slack": return .slack(url: value("url"))
        case "discord": return .discord(url: value("url"))
        case "teams": return .teams(url: value("url"))
        case "matrix": return .matrix(server: plain(value("server")), room: value("room"), token: value("token"))
        case "ntfy":
            let server = given.values["server"] ?? "https://ntfy.sh"
            return .ntfy(server: plain(server), topic: value("topic"), token: given.values["token"])
        case "mail":
            var mail = Mail(
                host: value("host"),
                port: given.port,
                encryption: given.values["encryption"].flatMap(Mail.Encryption.init) ?? .starttls,
                from: value("from"),
                to: given.to,
                message: []
            )
            mail.authority = given.values["ca"]
            mail.username = given.values["username"]
            mail.password = given.values["password"]
            return .mail(mail)
        case "github", "gitlab", "gitea":
            let kind = Channel.Forge.Kind(rawValue: given.kind) ?? .github
            let usual = ["github": "https://api.github.com", "gitlab": "https://gitlab.com/api/v4"]
            return .commitStatus(
                Channel.Forge(
                    kind: kind,
                    api: plain(given.values["api"] ?? usual[given.kind] ?? ""),
                    repository: value("repository"),
                    token: value("token")
                )
            )
        default: return .webhook(url: value("url"), secret: given.values["secret"])
        }
    }
}
