internal import Delivery
package import HTTP
package import JSON
internal import Text

/// An answer of the Engine that is not a success.
package struct EngineError: Error, Sendable, CustomStringConvertible {
    package var status: Int
    package var message: String

    package var description: String { message }

    /// Somebody changed the object since it was read.
    var isOutOfSequence: Bool { message.contains("update out of sequence") }
    var isNameTaken: Bool {
        status == 409 || message.contains("already exists") || message.contains("AlreadyExists")
            || message.contains("name conflicts with an existing object")
    }
    var isNotFound: Bool { status == 404 }
}

/// The Docker Engine API (1.41 and newer) over a Unix socket or TCP.
///
/// Source: Docker Engine API reference, versions 1.41 to 1.50.
package actor EngineClient {
    /// The newest API version this client speaks; the Engine's own is used when it is older.
    private static let newest = APIVersion(1, 50)
    private static let oldest = APIVersion(1, 41)

    package nonisolated let endpoint: String
    private nonisolated let connection: any Transport
    private var negotiated: Negotiated?
    private var negotiation: Task<Negotiated, any Error>?
    /// What was read of the last answers to a few lists.
    private var recent = Recent<String, ListReading>(most: 32)
    /// What the Engine said of itself.
    private struct Negotiated {
        /// The version of the API that both sides speak.
        var version: APIVersion
        /// The Engine's own version.
        var engine: String
    }
    /// The longest list, in bytes, that is worth the memory.
    private static let longestRecent = 64 * 1024

    /// A client that reaches its Engine over a transport of one's own; `name` is what errors call the Engine.
    package init(transport: any Transport, name: String) {
        endpoint = name
        connection = transport
    }

    /// The version of the API that both sides speak.
    package func version() async throws -> APIVersion { try await negotiate().version }

    /// The Engine's own version, such as `20.10.24`.
    package func engineVersion() async throws -> String { try await negotiate().engine }

    /// Begins to ask the Engine for its version, so that the first call has not to wait for that.
    package func begin() { _ = negotiation ?? startNegotiation() }

    /// Asks once, however many wait for the answer.
    private func negotiate() async throws -> Negotiated {
        if let negotiated { return negotiated }
        return try await (negotiation ?? startNegotiation()).value
    }

    private func startNegotiation() -> Task<Negotiated, any Error> {
        let task = Task {
            defer { negotiation = nil }
            let answer = try await askVersion()
            negotiated = answer
            return answer
        }
        negotiation = task
        return task
    }

    private nonisolated func askVersion() async throws -> Negotiated {
        // What an Engine is stands over its answer to a ping. To tell more of itself it runs other programs, which takes it
        // some milliseconds, and is asked for only when something stands between that takes headers away.
        let wanted = ["api-version", "server"]
        let ping = try await transport(Request("GET", "/_ping", timeout: .seconds(10), wanted: wanted))
        var (text, engine) = (ping.headers["api-version"] ?? "", engineVersion(in: ping.headers["server"] ?? ""))
        if APIVersion(text) == nil || engine == nil {
            let response = try await transport(Request("GET", "/version", timeout: .seconds(10)))
            guard response.status == 200, let answer = try? JSON(parsing: response.body),
                let version = answer["ApiVersion"]?.string, APIVersion(version) != nil
            else {
                throw Failure(.unavailable, "\(endpoint) does not answer as a Docker Engine (HTTP \(response.status))")
            }
            (text, engine) = (version, answer["Version"]?.string)
        }
        guard let offered = APIVersion(text), offered >= Self.oldest else {
            throw Failure(
                .refused,
                "\(endpoint) speaks API \(text); at least \(Self.oldest) is needed (Docker 20.10 or newer)",
                next: .needsChange
            )
        }
        return Negotiated(version: min(offered, Self.newest), engine: engine ?? "")
    }

    /// The Engine's version as it calls itself: `Docker/20.10.24 (linux)`.
    private nonisolated func engineVersion(in server: String) -> String? {
        guard server.hasPrefix("Docker/"), let version = server.dropFirst(7).split(separator: " ").first else {
            return nil
        }
        return String(version)
    }

    /// Asks the Engine and reads its answer.
    /// - Throws: `EngineError` for any answer that is not a success, `Failure` when there is none.
    @discardableResult
    package func call(
        _ method: String,
        _ path: String,
        query: [(String, String)] = [],
        body: JSON? = nil,
        registryAuth: String? = nil,
        timeout: Duration = .seconds(30)
    ) async throws -> JSON {
        let question = path + Self.encode(query)
        let bytes = try await ask(method, question, body: body, registryAuth: registryAuth, timeout: timeout)
        guard !bytes.isEmpty else { return .null }
        if method == "GET", !query.isEmpty, bytes.count <= Self.longestRecent,
            let list = ListReading(bytes, after: recent[question])
        {
            recent.keep(list, for: question)
            return list.value
        }
        do {
            return try JSON(parsing: bytes)
        } catch {
            throw Failure(
                .unavailable,
                "\(endpoint) answered \(method) \(path) with something that is not JSON: \(error)"
            )
        }
    }

    /// Asks the Engine and gives its answer as it came.
    package func raw(
        _ method: String,
        _ path: String,
        query: [(String, String)] = [],
        body: JSON? = nil,
        registryAuth: String? = nil,
        timeout: Duration = .seconds(30)
    ) async throws -> [UInt8] {
        try await ask(method, path + Self.encode(query), body: body, registryAuth: registryAuth, timeout: timeout)
    }

    /// `question`: The path and the query, encoded.
    private func ask(
        _ method: String,
        _ question: String,
        body: JSON?,
        registryAuth: String?,
        timeout: Duration
    ) async throws -> [UInt8] {
        let version = try await negotiate().version
        var headers = ["Content-Type": "application/json"]
        if let registryAuth { headers["X-Registry-Auth"] = registryAuth }
        let request = Request(
            method,
            "/v\(version)\(question)",
            headers: headers,
            body: body?.encoded() ?? (method == "POST" ? [] : nil),
            timeout: timeout
        )
        let response = try await transport(request)
        guard response.status < 300 else { throw error(response) }
        return response.body
    }

    /// The Engine's event stream, one JSON document per event.
    package nonisolated func events(query: [(String, String)]) -> AsyncThrowingStream<[UInt8], any Error> {
        connection.stream(Request("GET", "/events\(Self.encode(query))", timeout: nil))
    }

    private nonisolated func transport(_ request: Request) async throws -> Response {
        do {
            return try await connection.send(request)
        } catch let error as TransportError {
            throw Failure(.unavailable, "the Docker Engine at \(endpoint) cannot be reached: \(error)")
        }
    }

    private nonisolated func error(_ response: Response) -> any Error {
        let text =
            (try? JSON(parsing: response.body))?["message"]?.string ?? String(decoding: response.body, as: UTF8.self)
        if response.status == 503 || response.status == 406,
            text.contains("swarm manager") || text.contains("not a swarm")
        {
            if text.contains("Worker nodes") || text.contains("worker node") {
                let cure = "it is a worker node; name a manager's Engine in 'targets'"
                return Failure(.unavailable, "the Docker Engine at \(endpoint) is not a Swarm manager: \(cure)")
            }
            // An Engine that is stopping says the same for a few seconds: nothing is concluded from it.
            return Failure(
                .unavailable,
                "the Docker Engine at \(endpoint) is not a Swarm manager now; when it stays so, run 'docker swarm init' there, "
                    + "or name a manager's Engine in 'targets'"
            )
        }
        return EngineError(
            status: response.status,
            message: text.split(whereSeparator: \.isNewline).joined(separator: " ")
        )
    }

    private static func encode(_ query: [(String, String)]) -> String {
        guard !query.isEmpty else { return "" }
        return "?" + query.map { "\($0.0)=\(percentEncoded($0.1))" }.joined(separator: "&")
    }
}

/// A version of the Engine API.
package struct APIVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    var major: Int
    var minor: Int

    init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    init?(_ text: String) {
        let parts = text.split(separator: ".").map { Int($0) }
        guard parts.count == 2, let major = parts[0], let minor = parts[1] else { return nil }
        self.init(major, minor)
    }

    package var description: String { "\(major).\(minor)" }

    package static func < (left: APIVersion, right: APIVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}

/// The `filters` parameter that keeps what carries a label.
func labelFilter(_ label: String) -> (String, String) { ("filters", JSON.object(["label": [.string(label)]]).text()) }
