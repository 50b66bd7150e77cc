internal import Arguments
internal import Documents
internal import JSON
internal import Journal

/// `hecate audit verify`: whether the audit log is as it was written.
enum AuditVerifyCommand {
    static let command = Subcommand(
        "audit verify",
        summary: "whether the audit log is as it was written; exit 1 when not",
        options: [.format],
        discussion:
            "Each entry holds a digest of the one before. Note the last digest elsewhere to see a cut end.",
        example: "hecate audit verify"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let (count, broken, last) = try await Settings.client(invocation).verifyAudit()
        let answer: JSON = [
            "entries": .int(Int64(count)), "broken": broken.map { .int(Int64($0)) } ?? .null, "last": .string(last),
        ]
        if let text = formatted(answer, as: invocation["format"]) {
            Terminal.print(text)
        } else if let broken {
            Terminal.print("\(count) entries hold; number \(broken) was changed, or something before it was taken out")
        } else {
            Terminal.print("all \(count) entries hold; the chain ends with \(last.isEmpty ? "nothing" : last)")
        }
        return broken == nil ? .success : .failure
    }
}
