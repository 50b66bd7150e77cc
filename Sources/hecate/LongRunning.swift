/// Works until the work ends or a signal asks the program to end.
/// - Throws: What the work throws.
func untilAsked(by signals: AsyncStream<Int32>, _ work: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await work() }
        group.addTask { for await _ in signals { return } }
        try await group.next()
        group.cancelAll()
    }
}
