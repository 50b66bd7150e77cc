internal import Crypto
internal import Delivery
internal import HTTP
internal import JSON
internal import Text

/// One request to a receiver.
struct ChannelRequest: Sendable {
    var url: String
    var request: Request

    init(_ method: String, _ url: String, _ headers: [String: String], _ body: [UInt8]) {
        self.url = url
        var headers = headers
        headers["Content-Type"] = headers["Content-Type"] ?? "application/json"
        headers["User-Agent"] = "hecate"
        request = Request(method, "", headers: headers, body: body)
    }
}

extension Channel {
    /// What carries a message to its receiver; nothing for mail, which goes another way.
    ///
    /// Sources: Slack "Incoming webhooks", Discord "Execute Webhook", Matrix client-server API 1.11 (room send), Microsoft
    /// Teams "Workflows" with Adaptive Cards 1.4, ntfy "Publish as JSON".
    func requests(for message: Message, now: Timestamp) -> [ChannelRequest] {
        switch kind {
        case .webhook(let url, let secret): [webhook(url, secret, message, now)]
        case .slack(let url): [ChannelRequest("POST", url, [:], slack(message).encoded())]
        case .discord(let url): [ChannelRequest("POST", url, [:], discord(message).encoded())]
        case .matrix(let server, let room, let token): [matrix(server, room, token, message)]
        case .teams(let url): [ChannelRequest("POST", url, [:], teams(message).encoded())]
        case .ntfy(let server, let topic, let token): [ntfy(server, topic, token, message)]
        case .mail: []
        case .commitStatus(let forge): statuses(forge, message)
        }
    }

    private func webhook(_ url: String, _ secret: String?, _ message: Message, _ now: Timestamp) -> ChannelRequest {
        let body: JSON = [
            "id": .string(message.id), "channel": .string(name), "severity": .string(message.severity.rawValue),
            "title": .string(message.title), "text": .string(message.text), "events": .array(message.events),
        ]
        let bytes = body.encoded()
        let time = "\(Int64(now.seconds))"
        var headers = ["X-Delivery": message.id, "X-Timestamp": time]
        if let secret {
            // The form that Hecate's own generic webhook takes.
            let code = hmacSHA256(Array("\(time).".utf8) + bytes, key: Array(secret.utf8))
            headers["X-Signature-256"] = "sha256=\(hexadecimal(code))"
        }
        return ChannelRequest("POST", url, headers, bytes)
    }

    private func slack(_ message: Message) -> JSON {
        var text = "*\(markupEscaped(message.title))*\n\(markupEscaped(message.text))"
        if let url = message.url { text += "\n<\(url)|Look>" }
        // 40,000 characters are taken; nobody reads more than a page.
        return ["text": .string(shortened(text, to: 4000)), "unfurl_links": false]
    }

    private func discord(_ message: Message) -> JSON {
        let colour: Int64 =
            switch message.severity {
            case .info: 0x1A6B3C
            case .warning: 0xF2B85C
            case .error: 0xB3261E
            }
        var embed: JSON.Members = [
            "title": .string(shortened(message.title, to: 256)),
            "description": .string(shortened(message.text, to: 4000)), "color": .int(colour),
        ]
        embed["url"] = message.url.map { .string($0) }
        // What an app wrote must not call anybody.
        return ["embeds": [.object(embed)], "allowed_mentions": ["parse": .array([])]]
    }

    private func matrix(_ server: String, _ room: String, _ token: String, _ message: Message) -> ChannelRequest {
        let text = shortened(message.text, to: 16_000)
        let title =
            message.url.map { "<a href=\"\(markupEscaped($0, quotes: true))\">\(markupEscaped(message.title))</a>" }
            ?? markupEscaped(message.title)
        let body: JSON = [
            "msgtype": "m.notice", "body": .string("\(message.title)\n\(text)"), "format": "org.matrix.custom.html",
            "formatted_body": .string(
                "<b>\(title)</b><br>\(markupEscaped(text).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).joined(separator: "<br>"))"
            ),
        ]
        let path = "/_matrix/client/v3/rooms/\(percentEncoded(room))/send/m.room.message/\(message.id)"
        return ChannelRequest("PUT", server + path, ["Authorization": "Bearer \(token)"], body.encoded())
    }

