package import Diagnostics
internal import YAML

/// Who is notified of what happens, and the sign of life.
package struct NotificationConfiguration: Sendable {
    /// One receiver.
    package struct Channel: Sendable {
        package var name: String
        package var kind: String
        package var place: Place?
        /// By the names of the configuration's keys: addresses, rooms, tokens.
        package var values: [String: String] = [:]
        package var to: [String] = []
        package var port = 587
        package var severity: String?
        package var reasons: [String]?
        package var apps: [String] = []
        package var sources: [String] = []
        package var group: Duration?
        package var template: String?
    }

    package var channels: [Channel] = []
    /// Where the sign of life is given, and how often.
    package var heartbeat: (url: String, interval: Duration)?

    package init() {}

    /// Reads a file that holds `notifications:` and `heartbeat:` besides `server:`, as a node has it.
    /// - Throws: `Invalid` with everything that is wrong in it.
    package init(_ bytes: [UInt8], file: String, environment: ConfigurationEnvironment) throws(Invalid) {
        let reader = ConfigurationReader(file: file, environment: environment)
        self = reader.notifications(Fields(try parse(bytes, file: file), into: reader.sink))
        try reader.sink.diagnostics.throwIfErrors()
    }
}

extension ConfigurationReader {
    private static let required: [String: [String]] = [
        "webhook": ["url"], "slack": ["url"], "discord": ["url"], "teams": ["url"],
        "matrix": ["server", "room", "token"], "ntfy": ["topic"], "mail": ["host", "from"],
        "github": ["repository", "token"], "gitlab": ["repository", "token"], "gitea": ["repository", "token", "api"],
    ]
    private static let optional: [String: [String]] = [
        "webhook": ["secret"], "ntfy": ["server", "token"], "github": ["api"], "gitlab": ["api"],
        "mail": ["username", "password", "encryption", "ca"],
    ]
    private static let secrets: Set<String> = ["secret", "token", "password"]

    /// What `notifications:` and `heartbeat:` say.
    func notifications(_ top: Fields) -> NotificationConfiguration {
        var result = NotificationConfiguration()
        if top.node("notifications")?.mapping != nil {
            if let fields = top.fields("notifications") { result.channels = hiveMind(fields) }
        } else {
            result.channels = (top.list("notifications") ?? []).compactMap(channel)
        }
        if let place = top.node("notifications")?.place { unique(result.channels.map(\.name), "notification", place) }
        if let fields = top.fields("heartbeat") {
            let url = secret(fields, "url", isAddress: true) ?? ""
            if url.isEmpty { fields.error(at: top.keyPlace("heartbeat"), "'heartbeat' lacks 'url'") }
            address(url, "url", fields)
            let interval = fields.duration("interval") ?? .seconds(60)
            if interval < .seconds(1) {
                fields.error(at: fields.node("interval")?.place, "'interval' is shorter than a second")
            }
            result.heartbeat = (url, interval)
            fields.finish()
        }
        return result
    }

    private func channel(_ item: Node) -> NotificationConfiguration.Channel? {
        let fields = Fields(item, context: "a notification", into: sink)
        let name = fields.requiredString("name")
        guard fields.node("kind") != nil else {
            _ = fields.requiredString("kind")
            return nil
        }
        guard let kind = fields.choice("kind", Self.required.keys.sorted()) else { return nil }
        var channel = NotificationConfiguration.Channel(name: name, kind: kind, place: item.place)
        for key in Self.required[kind] ?? [] {
            let value = value(fields, key)
            if value?.isEmpty ?? true {
                fields.error(
                    at: item.place,
                    "the notification '\(name)' lacks '\(key)'",
                    cure: Self.secrets.contains(key) || key == "url" ? "name a file with '\(key)_file'" : nil
                )
            }
            channel.values[key] = value
        }
        for key in Self.optional[kind] ?? [] { channel.values[key] = value(fields, key) }
        for key in ["url", "server", "api"] {
            if key == "server", kind == "mail" { continue }
            if let text = channel.values[key] { address(text, key, fields) }
        }
        if kind == "mail" {
            channel.to = fields.strings("to") ?? []
            channel.port = fields.integer("port", in: 1...65_535) ?? 587
            mail(channel, fields)
        }
        channel.severity = fields.choice("severity", ["info", "warning", "error"])
        channel.reasons = fields.strings("reasons")
        channel.apps = fields.strings("apps") ?? []
        channel.sources = fields.strings("sources") ?? []
        channel.group = fields.duration("group")
        channel.template = fields.string("template")
        fields.finish()
        return channel
    }

    private func mail(_ channel: NotificationConfiguration.Channel, _ fields: Fields) {
        let choices = ["starttls", "tls", "none"]
        if let encryption = channel.values["encryption"], !choices.contains(encryption) {
            fields.error(
                at: fields.node("encryption")?.place,
                "'encryption' is '\(encryption)'",
                cure: suggestion(for: encryption, among: choices)
                    ?? "expected one of \(choices.joined(separator: ", "))"
            )
        }
        if channel.to.isEmpty {
            fields.error(at: channel.place, "the notification '\(channel.name)' lacks 'to'")
        }
        for address in channel.to + [channel.values["from"] ?? ""] where !isMailbox(address) {
            fields.error(at: channel.place, "'\(address)' is no mail address", cure: "write it as name@example.org")
        }
        if channel.values["encryption"] == "none", channel.values["password"] != nil {
            fields.warning(at: fields.keyPlace("encryption"), "the password is sent in plain text")
        }
    }

