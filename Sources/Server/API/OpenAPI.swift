internal import JSON

extension Site {
    /// The API as a document, made of the very routes that answer.
    ///
    /// Source: OpenAPI 3.1.0.
    func openAPI() -> JSON {
        var paths: [String: JSON.Members] = [:]
        for route in routes where route.path.hasPrefix("/api/") || !route.path.contains("/") || isProbe(route.path) {
            paths[route.path, default: [:]][route.method.lowercased()] = operation(route)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Hecate", "version": .string(settings.version),
                "description": "What runs where at which commit, what is changing, and why something is not right.",
                "license": ["name": "see the repository"],
            ],
            "servers": [["url": "/"]],
            "paths": .object(JSON.Members(paths.mapValues { .object($0) })),
            "components": [
                "securitySchemes": [
                    "token": [
                        "type": "http", "scheme": "bearer",
                        "description": "a token of the configuration, or a signed JWT",
                    ]
                ],
                "schemas": [
                    "Problem": [
                        "type": "object", "required": ["type", "title", "status"],
                        "properties": [
                            "type": ["type": "string"], "title": ["type": "string"], "status": ["type": "integer"],
                            "detail": ["type": "string"],
                        ],
                    ]
                ],
            ],
        ]
    }

    private func isProbe(_ path: String) -> Bool { ["/healthz", "/readyz", "/health", "/metrics"].contains(path) }

    private func operation(_ route: Route) -> JSON {
        var parameters = route.segments.filter { $0.hasPrefix("{") }.map { segment -> JSON in
            [
                "name": .string(String(segment.dropFirst().dropLast())), "in": "path", "required": true,
                "schema": ["type": "string"],
            ]
        }
        parameters += route.parameters.map {
            [
                "name": .string($0.name), "in": "query", "required": false, "description": .string($0.description),
                "schema": ["type": .string($0.type)],
            ]
        }
        let problem: JSON = [
            "description": "a refusal (RFC 9457)",
            "content": ["application/problem+json": ["schema": ["$ref": "#/components/schemas/Problem"]]],
        ]
        var members: JSON.Members = [
            "summary": .string(route.summary), "operationId": .string(operationName(route)),
            "responses": ["2XX": ["description": .string(route.summary)], "default": problem],
            "x-role": route.role.map { .string($0.rawValue) } ?? .null,
            "security": route.role == nil ? .array([]) : .array([["token": .array([])]]),
        ]
        if !parameters.isEmpty { members["parameters"] = .array(parameters) }
        return .object(members)
    }

    private func operationName(_ route: Route) -> String {
        let words = route.segments.map { segment in
            segment.filter { $0.isLetter || $0.isNumber }
        }
        return ([route.method.lowercased()] + words).joined(separator: "-")
    }
}
