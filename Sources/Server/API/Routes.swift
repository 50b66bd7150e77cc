internal import Documents
internal import Delivery
internal import HTTPServer
internal import JSON
internal import Journal
internal import Text

extension Site {
    private static let paging = [
        Parameter("limit", type: "integer", "how many at most; 100 when not given, 1000 at most"),
        Parameter("cursor", "where to go on: the 'next' of the page before"),
    ]

    /// The API, version 1, and what HiveMind's clients ask for.
    func apiRoutes() -> [Route] { readingRoutes() + actingRoutes() }

    private func readingRoutes() -> [Route] {
        let filters = [
            Parameter("target", "only apps of this target"), Parameter("source", "only apps of this source"),
            Parameter("ready", type: "boolean", "only those that are ready, or those that are not"),
            Parameter("q", "only apps whose name contains this"),
        ]
        return [
            Route(
                "GET",
                "/api/v1/status",
                role: .viewer,
                "everything in one look",
                .kept { [self] in try await status($0) }
            ),
            Route(
                "GET",
                "/api/v1/apps",
                role: .viewer,
                "every app",
                parameters: filters + Self.paging,
                .kept { [self] in
                    try await apps($0)
                }
            ),
            Route(
                "GET",
                "/api/v1/apps/{target}/{name}",
                role: .viewer,
                "one app",
                .made { [self] in
                    let record = try await record($0)
                    let hold = try await store.holds().first { $0.app == record.id }
                    var document = document(record, hold: hold).object ?? [:]
                    document["services"] = await backend.describe(record.id)
                    return json(.object(document))
                }
            ),
            Route(
                "GET",
                "/api/v1/apps/{target}/{name}/plan",
                role: .viewer,
                "what would change now",
                .made { [self] in
                    let id = try await record($0).id
                    return json(document(id, try await backend.plan(of: id)))
                }
            ),
            Route(
                "GET",
                "/api/v1/apps/{target}/{name}/revisions",
                role: .viewer,
                "the kept revisions, newest first",
                .kept { [self] in
                    let revisions = try await store.revisions(of: try await record($0).id)
                    return ["items": .array(revisions.map { document($0) })]
                }
            ),
            Route(
                "GET",
                "/api/v1/apps/{target}/{name}/logs",
                role: .viewer,
                "the last lines an app wrote",
                .made { [self] in
                    json(["lines": JSON(await backend.logs(of: try await record($0).id))])
                }
            ),
            Route(
                "GET",
                "/api/v1/sources",
                role: .viewer,
                "every source",
                .kept { [self] call in
                    let sources = try await store.sources().filter { call.visitor.sees(source: $0.name) }
                    return ["items": .array(sources.map { document($0) })]
                }
            ),
            Route(
                "GET",
                "/api/v1/targets",
                role: .viewer,
                "every target",
                .kept { [self] _ in
                    ["items": .array(try await store.targets().map { document($0) })]
                }
            ),
            Route(
                "GET",
                "/api/v1/events",
                role: .viewer,
                "what happened, newest first",
                parameters: [
                    Parameter("subject", "only those about this app or source, such as default/web"),
                    Parameter("severity", "only info, warning or error"),
                    Parameter("after", type: "integer", "only those with a larger number"),
                    Parameter("limit", type: "integer", "how many at most"),
                ],
                .kept { [self] in try await events($0) }
            ),
            Route(
                "GET",
                "/api/v1/events/stream",
                role: .viewer,
                "what happens, as server-sent events",
                parameters: [
                    Parameter("subject", "only those about this app or source"),
                    Parameter(
                        "after",
                        type: "integer",
                        "begin after this number; the field Last-Event-ID says the same"
                    ),
                ],
                .made { [self] in try await stream($0) }
            ),
            Route(
                "GET",
                "/api/v1/audit",
                role: .admin,
                "who did what and was refused what",
                parameters: [
                    Parameter("after", type: "integer", "only those with a larger number"),
                    Parameter("limit", type: "integer", "how many at most"),
                ],
                .made { [self] call in
                    try requireAll(call)
                    let after = try call.number("after", usual: 0, in: 0...Int.max)
                    let limit = try call.number("limit", usual: 100, in: 1...1000)
                    return json([
                        "items": .array(try await store.auditEntries(after: after, limit: limit).map { document($0) })
                    ])
                }
            ),
            Route(
                "GET",
                "/api/v1/audit/verification",
                role: .admin,
                "whether the audit log is as it was written",
                .made { [self] call in
                    try requireAll(call)
                    let (count, broken, last) = try await store.verifyAudit()
                    return json([
                        "entries": .int(Int64(count)), "broken": broken.map { .int(Int64($0)) } ?? .null,
                        "last": .string(last),
                    ])
                }
            ),
            Route(
                "GET",
                "/api/v1/openapi.json",
                role: nil,
                "this API, as OpenAPI 3.1",
                .made { [self] _ in json(openAPI()) }
            ),
            Route(
                "GET",
                "/api/stacks",
                role: .viewer,
                "stacks with their services, in HiveMind's form",
                .made { [self] call in
                    json(try await stacks(call))
                }
            ),
        ]
    }

