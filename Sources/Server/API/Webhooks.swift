internal import Crypto
internal import Delivery
internal import HTTPServer
internal import JSON
internal import Journal
internal import Synchronization

/// What a source's webhook is checked with, and which pushes are meant for it.
package struct WebhookSecret: Sendable {
    package var source: String
    package var url: String
    /// The branch that is followed; nil when tags are.
    package var branch: String?
    package var secret: String

    package init(source: String, url: String, branch: String?, secret: String) {
        self.source = source
        self.url = url
        self.branch = branch
        self.secret = secret
    }
}

/// How one kind of sender signs what it sends.
///
/// Sources: GitHub "Validating webhook deliveries", GitLab "Webhook secret token", Gitea and Forgejo "Webhooks", Bitbucket
/// "Manage webhooks", the Distribution registry "Notifications", Alertmanager `http_config.authorization`.
private enum Provider: String, CaseIterable {
    case github, gitlab, gitea, forgejo, bitbucket, generic, registry, alertmanager

    var event: String {
        switch self {
        case .github: "x-github-event"
        case .gitlab: "x-gitlab-event"
        case .gitea: "x-gitea-event"
        case .forgejo: "x-forgejo-event"
        case .bitbucket: "x-event-key"
        case .generic, .registry, .alertmanager: "x-event"
        }
    }

    /// Whether a secret signed this very body.
    func isSigned(_ request: Request, by secret: String) -> Bool {
        let key = Array(secret.utf8)
        func signed(_ field: String, prefix: String, _ message: [UInt8]) -> Bool {
            guard let text = request.headers[field], text.hasPrefix(prefix),
                let code = decodeHexadecimal(text.dropFirst(prefix.count))
            else { return false }
            return constantTimeEqual(code, hmacSHA256(message, key: key))
        }
        func shown(_ field: String, prefix: String) -> Bool {
            guard let text = request.headers[field], text.hasPrefix(prefix) else { return false }
            return constantTimeEqual(Array(text.dropFirst(prefix.count).utf8), key)
        }
        switch self {
        case .github: return signed("x-hub-signature-256", prefix: "sha256=", request.body)
        case .gitea: return signed("x-gitea-signature", prefix: "", request.body)
        case .forgejo: return signed("x-forgejo-signature", prefix: "", request.body)
        case .bitbucket: return signed("x-hub-signature", prefix: "sha256=", request.body)
        case .gitlab: return shown("x-gitlab-token", prefix: "")
        case .registry, .alertmanager: return shown("authorization", prefix: "Bearer ")
        case .generic:
            let time = request.headers["x-timestamp"] ?? ""
            return signed("x-signature-256", prefix: "sha256=", Array("\(time).".utf8) + request.body)
        }
    }
}

/// Deliveries of the last minutes.
final class Deliveries: Sendable {
    private let seen = Mutex<[String: Double]>([:])

    /// - Returns: Whether it is the first of its kind.
    func isNew(_ name: String, now: Double) -> Bool {
        seen.withLock { seen in
            if seen.count > 5000 { seen = seen.filter { now - $0.value < 600 } }
            guard seen[name].map({ now - $0 >= 600 }) ?? true else { return false }
            seen[name] = now
            return true
        }
    }

    func forget(_ name: String) { seen.withLock { $0[name] = nil } }
}

extension Site {
    func webhookRoutes() -> [Route] {
        let deliveries = Deliveries()
        return [
            Route(
                "POST",
                "/api/v1/webhooks/{provider}",
                role: nil,
                "a push, signed by the sender's secret",
                .made { [self] call in
                    guard let provider = Provider(rawValue: call.value("provider")) else {
                        let known = Provider.allCases.map(\.rawValue).joined(separator: ", ")
                        throw Problem.notFound("There is no provider '\(call.value("provider"))'; known are \(known).")
                    }
                    return try await receive(call.request, provider, deliveries)
                }
            ),
            Route(
                "POST",
                "/api/webhooks/git",
                role: nil,
                "a push of GitHub or Gitea, where HiveMind's clients send it",
                .made { [self] call in
                    let isGitea = call.request.headers["x-gitea-signature"] != nil
                    return try await receive(call.request, isGitea ? .gitea : .github, deliveries)
                }
            ),
        ]
    }

    private func receive(_ request: Request, _ provider: Provider, _ deliveries: Deliveries) async throws -> Response {
        func counted(_ result: String, _ response: Response) -> Response {
            metrics.count("hecate_webhooks", provider.rawValue, result)
            return response
        }
        guard !settings.webhooks.isEmpty else {
            throw Problem(
                status: 503,
                title: "Service Unavailable",
                detail: "No source has a 'webhook_secret', so that nothing can be checked."
            )
        }
        let signers = settings.webhooks.filter { provider.isSigned(request, by: $0.secret) }
        guard !signers.isEmpty else {
            return counted(
                "refused",
                Problem(
                    status: 401,
                    title: "Unauthorized",
                    detail: "The signature is missing, or no source's 'webhook_secret' made it."
                ).response
            )
        }
        guard let body = try? JSON(parsing: request.body), body.object != nil else {
            return counted("invalid", Problem.invalid("The body is no JSON object.").response)
        }
        if provider == .generic {
            guard let sent = request.headers["x-timestamp"].flatMap({ Double($0) }), abs(now.seconds - sent) <= 300
            else {
                return counted(
                    "refused",
                    Problem(
                        status: 401,
                        title: "Unauthorized",
                        detail: "X-Timestamp is not within five minutes of now."
                    ).response
                )
            }
        }
        // What is signed is what counts; a sender's number for it could be any.
        let names = signers.map(\.source).sorted().joined(separator: ",")
        let content = sha256(request.body + Array((request.headers["x-timestamp"] ?? "").utf8))
        let delivery = "\(provider.rawValue) \(request.headers[provider.event] ?? "") \(names) \(content)"
        guard deliveries.isNew(delivery, now: now.seconds) else {
            return counted(
                "repeated",
                json(["status": "ignored", "reason": "this delivery was received before"], status: 202)
            )
        }
        do {
            let (result, response) = try await act(on: body, request, provider, signers)
            return counted(result, response)
        } catch {
            // The sender tries again, and is heard then.
            deliveries.forget(delivery)
            throw error
        }
    }

