internal import CSpawn
internal import Configuration
internal import Delivery
internal import Diagnostics
internal import Glibc
internal import HTTPServer
internal import Documents
internal import Server
internal import Synchronization

/// Says to every listener that something changed; changes that come together are heard once.
final class ChangeSignal: Sendable {
    private let listeners = Mutex<[AsyncStream<Void>.Continuation]>([])

    func send() { listeners.withLock { for listener in $0 { listener.yield() } } }

    /// The changes from now on, for one listener.
    func stream() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        listeners.withLock { $0.append(continuation) }
        return stream
    }
}

/// The server of a controller or an agent: opened before anything else, drained at the end.
struct ServerRunner: Sendable {
    private let site: Site
    private let listeners: [Listener]
    private let changes: AsyncStream<Void>
    private let keys: KeyFetcher?
    /// Whether what is sent over TCP is encrypted.
    private let isPrivate: Bool

    /// - Throws: `Failure` when an address cannot be listened on.
    init(
        _ configuration: ServerConfiguration,
        webhooks: [WebhookSecret],
        backend: any ControllerBackend,
        context: ControllerContext
    ) throws {
        hecate_raise_descriptor_limit()
        var settings = Site.Settings(version: HecateProgram.version)
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

    /// Where it is reached, for people.
    var addresses: [String] {
        listeners.map { listener in
            if case .tcp(let host, 0) = listener.address { return "\(host):\(listener.port)" }
            return "\(listener.address)"
        }
    }

    /// What is dangerous about where it is reached.
    var warnings: [String] {
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