    private func actingRoutes() -> [Route] {
        [
            Route(
                "POST",
                "/api/v1/reconcile",
                role: .operator,
                "compare and repair everything now",
                parameters: [Parameter("wait", type: "boolean", "answer when everything has come to rest")],
                .made { [self] call in
                    let ids = try await store.records().filter { call.visitor.sees(source: $0.source) }.map(\.id)
                    if call.request.query["wait"] == "true" {
                        await backend.reconcile(ids)
                    } else {
                        Task { await backend.reconcile(ids) }
                    }
                    return json(["accepted": .int(Int64(ids.count))], status: 202)
                }
            ),
            Route(
                "POST",
                "/api/v1/apps/{target}/{name}/reconcile",
                role: .operator,
                "compare and repair one app now",
                parameters: [
                    Parameter("wait", type: "boolean", "answer when it has come to rest")
                ],
                .made { [self] call in
                    let id = try await record(call).id
                    guard call.request.query["wait"] == "true" else {
                        Task { await backend.reconcile([id]) }
                        return done(call, ["accepted": 1], status: 202)
                    }
                    await backend.reconcile([id])
                    let record = try await record(call)
                    return done(call, document(record, hold: nil))
                }
            ),
            Route(
                "POST",
                "/api/v1/apps/{target}/{name}/suspend",
                role: .operator,
                "leave an app alone; the body says why",
                .made { [self] call in
                    let record = try await record(call)
                    let reason = try form(call.request)["reason"] ?? call.object()["reason"]?.string ?? ""
                    guard !reason.isEmpty, reason.utf8.count <= 500 else {
                        throw Problem.invalid(
                            "Say why in the member 'reason', in at most 500 bytes; the next person on call reads it."
                        )
                    }
                    try await store.suspend(
                        record.id,
                        commit: record.commit,
                        by: call.visitor.name,
                        because: reason,
                        at: now
                    )
                    await backend.refreshHolds()
                    await feed.poke()
                    return done(call, ["suspended": true])
                }
            ),
            Route(
                "POST",
                "/api/v1/apps/{target}/{name}/resume",
                role: .operator,
                "take an app up again",
                .made { [self] call in
                    let record = try await heldRecord(call)
                    let author = call.visitor.name
                    let reason = try form(call.request)["reason"] ?? call.object()["reason"]?.string ?? ""
                    let wasHeld = try await store.resume(
                        record.id,
                        commit: record.commit,
                        by: author,
                        because: String(reason.prefix(500)),
                        at: now
                    )
                    await backend.refreshHolds()
                    await feed.poke()
                    return done(call, ["resumed": .bool(wasHeld)])
                }
            ),
            Route(
                "POST",
                "/api/v1/sources/{name}/approve",
                role: .admin,
                "let a commit remove more apps than the guard allows",
                .made { [self] call in
                    let name = try await source(call)
                    return done(call, ["approved": .string(name), "waited": .bool(await backend.approve(name))])
                }
            ),
            Route(
                "POST",
                "/api/v1/apps/{target}/{name}/approve",
                role: .admin,
                "let a change remove more services of an app than the guard allows",
                .made { [self] call in
                    let id = try await record(call).id.description
                    return done(call, ["approved": .string(id), "waited": .bool(await backend.approve(id))])
                }
            ),
            Route(
                "POST",
                "/api/v1/sources/{name}/reconcile",
                role: .operator,
                "look at a source now",
                .made { [self] call in
                    let name = try await source(call)
                    await backend.wake(source: name)
                    return done(call, ["accepted": .string(name)], status: 202)
                }
            ),
        ]
    }