    /// Does what a delivery that is signed and new asks for.
    /// - Returns: What came of it in a word, and the answer.
    private func act(
        on body: JSON,
        _ request: Request,
        _ provider: Provider,
        _ signers: [WebhookSecret]
    ) async throws -> (String, Response) {
        let event = request.headers[provider.event] ?? ""
        if event == "ping" || event == "diagnostics:ping" { return ("ping", json(["status": "ok"])) }
        switch provider {
        case .alertmanager:
            try await take(alerts: body, for: Set(signers.map(\.source)))
            return ("accepted", json(["status": "accepted"], status: 202))
        case .registry:
            let isPush = (body["events"]?.array ?? []).contains { $0["action"]?.string == "push" }
            guard isPush else {
                return ("ignored", json(["status": "ignored", "reason": "nothing was pushed"], status: 202))
            }
            for signer in signers { await backend.wake(source: signer.source) }
            let names = Set(signers.map(\.source))
            let ids = try await store.records().filter { names.contains($0.source) }.map(\.id)
            Task { await backend.reconcile(ids) }
            return ("accepted", json(["status": "accepted", "sources": JSON(names.sorted())], status: 202))
        default:
            break
        }
        guard ["push", "", "Push Hook", "Tag Push Hook", "repo:push", "create"].contains(event) else {
            return (
                "ignored",
                json(["status": "ignored", "reason": .string("'\(event)' is no push")], status: 202)
            )
        }
        let meant = signers.filter { isMeant($0, body) }
        guard !meant.isEmpty else {
            return (
                "ignored",
                json(["status": "ignored", "reason": "no source follows this repository and branch"], status: 202)
            )
        }
        for source in meant { await backend.wake(source: source.source) }
        return ("accepted", json(["status": "accepted", "sources": JSON(meant.map(\.source))], status: 202))
    }

    /// Whether a push is to the repository and branch that a source follows; what a sender does not say is no hindrance.
    private func isMeant(_ source: WebhookSecret, _ body: JSON) -> Bool {
        let places = [body["repository"], body["project"]].compactMap { $0 }.flatMap { place in
            [
                place.string, place["clone_url"]?.string, place["ssh_url"]?.string, place["html_url"]?.string,
                place["git_http_url"]?.string, place["git_ssh_url"]?.string, place["git_url"]?.string,
                place["links"]?["html"]?["href"]?.string,
            ].compactMap { $0 }
        }
        guard places.isEmpty || places.contains(where: { Self.plain($0) == Self.plain(source.url) }) else {
            return false
        }
        let changes = (body["push"]?["changes"]?.array ?? []).compactMap { change in
            change["new"]?["name"]?.string.map { name in
                change["new"]?["type"]?.string == "tag" ? "refs/tags/\(name)" : "refs/heads/\(name)"
            }
        }
        let references = [body["ref"]?.string].compactMap { $0 } + changes
        guard !references.isEmpty else { return true }
        return references.contains { reference in
            source.branch.map { reference == "refs/heads/\($0)" || reference == $0 }
                ?? reference.hasPrefix("refs/tags/")
        }
    }

    /// A repository's host and path, whatever the protocol it is reached by.
    static func plain(_ url: String) -> String {
        var text = url.lowercased()
        if let scheme = text.firstRange(of: "://") {
            text = String(text[scheme.upperBound...])
        } else if let colon = text.firstIndex(of: ":") {
            // As scp writes it: git@host:path.
            text = text[..<colon] + "/" + text[text.index(after: colon)...].drop { $0 == "/" }
        }
        if let at = text.firstIndex(of: "@"), !text[..<at].contains("/") {
            text = String(text[text.index(after: at)...])
        }
        var parts = text.split(separator: "/").map(String.init)
        if let host = parts.first, let colon = host.firstIndex(of: ":") { parts[0] = String(host[..<colon]) }
        if let last = parts.last, last.hasSuffix(".git") { parts[parts.count - 1] = String(last.dropLast(4)) }
        return parts.joined(separator: "/")
    }

    /// Writes Alertmanager's alerts into the journal, about the app their labels name.
    ///
    /// `sources`: Those whose secret signed them; the history of other sources' apps is not theirs to write.
    private func take(alerts body: JSON, for sources: Set<String>) async throws {
        for alert in (body["alerts"]?.array ?? []).prefix(100) {
            let labels = alert["labels"]?.strings ?? [:]
            let isFiring = alert["status"]?.string == "firing"
            let id = labels["app"].map { AppID(target: labels["target"] ?? "default", name: $0) }
            let record = if let id { try await store.record(of: id) } else { AppRecord?.none }
            let app = record.flatMap { sources.contains($0.source) ? $0.id.description : nil }
            let text = alert["annotations"]?.strings["summary"] ?? ""
            let event = Event(
                time: now,
                severity: isFiring ? .warning : .info,
                reason: .warning,
                subject: app ?? "alertmanager",
                message:
                    "\(labels["alertname"] ?? "alert") is \(isFiring ? "firing" : "resolved")\(text.isEmpty ? "" : ": \(text)")"
            )
            try await store.record(event)
        }
        await feed.poke()
    }
}
