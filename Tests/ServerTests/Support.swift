import Delivery
import HTTPServer
import JSON
import Journal
import Server
import Synchronization
import TestSupport
import Testing

/// Stands where the controller stands and remembers what it was asked for; the system tests have the real one.
final class Asked: ControllerBackend {
    let woken = Mutex<[String]>([])
    let reconciled = Mutex<[AppID]>([])
    let approved = Mutex<[String]>([])

    func plan(of id: AppID) async throws -> Plan {
        Plan([Change(.update, "service", "web", fields: [FieldChange("image", from: "web:1", to: "<b>web:2</b>")])])
    }
    func describe(_ id: AppID) async -> JSON {
        [["name": "web", "image": "web:1", "running": 1, "desired": 2, "tasks": .array([])]]
    }
    func logs(of id: AppID) async -> [String] { ["<i>started</i>"] }
    func reconcile(_ ids: [AppID]) async { reconciled.withLock { $0 += ids } }
    func approve(_ name: String) async -> Bool {
        approved.withLock { $0.append(name) }
        return true
    }
    func leases() async -> [LeaseStanding] {
        [LeaseStanding(source: "fleet", target: "default", holder: "vm2-1a2b", isOwn: false)]
    }
    func refreshHolds() async {}
    func wake(source: String) async { woken.withLock { $0.append(source) } }
    func queueDepth() async -> Int { 0 }
}

/// What came back.
struct Answer {
    var status: Int
    var headers: [String: String]
    var bytes: [UInt8]

    var text: String { String(decoding: bytes, as: UTF8.self) }
    var json: JSON { (try? JSON(parsing: bytes)) ?? .null }
    var names: [String] { (json["items"]?.array ?? []).compactMap { $0["name"]?.string } }
}

/// The server's behaviour over a real journal, without sockets.
struct ServerFixture {
    static let viewer = "viewer-0123456789abcdef"
    static let `operator` = "operator-0123456789abcdef"
    static let admin = "admin-0123456789abcdef"
    /// For the apps of the source `fleet` only.
    static let restricted = "restricted-0123456789abcdef"

    let scratch: Scratch
    let store: Store
    let backend = Asked()
    let site: Site

    init(_ change: (inout Site.Settings) -> Void = { _ in }) throws {
        scratch = try Scratch()
        store = try Store(path: "\(scratch.path)/hecate.db")
        var settings = Site.Settings(version: "1.2.3")
        settings.access.tokens = [
            Token(Self.viewer, Visitor(name: "vera", role: .viewer)),
            Token(Self.operator, Visitor(name: "otto", role: .operator)),
            Token(Self.admin, Visitor(name: "anna", role: .admin)),
            Token(Self.restricted, Visitor(name: "rita", role: .operator, projects: ["fleet"])),
        ]
        settings.rate = (1e6, 1e6)
        change(&settings)
        site = Site(backend: backend, store: store, settings: settings, metrics: Metrics(started: Timestamp(1)))
    }

    /// Writes an app into the journal as a controller does.
    @discardableResult
    func add(
        _ name: String,
        target: String = "default",
        source: String = "fleet",
        ready: Bool = true
    ) async throws
        -> AppID
    {
        var record = AppRecord(id: AppID(target: target, name: name), source: source)
        record.commit = "0123456789abcdef"
        record.deployedCommit = "0123456789abcdef"
        record.deployedAt = Timestamp(1000)
        let message = "<script>x</script>"
        if ready {
            record.deployed = "f"
            record.result = .init(.deployed, message, since: Timestamp(1))
        } else {
            record.problem = Problem(Failure(.healthCheckFailed, message), since: Timestamp(1))
        }
        try await store.save(record, event: event("\(target)/\(name)", "saved"))
        return record.id
    }

    func event(_ subject: String, _ message: String, _ severity: Event.Severity = .info) -> Event {
        Event(time: Timestamp(5), severity: severity, reason: .deployed, subject: subject, message: message)
    }

    func ask(
        _ method: String,
        _ target: String,
        token: String? = ServerFixture.admin,
        headers: [String: String] = [:],
        body: String = "",
        client: String = "127.0.0.1"
    ) async -> Answer {
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        var query: [String: String] = [:]
        for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
            let pair = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[String(pair[0])] = pair.count > 1 ? String(pair[1]) : ""
        }
        var headers = headers
        if let token { headers["authorization"] = "Bearer \(token)" }
        let response = await site.respond(
            to: Request(
                method: method,
                path: parts[0],
                query: query,
                headers: headers,
                body: Array(body.utf8),
                client: client
            )
        )
        var fields: [String: String] = [:]
        for field in response.headers { fields[field.name.lowercased()] = field.value }
        guard case .bytes(let bytes) = response.body else {
            return Answer(status: response.status, headers: fields, bytes: [])
        }
        return Answer(status: response.status, headers: fields, bytes: bytes.bytes)
    }

    func get(_ path: String, token: String? = ServerFixture.admin, headers: [String: String] = [:]) async -> Answer {
        await ask("GET", path, token: token, headers: headers)
    }
}
