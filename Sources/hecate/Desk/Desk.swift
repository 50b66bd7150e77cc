internal import Arguments
internal import Delivery
internal import Diagnostics
internal import Journal

/// What the verbs look at: the store of this machine, or a controller elsewhere by its API.
protocol Desk: Sendable {
    func records() async throws -> [AppRecord]
    func holds() async throws -> [Hold]
    func revisions(of id: AppID) async throws -> [DeployedRevision]
    func sources() async throws -> [SourceRecord]
    func targets() async throws -> [TargetRecord]
    /// Events after a number, oldest first; the newest `limit` of them.
    func events(after number: Int, subject: String?, limit: Int) async throws -> [Event]
    func auditEntries(after number: Int, limit: Int) async throws -> [AuditEntry]
    func verifyAudit() async throws -> (entries: Int, broken: Int?, last: String)
}

extension Store: Desk {}

extension Settings {
    /// Where a verb looks: the controller that is named or in use, else the store of this machine.
    static func desk(_ invocation: Invocation) throws -> any Desk {
        try remote(invocation) ?? existingStore(invocation)
    }

    /// The controller a command line, the environment or the context in use names; nil for this machine.
    static func remote(_ invocation: Invocation) throws -> RemoteDesk? {
        let token = try invocation["token-file"].map(Contexts.secret) ?? environmentVariable("HECATE_TOKEN")
        if let server = invocation["server"] ?? environmentVariable("HECATE_SERVER") {
            return try RemoteDesk(server: server, token: token, authority: invocation["ca"])
        }
        let contexts = try Contexts.read()
        if let name = invocation["context"] ?? environmentVariable("HECATE_CONTEXT") {
            guard let context = contexts.all.first(where: { $0.name == name }) else {
                let hint = suggestion(for: name, among: contexts.all.map(\.name)) ?? "see 'hecate context list'"
                throw Failure(.notFound, "there is no context '\(name)'; \(hint)")
            }
            return try context.desk(token)
        }
        guard invocation["store"] == nil, invocation["config"] == nil,
            let context = contexts.all.first(where: { $0.name == contexts.current })
        else { return nil }
        return try context.desk(token)
    }

    /// Ends a verb that works on this machine when another one is named.
    static func requireHere(_ invocation: Invocation) throws {
        for name in ["server", "context", "token-file", "ca"] where invocation[name] != nil {
            throw UsageError(description: "'\(invocation.verb.name)' works on this machine; '--\(name)' is not for it")
        }
    }
}
