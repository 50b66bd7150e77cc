/// How often what happened, over all seeds of a process.
enum Statistics {
    // SAFETY: the process has a single thread.
    private nonisolated(unsafe) static var counts: [String: Int] = [:]
    // SAFETY: the process has a single thread.
    private nonisolated(unsafe) static var maxima: [String: Int] = [:]

    static func count(_ name: String, _ number: Int = 1) { counts[name, default: 0] += number }
    static func highest(_ name: String, _ number: Int) { maxima[name] = max(maxima[name] ?? 0, number) }

    /// One line for each, to be summed up by whoever started this process.
    static func lines() -> [String] {
        counts.sorted { $0.key < $1.key }.map { "count \($0.value) \($0.key)" }
            + maxima.sorted { $0.key < $1.key }.map { "highest \($0.value) \($0.key)" }
    }
}
