import Documents
import Delivery
import JSON
import Journal
import Server
import Subprocess
import Synchronization
import TestSupport
import Testing

@Suite struct APITests {
    @Test func pagesGoThroughEveryAppOnce() async throws {
        let fixture = try ServerFixture()
        for number in 10..<40 { try await fixture.add("app\(number)", target: number % 2 == 0 ? "a" : "b") }
        var (seen, cursor, pages): ([String], String?, Int) = ([], nil, 0)
        repeat {
            let answer = await fixture.get("/api/v1/apps?limit=7" + (cursor.map { "&cursor=\($0)" } ?? ""))
            #expect(answer.json["total"]?.int == 30)
            seen += answer.names
            cursor = answer.json["next"]?.string
            pages += 1
        } while cursor != nil && pages < 10
        #expect(pages == 5 && seen.count == 30 && Set(seen).count == 30)
    }

    @Test func noTargetIsSkippedBecauseOfItsName() async throws {
        let fixture = try ServerFixture()
        for target in ["prod", "prod-eu", "prod.us"] {
            for name in ["a", "b", "web"] { try await fixture.add(name, target: target) }
        }
        var (seen, cursor): ([String], String?) = ([], nil)
        repeat {
            let answer = await fixture.get("/api/v1/apps?limit=2" + (cursor.map { "&cursor=\($0)" } ?? ""))
            seen += (answer.json["items"]?.array ?? []).map {
                "\($0["target"]?.string ?? "")/\($0["name"]?.string ?? "")"
            }
            cursor = answer.json["next"]?.string
        } while cursor != nil && seen.count < 20
        #expect(seen.count == 9 && Set(seen).count == 9, "\(seen)")
        #expect(await fixture.get("/api/v1/apps?cursor=x").status == 400)
        // Two questions that look alike are two.
        try await fixture.add("x&ready=true", ready: false)
        #expect(await fixture.get("/api/v1/apps?q=nothing").names.isEmpty)
    }

    @Test func filtersAreAppliedAndWrongOnesNamed() async throws {
        let fixture = try ServerFixture()
        try await fixture.add("web", ready: false)
        try await fixture.add("db", target: "east")
        try await fixture.add("shop", source: "other")
        #expect(await fixture.get("/api/v1/apps?ready=false").names == ["web"])
        #expect(await fixture.get("/api/v1/apps?target=east").names == ["db"])
        #expect(await fixture.get("/api/v1/apps?source=other").names == ["shop"])
        #expect(await fixture.get("/api/v1/apps?q=ho").names == ["shop"])
        for query in ["limit=0", "limit=x", "limit=100000", "ready=maybe"] {
            let answer = await fixture.get("/api/v1/apps?\(query)")
            #expect(answer.status == 400 && answer.headers["content-type"] == "application/problem+json")
            #expect(answer.json["detail"]?.string?.contains("expected") ?? false, "\(answer.text)")
        }
    }

    @Test func aDocumentIsSentAgainOnlyWhenItChanged() async throws {
        let fixture = try ServerFixture()
        try await fixture.add("web")
        let first = await fixture.get("/api/v1/apps")
        let tag = try #require(first.headers["etag"])
        let same = await fixture.get("/api/v1/apps", headers: ["if-none-match": tag])
        #expect(same.status == 304 && same.bytes.isEmpty && same.headers["etag"] == tag)
        try await fixture.add("db")
        let changed = await fixture.get("/api/v1/apps", headers: ["if-none-match": tag])
        #expect(changed.status == 200 && changed.names == ["db", "web"])
        // Another process writes into the same journal.
        let other = try Store(path: "\(fixture.scratch.path)/hecate.db")
        try await other.record(fixture.event("default/web", "by another process", .error))
        let events = await fixture.get("/api/v1/events?severity=error").json["items"]?.array
        #expect(events?.first?["message"]?.string == "by another process")
    }

    @Test func refusalsSayWhatAndWhere() async throws {
        let fixture = try ServerFixture()
        let missing = await fixture.get("/api/v1/apps/default/web")
        #expect(missing.status == 404 && missing.json["detail"]?.string == "There is no app 'default/web'.")
        #expect(await fixture.get("/api/v2/apps").status == 404)
        let method = await fixture.ask("DELETE", "/api/v1/apps")
        #expect(method.status == 405 && method.headers["allow"] == "GET")
        try await fixture.add("web")
        let silent = await fixture.ask("POST", "/api/v1/apps/default/web/suspend", body: "{}")
        #expect(silent.status == 400 && silent.text.contains("'reason'"))
        let broken = await fixture.ask("POST", "/api/v1/apps/default/web/suspend", body: "{")
        #expect(broken.status == 400 && broken.text.contains("JSON"))
        for answer in [missing, method, silent] {
            #expect(answer.json["type"]?.string == "about:blank" && answer.json["status"]?.int == Int64(answer.status))
        }
    }

