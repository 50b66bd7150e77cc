internal import Glibc

/// The clock that runs since the boot and that nobody sets, in microseconds, as systemd gives the times of its units
/// (`CLOCK_MONOTONIC`).
struct BootClock {
    let now: UInt64
    private let wall: UInt64

    init() {
        now = Self.read(CLOCK_MONOTONIC)
        wall = Self.read(CLOCK_REALTIME)
    }

    /// When it was by this clock at a time of day, such as that of a file's change; zero for before the boot.
    ///
    /// What is marked with a time that has not come was written while the time of day was ahead, most likely before the machine
    /// booted: without a clock of its own it may wake in the past.
    func time(of wall: UInt64) -> UInt64 {
        guard wall < self.wall + 60_000_000 else { return 0 }
        let age = self.wall > wall ? self.wall - wall : 0
        return age < now ? now - age : 0
    }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    }
}
