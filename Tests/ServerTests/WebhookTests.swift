import Documents
import Crypto
import Delivery
import HTTPServer
import JSON
import Journal
import Server
import Synchronization
import Testing

/// Webhooks as each sender's documentation has them.
@Suite struct WebhookTests {
    private static let secret = "a secret of the source fleet"
    private let fixture: ServerFixture

    init() throws {
        fixture = try ServerFixture { settings in
            settings.webhooks = [
                WebhookSecret(
                    source: "fleet",
                    url: "git@git.example.org:ops/fleet.git",
                    branch: "main",
                    secret: Self.secret
                ),
                WebhookSecret(
                    source: "site",
                    url: "https://git.example.org/ops/site",
                    branch: "live",
                    secret: Self.secret
                ),
                WebhookSecret(
                    source: "foreign",
                    url: "https://git.example.org/ops/fleet",
                    branch: "main",
                    secret: "another secret altogether"
                ),
            ]
        }
    }

    private func code(_ text: String, _ secret: String = Self.secret) -> String {
        hexadecimal(hmacSHA256(Array(text.utf8), key: Array(secret.utf8)))
    }

    private var woken: [String] { fixture.backend.woken.withLock { $0 } }

    private func send(_ provider: String, _ body: String, _ headers: [String: String]) async -> Answer {
        await fixture.ask("POST", "/api/v1/webhooks/\(provider)", token: nil, headers: headers, body: body)
    }

    private static let push =
        #"{"ref":"refs/heads/main","repository":{"clone_url":"https://git.example.org/ops/fleet.git"}}"#

    /// The fields with which each sender signs and numbers a push.
    private func fields(_ provider: String, _ body: String, _ number: String) -> [String: String] {
        switch provider {
        case "github":
            ["x-hub-signature-256": "sha256=\(code(body))", "x-github-event": "push", "x-github-delivery": number]
        case "gitea": ["x-gitea-signature": code(body), "x-gitea-event": "push", "x-gitea-delivery": number]
        case "forgejo": ["x-forgejo-signature": code(body), "x-forgejo-event": "push", "x-forgejo-delivery": number]
        case "gitlab":
            ["x-gitlab-token": Self.secret, "x-gitlab-event": "Push Hook", "x-gitlab-event-uuid": number]
        case "bitbucket":
            ["x-hub-signature": "sha256=\(code(body))", "x-event-key": "repo:push", "x-request-uuid": number]
        default: [:]
        }
    }

    private func body(_ provider: String) -> String {
        switch provider {
        case "gitlab":
            #"{"ref":"refs/heads/main","project":{"git_http_url":"https://git.example.org/ops/fleet.git"}}"#
        case "bitbucket":
            #"{"repository":{"links":{"html":{"href":"https://git.example.org/ops/fleet"}}},"push":{"changes":[{"new":{"type":"branch","name":"main"}}]}}"#
        default: Self.push
        }
    }

    @Test(arguments: ["github", "gitea", "forgejo", "gitlab", "bitbucket"])
    func aSignedPushWakesItsSourceOnce(provider: String) async throws {
        let body = body(provider)
        let fields = fields(provider, body, "delivery-1")
        #expect(await send(provider, body, [:]).status == 401)
        let wrong = fields.mapValues { $0.replacing("a secret", with: "b secret") }.mapValues { value in
            value.hasPrefix("sha256=")
                ? "sha256=\(code(body, "wrong"))" : value.utf8.count == 64 ? code(body, "wrong") : value
        }
        #expect(await send(provider, body, wrong).status == 401)
        if provider != "gitlab" {
            #expect(await send(provider, body + " ", fields).status == 401, "the raw body is what is signed")
        }
        #expect(woken.isEmpty)
        let answer = await send(provider, body, fields)
        #expect(answer.status == 202 && answer.json["sources"]?.array == ["fleet"], "\(answer.text)")
        let again = await send(provider, body, fields)
        #expect(again.json["status"]?.string == "ignored")
        #expect(woken == ["fleet"])
    }

