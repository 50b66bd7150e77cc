internal import Arguments
internal import Journal

/// `hecate list events`: what happened, to begin with.
enum ListEventsCommand {
    static let command = Subcommand(
        "list events",
        summary: "what happened, newest last",
        options: [.format, Option("limit", value: "N", help: "how many; 50 when not given")],
        example: "hecate list events --limit 20"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let limit = try EventsCommand.limit(invocation)
        let events = try await Settings.client(invocation).events(after: 0, subject: nil, limit: limit)
        try await EventsCommand.print(events, invocation["format"])
        return .success
    }
}