    /// Not even when the journal has one of that name, which an older version may have written.
    @Test(arguments: [" ", ".", "..", "a\u{7}"]) func whatNamesNoAppReachesNobody(name: String) async throws {
        let fixture = try ServerFixture()
        try await fixture.add(name)
        try await fixture.add("web", target: name)
        for path in ["default/\(name)", "\(name)/web"] {
            for (action, body) in [("reconcile", ""), ("approve", ""), ("suspend", #"{"reason":"x"}"#)] {
                let answer = await fixture.ask("POST", "/api/v1/apps/\(path)/\(action)", body: body)
                #expect((400...404).contains(answer.status), "\(path) \(action): \(answer.status) \(answer.text)")
            }
        }
        #expect(fixture.backend.reconciled.withLock { $0.isEmpty } && fixture.backend.approved.withLock { $0.isEmpty })
        #expect(try await fixture.store.holds().isEmpty)
    }

    @Test func theDocumentIsOfTheVeryRoutes() async throws {
        let fixture = try ServerFixture {
            $0.webhooks = [WebhookSecret(source: "fleet", url: "x", branch: nil, secret: "s")]
        }
        try await fixture.add("web")
        try await fixture.store.save(SourceRecord(name: "fleet", url: "x", lastSuccess: Timestamp(1)))
        let document = await fixture.get("/api/v1/openapi.json", token: nil).json
        #expect(document["openapi"]?.string == "3.1.0")
        let paths = try #require(document["paths"]?.object)
        var names: Set<String> = []
        for (path, item) in paths {
            let parameters = Set(
                path.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
            )
            for (method, operation) in item.object ?? [:] {
                let isNew = names.insert(operation["operationId"]?.string ?? "").inserted
                #expect(isNew, "two are called the same")
                let named = (operation["parameters"]?.array ?? []).filter { $0["in"]?.string == "path" }
                #expect(Set(named.compactMap { $0["name"]?.string.map { Substring($0) } }) == parameters)
                let filled = path.replacing("{target}", with: "default").replacing("{provider}", with: "github")
                    .replacing("{name}", with: path.contains("sources") ? "fleet" : "web")
                let answer = await fixture.ask(method.uppercased(), filled)
                let isAnswered = answer.status < 300 || [400, 401].contains(answer.status)
                #expect(isAnswered, "\(method) \(filled): \(answer.status) \(answer.text)")
            }
            // What the document does not name is not answered.
            let known = Set((item.object ?? [:]).keys)
            for method in ["put", "patch", "delete", "post", "get"] where !known.contains(method) {
                let filled = path.replacing("{target}", with: "t").replacing("{name}", with: "n")
                    .replacing("{provider}", with: "github")
                #expect(await fixture.ask(method.uppercased(), filled).status == 405, "\(method) \(path)")
            }
        }
        #expect(names.count > 20)
    }

    @Test func actionsDoWhatTheySay() async throws {
        let fixture = try ServerFixture()
        let id = try await fixture.add("web")
        try await fixture.store.save(SourceRecord(name: "fleet", url: "x"))
        let waited = await fixture.ask("POST", "/api/v1/apps/default/web/reconcile?wait=true")
        #expect(waited.status == 200 && waited.json["name"]?.string == "web")
        #expect(fixture.backend.reconciled.withLock { $0 } == [id])
        let hold = await fixture.ask("POST", "/api/v1/apps/default/web/suspend", body: #"{"reason":"moving"}"#)
        #expect(hold.json["suspended"]?.bool == true)
        #expect(await fixture.get("/api/v1/apps/default/web").json["suspended"]?["author"]?.string == "anna")
        #expect(await fixture.ask("POST", "/api/v1/apps/default/web/resume").json["resumed"]?.bool == true)
        #expect(await fixture.ask("POST", "/api/v1/apps/default/web/resume").json["resumed"]?.bool == false)
        #expect(await fixture.ask("POST", "/api/v1/sources/fleet/reconcile").status == 202)
        #expect(fixture.backend.woken.withLock { $0 } == ["fleet"])
        #expect(await fixture.ask("POST", "/api/v1/sources/fleet/approve").status == 200)
        #expect(await fixture.ask("POST", "/api/v1/apps/default/web/approve").json["approved"]?.string == "default/web")
        #expect(await fixture.ask("POST", "/api/v1/apps/default/nowhere/approve").status == 404)
        #expect(fixture.backend.approved.withLock { $0 } == ["fleet", "default/web"])
        let operators = await fixture.ask(
            "POST",
            "/api/v1/apps/default/web/approve",
            token: ServerFixture.operator
        )
        #expect(operators.status == 403)
    }

    @Test func hiveMindsClientsFindTheirStacks() async throws {
        let fixture = try ServerFixture()
        try await fixture.add("web")
        let stack = await fixture.get("/api/stacks").json["stacks"]?.array?.first
        #expect(stack?["name"]?.string == "web")
        let service = stack?["services"]?.array?.first
        #expect(service?["running_replicas"]?.int == 1 && service?["desired_replicas"]?.int == 2)
        #expect(service?["status"]?.string == "degraded")
    }

    @Test func probesSayWhatIsWrong() async throws {
        let fixture = try ServerFixture()
        #expect(await fixture.get("/healthz", token: nil).text == "ok\n")
        #expect(await fixture.get("/health", token: nil).text == "{\"status\":\"ok\",\"version\":\"1.2.3\"}\n")
        #expect(await fixture.get("/readyz", token: nil).status == 200)
        try await fixture.store.expect([SourceRecord(name: "fleet", url: "x")], [])
        #expect(await fixture.get("/readyz").text.contains("not looked at yet"))
        try await fixture.store.save(SourceRecord(name: "fleet", url: "x", error: "the key is refused"))
        let stranger = await fixture.get("/readyz", token: nil)
        #expect(stranger.status == 503 && !stranger.text.contains("fleet") && !stranger.text.contains("refused"))
        let answer = await fixture.get("/readyz")
        let check = answer.json["checks"]?.array?.first { $0["name"]?.string == "fleet" }
        #expect(answer.status == 503 && check?["reason"]?.string == "the key is refused")
        #expect(check?["lastSuccess"] == .null)
        try await fixture.store.save(SourceRecord(name: "fleet", url: "x", lastSuccess: Timestamp(60)))
        let well = await fixture.get("/readyz")
        let checks = well.json["checks"]?.array ?? []
        #expect(well.status == 200)
        #expect(checks.first { $0["name"]?.string == "fleet" }?["lastSuccess"]?.string == Timestamp(60).text)
        let lease = checks.first { $0["kind"]?.string == "lease" }
        #expect(lease?["standing"]?.string == "fleet on default: waits; vm2-1a2b acts" && lease?["ready"]?.bool == true)
    }

    @Test func aJournalThatCannotBeWrittenIsNotReady() async throws {
        let fixture = try ServerFixture()
        #expect(await fixture.get("/readyz", token: nil).status == 200)
        // Deleted with its folder: there is no place to write it to.
        try await shell(["rm", "-rf", fixture.scratch.path])
        try await shell(["touch", fixture.scratch.path])
        try await Task.sleep(for: .milliseconds(1100))
        _ = try? await fixture.store.record(fixture.event("default/web", "x"))
        let answer = await fixture.get("/readyz")
        let check = answer.json["checks"]?.array?.first { $0["kind"]?.string == "store" }
        #expect(answer.status == 503 && check?["ready"]?.bool == false && check?["reason"]?.string != nil)
    }

    @Test func prometheusAcceptsTheFigures() async throws {
        let fixture = try ServerFixture()
        try await fixture.add("we\"b\\")
        let metrics = fixture.site.metrics
        metrics.note(AppID(target: "default", name: "we\"b\\\n"), .milliseconds(20), true)
        metrics.note(fixture.event("default/web", "deployed"))
        _ = await fixture.ask("BREW\"\u{301}", "/nowhere")
        _ = await fixture.get("/api/v1/apps")
        let open = await fixture.get("/metrics", headers: ["accept": "application/openmetrics-text"])
        #expect(open.headers["content-type"]?.hasPrefix("application/openmetrics-text") ?? false)
        #expect(open.text.hasSuffix("# EOF\n"))
        #expect(open.text.contains(#"app="we\"b\\\n",le="0.1"} 1"#), "\(open.text)")
        #expect(open.text.contains(#"hecate_lease_held{source="fleet",target="default"} 0"#))
        #expect(open.text.contains("hecate_store_writable 1"))
        #expect(open.text.contains(#"hecate_deployments_total{target="default",result="deployed"} 1"#))
        let plain = await fixture.get("/metrics").text
        try fixture.scratch.write(plain, to: "metrics")
        let command = "promtool check metrics < \(fixture.scratch.path)/metrics"
        let result = try await execute(["sh", "-c", command])
        #expect(result.code == 0, "\(result.errorText)\(result.outputText)")
    }
}
