internal import HTTP

/// The PEM files of mutual TLS with an Engine.
package struct EngineTLS: Sendable {
    package var authority: String
    package var certificate: String
    package var key: String

    package init(authority: String, certificate: String, key: String) {
        self.authority = authority
        self.certificate = certificate
        self.key = key
    }
}

extension EngineClient {
    /// A client for an address as `DOCKER_HOST` writes it: `unix:///path`, `tcp://host:port` or `https://host:port`; nil
    /// for anything else.
    package init?(address: String, tls: EngineTLS?) {
        guard let endpoint = Self.endpoint(address, tls) else { return nil }
        self.init(transport: Client(endpoint: endpoint, width: 8), name: address)
    }

    private static func endpoint(_ text: String, _ tls: EngineTLS?) -> Endpoint? {
        if text.hasPrefix("unix://") {
            let path = String(text.dropFirst(7))
            return path.hasPrefix("/") ? Endpoint(base: "http://localhost", socket: path) : nil
        }
        for scheme in ["tcp://", "https://"] where text.hasPrefix(scheme) {
            let host = text.dropFirst(scheme.count).prefix { $0 != "/" }
            guard !host.isEmpty else { return nil }
            let files = tls.map { Endpoint.TLS(authority: $0.authority, certificate: $0.certificate, key: $0.key) }
            return Endpoint(base: "\(files != nil || scheme == "https://" ? "https" : "http")://\(host)", tls: files)
        }
        return nil
    }
}