    // MARK: Answers

    func json(_ document: JSON, status: Int = 200) -> Response {
        Response(status, type: "application/json", document.encoded() + [0x0A])
    }

    /// A program gets a document; a browser that sent a form goes back to where it was.
    private func done(_ call: Call, _ document: JSON, status: Int = 200) -> Response {
        let back = call.request.headers["content-type"]?.hasPrefix("application/x-www-form-urlencoded") ?? false
        guard back else { return json(document, status: status) }
        let page = call.values["target"] == nil ? "/" : path(of: call.app).text
        return Response(303, [("Location", page)], body: .bytes(SharedBytes([])))
    }

    /// The app a path names, when the visitor may see it.
    func record(_ call: Call) async throws -> AppRecord {
        guard call.app.isValid else { throw Problem.invalid("The path names no app; both its parts must be there.") }
        guard let record = try await store.record(of: call.app), call.visitor.sees(source: record.source) else {
            throw Problem.notFound("There is no app '\(call.app)'.")
        }
        return record
    }

    /// The record of an app that may be gone and held still, as it would be when it is declared anew.
    private func heldRecord(_ call: Call) async throws -> AppRecord {
        guard call.visitor.projects == nil, try await store.record(of: call.app) == nil,
            try await store.holds().contains(where: { $0.app == call.app })
        else { return try await record(call) }
        return AppRecord(id: call.app, source: "")
    }

    /// Ends what shows everybody's doings to somebody who may see some projects only.
    func requireAll(_ call: Call) throws(Problem) {
        guard call.visitor.projects == nil else {
            throw .forbidden("Your token is for some projects only; this shows all of them.")
        }
    }

    /// The source a path names, when the visitor may see it.
    private func source(_ call: Call) async throws -> String {
        let name = call.value("name")
        guard call.visitor.sees(source: name), try await store.sources().contains(where: { $0.name == name }) else {
            throw Problem.notFound("There is no source '\(name)'.")
        }
        return name
    }

    // MARK: Lists

    private func apps(_ call: Call) async throws -> JSON {
        let query = call.request.query
        let limit = try call.number("limit", usual: 100, in: 1...1000)
        if let ready = query["ready"], !["true", "false"].contains(ready) {
            throw Problem.invalid("'ready' is '\(ready.prefix(40))'; expected true or false.")
        }
        let holds = Dictionary(try await store.holds().map { ($0.app, $0) }) { _, last in last }
        let records = try await store.records().filter { record in
            call.visitor.sees(source: record.source) && query["target"].map { $0 == record.id.target } ?? true
                && query["source"].map { $0 == record.source } ?? true
                && query["ready"].map { ($0 == "true") == record.isReady } ?? true
                && query["q"].map { record.id.name.contains($0) } ?? true
        }
        let sorted = records.sorted { $0.id < $1.id }
        var rest = sorted[...]
        if let cursor = query["cursor"] {
            let parts = cursor.split(separator: "/", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                throw Problem.invalid("'cursor' is '\(cursor.prefix(40))'; expected the 'next' of a page.")
            }
            let last = AppID(target: parts[0], name: parts[1])
            rest = sorted.drop { !(last < $0.id) }
        }
        let page = rest.prefix(limit)
        return [
            "items": .array(page.map { document($0, hold: holds[$0.id]) }), "total": .int(Int64(records.count)),
            "next": rest.count > limit ? page.last.map { .string($0.id.description) } ?? .null : .null,
        ]
    }

