internal import Arguments
internal import Delivery
internal import Documents
internal import JSON
internal import Journal

/// `hecate list sources`: every source and when it last answered.
enum ListSourcesCommand {
    static let command = Subcommand(
        "list sources",
        summary: "every source with its commit and last success",
        options: [.format],
        example: "hecate list sources"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let records = try await Settings.client(invocation).sources()
        if let text = formatted(.array(records.map { document($0) }), as: invocation["format"]) {
            Terminal.print(text)
            return .success
        }
        let now = currentTime()
        let rows = records.map {
            [$0.name, $0.url, String($0.commit.prefix(8)), $0.lastSuccess?.age(at: now) ?? "never", $0.error ?? ""]
        }
        Terminal.print(Terminal.table(["SOURCE", "URL", "REVISION", "LAST SUCCESS", "ERROR"], rows))
        return .success
    }
}
