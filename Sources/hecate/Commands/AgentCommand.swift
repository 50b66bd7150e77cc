internal import Documents
internal import Arguments
internal import CSpawn
internal import Controller
internal import Delivery
internal import Journal
internal import Quadlet

/// `hecate agent`: keeps a node's units equal to its gitops folder.
enum AgentCommand {
    static let command = Subcommand(
        "agent",
        summary: "keep this node's systemd and Podman equal to its gitops folder",
        options: [
            Option("watch", help: "go on and follow every change; this is what it does when nothing is said"),
            Option("once", help: "one pass, then end; exit 1 when something is not running as declared"),
            Option("status", help: "show what is declared, linked and running"),
            Option("format", choices: ["text", "json"], help: "how the status is written"),
            Option(
                "log",
                choices: ["text", "json"],
                help: "the form of the log; text on a terminal, json elsewhere"
            ),
        ],
        discussion: """
            The gitops folder is $HECATE_GITOPS_DIR, else ~/.hecate/gitops; $HECATE_GITOPS_UNITS names the folders in it that
            hold units. Podman's are linked into ~/.config/containers/systemd, systemd's own into ~/.config/systemd/user, or
            into /etc/containers/systemd and /etc/systemd/system for root. Also called hecate-reconciler.
            """,
        example: "hecate agent --once",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        var settings = try AgentSettings.found()
        if let store = invocation["store"] { settings.store = store }
        if invocation.has("status") { return try await NodeStatus.print(settings, format: invocation["format"]) }
        hecate_limit_arenas(2)
        let log = Log(invocation["log"])
        if invocation.has("once") { return try await once(settings, log) }
        let signals = terminations()
        let lock = try Settings.lock(settings.store)
        let store = try Settings.ownStore(settings.store, lock)
        try await Wiring(settings, store: store, log: log).run(lock, until: signals)
        return .success
    }

    /// One pass; by the agent that already runs, when one does.
    private static func once(_ settings: AgentSettings, _ log: Log) async throws -> HecateProgram.ExitCode {
        let records: [AppRecord]
        var failures: [Failure] = []
        if ControllerLock.wake(folder: settings.store) {
            let store = try Settings.existingStore(in: settings.store)
            let number = try await store.askReconcile([], retries: false, author: Settings.author)
            _ = ControllerLock.wake(folder: settings.store)
            try await store.waitForAnswer(to: number)
            records = try await store.openRecords()
            failures = try await store.sources().compactMap { source in
                source.error.map { Failure(.unavailable, "\(source.name): \($0)") }
            }
        } else {
            let signals = terminations()
            let lock = try Settings.lock(settings.store)
            let store = try Settings.ownStore(settings.store, lock)
            let wiring = try await Wiring(settings, store: store, log: log)
            guard let outcome = try await untilAsked(by: signals, { try await wiring.once(lock) }) else {
                return .interrupted
            }
            (records, failures) = (outcome.records, outcome.failures)
        }
        for failure in failures { Terminal.complain("hecate: \(failure)") }
        for record in records where !record.isReady {
            Terminal.complain("\(record.id.name): \(record.ready?.message ?? "not looked at yet")")
        }
        return failures.isEmpty && records.allSatisfy { $0.isSettled } ? .success : .failure
    }
}
