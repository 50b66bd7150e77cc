/// What may go wrong with a single call of an Engine.
enum CallFault: String, CaseIterable {
    /// It answers with an error and did nothing.
    case error
    /// The connection cannot be made.
    case refused
    /// The request is never answered and nothing was done.
    case timeout
    /// It was done, and the connection broke before the answer came.
    case lostAnswer
    /// It was done, and the answer never comes.
    case lateAnswer
    /// The answer takes its time.
    case slow
    /// The controller dies before the request is sent.
    case crashBefore
    /// The controller dies after it was done and before it knows.
    case crashAfter

    private static let weights: [(weight: Int, item: CallFault)] = [
        (8, .error), (5, .refused), (2, .timeout), (6, .lostAnswer), (2, .lateAnswer), (6, .slow), (1, .crashBefore),
        (2, .crashAfter),
    ]

    static func drawn(_ random: inout Random) -> CallFault { random.pick(weighted: weights) ?? .error }
}