    private func isMailbox(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty }
            && !text.contains { $0.isWhitespace || $0.isNewline || "<>,;\"".contains($0) }
    }

    private func value(_ fields: Fields, _ key: String) -> String? {
        if key == "url" { return secret(fields, key, isAddress: true) }
        return Self.secrets.contains(key) ? secret(fields, key) : fields.string(key)
    }

    private func address(_ text: String, _ key: String, _ fields: Fields) {
        let isGood = (text.hasPrefix("https://") || text.hasPrefix("http://")) && !text.contains { $0.isWhitespace }
        guard !isGood, !text.isEmpty else { return }
        fields.error(
            at: fields.node(key)?.place ?? fields.node("\(key)_file")?.place,
            "'\(key)' is no http:// or https:// address"
        )
    }

    /// HiveMind's variables of its mail server; each wins over what its file says.
    func override(_ notifications: inout NotificationConfiguration) {
        let names = [
            "host": "SMTP_HOST", "from": "SMTP_FROM", "username": "SMTP_USERNAME", "password": "SMTP_PASSWORD",
        ]
        let given = names.compactMapValues { environment.value($0) }
        let to = environment.value("SMTP_TO")
        guard let index = notifications.channels.firstIndex(where: { $0.name == "smtp" }) else {
            guard given["host"] != nil else { return }
            notifications.channels.append(hiveMindChannel(at: nil))
            return override(&notifications)
        }
        var channel = notifications.channels[index]
        channel.values.merge(given) { $1 }
        channel.values["from"] = sender(channel.values["from"], host: channel.values["host"], at: channel.place)
        if let to { channel.to = mailboxes([to]) }
        if let text = environment.value("SMTP_TLS") {
            channel.values["encryption"] = ["true", "1", "yes"].contains(text.lowercased()) ? "starttls" : "none"
        }
        if let text = environment.value("SMTP_PORT") {
            guard let port = Int(text), (1...65_535).contains(port) else {
                sink.diagnostics.error(at: nil, "SMTP_PORT is '\(text)'", cure: "give a number from 1 to 65535")
                return
            }
            channel.port = port
        }
        if channel.to.isEmpty || !(channel.to + [channel.values["from"] ?? ""]).allSatisfy(isMailbox) {
            sink.diagnostics.error(
                at: channel.place,
                "mail is to be sent, and its sender or receiver is no mail address",
                cure: "give SMTP_FROM and SMTP_TO, as name@example.org"
            )
        }
        notifications.channels[index] = channel
    }

    /// HiveMind told of every update, so all of it is told, a minute's worth at a time.
    private func hiveMindChannel(at place: Place?) -> NotificationConfiguration.Channel {
        var channel = NotificationConfiguration.Channel(name: "smtp", kind: "mail", place: place)
        (channel.port, channel.severity, channel.group) = (25, "info", .seconds(60))
        channel.values["encryption"] = "none"
        return channel
    }

    /// Whose mail it is: as given, or this program's address at the mail server's host.
    ///
    /// HiveMind starts without a sender as well.
    private func sender(_ given: String?, host: String?, at place: Place?) -> String {
        if let given, !given.isEmpty { return mailbox(given) }
        let host = host ?? ""
        let isNumeric = host.contains(":") || host.allSatisfy { $0.isNumber || $0 == "." }
        let address = "hecate@\(isNumeric ? "[\(host)]" : host)"
        sink.diagnostics.warning(
            at: place,
            "no sender of mail is given, so it comes from '\(address)'",
            cure: "give 'from', or SMTP_FROM, as name@example.org"
        )
        return address
    }

    /// The address of `HiveMind <hivemind@example.org>`.
    private func mailbox(_ text: String) -> String {
        guard let open = text.lastIndex(of: "<"), text.hasSuffix(">") else { return text }
        return String(text[text.index(after: open)...].dropLast())
    }

    /// Addresses, several of them in one text perhaps.
    private func mailboxes(_ texts: [String]) -> [String] {
        texts.flatMap { $0.split(separator: ",") }.map { word in
            let bare = word.drop { $0.isWhitespace }
            return mailbox(String(bare.prefix(bare.count - bare.reversed().prefix { $0.isWhitespace }.count)))
        }
    }

    /// HiveMind's form: `smtp` and nothing else.
    private func hiveMind(_ fields: Fields) -> [NotificationConfiguration.Channel] {
        defer { fields.finish() }
        guard let smtp = fields.fields("smtp") else { return [] }
        var channel = hiveMindChannel(at: fields.keyPlace("smtp"))
        channel.values["host"] = smtp.requiredString("host")
        channel.values["from"] = sender(
            environment.value("SMTP_FROM") ?? smtp.string("from"),
            host: environment.value("SMTP_HOST") ?? channel.values["host"],
            at: channel.place
        )
        channel.values["username"] = smtp.string("username")
        channel.values["password"] = secret(smtp, "password")
        channel.values["encryption"] = smtp.bool("tls") ?? false ? "starttls" : "none"
        channel.to = mailboxes(smtp.strings("to") ?? [environment.value("SMTP_TO") ?? ""])
        channel.port = smtp.integer("port", in: 1...65_535) ?? 25
        if smtp.has("priority") {
            smtp.warning(at: smtp.keyPlace("priority"), "'priority' is read by no part; mails carry none")
        }
        mail(channel, smtp)
        smtp.finish()
        return [channel]
    }
}
