internal import CSpawn
package import Configuration
internal import Delivery
internal import Diagnostics
internal import Glibc
internal import HTTPServer
internal import Documents
package import Server

/// The server of a controller: opened before anything else, drained at the end.
package struct ServerRunner: Sendable {
    private let site: Site
    private let listeners: [Listener]
    private let changes: AsyncStream<Void>
    private let keys: KeyFetcher?
    /// Whether what is sent over TCP is encrypted.
    private let isPrivate: Bool

    private let context: ControllerContext

    /// `version`: The program's.
    ///
    /// `webhooks`: What announcements of pushes are signed with.
    /// - Throws: `Failure` when an address cannot be listened on.
    package init(
        _ configuration: ServerConfiguration,
        webhooks: [WebhookSecret],
        backend: any ControllerBackend,
        context: ControllerContext,
        version: String
    ) throws {
        self.context = context
        hecate_raise_descriptor_limit()
        var settings = Site.Settings(version: version)
        settings.access.tokens = configuration.tokens.map { token in
            let role = Role(rawValue: token.role) ?? .viewer
            return Token(token.secret, Visitor(name: token.name, role: role, projects: token.projects.map { Set($0) }))
        }
        settings.access.anonymous = configuration.anonymous.flatMap(Role.init)
        settings.access.keys = KeyRing(configuration.keySet.map { Access.keys(in: $0) } ?? [])
        keys = configuration.keySetURL.map { KeyFetcher(url: $0, ring: settings.access.keys, context: context) }
        settings.access.issuer = configuration.issuer
        settings.access.audience = configuration.audience
        settings.webhooks = webhooks
        settings.rate = (configuration.rate, max(200, configuration.rate * 4))
        settings.isSecure = configuration.tls != nil
        let site = Site(backend: backend, store: context.store, settings: settings, metrics: context.metrics)
        self.site = site
        isPrivate = configuration.tls != nil
        changes = context.changes.stream()
        let names = configuration.listen + (configuration.socket.map { ["unix:\($0)"] } ?? [])
        listeners = try names.map { name in
            guard let address = Address(name) else {
                throw Failure(
                    .invalid,
                    "'\(name)' is no address to listen on; write it as 127.0.0.1:8080, or name a socket",
                    next: .needsChange
                )
            }
            let tls = configuration.tls.map { Listener.TLS(certificate: $0.certificate, key: $0.key) }
            do throws(ServerError) {
                return try Listener(address, tls: address.isUnix ? nil : tls) { await site.respond(to: $0) }
            } catch {
                throw Failure(.unavailable, "\(error)", next: .needsChange)
            }
        }
    }

    /// Says where it is reached.
    func announce() async {
        await context.note(.info, .started, "server", "listening on \(addresses.joined(separator: ", "))")
        for warning in warnings { await context.note(.warning, .warning, "server", warning) }
    }

    /// Where it is reached, for people.
    private var addresses: [String] {
        listeners.map { listener in
            if case .tcp(let host, 0) = listener.address { return "\(host):\(listener.port)" }
            return "\(listener.address)"
        }
    }

    /// What is dangerous about where it is reached.
    private var warnings: [String] {
        listeners.filter { !$0.address.isLocal && !isPrivate }.map {
            "\($0.address) is reached from elsewhere without TLS; whoever listens there reads the tokens. Add 'tls', or listen on 127.0.0.1 behind a proxy"
        }
    }

    /// Serves until the task is cancelled, and then lets what is under way finish.
    func serve() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await site.feed.run() }
            group.addTask { for await _ in changes { await site.feed.poke() } }
            for listener in listeners { group.addTask { await listener.watch() } }
            if let keys { group.addTask { await keys.run() } }
        }
        // The tasks have ended, so this one is cancelled; draining takes a moment of its own.
        await Task { for listener in listeners { await listener.drain(within: .seconds(10)) } }.value
    }
}
