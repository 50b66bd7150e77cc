internal import Arguments
internal import CSpawn
internal import Configuration
internal import Delivery
internal import Journal

/// `hecate run`: the controller.
enum RunCommand {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        hecate_limit_arenas(2)
        let signals = terminations()
        let configuration = try Settings.configuration(invocation)
        let store = try Settings.ownStore(configuration.store)
        let lock = try ControllerLock(folder: configuration.store)
        let controller = try Controller(configuration, store: store, log: Log(invocation["log"]))
        if invocation.has("once") {
            let records = try await controller.once()
            withExtendedLifetime(lock) {}
            return records.allSatisfy { $0.isSettled } ? .success : .failure
        }
        for source in configuration.sources {
            await controller.context.note(
                .info,
                .started,
                source.name,
                "following \(source.name) on \(configuration.targets.map(\.name).joined(separator: ", "))"
            )
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await controller.follow(wakeups: lock.wakeups) }
            group.addTask { for await _ in signals { return } }
            group.addTask {
                // What a burst of work left behind goes back to the system.
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
}
