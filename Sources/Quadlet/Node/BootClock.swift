internal import Glibc
internal import Systemd

/// The clock that runs since the boot and that nobody sets, in microseconds, as systemd gives the times of its units
/// (`CLOCK_MONOTONIC`).
struct BootClock {
    let now: UInt64
    /// By how much the time of day was ahead of it: now, and when the service manager was started.
    ///
    /// They differ when somebody set the time since.
    private let offsets: [Int64]
    /// For how long the machine slept since the boot, which this clock does not count.
    private let slept: Int64

    init(_ readings: Systemd.Readings? = nil) {
        let monotonic = Self.read(CLOCK_MONOTONIC)
        now = UInt64(monotonic)
        slept = max(0, Self.read(CLOCK_BOOTTIME) - monotonic)
        var offsets = [Self.read(CLOCK_REALTIME) - monotonic]
        if let readings, readings.firstTime > 0 { offsets.append(Int64(readings.firstTime) - Int64(readings.first)) }
        self.offsets = offsets
    }

    /// When it was by this clock at a time of day, such as that of a file's change, as far as that can be told; zero is before the
    /// boot.
    ///
    /// What is marked with a time that has not come yet was written before the boot: without a clock of its own a machine wakes
    /// in the past.
    func times(of time: UInt64) -> ClosedRange<UInt64> {
        let possible = offsets.map { Int64(time) - $0 }
        // Clocks are set by a little all the time.
        let passed = possible.filter { $0 < Int64(now) + 60_000_000 }
        guard let first = passed.min(), let last = passed.max() else { return 0...0 }
        func bounded(_ time: Int64) -> UInt64 { UInt64(min(max(time, 0), Int64(now))) }
        return bounded(first)...bounded(last + slept)
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
