internal import Arguments
internal import Documents
internal import JSON
internal import Journal

/// `hecate list audit` and `hecate audit verify`: who did what through the server.
enum AuditCommand {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let client = try Settings.client(invocation)
        if invocation.command.words.last == "verify" { return try await verify(client, invocation["format"]) }
        let limit = try EventsCommand.limit(invocation)
        let entries = try await latest(client, limit)
        if let text = formatted(.array(entries.map { document($0) }), as: invocation["format"]) {
            Terminal.print(text)
        } else {
            let rows = entries.map { entry in
                [
                    "\(entry.number)", entry.time.text, entry.actor, entry.role, entry.client, entry.outcome,
                    "\(entry.action.prefix { $0 != " " }) \(entry.subject)", entry.detail,
                ]
            }
            Terminal.print(
                Terminal.table(["NUMBER", "TIME", "WHO", "ROLE", "FROM", "OUTCOME", "WHAT", "DETAIL"], rows)
            )
        }
        return .success
    }

    /// The last entries; the log is read from its beginning, as it is written.
    private static func latest(_ client: any ControllerClient, _ limit: Int) async throws -> [AuditEntry] {
        var (result, number): ([AuditEntry], Int) = ([], 0)
        while true {
            let page = try await client.auditEntries(after: number, limit: 1000)
            result = Array((result + page).suffix(limit))
            guard page.count == 1000, let last = page.last else { return result }
            number = last.number
        }
    }

    private static func verify(_ client: any ControllerClient, _ format: String?) async throws -> HecateProgram.ExitCode
    {
        let (count, broken, last) = try await client.verifyAudit()
        let answer: JSON = [
            "entries": .int(Int64(count)), "broken": broken.map { .int(Int64($0)) } ?? .null, "last": .string(last),
        ]
        if let text = formatted(answer, as: format) {
            Terminal.print(text)
        } else if let broken {
            Terminal.print("\(count) entries hold; number \(broken) was changed, or something before it was taken out")
        } else {
            Terminal.print("all \(count) entries hold; the chain ends with \(last.isEmpty ? "nothing" : last)")
        }
        return broken == nil ? .success : .failure
    }
}