    private func teams(_ message: Message) -> JSON {
        let colour =
            switch message.severity {
            case .info: "Good"
            case .warning: "Warning"
            case .error: "Attention"
            }
        func block(_ text: String, _ more: JSON.Members) -> JSON {
            let members: JSON.Members = ["type": "TextBlock", "text": .string(text), "wrap": true]
            return .object(members.merging(more))
        }
        var card: JSON.Members = [
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
            "body": .array(
                [block(message.title, ["weight": "Bolder", "color": .string(colour)])]
                    + pieces(of: message, within: 16_000).map { block($0, [:]) }
            ),
        ]
        if let url = message.url {
            card["actions"] = [["type": "Action.OpenUrl", "title": "Look", "url": .string(url)]]
        }
        return [
            "type": "message",
            "attachments": [
                [
                    "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": .null,
                    "content": .object(card),
                ]
            ],
        ]
    }

    /// The lines of a message within some bytes, and how many are left out.
    private func pieces(of message: Message, within limit: Int) -> [String] {
        var (result, size): ([String], Int) = ([], 0)
        for (index, line) in message.lines.enumerated() {
            let text = shortened(([line.text] + line.details).joined(separator: "\n\n"), to: 2000)
            size += text.utf8.count
            guard size <= limit else { return result + ["… and \(message.lines.count - index) more"] }
            result.append(text)
        }
        return result
    }

    private func ntfy(_ server: String, _ topic: String, _ token: String?, _ message: Message) -> ChannelRequest {
        let (priority, tag): (Int64, String) =
            switch message.severity {
            case .info: (3, "white_check_mark")
            case .warning: (4, "warning")
            case .error: (5, "rotating_light")
            }
        var body: JSON.Members = [
            "topic": .string(topic), "title": .string(shortened(message.title, to: 200)),
            "message": .string(shortened(message.text, to: 3500, counting: \.utf8.count)), "priority": .int(priority),
            "tags": [.string(tag)],
        ]
        body["click"] = message.url.map { .string($0) }
        let headers = token.map { ["Authorization": "Bearer \($0)"] } ?? [:]
        return ChannelRequest("POST", server, headers, JSON.object(body).encoded())
    }

    /// The last state of each app at each commit.
    ///
    /// Sources: GitHub REST "Create a commit status", GitLab "Set the pipeline status of a commit", Gitea "Create a commit status".
    private func statuses(_ forge: Forge, _ message: Message) -> [ChannelRequest] {
        var last: [(key: String, event: JSON)] = []
        for event in message.events {
            let key = "\(event["commit"]?.string ?? "") \(event["subject"]?.string ?? "")"
            last.removeAll { $0.key == key }
            last.append((key, event))
        }
        return last.compactMap { _, event in
            guard let reason = event["reason"]?.string.flatMap(Reason.init), let state = CommitState(reason),
                let commit = event["commit"]?.string, let subject = event["subject"]?.string
            else { return nil }
            let words = shortened("\(reason.rawValue): \(event["message"]?.string ?? "")", to: 140)
            var body: JSON.Members = [
                "description": .string(words), "target_url": message.url.map { .string($0) } ?? .null,
            ]
            body = body.filter { $0.value != .null }
            let context = "hecate/\(subject)"
            switch forge.kind {
            case .github, .gitea:
                body["state"] = .string(state.rawValue)
                body["context"] = .string(context)
                let headers =
                    forge.kind == .github
                    ? [
                        "Authorization": "Bearer \(forge.token)", "Accept": "application/vnd.github+json",
                        "X-GitHub-Api-Version": "2022-11-28",
                    ] : ["Authorization": "token \(forge.token)"]
                let url = "\(forge.api)/repos/\(forge.repository)/statuses/\(commit)"
                return ChannelRequest("POST", url, headers, JSON.object(body).encoded())
            case .gitlab:
                let names: [CommitState: String] = [.failure: "failed", .pending: "running", .cancelled: "canceled"]
                body["state"] = .string(names[state] ?? "success")
                body["name"] = .string(context)
                let url = "\(forge.api)/projects/\(percentEncoded(forge.repository))/statuses/\(commit)"
                return ChannelRequest("POST", url, ["PRIVATE-TOKEN": forge.token], JSON.object(body).encoded())
            }
        }
    }
}
