internal import Crypto
internal import Delivery
internal import HTTPServer
internal import Text

extension Site {
    func dashboardRoutes() -> [Route] {
        [
            Route(
                "GET",
                "/",
                role: .viewer,
                "the overview, for people",
                .made { [self] in try await overviewPage($0) }
            ),
            Route(
                "GET",
                "/apps/{target}/{name}",
                role: .viewer,
                "one app, for people",
                .made { [self] in try await appPage($0) }
            ),
            Route(
                "GET",
                "/events",
                role: .viewer,
                "what happened, for people",
                .made { [self] in try await eventsPage($0) }
            ),
            Route(
                "GET",
                "/sources",
                role: .viewer,
                "sources and targets, for people",
                .made { [self] in try await sourcesPage($0) }
            ),
            Route("GET", "/login", role: nil, "the page to sign in", .made { [self] in loginPage($0.request, nil) }),
            Route("POST", "/login", role: nil, "signs a browser in", .made { [self] in try await signIn($0.request) }),
            Route(
                "POST",
                "/logout",
                role: .viewer,
                "signs a browser out",
                .made { [self] call in
                    if let cookie = call.request.cookie(Sessions.cookie) { sessions.end(cookie) }
                    return redirect(
                        "/login",
                        cookie: "\(Sessions.cookie)=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
                    )
                }
            ),
            Route(
                "GET",
                "/assets/style.css",
                role: nil,
                "how the pages look",
                .made { _ in
                    asset("text/css; charset=utf-8", PackageResources.style_css)
                }
            ),
            Route(
                "GET",
                "/assets/live.js",
                role: nil,
                "how the pages stay fresh",
                .made { _ in
                    asset("text/javascript; charset=utf-8", PackageResources.live_js)
                }
            ),
        ]
    }

    func form(_ request: Request) -> [String: String] {
        request.headers["content-type"]?.hasPrefix("application/x-www-form-urlencoded") ?? false
            ? formValues(request.body) : [:]
    }

    /// Whether a person with a browser asks, and not a program.
    func wantsPage(_ request: Request) -> Bool {
        !request.path.hasPrefix("/api/") && (request.headers["accept"] ?? "").contains("text/html")
    }

    func refusalPage(_ problem: Problem, _ request: Request) -> Response {
        if problem.status == 401 { return redirect("/login", cookie: nil) }
        return page(problem.title, nil, visitor: nil, request, status: problem.status) {
            Tag.h1 { problem.title }
            Tag.p { problem.detail }
            Tag.p { Tag.a(.href("/")) { "To the overview" } }
        }
    }

    private func redirect(_ place: String, cookie: String?) -> Response {
        let fields = [(name: "Location", value: place)] + (cookie.map { [(name: "Set-Cookie", value: $0)] } ?? [])
        return Response(303, fields, body: .bytes(SharedBytes([])))
    }

    // MARK: Signing in

    private func loginPage(_ request: Request, _ error: String?) -> Response {
        page("Sign in", nil, visitor: nil, request, status: error == nil ? 200 : 401) {
            Tag.h1 { "Sign in" }
            if let error { alert(error) }
            Tag.form(Attribute("method", "post"), .action("/login")) {
                Tag.label {
                    "Token "
                    Tag.input(
                        Attribute("type", "password"),
                        Attribute("name", "token"),
                        Attribute("autocomplete", "current-password"),
                        Attribute("required"),
                        Attribute("autofocus")
                    )
                }
                Tag.button { "Sign in" }
            }
            Tag.p(.class("dim")) {
                "The tokens are in the configuration, under "
                Tag.code { "server.tokens" }
                "."
            }
        }
    }

    private func signIn(_ request: Request) async throws -> Response {
        let visitor = settings.access.visitor(of: form(request)["token"] ?? "", now: now.seconds)
        if let route = routes.first(where: { $0.path == "/login" && $0.method == "POST" }) {
            let outcome = visitor == nil ? ("refused", "an unknown token") : ("allowed", "")
            try await audit(request, route, visitor, outcome.0, outcome.1)
        }
        guard let visitor else {
            return loginPage(request, "This token is not known.")
        }
        let secret = sessions.begin(visitor, now: now.seconds)
        let secure = settings.isSecure ? "; Secure" : ""
        return redirect(
            "/",
            cookie:
                "\(Sessions.cookie)=\(secret); Path=/; Max-Age=\(Int(Sessions.lifetime)); HttpOnly; SameSite=Strict\(secure)"
        )
    }
}

private func asset(_ type: String, _ bytes: [UInt8]) -> Response {
    Response(
        200,
        [("Content-Type", type), ("Cache-Control", "max-age=300")],
        body: .bytes(SharedBytes(bytes))
    )
}
