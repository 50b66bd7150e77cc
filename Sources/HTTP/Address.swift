extension Endpoint {
    /// The server of an `http://` or `https://` address, with the path and query that follow it; nil for anything else.
    package static func parts(of url: String) -> (endpoint: Endpoint, path: String)? {
        guard url.hasPrefix("http://") || url.hasPrefix("https://"), let scheme = url.firstRange(of: "://"),
            !url.contains(where: { $0.isWhitespace || $0.isNewline })
        else { return nil }
        let rest = url[scheme.upperBound...]
        let host = rest.prefix { !"/?#".contains($0) }
        guard !host.isEmpty else { return nil }
        let path = rest.dropFirst(host.count).prefix { $0 != "#" }
        let base = String(url[..<host.endIndex])
        return (Endpoint(base: base), path.hasPrefix("/") ? String(path) : "/\(path)")
    }
}
