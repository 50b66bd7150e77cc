internal import Crypto
internal import JSON

/// Who the controller is at a registry.
package struct RegistryCredentials: Sendable, Hashable {
    package var server: String
    package var username: String
    package var password: String

    package init(server: String, username: String, password: String) {
        self.server = server
        self.username = username
        self.password = password
    }

    /// The `X-Registry-Auth` header (Engine API, section "Authentication").
    var header: String {
        let document: JSON = [
            "username": .string(username), "password": .string(password), "serveraddress": .string(server),
        ]
        return base64URL(document.encoded())
    }
}

/// An image reference in its parts.
struct ImageReference: Sendable, Hashable {
    /// The name without tag and digest.
    var name: String
    var tag: String?
    var digest: String?

    init(_ text: String) {
        let halves = text.utf8.split(separator: UInt8(ascii: "@"), maxSplits: 1)
        digest = halves.count > 1 ? String(Substring(halves[1])) : nil
        let rest = halves.first ?? Substring().utf8
        let slash = rest.lastIndex(of: UInt8(ascii: "/")) ?? rest.startIndex
        if let colon = rest[slash...].lastIndex(of: UInt8(ascii: ":")) {
            name = String(Substring(rest[..<colon]))
            tag = String(Substring(rest[rest.index(after: colon)...]))
        } else {
            name = String(Substring(rest))
            tag = nil
        }
    }

    /// The reference as Docker sends it to a cluster: familiar name, with `latest` where neither tag nor digest stands.
    var tagged: String {
        var result = familiarName
        if let tag { result += ":" + tag } else if digest == nil { result += ":latest" }
        if let digest { result += "@" + digest }
        return result
    }

    /// Without the digest, for comparing what was asked for.
    var withoutDigest: String { familiarName + ":" + (tag ?? (digest == nil ? "latest" : "")) }

    var withoutTag: String { familiarName }

    func pinned(to digest: String) -> String { "\(familiarName):\(tag ?? "latest")@\(digest)" }

    /// Docker Hub's long names in their short form.
    private var familiarName: String {
        for prefix in ["docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/"]
        where name.hasPrefix(prefix) {
            return String(name.dropFirst(prefix.count))
        }
        return name
    }

    /// The registry's host, as credentials are filed under it.
    var server: String {
        let first = name.split(separator: "/").first.map(String.init) ?? ""
        let isHost = name.contains("/") && (first.contains(".") || first.contains(":") || first == "localhost")
        return isHost && first != "index.docker.io" ? first : "docker.io"
    }
}
