package import Delivery
internal import Glibc

/// The time now.
package func currentTime() -> Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(Double(time.tv_sec) + Double(time.tv_nsec) / 1e9)
}

extension Timestamp {
    /// As RFC 3339 writes it, in UTC with milliseconds.
    package var text: String {
        var seconds = time_t(seconds.rounded(.down))
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let milliseconds = Int((self.seconds - self.seconds.rounded(.down)) * 1000)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let fraction = String(repeating: "0", count: 3 - "\(milliseconds)".count) + "\(milliseconds)"
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):"
            + "\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)Z"
    }

    /// How long ago it was, in the largest unit that says enough.
    package func age(at now: Timestamp) -> String {
        let seconds = Int(max(0, now - self))
        switch seconds {
        case ..<120: return "\(seconds)s"
        case ..<7200: return "\(seconds / 60)m"
        case ..<172_800: return "\(seconds / 3600)h"
        default: return "\(seconds / 86_400)d"
        }
    }
}
