internal import Glibc
package import Systemd

/// A machine with systemd and Podman that is a model: units with their states and jobs, containers, and a clock that
/// goes on when it is told to.
///
/// Unit files are real ones, in two folders: what Podman's generator reads, and what systemd reads. What programs and
/// calls answer is held against a real machine by `NodeTests.Truth`. Not to be used by two threads at once.
package final class SimulatedNode {
    /// Where its files lie.
    package struct Folders: Sendable {
        package var quadlet: String
        package var units: String
        package var home: String

        package init(quadlet: String, units: String, home: String) {
            self.quadlet = quadlet
            self.units = units
            self.home = home
        }
    }

    /// How far it is.
    package enum Phase: Sendable { case off, initializing, starting, running }

    let folders: Folders
    var chance: Chance
    var timeline = Timeline()
    /// Nanoseconds since 1970.
    package private(set) var now: Int64
    package internal(set) var phase = Phase.running

    /// What Podman's generator made when it ran last.
    var generated: [String: UnitDefinition] = [:]
    /// Units that are not at their beginning, by name.
    var loaded: [String: LoadedUnit] = [:]
    /// Jobs that are not over, by their unit.
    var jobs: [String: Job] = [:]
    var jobCount = 0
    /// Runs of services that a job of stopping ended, by their invocations.
    var stopped: Set<String> = []
    /// Containers that run, by name.
    var containers: [String: RunningContainer] = [:]
    /// What Podman keeps, such as `volume systemd-data`.
    package internal(set) var made: Set<String> = []
    /// The images it has.
    package var images: Set<String> = ["localhost/web:1.0.0", "localhost/web:1.1.0", "localhost/web:2.0.0"]

    /// Told of what systemd signals, at the time it does.
    package var onSignal: ((Systemd.Signal) -> Void)?
    /// How often anything changed that systemd tells of.
    var changeCount = 0
    /// Told how a job ended, by its number.
    package var onJobEnd: ((Int, String) -> Void)?
    /// Told of every start of a service's process.
    package var onStart: ((String) -> Void)?

    /// How much its time is ahead of the monotonic clock.
    private let monotonicOffset: Int64
    /// When systemd was started, and when it read its units last.
    package internal(set) var readings: Systemd.Readings

    package init(seed: UInt64, start: Int64, clockError: Int64 = 0, folders: Folders) {
        chance = Chance(seed: seed)
        now = start
        self.folders = folders
        monotonicOffset = Self.read(CLOCK_REALTIME) - Self.read(CLOCK_MONOTONIC) + clockError
        let first = UInt64(max(0, start - monotonicOffset) / 1000)
        readings = Systemd.Readings(first: first, firstTime: UInt64(start / 1000), last: first)
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// A time of this machine in microseconds of the monotonic clock; zero stays zero.
    func monotonic(_ time: Int64) -> UInt64 { time == 0 ? 0 : UInt64(max(0, time - monotonicOffset) / 1000) }

    // MARK: Time

    /// When something happens by itself next; nil when nothing will.
    package var nextEvent: Int64? { timeline.next }

    /// Lets time go on.
    package func advance(to time: Int64) {
        while let (due, action) = timeline.take(until: time) {
            now = max(now, due)
            action()
            dispatch()
        }
        now = max(now, time)
    }

    /// Does something after so many nanoseconds.
    func after(_ delay: Int64, _ action: @escaping (SimulatedNode) -> Void) {
        timeline.add(at: now + delay) { [unowned self] in action(self) }
    }

    // MARK: Power

    /// Everything that is not on a disk is gone.
    package func cutPower() {
        timeline.removeAll()
        (loaded, jobs, containers, generated) = ([:], [:], [:], [:])
        phase = .off
    }

    /// Starts the machine: generators first, then what `default.target` wants.
    package func boot() {
        guard phase == .off else { return }
        phase = .initializing
        after(chance.milliseconds(200...600)) { node in
            node.generate()
            let time = node.monotonic(node.now)
            node.readings = Systemd.Readings(first: time, firstTime: UInt64(node.now / 1000), last: time)
            node.phase = .starting
            _ = try? node.enqueue(.start, "default.target")
        }
    }
}
