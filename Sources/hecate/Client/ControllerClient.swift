internal import Arguments
internal import Delivery
internal import Diagnostics
internal import Journal

/// What the commands look at: the store of this machine, or a controller elsewhere by its API.
protocol ControllerClient: Sendable {
    func records() async throws -> [AppRecord]
    func holds() async throws -> [Hold]
    func revisions(of id: AppID) async throws -> [DeployedRevision]
    func sources() async throws -> [SourceRecord]
    func targets() async throws -> [TargetRecord]
    /// Who acts for each source on each target, as the controller knew it last.
    func leases() async throws -> [LeaseStanding]
    /// Events after a number, oldest first; the newest `limit` of them.
    func events(after number: Int, subject: String?, limit: Int) async throws -> [Event]
    func auditEntries(after number: Int, limit: Int) async throws -> [AuditEntry]
    func verifyAudit() async throws -> (entries: Int, broken: Int?, last: String)
}

extension Store: ControllerClient {}

extension Settings {
    /// Where a command looks: the controller that is named or in use, else the store of this machine.
    static func client(_ invocation: Invocation) throws -> any ControllerClient {
        try remote(invocation) ?? existingStore(invocation)
    }

    /// The controller a command line, the environment or the context in use names, in this order; nil for this machine.
    static func remote(_ invocation: Invocation) throws -> RemoteClient? {
        let named = ["server", "context", "store", "config"].filter { invocation[$0] != nil }
        if named.count > 1, named.contains("server") || named.contains("context") {
            let words = named.map { "'--\($0)'" }.joined(separator: " and ")
            throw UsageError(description: "\(words) name different places; give one of them")
        }
        let token = try invocation["token-file"].map(Contexts.secret)
        let authority = invocation["ca"]
        let general = environmentVariable("HECATE_TOKEN")
        if let server = invocation["server"] {
            return try RemoteClient(server: server, token: token ?? general, authority: authority)
        }
        let contexts = try Contexts.read()
        if let name = invocation["context"] { return try contexts.client(name, token, authority) }
        if named.isEmpty {
            if let server = environmentVariable("HECATE_SERVER") {
                return try RemoteClient(server: server, token: token ?? general, authority: authority)
            }
            if let name = environmentVariable("HECATE_CONTEXT") { return try contexts.client(name, token, authority) }
            if !contexts.current.isEmpty { return try contexts.client(contexts.current, token, authority) }
        }
        for name in ["token-file", "ca"] where invocation[name] != nil {
            throw UsageError(description: "'--\(name)' is for a controller elsewhere; name it with '--server'")
        }
        return nil
    }

    /// Ends a command that works on this machine when another one is named.
    static func requireHere(_ invocation: Invocation) throws {
        for name in ["server", "context", "token-file", "ca"] where invocation[name] != nil {
            throw UsageError(
                description: "'\(invocation.command.name)' works on this machine; '--\(name)' is not for it"
            )
        }
    }
}