    private func events(_ call: Call) async throws -> JSON {
        let limit = try call.number("limit", usual: 100, in: 1...20_000)
        let after = try call.number("after", usual: 0, in: 0...Int.max)
        let severity = call.request.query["severity"]
        if let severity, Event.Severity(rawValue: severity) == nil {
            throw Problem.invalid("'severity' is '\(severity.prefix(40))'; expected info, warning or error.")
        }
        let subjects = call.visitor.projects == nil ? nil : try await visibleSubjects(call.visitor)
        // Whoever leaves some out still gets as many as asked for.
        let isFiltered = severity != nil || subjects != nil
        let events = try await store.events(
            after: after,
            subject: call.request.query["subject"],
            limit: isFiltered ? 20_000 : limit
        ).filter { event in
            (severity.map { $0 == event.severity.rawValue } ?? true) && (subjects?.contains(event.subject) ?? true)
        }.suffix(limit)
        return ["items": .array(events.reversed().map { document($0) })]
    }

    func visibleSubjects(_ visitor: Visitor) async throws -> Set<String> {
        let apps = try await store.records().filter { visitor.sees(source: $0.source) }.map(\.id.description)
        return Set(apps).union(visitor.projects ?? [])
    }

    private func stream(_ call: Call) async throws -> Response {
        let named = call.request.headers["last-event-id"] ?? call.request.query["after"]
        if let named, Int(named) == nil {
            throw Problem.invalid("'\(named.prefix(40))' is no event's number.")
        }
        let stream = await feed.listen(
            after: named.flatMap { Int($0) },
            subject: call.request.query["subject"],
            sources: call.visitor.projects,
            until: call.visitor.expires
        )
        return Response(
            200,
            [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")],
            body: .stream(stream)
        )
    }

    private func status(_ call: Call) async throws -> JSON {
        let held = Set(try await store.holds().map(\.app))
        let records = try await store.records().filter { call.visitor.sees(source: $0.source) }
        let wrong = records.filter { !$0.isReady && !held.contains($0.id) }
        let errors =
            try await store.sources().filter { call.visitor.sees(source: $0.name) }
            .compactMap { source in source.error.map { "source \(source.name): \($0)" } }
            + store.targets().compactMap { target in target.error.map { "target \(target.name): \($0)" } }
        return [
            "controller": "running", "version": .string(settings.version), "apps": .int(Int64(records.count)),
            "ready": .int(Int64(records.count { $0.isReady })),
            "suspended": .int(Int64(records.count { held.contains($0.id) })),
            "notReady": .array(
                wrong.map { ["name": .string($0.id.description), "message": .string($0.ready?.message ?? "")] }
            ), "errors": JSON(errors),
            "leases": .array(
                await backend.leases().filter { call.visitor.sees(source: $0.source) }.map { document($0) }
            ),
        ]
    }

    /// HiveMind's list: stacks with their services and how many of each run.
    private func stacks(_ call: Call) async throws -> JSON {
        var stacks: [JSON] = []
        for record in try await store.records() where call.visitor.sees(source: record.source) {
            let services = (await backend.describe(record.id).array ?? []).map { service -> JSON in
                let (running, desired) = (service["running"]?.int ?? 0, service["desired"]?.int ?? 0)
                return [
                    "id": service["id"] ?? service["name"] ?? "", "name": service["name"] ?? "",
                    "image": service["image"] ?? "", "desired_replicas": .int(desired),
                    "running_replicas": .int(running),
                    "is_scalable": .bool(service["mode"]?.string != "global"),
                    "status": .string(running == 0 ? "stopped" : running < desired ? "degraded" : "running"),
                ]
            }
            stacks.append(["name": .string(record.id.name), "services": .array(services)])
        }
        return ["stacks": .array(stacks)]
    }
}
