/// What part of a repository's history a source follows.
package enum Reference: Sendable, Hashable, CustomStringConvertible {
    case branch(String)
    case tag(String)
    /// The highest tag in a range of semantic versions, such as `>=1.2 <2`.
    case semver(VersionRange)

    /// The name it has in a repository; nil for a range, which is none.
    var fullName: String? {
        switch self {
        case .branch(let name): "refs/heads/\(name)"
        case .tag(let name): "refs/tags/\(name)"
        case .semver: nil
        }
    }

    package var description: String {
        switch self {
        case .branch(let name): "branch '\(name)'"
        case .tag(let name): "tag '\(name)'"
        case .semver(let range): "a tag in the range '\(range)'"
        }
    }
}

/// Where a repository is and how to get in.
package struct GitSettings: Sendable {
    package var name: String
    package var url: String
    package var reference: Reference
    package var username: String?
    package var password: String?
    /// Files of an SSH key and of the hosts it may be used with.
    package var sshKey: String?
    package var knownHosts: String?
    /// How long one git call may take.
    package var timeout: Duration

    package init(
        name: String,
        url: String,
        reference: Reference,
        username: String? = nil,
        password: String? = nil,
        sshKey: String? = nil,
        knownHosts: String? = nil,
        timeout: Duration = .seconds(60)
    ) {
        self.name = name
        self.url = url
        self.reference = reference
        self.username = username
        self.password = password
        self.sshKey = sshKey
        self.knownHosts = knownHosts
        self.timeout = timeout
    }
}

/// A repository's address without anything secret in it.
package func publicURL(_ url: String) -> String {
    guard let scheme = url.range(of: "://"), let at = url[scheme.upperBound...].firstIndex(of: "@") else { return url }
    let authority = url[scheme.upperBound...].prefix { $0 != "/" }
    guard authority.contains("@") else { return url }
    let user = url[scheme.upperBound..<at].prefix { $0 != ":" }
    return "\(url[..<scheme.upperBound])\(user.isEmpty ? "" : "\(user)@")\(url[url.index(after: at)...])"
}

extension String {
    func range(of needle: String) -> Range<String.Index>? { self.ranges(of: needle).first }
}
