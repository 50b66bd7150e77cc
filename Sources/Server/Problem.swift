internal import HTTPServer
internal import JSON

/// A refusal in the form of RFC 9457.
struct Problem: Error, Sendable {
    var status: Int
    var title: String
    var detail: String
    var headers: [(name: String, value: String)] = []

    static func notFound(_ detail: String) -> Problem { Problem(status: 404, title: "Not Found", detail: detail) }
    static func invalid(_ detail: String) -> Problem { Problem(status: 400, title: "Bad Request", detail: detail) }
    static func conflict(_ detail: String) -> Problem { Problem(status: 409, title: "Conflict", detail: detail) }
    static func forbidden(_ detail: String) -> Problem { Problem(status: 403, title: "Forbidden", detail: detail) }
    static let unauthorized = Problem(
        status: 401,
        title: "Unauthorized",
        detail: "Send a token as 'Authorization: Bearer TOKEN', or sign in at /login.",
        headers: [("WWW-Authenticate", "Bearer realm=\"hecate\"")]
    )

    var document: JSON {
        ["type": "about:blank", "title": .string(title), "status": .int(Int64(status)), "detail": .string(detail)]
    }

    var response: Response {
        var response = Response(status, type: "application/problem+json", document.encoded() + [0x0A])
        response.headers += headers
        return response
    }
}
