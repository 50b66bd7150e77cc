internal import Documents
internal import Arguments
internal import CSpawn
internal import Controller
internal import Delivery
internal import Journal
internal import Quadlet

/// `hecate agent`: keeps a node's units equal to its gitops folder.
enum AgentCommand {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        var settings = try AgentSettings.found()
        if let store = invocation["store"] { settings.store = store }
        if invocation.has("status") { return try await NodeStatus.print(settings, format: invocation["format"]) }
        hecate_limit_arenas(2)
        let store = try Settings.ownStore(settings.store)
        let log = Log(invocation["log"])
        if invocation.has("once") { return try await once(settings, store, log) }
        let signals = terminations()
        let lock = try ControllerLock(folder: settings.store)
        try await Wiring(settings, store: store, log: log).run(lock, until: signals)
        return .success
    }

    /// One pass; by the agent that already runs, when one does.
    private static func once(
        _ settings: AgentSettings,
        _ store: Store,
        _ log: Log
    ) async throws -> HecateProgram.ExitCode {
        let records: [AppRecord]
        var failures: [Failure] = []
        if ControllerLock.wake(folder: settings.store) {
            let number = try await store.askReconcile([], author: Settings.author)
            _ = ControllerLock.wake(folder: settings.store)
            try await store.waitForAnswer(to: number)
            records = try await store.records()
        } else {
            let lock = try ControllerLock(folder: settings.store)
            let outcome = try await Wiring(settings, store: store, log: log).once(lock)
            (records, failures) = (outcome.records, outcome.failures)
        }
        for failure in failures { Terminal.complain("hecate: \(failure)") }
        for record in records where !record.isReady {
            Terminal.complain("\(record.id.name): \(record.ready?.message ?? "not looked at yet")")
        }
        return failures.isEmpty && records.allSatisfy { $0.isSettled } ? .success : .failure
    }
}
