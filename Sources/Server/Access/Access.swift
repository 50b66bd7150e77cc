package import Crypto
internal import HTTPServer
internal import Synchronization

/// What somebody may do; each includes those before it.
package enum Role: String, Sendable, Comparable, CaseIterable {
    /// Looks at everything.
    case viewer
    /// Reconciles, suspends and resumes.
    case `operator`
    /// Approves removals and reads the audit log.
    case admin

    package static func < (left: Role, right: Role) -> Bool { left.rank < right.rank }
    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// Somebody the server knows.
package struct Visitor: Sendable, Hashable {
    package var name: String
    package var role: Role
    /// The sources whose apps are this visitor's to act on; nil for all.
    package var projects: Set<String>?
    /// Until when what was shown holds, in seconds since 1970; nil for as long as it is configured.
    var expires: Double?

    package init(name: String, role: Role, projects: Set<String>? = nil) {
        self.name = name
        self.role = role
        self.projects = projects
    }

    func sees(source: String) -> Bool { projects?.contains(source) ?? true }
}

/// A bearer token as the configuration has it; only its digest is kept.
package struct Token: Sendable {
    fileprivate var digest: [UInt8]
    package var visitor: Visitor

    package init(_ secret: String, _ visitor: Visitor) {
        digest = Array(sha256(secret).utf8)
        self.visitor = visitor
    }
}

/// The keys that are trusted now; whoever fetches them anew puts them here.
package final class KeyRing: Sendable {
    private let keys: Mutex<[JSONWebKey]>

    package init(_ keys: [JSONWebKey] = []) { self.keys = Mutex(keys) }

    package var all: [JSONWebKey] { keys.withLock { $0 } }
    package func replace(_ fresh: [JSONWebKey]) { keys.withLock { $0 = fresh } }
}

/// Who may look and act.
package struct Access: Sendable {
    package var tokens: [Token] = []
    /// The role of whoever shows nothing, when somebody decided that there is one.
    package var anonymous: Role?
    /// What signs tokens elsewhere.
    package var keys = KeyRing()
    /// What a signed token has to say it is from and for; nil is not looked at.
    package var issuer: String?
    package var audience: String?

    package init() {}

    /// Who sends a request: by its token, its session, or the socket it comes in by.
    ///
    /// A Unix socket is guarded by its own permissions, so that who reaches it is an administrator.
    /// - Throws: `Problem` 401 when something is shown that is not valid.
    func visitor(of request: Request, sessions: Sessions, now: Double) throws(Problem) -> Visitor? {
        if let header = request.headers["authorization"] {
            guard header.lowercased().hasPrefix("bearer ") else { throw .unauthorized }
            let secret = String(header.dropFirst("bearer ".count))
            guard let visitor = visitor(of: secret, now: now) else { throw .unauthorized }
            return visitor
        }
        if let cookie = request.cookie(Sessions.cookie), let session = sessions.find(cookie, now: now) {
            return session.visitor
        }
        if request.client == "unix" { return Visitor(name: "socket", role: .admin) }
        return anonymous.map { Visitor(name: "anonymous", role: $0) }
    }

    /// Who a token belongs to; every known one is compared, so that the time tells nothing.
    func visitor(of secret: String, now: Double) -> Visitor? {
        let digest = Array(sha256(secret).utf8)
        var found: Visitor?
        for token in tokens where constantTimeEqual(token.digest, digest) { found = token.visitor }
        if found == nil { found = signedVisitor(secret, now: now) }
        return found
    }
}
