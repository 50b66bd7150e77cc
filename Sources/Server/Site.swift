internal import Documents
internal import Crypto
internal import Delivery
package import HTTPServer
internal import JSON
package import Journal
internal import Synchronization

/// The server's whole behaviour: every request in, every response out, without a socket.
package final class Site: Sendable {
    package struct Settings: Sendable {
        package var version: String
        package var access = Access()
        package var webhooks: [WebhookSecret] = []
        /// Requests of one client in a second, and at once.
        package var rate = (perSecond: 50.0, burst: 200.0)
        package var isSecure = false

        package init(version: String) { self.version = version }
    }

    let backend: any ControllerBackend
    let store: Store
    package let feed: Feed
    package let metrics: Metrics
    let settings: Settings
    let sessions = Sessions()
    private let rate: RateLimit
    private let attempts = RateLimit(perSecond: 0.2, burst: 10)
    private let router = Mutex(Router([]))
    /// Encoded documents by what they were asked for as; all of one generation of the journal.
    private let kept = Mutex<(generation: String, documents: [String: Kept], size: Int)>(("", [:], 0))
    /// How many bytes of documents are kept; whoever asks for ever other ones does not fill the memory.
    private static let keptLimit = 16 << 20

    private struct Kept: Sendable {
        var bytes: SharedBytes
        var tag: String
    }

    package init(backend: any ControllerBackend, store: Store, settings: Settings, metrics: Metrics) {
        self.backend = backend
        self.store = store
        self.settings = settings
        self.metrics = metrics
        feed = Feed(store: store)
        rate = RateLimit(perSecond: settings.rate.perSecond, burst: settings.rate.burst)
        let all = Router(probeRoutes() + apiRoutes() + webhookRoutes() + dashboardRoutes())
        router.withLock { $0 = all }
    }

    var routes: [Route] { router.withLock { $0.routes } }
    var now: Timestamp { currentTime() }

    /// Answers a request.
    package func respond(to request: Request) async -> Response {
        let start = ContinuousClock.now
        var name = "none"
        var response: Response
        do {
            try limitRate(of: request)
            let (route, values) = try router.withLock { $0 }.find(request.method, request.path)
            name = route.path
            response = try await answer(request, route, values)
        } catch let problem as Problem {
            response = wantsPage(request) ? refusalPage(problem, request) : problem.response
        } catch let failure as Failure {
            response = Problem(status: 502, title: "Bad Gateway", detail: failure.message).response
        } catch {
            response = Problem(status: 500, title: "Internal Server Error", detail: "\(error)").response
        }
        for field in Self.guards where !response.headers.contains(where: { $0.name == field.name }) {
            response.headers.append(field)
        }
        if settings.isSecure { response.headers.append(("Strict-Transport-Security", "max-age=31536000")) }
        // Whatever a stranger calls a method is no series of its own.
        let method = Self.methods.contains(request.method) ? request.method : "other"
        metrics.count("hecate_http_requests", name, method, "\(response.status)")
        metrics.observe("hecate_http_request_duration_seconds", ContinuousClock.now - start, name)
        return response
    }

    private static let methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

    private func limitRate(of request: Request) throws(Problem) {
        guard request.client != "unix", let wait = rate.take(request.client, now: now.seconds) else { return }
        throw Problem(
            status: 429,
            title: "Too Many Requests",
            detail: "Ask again in \(Int(wait) + 1) s.",
            headers: [("Retry-After", "\(Int(wait) + 1)")]
        )
    }

    /// What every answer says to a browser.
    private static let guards: [(name: String, value: String)] = [
        ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "same-origin"),
        (
            "Content-Security-Policy",
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ), ("Cache-Control", "no-cache"),
    ]

    private func answer(_ request: Request, _ route: Route, _ values: [String: String]) async throws -> Response {
        let time = now.seconds
        var visitor: Visitor?
        // What everybody may ask for may carry a secret of its own, as webhooks do.
        if route.role != nil {
            do throws(Problem) {
                visitor = try settings.access.visitor(of: request, sessions: sessions, now: time)
            } catch {
                try await audit(request, route, nil, "refused", error.detail)
                throw error
            }
        }
        let call = Call(
            request: request,
            values: values,
            visitor: visitor ?? Visitor(name: "anonymous", role: .viewer, projects: [])
        )
        if let role = route.role {
            guard let visitor else {
                if route.method != "GET" { try await audit(request, route, nil, "refused", "no token") }
                throw Problem.unauthorized
            }
            guard visitor.role >= role else {
                let detail = "'\(visitor.name)' is \(visitor.role.rawValue); this takes \(role.rawValue)."
                try await audit(request, route, visitor, "refused", detail)
                throw Problem.forbidden(detail)
            }
            try await checkForm(call, route, visitor)
        }
        switch route.answer {
        case .kept(let make): return try await self.kept(call, make)
        case .made(let make):
            guard route.method != "GET", route.role != nil else { return try await make(call) }
            // Written down first: what cannot be written down is not done.
            try await audit(request, route, visitor, "allowed", "")
            do { return try await make(call) } catch let problem as Problem {
                try await audit(request, route, visitor, "failed", problem.detail)
                throw problem
            }
        }
    }

    /// A browser sends its cookie with whatever a foreign page makes it send; a form's own token it cannot know.
    private func checkForm(_ call: Call, _ route: Route, _ visitor: Visitor) async throws {
        guard route.method != "GET", call.request.headers["authorization"] == nil else { return }
        guard isFromHere(call.request) else {
            try await audit(call.request, route, visitor, "refused", "sent by a page of another site")
            throw Problem.forbidden("A page of another site sent this.")
        }
        guard let cookie = call.request.cookie(Sessions.cookie) else { return }
        let session = sessions.find(cookie, now: now.seconds)
        let shown = call.request.headers["x-csrf-token"] ?? form(call.request)["csrf"] ?? ""
        guard let session, constantTimeEqual(Array(shown.utf8), Array(session.formToken.utf8)) else {
            try await audit(call.request, route, visitor, "refused", "no form token")
            throw Problem.forbidden("The form's token is missing or old; open the page again.")
        }
    }

    /// Whether no browser says that another site's page sent a request (Fetch Metadata; RFC 6454).
    private func isFromHere(_ request: Request) -> Bool {
        if let site = request.headers["sec-fetch-site"] { return site == "same-origin" || site == "none" }
        guard let origin = request.headers["origin"] else { return true }
        let host = origin.firstRange(of: "://").map { origin[$0.upperBound...] } ?? origin[...]
        return host == request.headers["host"] ?? ""
    }

    /// Writes down who asks for what, and what came of it.
    func audit(
        _ request: Request,
        _ route: Route,
        _ visitor: Visitor?,
        _ outcome: String,
        _ detail: String
    ) async throws {
        // Whoever tries what is refused fills neither the disk nor the log.
        let isStranger = visitor == nil || visitor?.name == "anonymous"
        if outcome != "allowed" || isStranger, attempts.take(request.client, now: now.seconds) != nil {
            guard outcome == "allowed" else { return }
            throw Problem(status: 429, title: "Too Many Requests", detail: "Sign in, or ask again later.")
        }
        try await store.record(
            AuditEntry(
                time: now,
                actor: visitor?.name ?? "unknown",
                role: visitor?.role.rawValue ?? "none",
                client: request.client,
                action: "\(route.method) \(route.path)",
                subject: String(request.path.prefix(300)),
                outcome: outcome,
                detail: String(detail.prefix(300))
            )
        )
    }

    // MARK: Kept documents

    private func kept(_ call: Call, _ make: @Sendable (Call) async throws -> JSON) async throws -> Response {
        let generation = try await store.generation()
        let query = call.request.query.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
        let projects = call.visitor.projects.map { JSON($0.sorted()) } ?? .null
        let key = JSON.array([.string(call.request.path), JSON(query), projects]).text()
        let known = kept.withLock { kept in
            if kept.generation != generation { kept = (generation, [:], 0) }
            return kept.documents[key]
        }
        let document: Kept
        if let known {
            document = known
        } else {
            let bytes = try await make(call).encoded() + [0x0A]
            document = Kept(bytes: SharedBytes(bytes), tag: "\"\(sha256(bytes).prefix(20))\"")
            kept.withLock { kept in
                let size = bytes.count + key.utf8.count
                guard kept.generation == generation, kept.size + size <= Self.keptLimit else { return }
                kept.documents[key] = document
                kept.size += size
            }
        }
        let isKnown = (call.request.headers["if-none-match"] ?? "").split(separator: ",").contains {
            $0.drop { $0 == " " } == document.tag || $0.drop { $0 == " " } == "*"
        }
        let headers = [(name: "ETag", value: document.tag), (name: "Vary", value: "Authorization, Cookie")]
        if isKnown { return Response(304, headers, body: .bytes(SharedBytes([]))) }
        return Response(200, [("Content-Type", "application/json")] + headers, body: .bytes(document.bytes))
    }
}
