internal import Documents
internal import Arguments
internal import CSpawn
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
        let agent = try await Agent.make(settings, store: store, log: log)
        let what = "keeping \(settings.layout.quadlet) equal to \(settings.layout.gitops) by \(agent.platform.method)"
        await agent.context.note(.info, .started, NodePlatform.owner, what)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await agent.follow(wakeups: lock.wakeups) }
            group.addTask { for await _ in signals { return } }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: .seconds(20))
                    hecate_trim_memory()
                }
            }
            try await group.next()
            group.cancelAll()
        }
        withExtendedLifetime(lock) {}
        return .success
    }

    /// One pass; by the agent that already runs, when one does.
    private static func once(
        _ settings: AgentSettings,
        _ store: Store,
        _ log: Log
    ) async throws -> HecateProgram.ExitCode {
        let records: [AppRecord]
        if ControllerLock.wake(folder: settings.store) {
            let number = try await store.ask("reconcile", subject: "", author: Settings.author, at: currentTime())
            _ = ControllerLock.wake(folder: settings.store)
            try await store.waitForAnswer(to: number)
            records = try await store.records()
        } else {
            let lock = try ControllerLock(folder: settings.store)
            records = try await Agent.make(settings, store: store, log: log).once()
            withExtendedLifetime(lock) {}
        }
        for record in records where !record.isReady {
            Terminal.complain("\(record.id.name): \(record.ready?.message ?? "not looked at yet")")
        }
        return records.allSatisfy { $0.isSettled } ? .success : .failure
    }
}
