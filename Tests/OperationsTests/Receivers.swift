import Crypto
import HTTPServer
import JSON
import Subprocess
import Synchronization
import TestSupport
import Testing

/// Doubles of the services that are notified: each takes what the published format has and refuses the rest, over a real socket.
final class Receivers: Sendable {
    /// What came in and was taken.
    struct Taken: Sendable {
        var path: String
        var headers: [String: String]
        var body: JSON
        var raw: [UInt8]
    }

    private struct State: Sendable {
        var taken: [Taken] = []
        var attempts = 0
        /// How the next requests are refused before one is taken.
        var refusals: [(status: Int, retryAfter: String?)] = []
        /// Matrix answers a repeated transaction as the first.
        var transactions: Set<String> = []
        var hangs = false
    }

    private let state = Mutex(State())
    private let listener = Mutex<Listener?>(nil)

    init() throws {
        let made = try Listener(try #require(Address("127.0.0.1:0"))) { [self] in await answer($0) }
        listener.withLock { $0 = made }
    }

    func stop() async {
        state.withLock { $0.hangs = false }
        await listener.withLock({ $0 })?.drain(within: .seconds(1))
    }

    var base: String { "http://127.0.0.1:\(listener.withLock { $0?.port ?? 0 })" }
    var taken: [Taken] { state.withLock { $0.taken } }
    var attempts: Int { state.withLock { $0.attempts } }
    func refuse(_ status: Int, retryAfter: String? = nil) {
        state.withLock { $0.refusals.append((status, retryAfter)) }
    }
    /// Takes a request and does not answer it.
    func hang() { state.withLock { $0.hangs = true } }
    func goOn() { state.withLock { $0.hangs = false } }

    private func answer(_ request: Request) async -> Response {
        let refusal = state.withLock { state in
            state.attempts += 1
            return state.refusals.isEmpty ? nil : state.refusals.removeFirst()
        }
        if let refusal {
            let headers = refusal.retryAfter.map { [(name: "Retry-After", value: $0)] } ?? []
            return Response(refusal.status, headers, body: .bytes(SharedBytes(Array("not now".utf8))))
        }
        if request.path == "/beat" { return take(request, .null, 200, "ok") }
        guard let body = try? JSON(parsing: request.body), body.object != nil else {
            return Response(400, type: "text/plain", "invalid_payload")
        }
        if state.withLock({ $0.hangs }) {
            _ = take(request, body, 200, "")
            while state.withLock({ $0.hangs }) { try? await Task.sleep(for: .milliseconds(20)) }
        }
        let parts = request.path.split(separator: "/").map(String.init)
        switch parts.first {
        case "slack":
            let isGood = !(body["text"]?.string ?? "").isEmpty && request.method == "POST"
            return isGood ? take(request, body, 200, "ok") : Response(400, type: "text/plain", "no_text")
        case "discord":
            let embed = body["embeds"]?.array?.first
            let (title, text) = (embed?["title"]?.string ?? "", embed?["description"]?.string ?? "")
            let isGood = !text.isEmpty && text.utf16.count <= 4096 && title.utf16.count <= 256
            return isGood ? take(request, body, 204, "") : Response(400, type: "application/json", "{\"code\":50006}")
        case "_matrix":
            let isGood =
                request.method == "PUT" && parts.count == 8 && parts[3] == "rooms" && parts[4] == "!ops:example.org"
                && parts[5] == "send" && parts[6] == "m.room.message" && body["msgtype"]?.string == "m.notice"
                && body["body"]?.string != nil
            guard request.headers["authorization"] == "Bearer matrix-token" else {
                return Response(401, type: "application/json", "{\"errcode\":\"M_UNKNOWN_TOKEN\"}")
            }
            guard isGood else { return Response(400, type: "application/json", "{\"errcode\":\"M_BAD_JSON\"}") }
            let isNew = state.withLock { $0.transactions.insert(parts[7]).inserted }
            let known = "{\"event_id\":\"$\(parts[7])\"}"
            return isNew ? take(request, body, 200, known) : Response(200, type: "application/json", known)
        case "teams":
            let attachment = body["attachments"]?.array?.first
            let card = attachment?["content"]
            let isGood =
                body["type"]?.string == "message" && card?["type"]?.string == "AdaptiveCard"
                && attachment?["contentType"]?.string == "application/vnd.microsoft.card.adaptive"
                && card?["body"]?.array?.allSatisfy { $0["type"]?.string == "TextBlock" && $0["text"]?.string != nil }
                    ?? false
            return isGood ? take(request, body, 202, "") : Response(400, type: "text/plain", "bad card")
        case nil:
            let priority = body["priority"]?.int ?? 0
            let isGood = body["topic"]?.string == "ops" && (1...5).contains(priority) && body["message"]?.string != nil
            return isGood ? take(request, body, 200, "{}") : Response(400, type: "application/json", "{\"code\":40024}")
        case "github", "gitea":
            // POST …/repos/{owner}/{repo}/statuses/{sha}
            let states = ["error", "failure", "pending", "success"]
            let isGood =
                parts.count == 6 && parts[1] == "repos" && parts[4] == "statuses" && parts[5].count == 40
                && states.contains(body["state"]?.string ?? "") && (body["description"]?.string ?? "").count <= 140
                && body["context"]?.string != nil
            let field = parts[0] == "github" ? "Bearer forge-token" : "token forge-token"
            guard request.headers["authorization"] == field else {
                return Response(401, type: "application/json", "{\"message\":\"Bad credentials\"}")
            }
            return isGood ? take(request, body, 201, "{}") : Response(422, type: "application/json", "{}")
        case "gitlab":
            // POST …/projects/{path, encoded}/statuses/{sha}
            let states = ["pending", "running", "success", "failed", "canceled"]
            let isGood =
                request.headers["private-token"] == "forge-token" && parts.dropFirst().first == "projects"
                && request.path.contains("/statuses/") && states.contains(body["state"]?.string ?? "")
            guard isGood else { return Response(400, type: "application/json", "{}") }
            // A state that a commit has already is refused.
            let state = "\(request.path) \(body["name"]?.string ?? "") \(body["state"]?.string ?? "")"
            guard self.state.withLock({ $0.transactions.insert(state).inserted }) else {
                let words = "{\"message\":\"Cannot transition status via :run from :running\"}"
                return Response(400, type: "application/json", words)
            }
            return take(request, body, 201, "{}")
        default:
            return take(request, body, 200, "taken")
        }
    }

    private func take(_ request: Request, _ body: JSON, _ status: Int, _ text: String) -> Response {
        state.withLock {
            $0.taken.append(Taken(path: request.path, headers: request.headers, body: body, raw: request.body))
        }
        return Response(status, type: "application/json", text)
    }
}

/// Exim, as Debian has it: takes mails over STARTTLS from who signs in, and puts them into a folder.
final class MailServer: Sendable {
    let port = freePort()
    let scratch: Scratch
    private let process: Mutex<Task<Void, Never>?> = Mutex(nil)

