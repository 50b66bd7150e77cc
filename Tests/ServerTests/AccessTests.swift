import Documents
import HTTPServer
import Crypto
import Delivery
import JSON
import Journal
@testable import Server
import Subprocess
import TestSupport
import Testing

@Suite struct AccessTests {
    /// Every operation of the document with its role, its path filled in with an app and a source that are there.
    private func operations(_ fixture: ServerFixture) async throws -> [(method: String, path: String, role: String?)] {
        try await fixture.add("web")
        try await fixture.store.save(SourceRecord(name: "fleet", url: "x"))
        let paths = try #require(await fixture.get("/api/v1/openapi.json").json["paths"]?.object)
        return paths.flatMap { path, item in
            (item.object ?? [:]).map { method, operation in
                let filled = path.replacing("{target}", with: "default")
                    .replacing("{name}", with: path.contains("sources") ? "fleet" : "web")
                    .replacing("{provider}", with: "github")
                return (method.uppercased(), filled, operation["x-role"]?.string)
            }
        }
    }

    @Test func nobodyComesInWithoutAToken() async throws {
        let fixture = try ServerFixture()
        let operations = try await operations(fixture)
        #expect(operations.count > 20)
        for operation in operations where operation.role != nil {
            for token in [nil, "", "wrong", ServerFixture.admin + "x", String(ServerFixture.admin.dropLast())] {
                let answer = await fixture.ask(operation.method, operation.path, token: token)
                #expect(answer.status == 401, "\(operation) with \(token ?? "nothing")")
                #expect(answer.headers["www-authenticate"] != nil)
            }
        }
        for path in ["/", "/apps/default/web", "/events", "/sources"] {
            let page = await fixture.get(path, token: nil, headers: ["accept": "text/html"])
            #expect(page.status == 303 && page.headers["location"] == "/login")
        }
    }

    @Test func eachRoleMayWhatTheDocumentSays() async throws {
        let fixture = try ServerFixture()
        let ranks = ["viewer": 0, "operator": 1, "admin": 2]
        let tokens = [ServerFixture.viewer, ServerFixture.operator, ServerFixture.admin]
        for operation in try await operations(fixture) {
            guard let role = operation.role.flatMap({ ranks[$0] }) else { continue }
            for (rank, token) in tokens.enumerated() {
                let answer = await fixture.ask(operation.method, operation.path, token: token)
                #expect((answer.status == 403) == (rank < role), "\(operation) as \(token): \(answer.status)")
                #expect(answer.status != 401 && answer.status != 404 && answer.status != 405, "\(operation)")
            }
        }
    }

    @Test func aTokenForSomeProjectsSeesNothingElse() async throws {
        let fixture = try ServerFixture()
        try await fixture.add("mine", source: "fleet")
        try await fixture.add("theirs", source: "other")
        for name in ["fleet", "other"] { try await fixture.store.save(SourceRecord(name: name, url: name)) }
        let token = ServerFixture.restricted
        #expect(await fixture.get("/api/v1/apps", token: token).names == ["mine"])
        #expect(await fixture.get("/api/v1/sources", token: token).names == ["fleet"])
        let subjects = await fixture.get("/api/v1/events", token: token).json["items"]?.array?
            .compactMap { $0["subject"]?.string }
        #expect(subjects == ["default/mine"])
        for path in ["", "/plan", "/logs", "/revisions"] {
            #expect(await fixture.get("/api/v1/apps/default/theirs\(path)", token: token).status == 404)
            #expect(await fixture.get("/api/v1/apps/default/mine\(path)", token: token).status == 200)
        }
        #expect(await fixture.ask("POST", "/api/v1/apps/default/theirs/reconcile", token: token).status == 404)
        #expect(await fixture.ask("POST", "/api/v1/sources/other/reconcile", token: token).status == 404)
        for page in ["/", "/events", "/sources"] {
            #expect(!(await fixture.get(page, token: token).text.contains("theirs")))
        }
        for path in ["/metrics", "/api/v1/audit"] {
            #expect(await fixture.get(path, token: token).status == 403, "\(path) shows everybody's")
        }
        // Documents are kept by who may see them.
        #expect(await fixture.get("/api/v1/apps").names == ["mine", "theirs"])
        #expect(await fixture.get("/api/v1/apps", token: token).names == ["mine"])
    }

