internal import Delivery
internal import HTTPServer
internal import JSON

/// One operation of the server: what it is called by, who may, and what it does.
struct Route: Sendable {
    /// What its answer is made of.
    enum Answer: Sendable {
        /// Made anew each time.
        case made(@Sendable (Call) async throws -> Response)
        /// A document that only changes when the journal does; encoded once and kept.
        case kept(@Sendable (Call) async throws -> JSON)
    }

    var method: String
    /// Such as `/api/v1/apps/{target}/{name}`.
    var path: String
    /// Nil for what everybody may.
    var role: Role?
    var summary: String
    var parameters: [Parameter] = []
    var answer: Answer
    let segments: [Substring]

    init(
        _ method: String,
        _ path: String,
        role: Role?,
        _ summary: String,
        parameters: [Parameter] = [],
        _ answer: Answer
    ) {
        self.method = method
        self.path = path
        self.role = role
        self.summary = summary
        self.parameters = parameters
        self.answer = answer
        segments = path.split(separator: "/")
    }

    /// The values of the path's parameters, or nil when another path is meant.
    func match(_ parts: [Substring]) -> [String: String]? {
        guard parts.count == segments.count else { return nil }
        var values: [String: String] = [:]
        for (segment, part) in zip(segments, parts) {
            if segment.hasPrefix("{") {
                values[String(segment.dropFirst().dropLast())] = String(part)
            } else if segment != part {
                return nil
            }
        }
        return values
    }
}

/// A parameter of a query.
struct Parameter: Sendable {
    var name: String
    var type: String
    var description: String

    init(_ name: String, type: String = "string", _ description: String) {
        self.name = name
        self.type = type
        self.description = description
    }
}

/// A request that has found its route.
struct Call: Sendable {
    var request: Request
    var values: [String: String]
    var visitor: Visitor

    /// A member of the path; it is there because the route's path has it.
    func value(_ name: String) -> String { values[name] ?? "" }

    var app: AppID { AppID(target: value("target"), name: value("name")) }

    /// A number of the query within its bounds.
    func number(_ name: String, usual: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let text = request.query[name] else { return usual }
        guard let number = Int(text), range.contains(number) else {
            throw Problem.invalid(
                "'\(name)' is '\(text.prefix(40))'; expected a number from \(range.lowerBound) to \(range.upperBound)."
            )
        }
        return number
    }

    /// The body as a JSON object; empty when there is none.
    func object() throws -> JSON.Members {
        guard !request.body.isEmpty else { return [:] }
        guard let json = try? JSON(parsing: request.body), let object = json.object else {
            throw Problem.invalid("The body is no JSON object.")
        }
        return object
    }
}

/// All routes, found by method and path.
struct Router: Sendable {
    private(set) var routes: [Route] = []
    private var bySize: [Int: [Int]] = [:]

    init(_ routes: [Route]) {
        self.routes = routes
        for (index, route) in routes.enumerated() { bySize[route.segments.count, default: []].append(index) }
    }

    /// - Throws: `Problem` 404 or 405.
    func find(_ method: String, _ path: String) throws(Problem) -> (route: Route, values: [String: String]) {
        let parts = path.split(separator: "/")
        var others: [String] = []
        let asked = method == "HEAD" ? "GET" : method
        for index in bySize[parts.count] ?? [] {
            let route = routes[index]
            guard let values = route.match(parts) else { continue }
            if route.method == asked { return (route, values) }
            others.append(route.method)
        }
        guard !others.isEmpty else {
            throw .notFound("There is nothing at '\(path.prefix(200))'; see /api/v1/openapi.json.")
        }
        let allowed = others.joined(separator: ", ")
        throw Problem(
            status: 405,
            title: "Method Not Allowed",
            detail: "'\(path)' answers to \(allowed).",
            headers: [("Allow", allowed)]
        )
    }
}
