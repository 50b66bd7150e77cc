internal import CSpawn

/// Works until the work ends or a signal asks the program to end, and gives memory back to the system meanwhile.
/// - Throws: What the work throws.
func untilAsked(by signals: AsyncStream<Int32>, _ work: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await work() }
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
}
