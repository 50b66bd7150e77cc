import HTTPServer
import JSON
import Subprocess
import Synchronization
import TestSupport
import Testing

/// The commands over a controller's API, and what the controller tells others.
@Suite(.serialized) struct RemoteTests {
    @Test(.timeLimit(.minutes(4))) func theCommandsAskAControllerElsewhere() async throws {
        let socket = "/tmp/hecate-\(UInt32.random(in: 0...UInt32.max)).sock"
        let fleet = try await Fleet(
            extra: """
                server:
                  listen: 127.0.0.1:0
                  socket: \(socket)
                  tokens: [{name: vera, role: viewer, token: vera-0123456789abcdef}]
                """
        )
        try await fleet.commit(
            stacks: ["{name: PREFIXweb, compose_file: web.yml}", "{name: PREFIXdb, compose_file: web.yml}"],
            ["web.yml": sleeper().replacing("sh -c '", with: "sh -c 'echo hello; ")]
        )
        let home = fleet.scratch.path
        let web = fleet.name("web")
        @Sendable func hecate(_ words: String...) async throws -> Completion {
            try await execute([fleet.binary] + words, environment: ["HOME": home], directory: home)
        }
        let remote = "unix:\(socket)"
        try await fleet.running {
            try await fleet.settled("web", "db")
            #expect(try await hecate("status", "--server", remote).outputText.contains("2 of 2 apps ready"))
            let list = try await hecate("list", "apps", "--server", remote, "--format", "json")
            let local = try await fleet.hecate("list", "apps", "--format", "json")
            #expect(try JSON(parsing: list.output) == JSON(parsing: local.output), "the same, from here and from there")
            for noun in ["sources", "targets"] {
                let far = try await hecate("list", noun, "--server", remote, "--format", "json")
                let names = try JSON(parsing: far.output).array?.compactMap { $0["name"]?.string }
                #expect(names == [noun == "sources" ? "fleet" : "default"])
            }
            let events = try await hecate("events", web, "--server", remote, "--limit", "3").outputText
            #expect(events.contains("Deployed"))
            let read = try await hecate("read", "app", web, "--server", remote).outputText
            #expect(read.contains("\(web)_one  1/1") && read.contains("KEPT REVISIONS\n  "), "\(read)")
            #expect(try await hecate("logs", web, "--server", remote).outputText.contains("\(web)_one | hello"))
            let same = try await hecate("plan", web, "--server", remote)
            #expect(same.code == 0 && same.outputText.contains("nothing to do"))

            let silent = try await hecate("suspend", web, "--server", remote)
            #expect(silent.code == 64 && silent.errorText.contains("--reason"))
            #expect(try await hecate("suspend", web, "--server", remote, "--reason", "disks").code == 0)
            #expect(try await hecate("status", "--server", remote).outputText.contains("held by socket: disks"))
            try await fleet.docker("service", "scale", "--detach", "\(web)_one=2")
            let drifted = try await hecate("plan", web, "--server", remote)
            #expect(drifted.code == 2 && drifted.outputText.contains("deploy.replicas"), "\(drifted.outputText)")
            #expect(try await hecate("resume", web, "--server", remote).outputText.contains("is resumed"))
            let repaired = try await hecate("reconcile", web, "--wait", "--server", remote)
            #expect(repaired.code == 0 && repaired.outputText.contains("ready"), "\(repaired)")
            #expect(try await hecate("reconcile", "--server", remote).code == 0)
            let unknown = try await hecate("approve", "flet", "--server", remote)
            #expect(unknown.code == 1 && unknown.errorText.contains("no source and no app 'flet'"))

            let audit = try await hecate("list", "audit", "--server", remote).outputText
            #expect(audit.contains("/suspend") && audit.contains("socket") && audit.contains("allowed"))
            #expect(try await hecate("audit", "verify", "--server", remote).outputText.contains("entries hold"))
            #expect(try await fleet.hecate("audit", "verify").code == 0)

            // By a name, with a token that may only look.
            try fleet.scratch.write("vera-0123456789abcdef\n", to: "token")
            let place = try #require(fleet.log.firstRange(of: "listening on "))
            let address = fleet.log[place.upperBound...].prefix { !$0.isWhitespace && $0 != "," }
            let added = try await hecate(
                "context",
                "add",
                "prod",
                "--server",
                "http://\(address)",
                "--token-file",
                "\(home)/token"
            )
            #expect(added.code == 0, "\(added.errorText)")
            #expect(try await hecate("status").outputText.contains("2 of 2 apps ready"), "it is in use")
            let refused = try await hecate("suspend", web, "--reason", "x")
            #expect(refused.code == 1 && refused.errorText.contains("'vera' is viewer; this takes operator"))
            #expect(try await hecate("context", "list").outputText.contains("*"))
            let stranger = try await hecate("status", "--server", "http://\(address)")
            #expect(stranger.code == 1 && stranger.errorText.contains("Send a token"), "\(stranger.errorText)")
            let lost = try await hecate("status", "--context", "prd")
            #expect(lost.code == 1 && lost.errorText.contains("did you mean 'prod'"))
            #expect(try await hecate("context", "use", "here").code == 0)
            #expect(try await hecate("status").outputText.contains("2 of 2 apps ready"), "by the store that lies here")
            let both = try await hecate("status", "--server", remote, "--context", "prod")
            #expect(both.code == 64 && both.errorText.contains("name different places"))
            let unused = try await hecate("status", "--store", fleet.store, "--token-file", "\(home)/token")
            #expect(unused.code == 64 && unused.errorText.contains("'--token-file'"))
            let general = ["HOME": home, "HECATE_SERVER": "http://127.0.0.1:1"]
            let named = try await execute([fleet.binary, "status", "--store", fleet.store], environment: general)
            #expect(named.code == 0, "what is said on the line goes before the environment: \(named.errorText)")
            let typo = try await fleet.hecate("reconcile", "wbe", "--wait")
            #expect(typo.code == 1 && typo.errorText.contains("there is no app 'wbe'"))
            let away = try await hecate("status", "--server", "http://127.0.0.1:1")
            #expect(away.code == 1 && away.errorText.contains("cannot be asked"))
            let local2 = try await hecate("run", "--server", remote)
            #expect(local2.code == 64 && local2.errorText.contains("works on this machine"))
        }
        try await fleet.clean("web", "db")
    }

