/// Works until the work ends or a signal asks the program to end.
/// - Throws: What the work throws.
///
/// - Returns: What came of it; nil when it was asked to end before that.
@discardableResult
func untilAsked<Value: Sendable>(
    by signals: AsyncStream<Int32>,
    _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value? {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await work() }
        group.addTask {
            for await _ in signals { break }
            return nil
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
    }
}
