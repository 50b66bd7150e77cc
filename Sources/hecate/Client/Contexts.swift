internal import Delivery
internal import Diagnostics
internal import Files
internal import JSON

/// The controllers a person works with, by name; in `$XDG_CONFIG_HOME/hecate/contexts.json`.
struct Contexts: Sendable {
    /// One controller and how to get in.
    struct Context: Sendable {
        var name: String
        var server: String
        /// The token itself is never kept here.
        var tokenFile: String?
        var authority: String?

        /// A token of its own goes before one that the environment has for everybody.
        func client(_ token: String? = nil, _ authority: String? = nil) throws -> RemoteClient {
            let own = try token ?? tokenFile.map(Contexts.secret) ?? environmentVariable("HECATE_TOKEN")
            return try RemoteClient(server: server, token: own, authority: authority ?? self.authority)
        }
    }

    var current = ""
    var all: [Context] = []

    private static var path: String? {
        if let folder = environmentVariable("XDG_CONFIG_HOME"), !folder.isEmpty {
            return "\(folder)/hecate/contexts.json"
        }
        return environmentVariable("HOME").map { "\($0)/.config/hecate/contexts.json" }
    }

    static func read() throws -> Contexts {
        guard let path, let bytes = readFile(path) else { return Contexts() }
        guard let document = try? JSON(parsing: bytes) else {
            throw Failure(.invalid, "\(path) is no JSON; mend it, or remove it", next: .needsChange)
        }
        var contexts = Contexts()
        contexts.current = document["current"]?.string ?? ""
        contexts.all = (document["contexts"]?.array ?? []).compactMap { item in
            guard let name = item["name"]?.string, let server = item["server"]?.string else { return nil }
            return Context(
                name: name,
                server: server,
                tokenFile: item["tokenFile"]?.string,
                authority: item["ca"]?.string
            )
        }
        return contexts
    }

    /// The controller of a name.
    func client(_ name: String, _ token: String?, _ authority: String?) throws -> RemoteClient {
        try require(name).client(token, authority)
    }

    /// The context of a name.
    /// - Throws: `Failure` with the nearest name when there is none.
    @discardableResult
    func require(_ name: String) throws -> Context {
        guard let context = all.first(where: { $0.name == name }) else {
            let hint = suggestion(for: name, among: all.map(\.name)) ?? "see 'hecate context list'"
            throw Failure(.notFound, "there is no context '\(name)'; \(hint)")
        }
        return context
    }

    func write() throws {
        guard let path = Self.path else {
            throw Failure(.notFound, "nobody knows the home folder; set HOME", next: .needsChange)
        }
        let document: JSON = [
            "current": .string(current),
            "contexts": .array(
                all.map { context in
                    var item: JSON.Members = ["name": .string(context.name), "server": .string(context.server)]
                    item["tokenFile"] = context.tokenFile.map { .string($0) }
                    item["ca"] = context.authority.map { .string($0) }
                    return .object(item)
                }
            ),
        ]
        try Settings.makeFolder(folder(of: path))
        try replaceFile(path, with: document.encoded(pretty: true) + [0x0A], mode: 0o600)
    }

    /// What stands in a token's file.
    static func secret(_ path: String) throws -> String {
        guard let bytes = readFile(path) else {
            throw Failure(.notFound, "the token's file '\(path)' cannot be read", next: .needsChange)
        }
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
    }
}