    init() async throws {
        scratch = try Scratch()
        let folder = scratch.path
        try await shell([
            "sh", "-c",
            """
            mkdir \(folder)/mail \(folder)/spool && chmod 755 \(folder) &&
            openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost \
                -days 2 -keyout \(folder)/key.pem -out \(folder)/cert.pem 2>/dev/null &&
            chown -R Debian-exim \(folder)
            """,
        ])
        try scratch.write(
            """
            primary_hostname = localhost
            local_interfaces = 127.0.0.1
            daemon_smtp_ports = \(port)
            pid_file_path =
            spool_directory = \(folder)/spool
            log_file_path = \(folder)/spool/%slog
            keep_environment =
            tls_advertise_hosts = *
            tls_certificate = \(folder)/cert.pem
            tls_privatekey = \(folder)/key.pem
            auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
            acl_smtp_mail = check_mail
            acl_smtp_rcpt = check_rcpt
            acl_smtp_data = accept
            never_users =
            begin acl
            check_mail:
              deny message = encryption and a name are required
                   !authenticated = *
              accept
            check_rcpt:
              deny message = no such mailbox
                   local_parts = nobody
              defer message = come back later
                   local_parts = later
              accept
            begin routers
            all:
              driver = accept
              transport = file
            begin transports
            file:
              driver = appendfile
              directory = \(folder)/mail
              user = Debian-exim
            begin authenticators
            plain:
              driver = plaintext
              public_name = PLAIN
              server_prompts = :
              server_condition = ${if and{{eq{$auth2}{hecate}}{eq{$auth3}{open sesame}}}}
              server_set_id = $auth2
            """,
            to: "conf"
        )
        let running = Task {
            _ = try? await execute(
                ["sh", "-c", "exec /usr/sbin/exim4 -C \(folder)/conf -bdf -q1m >\(folder)/out 2>&1"],
                timeout: .seconds(120)
            )
        }
        process.withLock { $0 = running }
        for _ in 0..<100 {
            let probe = try await execute(["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/\(port)"])
            if probe.code == 0 { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Unmet("exim does not listen: \(fileText("\(folder)/out") ?? "")")
    }

    func stop() async {
        let running = process.withLock { $0 }
        running?.cancel()
        await running?.value
    }

    /// What lies in the folder.
    func mails() async throws -> String {
        try await execute(["sh", "-c", "cat \(scratch.path)/mail/* 2>/dev/null"]).outputText
    }
}