    @Test func whoeverShowsNothingIsWhatSomebodyDecided() async throws {
        let fixture = try ServerFixture { $0.access.anonymous = .viewer }
        try await fixture.add("web")
        #expect(await fixture.get("/api/v1/apps", token: nil).status == 200)
        #expect(await fixture.ask("POST", "/api/v1/reconcile", token: nil).status == 403)
        #expect(await fixture.get("/api/v1/apps", token: "wrong").status == 401, "what is wrong is not nothing")
        let foreign = await fixture.ask(
            "POST",
            "/api/v1/reconcile",
            token: nil,
            headers: ["sec-fetch-site": "cross-site"],
            client: "unix"
        )
        #expect(foreign.status == 403 && foreign.text.contains("another site"))
        let other = ["origin": "https://evil.example.org", "host": "hecate.example.org"]
        #expect(
            await fixture.ask("POST", "/api/v1/reconcile", token: nil, headers: other, client: "unix").status == 403
        )
        let socket = await fixture.ask("GET", "/api/v1/audit", token: nil, client: "unix")
        #expect(socket.status == 200, "the socket's permissions guard it")
    }

    // MARK: Browsers

    @Test func aBrowserSignsInAndItsFormsAreItsOwn() async throws {
        let fixture = try ServerFixture()
        try await fixture.add("web")
        let form = ["content-type": "application/x-www-form-urlencoded"]
        let wrong = await fixture.ask("POST", "/login", token: nil, headers: form, body: "token=wrong")
        #expect(wrong.status == 401 && wrong.headers["set-cookie"] == nil)
        let entry = await fixture.ask(
            "POST",
            "/login",
            token: nil,
            headers: form,
            body: "token=\(ServerFixture.operator)"
        )
        let field = try #require(entry.headers["set-cookie"])
        #expect(entry.status == 303 && field.contains("HttpOnly") && field.contains("SameSite=Strict"))
        let cookie = ["cookie": String(field.prefix { $0 != ";" })]
        let page = await fixture.get("/apps/default/web", token: nil, headers: cookie)
        #expect(page.status == 200 && page.text.contains("Reconcile now"))

        let action = "/api/v1/apps/default/web/suspend"
        let foreign = await fixture.ask(
            "POST",
            action,
            token: nil,
            headers: cookie.merging(form) { $1 },
            body: "reason=x"
        )
        #expect(foreign.status == 403 && foreign.text.contains("form's token"))
        #expect(try await fixture.store.holds().isEmpty)
        let start = try #require(page.text.firstRange(of: "name=\"csrf\" value=\""))
        let token = page.text[start.upperBound...].prefix { $0 != "\"" }
        let own = await fixture.ask(
            "POST",
            action,
            token: nil,
            headers: cookie.merging(form) { $1 },
            body: "csrf=\(token)&reason=late+at+night%21"
        )
        #expect(own.status == 303 && own.headers["location"] == "/apps/default/web")
        #expect(try await fixture.store.holds().first?.reason == "late at night!")

        let leave = await fixture.ask(
            "POST",
            "/logout",
            token: nil,
            headers: cookie.merging(form) { $1 },
            body: "csrf=\(token)"
        )
        #expect(leave.status == 303)
        #expect(await fixture.get("/api/v1/apps", token: nil, headers: cookie).status == 401)
    }

    // MARK: Limits and the audit log

    @Test func oneClientDoesNotDrownTheOthers() async throws {
        let fixture = try ServerFixture { $0.rate = (1, 5) }
        var answers: [Answer] = []
        for _ in 0..<8 { answers.append(await fixture.get("/healthz", token: nil)) }
        #expect(answers.prefix(5).allSatisfy { $0.status == 200 })
        #expect(answers.suffix(3).allSatisfy { $0.status == 429 && $0.headers["retry-after"] != nil })
        #expect(await fixture.ask("GET", "/healthz", token: nil, client: "10.0.0.2").status == 200)
    }

    @Test func everyActionAndRefusalIsInTheChain() async throws {
        let fixture = try ServerFixture()
        try await fixture.add("web")
        let body = #"{"reason":"moving disks"}"#
        _ = await fixture.ask("POST", "/api/v1/apps/default/web/suspend", token: ServerFixture.operator, body: body)
        _ = await fixture.ask("POST", "/api/v1/apps/default/web/suspend", token: ServerFixture.operator, body: "{}")
        _ = await fixture.ask("POST", "/api/v1/apps/default/web/resume", token: ServerFixture.viewer)
        _ = await fixture.ask("POST", "/api/v1/reconcile", token: "guessed")
        let entries = try await fixture.store.auditEntries(after: 0, limit: 100)
        #expect(entries.map(\.actor) == ["otto", "otto", "otto", "vera", "unknown"])
        #expect(entries.map(\.outcome) == ["allowed", "allowed", "failed", "refused", "refused"])
        #expect(try await fixture.store.verifyAudit().broken == nil)
        #expect(await fixture.get("/api/v1/audit").json["items"]?.array?.count == 5)
    }

    @Test func whoeverGuessesDoesNotFillTheLog() async throws {
        let fixture = try ServerFixture()
        for number in 0..<200 { _ = await fixture.get("/api/v1/apps", token: "guess \(number)") }
        let entries = try await fixture.store.auditEntries(after: 0, limit: 1000)
        #expect((1...20).contains(entries.count))
    }

    @Test func nobodyListensForLongerThanTheyMay() async throws {
        let fixture = try ServerFixture()
        let feed = fixture.site.feed
        let brief = await feed.listen(after: nil, subject: nil, sources: nil, until: 100)
        let long = await feed.listen(after: nil, subject: nil, sources: nil)
        await feed.dismiss(at: 99)
        #expect(brief.send(SharedBytes([1])))
        await feed.dismiss(at: 100)
        #expect(!brief.send(SharedBytes([1])) && long.send(SharedBytes([1])))
    }

    // MARK: Signed tokens

    /// Keys made and used by openssl, the other implementation.
    private struct Signer {
        let scratch: Scratch
        let set: JSON

        init() async throws {
            scratch = try Scratch()
            let folder = scratch.path
            try await shell(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "\(folder)/EdDSA.pem"])
            let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "\(folder)/RS256.pem"]
            try await shell(["openssl", "genpkey"] + rsa)
            let modulus = try await shell(["openssl", "rsa", "-in", "\(folder)/RS256.pem", "-noout", "-modulus"])
            let digits = trimmedLine(modulus).split(separator: "=").last ?? ""
            let der = try await execute(["openssl", "pkey", "-in", "\(folder)/EdDSA.pem", "-pubout", "-outform", "DER"])
            set = [
                "keys": [
                    [
                        "kty": "OKP", "crv": "Ed25519", "kid": "one",
                        "x": .string(base64URL(Array(der.output.suffix(32)))),
                    ],
                    [
                        "kty": "RSA", "kid": "two", "e": "AQAB",
                        "n": .string(base64URL(decodeHexadecimal(digits) ?? [])),
                    ],
                    ["kty": "EC", "crv": "P-256", "kid": "other"],
                ]
            ]
        }

        /// A token by openssl; `header` may claim what it likes.
        func token(_ claims: JSON, key: String, algorithm: String? = nil, id: String) async throws -> String {
            let header: JSON = ["alg": .string(algorithm ?? key), "typ": "JWT", "kid": .string(id)]
            let signed = "\(base64URL(header.encoded())).\(base64URL(claims.encoded()))"
            try scratch.write(signed, to: "message")
            var words = ["openssl", "pkeyutl", "-sign", "-inkey", "\(scratch.path)/\(key).pem", "-rawin"]
            if key == "RS256" { words += ["-digest", "sha256"] }
            let signature = try await execute(words + ["-in", "\(scratch.path)/message"])
            guard signature.code == 0 else { throw Unmet("openssl: \(signature.errorText)") }
            return "\(signed).\(base64URL(signature.output))"
        }
    }

    @Test func aSignInElsewhereIsGoodHere() async throws {
        let signer = try await Signer()
        let fixture = try ServerFixture { settings in
            settings.access.keys.replace(Access.keys(in: signer.set.encoded()))
            settings.access.issuer = "https://id.example.org"
            settings.access.audience = "hecate"
        }
        #expect(Access.keys(in: signer.set.encoded()).map(\.algorithm) == ["EdDSA", "RS256"])
        let later: JSON = .int(Int64(fixture.currentSeconds() + 600))
        let good: JSON.Members = [
            "iss": "https://id.example.org", "aud": ["other", "hecate"], "sub": "anna", "role": "operator",
            "exp": later,
        ]
        func status(_ claims: JSON.Members, _ key: String, algorithm: String? = nil, id: String) async throws -> Int {
            let token = try await signer.token(.object(claims), key: key, algorithm: algorithm, id: id)
            let answer = await fixture.ask("POST", "/api/v1/reconcile", token: token)
            return answer.status
        }
        #expect(try await status(good, "EdDSA", id: "one") == 202)
        #expect(try await status(good, "RS256", id: "two") == 202)
        #expect(try await fixture.store.auditEntries(after: 0, limit: 9).map(\.actor) == ["anna", "anna"])
        var claims = good
        claims["role"] = nil
        claims["roles"] = ["viewer", "admin", "unheard-of"]
        #expect(try await status(claims, "RS256", id: "two") == 202, "the highest of several")
        // One project as a text, and one that is none: neither sees everything.
        try await fixture.add("shop", source: "shop")
        try await fixture.add("web", source: "fleet")
        for (projects, seen) in [("shop", ["shop"]), (.null, []), (["fleet"], ["web"])] as [(JSON, [String])] {
            var claims = good
            claims["projects"] = projects
            let token = try await signer.token(.object(claims), key: "EdDSA", id: "one")
            #expect(await fixture.get("/api/v1/apps", token: token).names == seen, "\(projects)")
        }

        for (name, value) in [
            ("exp", JSON.int(1000)), ("exp", .null), ("nbf", later), ("iss", "https://elsewhere.example.org"),
            ("aud", "other"), ("role", "root"),
        ] {
            var claims = good
            claims[name] = value
            #expect(try await status(claims, "EdDSA", id: "one") == 401, "\(name): \(value)")
        }
        #expect(try await status(good, "EdDSA", id: "two") == 401, "another key's name")
        #expect(try await status(good, "EdDSA", algorithm: "RS256", id: "one") == 401)
        #expect(try await status(good, "EdDSA", algorithm: "none", id: "one") == 401)
        #expect(try await status(good, "EdDSA", algorithm: "HS256", id: "one") == 401)

        let token = try await signer.token(.object(good), key: "EdDSA", id: "one")
        let parts = token.split(separator: ".").map(String.init)
        var other = good
        other["role"] = "admin"
        let forged = "\(parts[0]).\(base64URL(JSON.object(other).encoded())).\(parts[2])"
        for token in [forged, "\(parts[0]).\(parts[1]).", "\(parts[0]).\(parts[1])", "..", "a.b.c"] {
            #expect(await fixture.ask("POST", "/api/v1/reconcile", token: token).status == 401)
        }
    }
}

extension ServerFixture {
    func currentSeconds() -> Double { currentTime().seconds }
}
