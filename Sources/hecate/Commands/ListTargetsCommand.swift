internal import Arguments
internal import Delivery
internal import Documents
internal import JSON
internal import Journal

/// `hecate list targets`: every target and when it last answered.
enum ListTargetsCommand {
    static let command = Subcommand(
        "list targets",
        summary: "every target with its version and last success",
        options: [.format],
        example: "hecate list targets"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let records = try await Settings.client(invocation).targets()
        if let text = formatted(.array(records.map { document($0) }), as: invocation["format"]) {
            Terminal.print(text)
            return .success
        }
        let now = currentTime()
        let rows = records.map {
            [$0.name, $0.endpoint, $0.version, $0.lastSuccess?.age(at: now) ?? "never", $0.error ?? ""]
        }
        Terminal.print(Terminal.table(["TARGET", "ENDPOINT", "VERSION", "LAST SUCCESS", "ERROR"], rows))
        return .success
    }
}
