package import Diagnostics
internal import YAML

/// The server: where it listens and who may come in.
package struct ServerConfiguration: Sendable {
    /// A token and whose it is.
    package struct Token: Sendable {
        package var name: String
        package var role: String
        package var secret: String
        /// The sources this token is for; nil for all.
        package var projects: [String]?
    }

    /// `host:port`; nothing is served over TCP without one.
    package var listen: [String] = []
    /// A Unix socket; who may open it is an administrator.
    package var socket: String?
    /// PEM texts.
    package var tls: (certificate: String, key: String)?
    package var tokens: [Token] = []
    /// What whoever shows no token may; nothing when nil.
    package var anonymous: String?
    /// A JSON Web Key Set that signs tokens, with what those have to say.
    package var keySet: [UInt8]?
    /// Where that set is fetched, at the start and every ten minutes.
    package var keySetURL: String?
    package var issuer: String?
    package var audience: String?
    /// Requests of one client in a second.
    package var rate = 50.0
    /// Where people reach it, for links in what they are told.
    package var url: String?

    package init() {}

    package var isOn: Bool { !listen.isEmpty || socket != nil }

    /// Reads a file that holds `server:` and nothing else, as a node has it.
    /// - Throws: `Invalid` with everything that is wrong in it.
    package init(_ bytes: [UInt8], file: String, environment: ConfigurationEnvironment) throws(Invalid) {
        let reader = ConfigurationReader(file: file, environment: environment)
        let top = Fields(try parse(bytes, file: file), into: reader.sink)
        self.init()
        if let fields = top.fields("server") { self = reader.server(fields) }
        _ = reader.notifications(top)
        top.finish()
        reader.override(&self)
        try reader.sink.diagnostics.throwIfErrors()
    }

    /// What the environment alone says.
    package init(environment: ConfigurationEnvironment) throws(Invalid) {
        let reader = ConfigurationReader(file: "environment", environment: environment)
        self.init()
        reader.override(&self)
        try reader.sink.diagnostics.throwIfErrors()
    }
}

extension ConfigurationReader {
    private static let roles = ["viewer", "operator", "admin"]

    /// What `server:` says.
    func server(_ fields: Fields) -> ServerConfiguration {
        var server = ServerConfiguration()
        if let list = fields.node("listen")?.sequence {
            server.listen = list.compactMap { $0.scalar?.text }
        } else if let one = fields.string("listen") {
            server.listen = [one]
        }
        server.socket = fields.string("socket")
        server.anonymous = fields.choice("anonymous", Self.roles)
        server.url = fields.string("url").map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        if let url = server.url, !url.hasPrefix("http://"), !url.hasPrefix("https://") {
            fields.error(at: fields.node("url")?.place, "'url' is no http:// or https:// address")
        }
        server.issuer = fields.string("issuer")
        server.audience = fields.string("audience")
        if let rate = fields.number("rate") {
            server.rate = rate
            if rate <= 0 { fields.error(at: fields.node("rate")?.place, "'rate' must be more than nothing") }
        }
        server.keySetURL = fields.string("jwks_url")
        if let url = server.keySetURL, !url.hasPrefix("https://"), !url.hasPrefix("http://127.0.0.1") {
            fields.error(
                at: fields.node("jwks_url")?.place,
                "'jwks_url' is no https:// address",
                cure: "keys that came over an open connection are anybody's"
            )
        }
        if let path = fields.string("jwks_file") { server.keySet = file(path, "jwks_file", fields) }
        if let tls = fields.fields("tls") {
            let certificate = file(tls.requiredString("certificate"), "certificate", tls)
            let key = file(tls.requiredString("key"), "key", tls)
            tls.finish()
            if let certificate, let key {
                server.tls = (String(decoding: certificate, as: UTF8.self), String(decoding: key, as: UTF8.self))
            }
        }
        for item in fields.list("tokens") ?? [] {
            let token = Fields(item, context: "a token", into: sink)
            let name = token.requiredString("name")
            let role = token.choice("role", Self.roles) ?? "viewer"
            let projects = token.strings("projects")
            let secret = secret(token, "token")
            token.finish()
            guard let secret, secret.utf8.count >= 16 else {
                token.error(
                    at: item.place,
                    "the token '\(name)' is \(secret == nil ? "not given" : "shorter than 16 bytes")",
                    cure:
                        "name a file with 'token_file', or a variable with 'token_env'; make one with: openssl rand -hex 32"
                )
                continue
            }
            server.tokens.append(.init(name: name, role: role, secret: secret, projects: projects))
        }
        let hasKeys = server.keySet != nil || server.keySetURL != nil
        let hasNobody = server.tokens.isEmpty && server.anonymous == nil && !hasKeys
        if !server.listen.isEmpty, hasNobody {
            fields.warning(
                at: fields.node("listen")?.place,
                "nobody may come in over TCP",
                cure: "add 'tokens', 'jwks_file' or 'anonymous: viewer'"
            )
        }
        fields.finish()
        return server
    }

    private func file(_ path: String, _ key: String, _ fields: Fields) -> [UInt8]? {
        guard !path.isEmpty else { return nil }
        guard let bytes = environment.read(path) else {
            fields.error(at: fields.node(key)?.place, "the file '\(path)' cannot be read")
            return nil
        }
        return bytes
    }

    /// What the environment says about the server.
    func override(_ server: inout ServerConfiguration) {
        if let listen = environment.value("SERVER_LISTEN") {
            server.listen = listen.split(separator: ",").map(String.init)
        }
        if let socket = environment.value("SERVER_SOCKET") { server.socket = socket }
        if let token = environment.value("SERVER_TOKEN") {
            server.tokens.append(.init(name: "environment", role: "admin", secret: token, projects: nil))
        }
        if let role = environment.value("SERVER_ANONYMOUS") {
            server.anonymous = role
            if !Self.roles.contains(role) {
                sink.diagnostics.error(
                    at: nil,
                    "SERVER_ANONYMOUS is '\(role)'",
                    cure: "expected one of \(Self.roles.joined(separator: ", "))"
                )
            }
        }
    }
}
