internal import Delivery
internal import Diagnostics
internal import Documents
internal import HTTP
internal import JSON
internal import Journal
internal import Text

/// A controller elsewhere, by its API.
struct RemoteClient: ControllerClient {
    /// Where it is, for messages.
    let address: String
    private let client: Client
    private let prefix: String
    private let token: String?

    /// `server`: `https://host:port`, or `unix:/path` for a socket of this machine.
    /// - Throws: `Failure` when that is no address.
    init(server: String, token: String?, authority: String? = nil) throws {
        address = server
        self.token = token
        if server.hasPrefix("unix:") {
            let path = server.dropFirst("unix:".count)
            client = Client(endpoint: Endpoint(base: "http://hecate", socket: String(path)), bodyLimit: 64 << 20)
            prefix = ""
            return
        }
        guard var (endpoint, path) = Endpoint.parts(of: server) else {
            throw Failure(
                .invalid,
                "'\(server)' is no address of a controller; write it as https://host:port or unix:/path",
                next: .needsChange
            )
        }
        if let authority { endpoint.tls = .init(authority: authority) }
        while path.hasSuffix("/") { path.removeLast() }
        client = Client(endpoint: endpoint, bodyLimit: 64 << 20)
        prefix = path
    }

    // MARK: Asking

    private var headers: [String: String] {
        var headers = ["Accept": "application/json", "User-Agent": "hecate"]
        if let token { headers["Authorization"] = "Bearer \(token)" }
        return headers
    }

    /// Asks, and reads the answer.
    /// - Throws: `Failure` with the controller's own words when it refuses.
    func ask(
        _ method: String,
        _ path: String,
        _ body: JSON? = nil,
        timeout: Duration = .seconds(30)
    ) async throws -> JSON {
        var headers = headers
        if body != nil { headers["Content-Type"] = "application/json" }
        let request = Request(method, prefix + path, headers: headers, body: body?.encoded(), timeout: timeout)
        let response: Response
        do { response = try await client.send(request) } catch let error as TransportError {
            throw Failure(.unavailable, "the controller at \(address) cannot be asked: \(error)")
        }
        let answer = try? JSON(parsing: response.body)
        guard (200..<300).contains(response.status) else {
            let detail = answer?["detail"]?.string ?? "it answered \(response.status)"
            let reason: Reason =
                switch response.status {
                case 401, 403: .authenticationFailed
                case 404: .notFound
                default: .unavailable
                }
            throw Failure(reason, "\(address): \(detail)", next: .needsChange)
        }
        guard let answer else {
            throw Failure(.unavailable, "\(address) does not answer as a controller does; check the address")
        }
        return answer
    }

    private func path(_ id: AppID) -> String { "/api/v1/apps/\(percentEncoded(id.target))/\(percentEncoded(id.name))" }

    // MARK: Looking

    private func documents() async throws -> [JSON] {
        var (items, cursor): ([JSON], String?) = ([], nil)
        repeat {
            let page = try await ask(
                "GET",
                "/api/v1/apps?limit=1000\(cursor.map { "&cursor=\(percentEncoded($0))" } ?? "")"
            )
            items += page["items"]?.array ?? []
            cursor = page["next"]?.string
        } while cursor != nil
        return items
    }

    func records() async throws -> [AppRecord] { try await documents().compactMap { AppRecord(document: $0) } }

    func holds() async throws -> [Hold] {
        try await documents().compactMap { item in
            AppRecord(document: item).flatMap { Hold(of: $0.id, document: item) }
        }
    }

    func revisions(of id: AppID) async throws -> [DeployedRevision] {
        try await items("\(path(id))/revisions").map { DeployedRevision(of: id, document: $0) }
    }

    func sources() async throws -> [SourceRecord] {
        try await items("/api/v1/sources").map { SourceRecord(document: $0) }
    }

    func targets() async throws -> [TargetRecord] {
        try await items("/api/v1/targets").map { TargetRecord(document: $0) }
    }

    func leases() async throws -> [LeaseStanding] {
        (try await ask("GET", "/api/v1/status")["leases"]?.array ?? []).map { LeaseStanding(document: $0) }
    }

