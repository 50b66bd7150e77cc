internal import Documents
internal import Arguments
internal import Delivery
internal import JSON
internal import Journal

/// `hecate events`: what happened, and what happens.
enum EventsCommand {
    static let command = Subcommand(
        "events",
        summary: "what happened, and with --follow what happens",
        arguments: ["[APP]"],
        options: [
            .format, Option("follow", help: "go on printing as things happen"),
            Option("limit", value: "N", help: "how many to begin with; 50 when not given"),
        ],
        example: "hecate events web --follow"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let remote = try Settings.remote(invocation)
        let store = try Settings.client(invocation)
        var subject: String?
        if let name = invocation.arguments.first {
            let records = try await store.records()
            subject = (try? Settings.app(name, among: records).id.description) ?? name
        }
        let format = invocation["format"]
        var events = try await store.events(after: 0, subject: subject, limit: limit(invocation))
        let follows = invocation.has("follow")
        try await print(events, format, isStream: follows)
        var last = events.last?.number ?? 0
        if follows, let remote {
            for try await event in remote.follow(after: last, subject: subject) {
                try await print([event], format, isStream: true)
            }
        }
        while follows {
            try await Task.sleep(for: .milliseconds(250))
            events = try await store.events(after: last, subject: subject, limit: 1000)
            last = events.last?.number ?? last
            if !events.isEmpty { try await print(events, format, isStream: true) }
        }
        return .success
    }

    static func limit(_ invocation: Invocation) throws -> Int {
        guard let text = invocation["limit"] else { return 50 }
        guard let number = Int(text), number > 0 else {
            throw UsageError(description: "'--limit' is '\(text)'; expected a number from 1")
        }
        return number
    }

    static func print(_ events: [Event], _ format: String?, isStream: Bool = false) async throws {
        if isStream, format == "json" {
            for event in events { Terminal.print(document(event).text()) }
        } else if let text = formatted(.array(events.map(document)), as: format) {
            Terminal.print(text)
        } else {
            let log = Log("text")
            for event in events { Terminal.print(log.line(event)) }
        }
    }
}
