internal import Documents
internal import Arguments
internal import Controller
internal import Delivery
internal import JSON
internal import Journal

/// `hecate status`: one look for a tired person.
enum StatusCommand {
    static let command = Subcommand(
        "status",
        summary: "is everything as it should be? exit 1 when not",
        options: [.format],
        example: "hecate status"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let remote = try Settings.remote(invocation)
        let store = try Settings.client(invocation)
        let records = try await store.records()
        let holds = try await store.holds()
        let sources = try await store.sources()
        let targets = try await store.targets()
        let held = Set(holds.map(\.app))
        let wrong = records.filter { !$0.isReady && !held.contains($0.id) }
        let errors =
            sources.compactMap { source in source.error.map { "source \(source.name): \($0)" } }
            + targets.compactMap { target in target.error.map { "target \(target.name): \($0)" } }
        // Whoever answers is running.
        let runs = try remote != nil || ControllerLock.wake(folder: Settings.storeFolder(invocation))
        let waiting = try await store.leases().filter { !$0.isOwn && $0.holder != nil }
        let document: JSON = [
            "controller": .string(runs ? "running" : "not running"),
            "apps": .int(Int64(records.count)), "ready": .int(Int64(records.count { $0.isReady })),
            "suspended": .int(Int64(holds.count)),
            "notReady": .array(
                wrong.map { ["name": .string($0.id.description), "message": .string($0.ready?.message ?? "")] }
            ),
            "errors": JSON(errors), "leases": .array(try await store.leases().map { Documents.document($0) }),
        ]
        if let text = formatted(document, as: invocation["format"]) {
            Terminal.print(text)
        } else {
            let palette = Palette(nil, isTerminal: Terminal.outputIsTerminal)
            Terminal.print(
                "controller \(runs ? "running" : palette.red("not running")); \(records.count { $0.isReady }) of \(records.count) apps ready"
                    + (holds.isEmpty ? "" : ", \(holds.count) suspended")
            )
            for record in wrong {
                Terminal.print("\(palette.red("✗")) \(record.id): \(record.ready?.message ?? "not looked at yet")")
            }
            for hold in holds {
                Terminal.print("\(palette.yellow("‖")) \(hold.app): held by \(hold.author): \(hold.reason)")
            }
            if runs { for lease in waiting { Terminal.print("\(palette.yellow("‖")) \(lease.words)") } }
            for error in errors { Terminal.print("\(palette.red("✗")) \(error)") }
        }
        return wrong.isEmpty && errors.isEmpty ? .success : .failure
    }
}