    func events(after number: Int, subject: String?, limit: Int) async throws -> [Event] {
        let about = subject.map { "&subject=\(percentEncoded($0))" } ?? ""
        let events = try await items("/api/v1/events?after=\(number)&limit=\(min(limit, 20_000))\(about)")
        return events.reversed().compactMap { Event(document: $0) }
    }

    func auditEntries(after number: Int, limit: Int) async throws -> [AuditEntry] {
        try await items("/api/v1/audit?after=\(number)&limit=\(min(limit, 1000))").map { AuditEntry(document: $0) }
    }

    func verifyAudit() async throws -> (entries: Int, broken: Int?, last: String) {
        let answer = try await ask("GET", "/api/v1/audit/verification", timeout: .seconds(300))
        return (
            Int(answer["entries"]?.int ?? 0), answer["broken"]?.int.map { Int($0) }, answer["last"]?.string ?? ""
        )
    }

    private func items(_ path: String) async throws -> [JSON] { try await ask("GET", path)["items"]?.array ?? [] }

    /// An app's services and tasks, or its unit, as its target reports them now.
    func services(of id: AppID) async throws -> JSON { try await ask("GET", path(id))["services"] ?? .null }

    /// What would change on an app's target now.
    func plan(of id: AppID) async throws -> Plan { Plan(document: try await ask("GET", "\(path(id))/plan")) }

    /// The last lines an app wrote.
    func logs(of id: AppID) async throws -> [String] {
        (try await ask("GET", "\(path(id))/logs")["lines"]?.array ?? []).compactMap(\.string)
    }

    // MARK: Acting

    /// - Returns: Whether it was held.
    func resume(_ id: AppID, _ reason: String) async throws -> Bool {
        try await ask("POST", "\(path(id))/resume", ["reason": .string(reason)])["resumed"]?.bool ?? false
    }

    func suspend(_ id: AppID, _ reason: String) async throws {
        _ = try await ask("POST", "\(path(id))/suspend", ["reason": .string(reason)])
    }

    func approve(_ source: String) async throws {
        _ = try await ask("POST", "/api/v1/sources/\(percentEncoded(source))/approve", .object([:]))
    }

    func approve(_ id: AppID) async throws { _ = try await ask("POST", "\(path(id))/approve", .object([:])) }

    /// Has an app compared and repaired, or everything when none is named; waits until it rests when asked to.
    func reconcile(_ id: AppID?, waits: Bool) async throws {
        let place = id.map(path) ?? "/api/v1"
        _ = try await ask(
            "POST",
            "\(place)/reconcile\(waits ? "?wait=true" : "")",
            .object([:]),
            timeout: waits ? .seconds(3600) : .seconds(30)
        )
    }

    // MARK: Following

    /// Events after a number as they happen; a connection that breaks is made again where it was.
    func follow(after number: Int, subject: String?) -> AsyncThrowingStream<Event, any Error> {
        AsyncThrowingStream { continuation in
            let task = Task {
                var (last, failures) = (number, 0)
                while !Task.isCancelled {
                    let about = subject.map { "&subject=\(percentEncoded($0))" } ?? ""
                    let path = "\(prefix)/api/v1/events/stream?after=\(last)\(about)"
                    let request = Request("GET", path, headers: headers, timeout: nil)
                    do {
                        var rest: [UInt8] = []
                        for try await bytes in client.stream(request) {
                            failures = 0
                            rest += bytes
                            var lines = rest.split(separator: 0x0A, omittingEmptySubsequences: false)
                            rest = Array(lines.removeLast())
                            for line in lines where line.starts(with: "data: ".utf8) {
                                guard let json = try? JSON(parsing: Array(line.dropFirst(6))),
                                    let event = Event(document: json)
                                else { continue }
                                last = event.number
                                continuation.yield(event)
                            }
                        }
                    } catch {
                        failures += 1
                        let status = (error as? TransportError)?.status ?? 0
                        if failures > 5 || [400, 401, 403, 404].contains(status) {
                            let words = "the events of \(address) cannot be followed: \(error)"
                            return continuation.finish(throwing: Failure(.unavailable, words))
                        }
                    }
                    try? await Task.sleep(for: .seconds(1))
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