    @Test(.timeLimit(.minutes(3))) func eventsAreFollowedFromElsewhere() async throws {
        let socket = "/tmp/hecate-\(UInt32.random(in: 0...UInt32.max)).sock"
        let fleet = try await Fleet(extra: "server: {socket: \(socket)}")
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: web.yml}"], ["web.yml": sleeper()])
        let heard = "\(fleet.scratch.path)/heard"
        try await fleet.running {
            try await fleet.settled("web")
            let command = "exec \(fleet.binary) events --follow --format json --server unix:\(socket) >\(heard)"
            let following = Task { try await execute(["sh", "-c", command], timeout: .seconds(60)) }
            try await fleet.eventually("it follows") { fileText(heard)?.contains("Deployed") ?? false }
            try await fleet.commit(["web.yml": sleeper("A: 2")], "Another")
            try await fleet.eventually("the next is heard") {
                (fileText(heard) ?? "").ranges(of: "\"reason\":\"Deployed\"").count == 2
            }
            following.cancel()
        }
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(3))) func aFailedDeploymentIsToldToWhoeverAsked() async throws {
        let bodies = Notified()
        let listener = try Listener(try #require(Address("127.0.0.1:0"))) { request in
            if let body = try? JSON(parsing: request.body) { bodies.all.withLock { $0.append((request.path, body)) } }
            return Response(request.path.hasPrefix("/repos") ? 201 : 200, type: "application/json", "{}")
        }
        let base = "http://127.0.0.1:\(listener.port)"
        let fleet = try await Fleet(
            extra: """
                server: {url: 'https://hecate.example.org', socket: /tmp/hecate-\(UInt32.random(in: 0...UInt32.max)).sock}
                notifications:
                  - {name: ops, kind: webhook, url: '\(base)/hook', secret: s3cret, group: 1s, template: '{{reason}} of {{name}}: {{message}}'}
                  - {name: forge, kind: github, api: '\(base)', repository: ops/fleet, token: t}
                heartbeat: {url: '\(base)/beat', interval: 1s}
                """
        )
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: web.yml}"], ["web.yml": sleeper()])
        try await fleet.running {
            try await fleet.settled("web")
            let good = try await fleet.repository.head()
            try await fleet.commit(["web.yml": sleeper(image: "nowhere.invalid/web:9")], "Typo")
            let bad = try await fleet.repository.head()
            try await fleet.eventually("the operators are told") {
                bodies.all.withLock { $0.contains { $0.path == "/hook" } }
            }
            let hook = try #require(bodies.all.withLock { $0.first { $0.path == "/hook" } }).body
            let words = hook["text"]?.string ?? ""
            #expect(words.contains("of \(fleet.name("web")): ") && hook["severity"]?.string == "error", "\(hook)")
            func states(_ commit: String) -> [String] {
                bodies.all.withLock { $0.filter { $0.path == "/repos/ops/fleet/statuses/\(commit)" } }
                    .compactMap { $0.body["state"]?.string }
            }
            try await fleet.eventually("the forge knows") { states(bad).contains("failure") }
            #expect(states(good).last == "success", "\(states(good))")
            let tried = try await fleet.hecate("notify", "ops")
            #expect(tried.code == 0 && tried.outputText == "ops: notified\n", "\(tried)")
            #expect(
                bodies.all.withLock { $0.last { $0.path == "/hook" } }?.body["text"]?.string?.contains(
                    "a test of 'ops'"
                ) ?? false
            )
            #expect(try await fleet.hecate("notify").outputText.contains("forge: a commit's state cannot be tried"))
            #expect(try await fleet.hecate("notify", "opps").errorText.contains("did you mean 'ops'"))
        }
        await listener.drain(within: .seconds(1))
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(2))) func aControllerIsReachedOverTLS() async throws {
        let scratch = try Scratch()
        try await shell(
            [
                "sh", "-ec",
                "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2 -keyout key.pem -out cert.pem 2>/dev/null",
            ],
            directory: scratch.path
        )
        let fleet = try await Fleet(
            extra: """
                server:
                  listen: 0.0.0.0:0
                  tls: {certificate: \(scratch.path)/cert.pem, key: \(scratch.path)/key.pem}
                  tokens: [{name: vera, role: viewer, token: vera-0123456789abcdef}]
                """
        )
        try await fleet.commit(stacks: [])
        try await fleet.running {
            try await fleet.eventually("it listens") { fleet.log.contains("listening on ") }
            let place = try #require(fleet.log.firstRange(of: "listening on 0.0.0.0:"))
            let server = "https://localhost:\(fleet.log[place.upperBound...].prefix { $0.isNumber })"
            let words = [fleet.binary, "list", "sources", "--server", server]
            let token = ["HECATE_TOKEN": "vera-0123456789abcdef"]
            let trusted = try await execute(words + ["--ca", "\(scratch.path)/cert.pem"], environment: token)
            #expect(trusted.code == 0 && trusted.outputText.contains("fleet"), "\(trusted.errorText)")
            let stranger = try await execute(words, environment: token)
            #expect(stranger.code == 1 && stranger.errorText.contains("certificate"), "\(stranger.errorText)")
            #expect(!fleet.log.contains("without TLS"))
        }
        let open = try await Fleet(extra: "server: {listen: '0.0.0.0:0', anonymous: viewer}")
        try await open.commit(stacks: [])
        try await open.running { try await open.eventually("it warns") { open.log.contains("without TLS") } }
    }

    /// A key set and a token of it, by openssl.
    private static let signing = """
        b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
        openssl genpkey -algorithm ed25519 -out key.pem
        printf '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"%s"}]}' \
            "$(openssl pkey -in key.pem -pubout -outform DER | tail -c 32 | b64)" >jwks
        printf '%s.%s' "$(printf '{"alg":"EdDSA","kid":"k"}' | b64)" \
            "$(printf '{"sub":"anna","role":"viewer","exp":%s}' $(($(date +%s) + 600)) | b64)" >signed
        printf '%s.%s' "$(cat signed)" "$(openssl pkeyutl -sign -inkey key.pem -rawin -in signed | b64)" >token
        """

    @Test(.timeLimit(.minutes(2))) func aProvidersKeysAreFetched() async throws {
        let scratch = try Scratch()
        try await shell(["bash", "-euc", Self.signing], directory: scratch.path)
        let keys = fileText("\(scratch.path)/jwks") ?? ""
        let listener = try Listener(try #require(Address("127.0.0.1:0"))) { request in
            request.path == "/jwks"
                ? Response(200, type: "application/json", keys) : Response(404, type: "text/plain", "")
        }
        let socket = "/tmp/hecate-\(UInt32.random(in: 0...UInt32.max)).sock"
        let fleet = try await Fleet(
            extra:
                "server: {listen: '127.0.0.1:0', socket: \(socket), jwks_url: 'http://127.0.0.1:\(listener.port)/jwks'}"
        )
        try await fleet.commit(stacks: [])
        try await fleet.running {
            try await fleet.eventually("it listens") { fleet.log.contains("listening on ") }
            let place = try #require(fleet.log.firstRange(of: "listening on "))
            let address = fleet.log[place.upperBound...].prefix { !$0.isWhitespace && $0 != "," }
            let words = ["status", "--server", "http://\(address)", "--token-file"]
            try await fleet.eventually("the token is good") {
                let status = try await execute([fleet.binary] + words + ["\(scratch.path)/token"])
                return status.code == 0
            }
            let forged = try await execute([fleet.binary] + words + ["\(scratch.path)/signed"])
            #expect(forged.code == 1 && forged.errorText.contains("Send a token"))
        }
        await listener.drain(within: .seconds(1))
    }

    private final class Notified: Sendable {
        let all = Mutex<[(path: String, body: JSON)]>([])
    }
}
