/// What a container does, as the variable `SIM` of its environment chooses it.
///
/// Every one of them ends within a moment of SIGTERM, with exit code 0, but `stubborn`.
enum Behaviour: Equatable {
    /// Runs for ever; its health check passes from the first time on.
    case good
    /// Its health check passes only after so many seconds.
    case slow(Int64)
    /// Its health check never passes.
    case never
    /// Ends with a code after so many seconds.
    case exits(code: Int, after: Int64)
    /// Ends with 1 after a second, until the service whose name ends in `_NAME` has a running task.
    case needs(String)
    /// Ends with 1 after a second when it was started less than so many seconds after its service was created.
    case flaky(Int64)
    /// Healthy at first; its health check fails from so many seconds on.
    case sick(Int64)
    /// Ignores SIGTERM and is killed when its grace period is over.
    case stubborn

    /// Reads `good`, `slow:40`, `never`, `crash:6`, `exit:0:3`, `needs:db`, `flaky:30`, `sick:20` and `stubborn`; anything
    /// else is good.
    init(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let number = parts.count > 1 ? Int64(parts[1]) : nil
        switch (parts.first ?? "", number) {
        case ("slow", let seconds?): self = .slow(seconds)
        case ("never", _): self = .never
        case ("crash", let seconds?): self = .exits(code: 1, after: seconds)
        case ("exit", let code?): self = .exits(code: Int(code), after: parts.count > 2 ? Int64(parts[2]) ?? 0 : 0)
        case ("needs", _) where parts.count > 1: self = .needs(parts[1])
        case ("flaky", let seconds?): self = .flaky(seconds)
        case ("sick", let seconds?): self = .sick(seconds)
        case ("stubborn", _): self = .stubborn
        default: self = .good
        }
    }

    /// The health check that comes with the image, where what is chosen makes no sense without one.
    var impliedHealthCheck: HealthCheck? {
        switch self {
        case .slow(let seconds): HealthCheck(interval: second, retries: 3, startPeriod: (seconds + 1) * second)
        case .never: HealthCheck(interval: 5 * second, retries: 3, startPeriod: 0)
        case .sick: HealthCheck(interval: second, retries: 3, startPeriod: 0)
        default: nil
        }
    }
}

/// How often a container is asked for its health, and how often it may fail.
///
/// Times are nanoseconds.
struct HealthCheck: Equatable {
    var interval: Int64
    var retries: Int64
    var startPeriod: Int64

    /// When the check first passes and when it has failed often enough, counted from the container's start; the first
    /// question is asked one interval after the start.
    ///
    /// Source: Dockerfile reference, HEALTHCHECK.
    func outcome(of behaviour: Behaviour) -> (healthy: Int64?, unhealthy: Int64?) {
        /// The end of a run of failures that begins with the question of that number.
        func failing(from first: Int64) -> Int64 {
            // Failures within the start period do not count before the first success.
            let counted = first > 1 ? first : max(first, (startPeriod + interval - 1) / interval)
            return (counted + retries - 1) * interval
        }
        switch behaviour {
        case .never: return (nil, failing(from: 1))
        case .slow(let seconds):
            let passing = max(interval, (seconds * second + interval - 1) / interval * interval)
            let failed = failing(from: 1)
            return failed < passing ? (nil, failed) : (passing, nil)
        case .sick(let seconds):
            return (interval, failing(from: max(2, (seconds * second + interval - 1) / interval)))
        default: return (interval, nil)
        }
    }
}
