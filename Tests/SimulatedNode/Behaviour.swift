/// What a main process does once it runs.
///
/// The unit says it in the variable `SIM`; on a real machine its command does just that.
enum Behaviour: Equatable {
    /// Runs until it is told to end, and ends at once then.
    case stays
    /// Ends by itself: `exit:CODE:MILLISECONDS`.
    case ends(code: Int, after: Int64)
    /// Has the file `/ok` after a while: `slow:MILLISECONDS`.
    case slow(Int64)
    /// Does not end when it is told to: `stubborn`.
    case stubborn

    init(_ environment: [String]) {
        self = .stays
        for variable in environment where variable.hasPrefix("SIM=") {
            let parts = variable.dropFirst(4).split(separator: ":").map(String.init)
            let numbers = parts.dropFirst().compactMap { Int64($0) }
            switch parts.first {
            case "exit" where numbers.count == 2:
                self = .ends(code: Int(numbers[0]), after: numbers[1] * 1_000_000)
            case "slow" where numbers.count == 1: self = .slow(numbers[0] * 1_000_000)
            case "stubborn": self = .stubborn
            default: self = .stays
            }
        }
    }
}

/// A health command of a container, and how often Podman runs it.
struct HealthCheck: Equatable {
    /// `true` always passes; `test -e /ok` once the file is there; everything else fails.
    var command: String
    var interval: Int64
    var retries: Int

    /// Whether it passes so long after the start of a process.
    func passes(_ behaviour: Behaviour, uptime: Int64) -> Bool {
        if command == "true" { return true }
        guard command == "test -e /ok", case .slow(let delay) = behaviour else { return false }
        return uptime >= delay
    }
}
