/// A point in wall-clock time, in seconds since 1970 (UTC).
///
/// For people and the journal only: nothing is decided by it, because it may jump.
package struct Timestamp: Sendable, Hashable, Comparable {
    package var seconds: Double

    package init(_ seconds: Double) { self.seconds = seconds }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.seconds < right.seconds }

    package func adding(_ duration: Duration) -> Timestamp { Timestamp(seconds + duration.inSeconds) }
    package static func - (left: Timestamp, right: Timestamp) -> Double { left.seconds - right.seconds }
}

/// One moment by both clocks: the monotonic one, by which waiting and deadlines are decided, and the calendar's.
package struct Moment: Sendable, Hashable {
    package var instant: ContinuousClock.Instant
    package var time: Timestamp

    package init(instant: ContinuousClock.Instant, time: Timestamp) {
        self.instant = instant
        self.time = time
    }
}

extension Duration {
    /// The duration in seconds.
    package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }

    /// The duration as people write it, such as `350ms`, `12.4s` or `3m20s`.
    package var readable: String {
        let seconds = inSeconds
        if seconds < 1 { return "\(Int((seconds * 1000).rounded()))ms" }
        if seconds < 60 {
            let tenths = Int((seconds * 10).rounded())
            return tenths % 10 == 0 ? "\(tenths / 10)s" : "\(tenths / 10).\(tenths % 10)s"
        }
        let whole = Int(seconds.rounded())
        if whole < 3600 { return whole % 60 == 0 ? "\(whole / 60)m" : "\(whole / 60)m\(whole % 60)s" }
        return "\(whole / 3600)h\(whole % 3600 / 60)m"
    }
}
