package import Delivery
package import Mail

/// Somewhere that is notified of what happened.
package struct Channel: Sendable {
    /// What kind of receiver it is, with what that needs.
    package enum Kind: Sendable {
        /// Any program: the events as JSON, signed when there is a secret.
        case webhook(url: String, secret: String?)
        case slack(url: String)
        case discord(url: String)
        case matrix(server: String, room: String, token: String)
        case teams(url: String)
        case ntfy(server: String, topic: String, token: String?)
        case mail(Mail)
        /// The state of a commit at the forge it came from.
        case commitStatus(Forge)
    }

    /// Where a commit's state is shown.
    package struct Forge: Sendable {
        /// Whose API it is.
        package enum Kind: String, Sendable, CaseIterable { case github, gitlab, gitea }

        package var kind: Kind
        /// Such as `https://api.github.com`, `https://gitlab.com/api/v4`, `https://git.example.org/api/v1`.
        package var api: String
        /// `owner/name`, or a project's path at GitLab.
        package var repository: String
        package var token: String

        package init(kind: Kind, api: String, repository: String, token: String) {
            self.kind = kind
            self.api = api
            self.repository = repository
            self.token = token
        }
    }

    package var name: String
    package var kind: Kind
    /// What it is notified of at least.
    package var severity: Event.Severity = .warning
    /// Only these reasons, whatever their severity; nil for all.
    package var reasons: Set<Reason>?
    /// Only subjects that one of these describes, `*` standing for anything; empty for all.
    package var apps: [String] = []
    /// Only what is of these sources; empty for all.
    package var sources: Set<String> = []
    /// How long events are gathered before they are sent together.
    package var group: Duration = .seconds(10)
    /// One event's line; see `Template`.
    package var template: Template?

    package init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }

    /// Whether the receiver itself knows a second telling of the same by its number.
    var isIdempotent: Bool {
        switch kind {
        case .webhook, .matrix, .commitStatus: true
        case .slack, .discord, .teams, .ntfy, .mail: false
        }
    }

    /// Whether an event is for this channel.
    ///
    /// `last`: How bad what it was last notified of about the subject was; whoever heard that something broke hears that it is well.
    func wants(_ event: Event, source: String, last: Event.Severity?) -> Bool {
        guard event.subject != Notifier.subject(of: name) else { return false }
        guard sources.isEmpty || sources.contains(source) else { return false }
        guard apps.isEmpty || apps.contains(where: { matches(event.subject[...], $0[...]) }) else { return false }
        if case .commitStatus = kind { return CommitState(event.reason) != nil && !event.commit.isEmpty }
        if let reasons { return reasons.contains(event.reason) }
        if event.severity.rank >= severity.rank { return true }
        return (last?.rank ?? 0) > 0 && Self.recoveries.contains(event.reason)
    }

    /// What says that something is well again.
    static let recoveries: Set<Reason> = [.deployed, .adopted, .driftRepaired, .recovered, .sourceReady, .resumed]
}

extension Event.Severity {
    var rank: Int {
        switch self {
        case .info: 0
        case .warning: 1
        case .error: 2
        }
    }
}

/// Whether a text is what a pattern describes; `*` stands for any number of characters.
func matches(_ text: Substring, _ pattern: Substring) -> Bool {
    guard let first = pattern.first else { return text.isEmpty }
    if first == "*" {
        let rest = pattern.dropFirst()
        return matches(text, rest) || !text.isEmpty && matches(text.dropFirst(), pattern)
    }
    return text.first == first && matches(text.dropFirst(), pattern.dropFirst())
}

/// What a forge shows of a commit.
enum CommitState: String {
    case pending, success, failure
    /// Overtaken by another commit.
    case cancelled = "error"

    init?(_ reason: Reason) {
        switch reason {
        case .applying: self = .pending
        case .deployed, .adopted, .driftRepaired, .recovered: self = .success
        case .superseded: self = .cancelled
        case .healthCheckFailed, .rolledBack, .timedOut, .invalid, .refused, .imageNotResolved, .conflict, .notFound,
            .authenticationFailed:
            self = .failure
        default: return nil
        }
    }
}
