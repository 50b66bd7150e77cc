internal import Diagnostics

/// What HiveMind's environment variables mean here.
///
/// Those that are read under Hecate's own names too are kept; of every other one that is set, a warning says what became
/// of it.
enum HiveMindVariables {
    private static let prefix = "HIVEMIND_"

    /// Variables of the one repository that HiveMind's form has.
    private static let ofSource = [
        "GIT_URL", "GIT_BRANCH", "GIT_PATH", "GIT_USERNAME", "GIT_PASSWORD", "GIT_SSH_KEY", "GIT_POLL_INTERVAL",
        "WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE",
    ]
    private static let kept =
        ofSource + [
            "SERVER_LISTEN", "SERVER_SOCKET", "SERVER_TOKEN", "SERVER_ANONYMOUS", "SMTP_HOST", "SMTP_PORT",
            "SMTP_USERNAME", "SMTP_PASSWORD", "SMTP_FROM", "SMTP_TO", "SMTP_TLS", "STORE",
        ]

    /// The warnings that the variables which are set earn, sorted by name.
    ///
    /// `readsOneSource`: Whether the configuration has HiveMind's form, to whose repository the variables belong.
    static func warnings(_ variables: [String: String], readsOneSource: Bool) -> [Diagnostic] {
        variables.filter { $0.key.hasPrefix(prefix) && !$0.value.isEmpty }.keys.sorted().compactMap { name in
            let bare = String(name.dropFirst(prefix.count))
            if ofSource.contains(bare), !readsOneSource {
                return Diagnostic(
                    .warning,
                    at: nil,
                    "\(name) has no effect: the configuration lists its own 'sources'",
                    cure: "say it at the source, or remove the variable"
                )
            }
            guard !kept.contains(bare) else { return nil }
            let (meaning, cure) = meaning(of: bare, value: variables[name] ?? "")
            return Diagnostic(.warning, at: nil, "\(name) has no effect: \(meaning)", cure: cure)
        }
    }

    private static func meaning(of name: String, value: String) -> (meaning: String, cure: String?) {
        switch name {
        case "WEBUI_ENABLED":
            return (
                "the dashboard is served where 'server.listen' says, and nowhere without it",
                "set HECATE_SERVER_LISTEN for a dashboard, or remove the variable"
            )
        case "WEBUI_PORT":
            let port = value.allSatisfy(\.isNumber) ? value : "PORT"
            return (
                "the dashboard is served where 'server.listen' says",
                "set HECATE_SERVER_LISTEN=0.0.0.0:\(port), and HECATE_SERVER_TOKEN or HECATE_SERVER_ANONYMOUS"
            )
        case "SMTP_PRIORITY": return ("mails carry no priority", "remove it")
        case _ where ["MEDIA_", "PLEX_", "JELLYFIN_"].contains(where: name.hasPrefix):
            return (
                "updates are not put off while somebody watches, and no media server is asked",
                "keep a stack as it is for a while with 'hecate suspend', then remove the variable"
            )
        default:
            return (
                "no variable of this name is read",
                nearest(to: name, among: kept).map { "did you mean '\(prefix)\($0)'?" }
            )
        }
    }
}
