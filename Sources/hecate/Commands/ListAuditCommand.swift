internal import Arguments
internal import Documents
internal import JSON
internal import Journal

/// `hecate list audit`: who did what through the server.
enum ListAuditCommand {
    static let command = Subcommand(
        "list audit",
        summary: "who did what through the server, and who was refused",
        options: [.format, Option("limit", value: "N", help: "how many; 50 when not given")],
        example: "hecate list audit --limit 20"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let entries = try await latest(Settings.client(invocation), try EventsCommand.limit(invocation))
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
}