    @Test func onlyTheMatchingSourceWakes() async throws {
        func push(_ reference: String, _ url: String, _ number: String) async -> Answer {
            let body = #"{"ref":"\#(reference)","repository":{"ssh_url":"\#(url)"}}"#
            return await send("github", body, fields("github", body, number))
        }
        #expect(await push("refs/heads/other", "git@git.example.org:ops/fleet.git", "1").text.contains("no source"))
        #expect(await push("refs/heads/main", "git@git.example.org:ops/elsewhere.git", "2").text.contains("no source"))
        #expect(await push("refs/tags/v1", "git@git.example.org:ops/fleet.git", "3").text.contains("no source"))
        #expect(woken.isEmpty)
        _ = await push("refs/heads/live", "ssh://git@git.example.org:22/ops/site.git", "4")
        #expect(woken == ["site"])
    }

    @Test func otherEventsAreHeardAndLeft() async throws {
        var fields = fields("github", Self.push, "1")
        fields["x-github-event"] = "ping"
        #expect(await send("github", Self.push, fields).status == 200)
        fields["x-github-event"] = "issues"
        fields["x-github-delivery"] = "2"
        #expect(await send("github", Self.push, fields).json["status"]?.string == "ignored")
        #expect(await send("unheard-of", Self.push, fields).status == 404)
        let body = "not JSON"
        #expect(await send("github", body, self.fields("github", body, "3")).status == 400)
        #expect(woken.isEmpty)
    }

    @Test func aGenericSenderSignsItsTimeToo() async throws {
        func send(_ age: Int, _ body: String = "{}") async -> Answer {
            let time = "\(Int(currentTime().seconds) - age)"
            return await self.send(
                "generic",
                body,
                ["x-timestamp": time, "x-signature-256": "sha256=\(code("\(time).\(body)"))"]
            )
        }
        #expect(await send(1000).status == 401)
        #expect(await send(-1000).status == 401)
        #expect(woken.isEmpty)
        #expect(await send(0, Self.push).status == 202)
        #expect(await send(0, Self.push).json["status"]?.string == "ignored", "the same again")
        #expect(woken == ["fleet"])
    }

    @Test func hiveMindsAddressTakesPushesOfTwoForges() async throws {
        for provider in ["github", "gitea"] {
            let answer = await fixture.ask(
                "POST",
                "/api/webhooks/git",
                token: nil,
                headers: fields(provider, Self.push, provider),
                body: Self.push
            )
            #expect(answer.status == 202)
        }
        #expect(woken == ["fleet", "fleet"])
    }

    @Test func aPushedImageWakesAndAnAlertIsWrittenDown() async throws {
        let id = try await fixture.add("web", source: "fleet")
        try await fixture.add("bank", source: "foreign")
        let fields = ["authorization": "Bearer \(Self.secret)"]
        let image = #"{"events":[{"id":"1","action":"push","target":{"repository":"web","tag":"1"}}]}"#
        let pull = #"{"events":[{"id":"2","action":"pull","target":{"repository":"web"}}]}"#
        #expect(await send("registry", image, fields).status == 202)
        #expect(await send("registry", pull, fields).json["status"]?.string == "ignored")
        #expect(woken.sorted() == ["fleet", "site"])
        for _ in 0..<100 where fixture.backend.reconciled.withLock({ $0.isEmpty }) {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(fixture.backend.reconciled.withLock { $0 } == [id])

        let alert =
            #"{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"TooSlow","app":"web"},"annotations":{"summary":"p99 is 4 s"}}]}"#
        #expect(await send("alertmanager", alert, [:]).status == 401)
        #expect(await send("alertmanager", alert, fields).status == 202)
        let events = try await fixture.store.events(after: 0, subject: "default/web", limit: 10)
        let bank = alert.replacing("\"app\":\"web\"", with: "\"app\":\"bank\"")
        #expect(await send("alertmanager", bank, fields).status == 202)
        let others = try await fixture.store.events(after: 0, subject: "default/bank", limit: 10)
        #expect(others.count == 1, "the history of another source's app is not theirs to write")
        #expect(events.last?.message == "TooSlow is firing: p99 is 4 s" && events.last?.severity == .warning)
    }
}
