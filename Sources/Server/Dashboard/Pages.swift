internal import Documents
internal import Crypto
internal import Delivery
internal import HTTPServer
internal import JSON
internal import Journal

extension Site {
    func dashboardRoutes() -> [Route] {
        [
            Route("GET", "/", role: .viewer, "the overview, for people", .made { [self] in try await overview($0) }),
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
                    asset("text/css; charset=utf-8", Assets.style)
                }
            ),
            Route(
                "GET",
                "/assets/live.js",
                role: nil,
                "how the pages stay fresh",
                .made { _ in
                    asset("text/javascript; charset=utf-8", Assets.script)
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
        let body =
            "<h1>\(escaped(problem.title))</h1><p>\(escaped(problem.detail))</p><p><a href=\"/\">To the overview</a></p>"
        var response = page(problem.title, nil, visitor: nil, request, body)
        response.status = problem.status
        return response
    }

    private func redirect(_ place: String, cookie: String?) -> Response {
        let fields = [(name: "Location", value: place)] + (cookie.map { [(name: "Set-Cookie", value: $0)] } ?? [])
        return Response(303, fields, body: .bytes(SharedBytes([])))
    }

    // MARK: Signing in

    private func loginPage(_ request: Request, _ error: String?) -> Response {
        let body = """
            <h1>Sign in</h1>
            \(error.map { "<p class=\"bad\" role=\"alert\">\(escaped($0))</p>" } ?? "")
            <form method="post" action="/login"><label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
            <button>Sign in</button></form>
            <p class="dim">The tokens are in the configuration, under <code>server.tokens</code>.</p>
            """
        return page("Sign in", nil, visitor: nil, request, body)
    }

    private func signIn(_ request: Request) async throws -> Response {
        let visitor = settings.access.visitor(of: form(request)["token"] ?? "", now: now.seconds)
        if let route = routes.first(where: { $0.path == "/login" && $0.method == "POST" }) {
            let outcome = visitor == nil ? ("refused", "an unknown token") : ("allowed", "")
            try await audit(request, route, visitor, outcome.0, outcome.1)
        }
        guard let visitor else {
            var response = loginPage(request, "This token is not known.")
            response.status = 401
            return response
        }
        let secret = sessions.begin(visitor, now: now.seconds)
        let secure = settings.isSecure ? "; Secure" : ""
        return redirect(
            "/",
            cookie:
                "\(Sessions.cookie)=\(secret); Path=/; Max-Age=\(Int(Sessions.lifetime)); HttpOnly; SameSite=Strict\(secure)"
        )
    }

    // MARK: Pages

    func page(_ title: String, _ current: String?, visitor: Visitor?, _ request: Request, _ body: String) -> Response {
        let links = [("/", "Apps"), ("/events", "Events"), ("/sources", "Sources")].map { path, name in
            "<a href=\"\(path)\"\(path == current ? " aria-current=\"page\"" : "")>\(name)</a>"
        }
        let session = request.cookie(Sessions.cookie).flatMap { sessions.find($0, now: now.seconds) }
        let leave = session.map {
            "<form method=\"post\" action=\"/logout\"><input type=\"hidden\" name=\"csrf\" value=\"\($0.formToken)\"><button>Sign out</button></form>"
        }
        let isLive = visitor != nil
        let enter = session == nil && request.headers["authorization"] == nil ? "<a href=\"/login\">Sign in</a>" : ""
        let who = visitor.map {
            "<span class=\"who\">\(escaped($0.name)) (\($0.role.rawValue)) <span id=\"live\"></span> \(leave ?? enter)</span>"
        }
        let reasons = isLive ? Reason.allCases.map(\.rawValue).joined(separator: " ") : ""
        let text = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
            <title>\(escaped(title)) - Hecate</title><link rel="stylesheet" href="/assets/style.css"><link rel="icon" href="data:,">
            \(isLive ? "<script src=\"/assets/live.js\" defer></script>" : "")</head>
            <body data-reasons="\(reasons)"><a class="skip" href="#content">To the content</a>
            <header><b>Hecate</b><nav aria-label="Pages">\(visitor == nil ? "" : links.joined())</nav>\(who ?? "")</header>
            <main id="content" tabindex="-1">\(body)</main></body></html>

            """
        return Response(200, type: "text/html; charset=utf-8", text)
    }

    private func overview(_ call: Call) async throws -> Response {
        let holds = Dictionary(try await store.holds().map { ($0.app, $0) }) { _, last in last }
        let all = try await store.records().filter { call.visitor.sees(source: $0.source) }
        let asked = call.request.query["q"] ?? ""
        let wrongOnly = call.request.query["state"] == "wrong"
        let shown = all.filter { record in
            (asked.isEmpty || record.id.description.contains(asked))
                && (!wrongOnly || !record.isSettled && holds[record.id] == nil)
        }
        // What is not right comes first; a tired person reads from the top.
        let sorted = shown.sorted { left, right in
            (left.isReady ? 1 : 0, left.id) < (right.isReady ? 1 : 0, right.id)
        }
        let ready = all.count { $0.isReady }
        let wrong = all.count { !$0.isReady && holds[$0.id] == nil }
        var body = """
            <h1>Apps</h1><ul class="cards">
            <li><b>\(all.count)</b>apps</li><li><b class="good">\(ready)</b>ready</li>
            <li><b class="\(wrong > 0 ? "bad" : "")">\(wrong)</b><a href="/?state=wrong">not ready</a></li><li><b>\(all.count { holds[$0.id] != nil })</b>suspended</li></ul>
            """
        for error in try await errors(call.visitor) { body += "<p class=\"bad\" role=\"alert\">\(escaped(error))</p>" }
        body += """
            <form class="bar" method="get" action="/" role="search"><label>Name <input name="q" value="\(escaped(asked))" type="search"></label><button>Find</button></form>
            """
        if all.isEmpty {
            body +=
                "<p>No apps yet. They appear when a source declares one; see <a href=\"/sources\">the sources</a>.</p>"
        } else {
            let rows = sorted.map { row($0, holds[$0.id]) }
            body += """
                <div class="wide"><table class="stack"><thead><tr><th scope="col">App</th><th scope="col">State</th><th scope="col">Revision</th><th scope="col">Deployed</th><th scope="col">What it says</th></tr></thead>
                <tbody>\(rows.joined())</tbody></table></div>
                """
        }
        return page("Apps", "/", visitor: call.visitor, call.request, body)
    }

    private func errors(_ visitor: Visitor) async throws -> [String] {
        try await store.sources().filter { visitor.sees(source: $0.name) }
            .compactMap { source in source.error.map { "Source \(source.name): \($0)" } }
            + store.targets().compactMap { target in target.error.map { "Target \(target.name): \($0)" } }
    }

    private func row(_ record: AppRecord, _ hold: Hold?) -> String {
        let link = "/apps/\(pathEncoded(record.id.target))/\(pathEncoded(record.id.name))"
        let id = escaped(record.id.description)
        return """
            <tr data-key="\(id)"><td class="name"><a href="\(link)" data-focus="\(id)">\(id)</a></td><td>\(state(record, hold))</td>
            <td><code>\(escaped(String((record.deployedCommit ?? "-").prefix(12))))</code></td><td class="dim">\(record.deployedAt.map { time($0) } ?? "never")</td>
            <td>\(escaped(record.ready?.message ?? "not looked at yet"))</td></tr>
            """
    }

    /// Never by colour alone.
    private func state(_ record: AppRecord, _ hold: Hold?) -> String {
        if hold != nil { return "<span class=\"state warn\">&#8214; suspended</span>" }
        if record.isSettled { return "<span class=\"state good\">&#10003; ready</span>" }
        if record.conditions.contains(where: { $0.kind == .reconciling }) {
            return "<span class=\"state warn\">&#8635; changing</span>"
        }
        return record.isReady
            ? "<span class=\"state warn\">&#8230; waiting</span>"
            : "<span class=\"state bad\">&#10007; not ready</span>"
    }

    private func time(_ time: Timestamp) -> String {
        "<time datetime=\"\(time.text)\" title=\"\(time.text)\">\(time.age(at: now)) ago</time>"
    }

    private func appPage(_ call: Call) async throws -> Response {
        let record = try await record(call)
        let hold = try await store.holds().first { $0.app == record.id }
        var body = "<h1>\(escaped(record.id.description)) \(state(record, hold))</h1>"
        body += "<p>\(escaped(record.ready?.message ?? "Not looked at yet."))</p>"
        if let hold {
            body +=
                "<p class=\"warn\">Held by \(escaped(hold.author)) for \(hold.since.age(at: now)): \(escaped(hold.reason))</p>"
        }
        body += list(record.details)
        body += actions(call, record, hold)
        body += conditions(record)
        body += services(await backend.describe(record.id))
        body += await plan(record)
        body += try await history(record)
        let lines = await backend.logs(of: record.id)
        if !lines.isEmpty { body += "<h2>Last lines</h2><pre>\(escaped(lines.joined(separator: "\n")))</pre>" }
        return page(record.id.description, nil, visitor: call.visitor, call.request, body)
    }

    private func list(_ lines: [String]) -> String {
        lines.isEmpty ? "" : "<ul>\(lines.map { "<li>\(escaped($0))</li>" }.joined())</ul>"
    }

    private func actions(_ call: Call, _ record: AppRecord, _ hold: Hold?) -> String {
        guard call.visitor.role >= .operator,
            let session = call.request.cookie(Sessions.cookie).flatMap({ sessions.find($0, now: now.seconds) })
        else { return "" }
        let base = "/api/v1/apps/\(pathEncoded(record.id.target))/\(pathEncoded(record.id.name))"
        let token = "<input type=\"hidden\" name=\"csrf\" value=\"\(session.formToken)\">"
        let holding =
            hold == nil
            ? "<form method=\"post\" action=\"\(base)/suspend\">\(token)<label>Reason <input name=\"reason\" required maxlength=\"500\"></label><button>Suspend</button></form>"
            : "<form method=\"post\" action=\"\(base)/resume\">\(token)<button>Resume</button></form>"
        return
            "<div class=\"bar\"><form method=\"post\" action=\"\(base)/reconcile\">\(token)<button>Reconcile now</button></form>\(holding)</div>"
    }

    private func conditions(_ record: AppRecord) -> String {
        let rows = record.conditions.map { condition in
            "<tr data-key=\"\(condition.kind.rawValue)\"><td>\(condition.kind.rawValue)</td><td>\(condition.isTrue ? "True" : "False")</td><td>\(condition.reason.rawValue)</td><td class=\"dim\">\(time(condition.since))</td><td>\(escaped(condition.message))</td></tr>"
        }
        return """
            <h2>Conditions</h2><div class="wide"><table class="stack"><thead><tr><th scope="col">Type</th><th scope="col">Status</th><th scope="col">Reason</th><th scope="col">Since</th><th scope="col">Message</th></tr></thead><tbody>\(rows.joined())</tbody></table></div>
            """
    }

    private func services(_ live: JSON) -> String {
        guard let services = live.array else {
            return "<h2>What runs</h2><p class=\"warn\">The target cannot be asked now.</p>"
        }
        var rows = ""
        for service in services {
            let (running, desired) = (service["running"]?.int ?? 0, service["desired"]?.int ?? 0)
            rows +=
                "<tr data-key=\"s \(escaped(service["name"]?.string ?? ""))\"><td class=\"name\"><b>\(escaped(service["name"]?.string ?? ""))</b></td><td class=\"\(running < desired ? "bad" : "good")\">\(running) of \(desired)</td><td colspan=\"2\"><code>\(escaped(service["image"]?.string ?? ""))</code></td></tr>"
            for task in service["tasks"]?.array ?? [] {
                rows +=
                    "<tr data-key=\"t \(escaped(task["name"]?.string ?? ""))\"><td class=\"name dim\">&nbsp;&nbsp;\(escaped(task["name"]?.string ?? ""))</td><td>\(escaped(task["state"]?.string ?? ""))</td><td>\(escaped(task["node"]?.string ?? ""))</td><td class=\"bad\">\(escaped(task["error"]?.string ?? ""))</td></tr>"
            }
        }
        return """
            <h2>What runs</h2><div class="wide"><table><thead><tr><th scope="col">Name</th><th scope="col">State</th><th scope="col">Node or image</th><th scope="col">Error</th></tr></thead><tbody>\(rows)</tbody></table></div>
            """
    }

    private func plan(_ record: AppRecord) async -> String {
        let plan: Plan
        do { plan = try await backend.plan(of: record.id) } catch {
            return "<h2>Plan</h2><p class=\"bad\">\(escaped((error as? Failure)?.message ?? "\(error)"))</p>"
        }
        guard !plan.isEmpty else { return "<h2>Plan</h2><p>Nothing to do: it is as declared.</p>" }
        let rejected = record.quarantine.map {
            "<p class=\"warn\">Of \(escaped(String($0.commit.prefix(12)))), which was rolled back; it waits for another commit.</p>"
        }
        let changes = plan.changes.map { change in
            let fields = change.fields.map { field in
                "<li><code>\(escaped(field.path))</code> \(field.from.map { "<del>\(escaped($0))</del>" } ?? "") \(field.to.map { "<ins>\(escaped($0))</ins>" } ?? "")</li>"
            }
            return
                "<li><b>\(change.action.rawValue)</b> \(escaped(change.kind)) \(escaped(change.name))<ul>\(fields.joined())</ul></li>"
        }
        return "<h2>Plan</h2>\(rejected ?? "")<ul class=\"plain\">\(changes.joined())</ul>"
    }

    private func history(_ record: AppRecord) async throws -> String {
        let revisions = try await store.revisions(of: record.id).map { revision in
            let name = revision.commit.isEmpty ? revision.fingerprint : revision.commit
            return
                "<li><code>\(escaped(String(name.prefix(12))))</code> <span class=\"dim\">deployed \(time(revision.deployedAt))</span></li>"
        }
        let events = try await store.events(after: 0, subject: record.id.description, limit: 30)
        return
            "<h2>Kept revisions</h2><ul class=\"plain\">\(revisions.isEmpty ? "<li class=\"dim\">None yet.</li>" : revisions.joined())</ul><h2>What happened</h2>\(table(events, withSubject: false))"
    }

    private func table(_ events: [Event], withSubject: Bool) -> String {
        guard !events.isEmpty else { return "<p>Nothing yet.</p>" }
        let rows = events.reversed().map { event in
            let mark =
                switch event.severity {
                case .info: "<span class=\"mark good\">&#8226; info</span>"
                case .warning: "<span class=\"mark warn\">! warning</span>"
                case .error: "<span class=\"mark bad\">&#10007; error</span>"
                }
            let subject = withSubject ? "<td class=\"name\">\(subjectLink(event.subject))</td>" : ""
            let details =
                event.details.isEmpty
                ? "" : "<details><summary>\(event.details.count) more</summary>\(list(event.details))</details>"
            return
                "<tr data-key=\"e\(event.number)\"><td class=\"dim\">\(time(event.time))</td><td>\(mark)</td>\(subject)<td>\(event.reason.rawValue)</td><td>\(escaped(event.message))\(details)</td></tr>"
        }
        return """
            <div class="wide"><table class="stack"><thead><tr><th scope="col">When</th><th scope="col">Weight</th>\(withSubject ? "<th scope=\"col\">About</th>" : "")<th scope="col">Reason</th><th scope="col">What</th></tr></thead><tbody>\(rows.joined())</tbody></table></div>
            """
    }

    private func subjectLink(_ subject: String) -> String {
        let parts = subject.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return escaped(subject) }
        return "<a href=\"/apps/\(pathEncoded(parts[0]))/\(pathEncoded(parts[1]))\">\(escaped(subject))</a>"
    }

    private func eventsPage(_ call: Call) async throws -> Response {
        let subjects = call.visitor.projects == nil ? nil : try await visibleSubjects(call.visitor)
        let all = try await store.events(
            after: 0,
            subject: call.request.query["subject"],
            limit: subjects == nil ? 200 : 20_000
        )
        let events = Array(all.filter { subjects?.contains($0.subject) ?? true }.suffix(200))
        return page(
            "Events",
            "/events",
            visitor: call.visitor,
            call.request,
            "<h1>Events</h1>\(table(events, withSubject: true))"
        )
    }

    private func sourcesPage(_ call: Call) async throws -> Response {
        let sources = try await store.sources().filter { call.visitor.sees(source: $0.name) }.map { source in
            "<tr data-key=\"\(escaped(source.name))\"><td class=\"name\">\(escaped(source.name))</td><td>\(escaped(source.url))</td><td><code>\(escaped(String(source.commit.prefix(12))))</code></td><td class=\"dim\">\(source.lastSuccess.map { time($0) } ?? "never")</td><td class=\"bad\">\(escaped(source.error ?? ""))</td></tr>"
        }
        let targets = try await store.targets().map { target in
            "<tr data-key=\"\(escaped(target.name))\"><td class=\"name\">\(escaped(target.name))</td><td>\(escaped(target.endpoint))</td><td>\(escaped(target.version))</td><td class=\"dim\">\(target.lastSuccess.map { time($0) } ?? "never")</td><td class=\"bad\">\(escaped(target.error ?? ""))</td></tr>"
        }
        func table(_ third: String, _ rows: [String]) -> String {
            "<div class=\"wide\"><table class=\"stack\"><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Where</th><th scope=\"col\">\(third)</th><th scope=\"col\">Last answer</th><th scope=\"col\">Error</th></tr></thead><tbody>\(rows.joined())</tbody></table></div>"
        }
        let body = "<h1>Sources</h1>\(table("Commit", sources))<h2>Targets</h2>\(table("Version", targets))"
        return page("Sources", "/sources", visitor: call.visitor, call.request, body)
    }
}

private func asset(_ type: String, _ text: String) -> Response {
    Response(
        200,
        [("Content-Type", type), ("Cache-Control", "max-age=300")],
        body: .bytes(SharedBytes(Array(text.utf8)))
    )
}
