@_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) import _Concurrency
import CVirtualClock

/// The one executor of the process, and its time: everything that runs, runs here, one thing after the other, in an
/// order that the seed alone decides.
///
/// Time stands still while something runs and there is more to run; when nothing is left to do it jumps to the next
/// entry of the agenda. A sleep of the code under test is such an entry.
// SAFETY: the process has a single thread; nothing here is ever touched by another.
final class World: TaskExecutor, SchedulingExecutor, @unchecked Sendable {
    static let shared = World()

    /// Who runs: a life of a controller, or nobody (the world itself).
    ///
    /// What an owner starts belongs to it.
    typealias Owner = Int
    static let nobody: Owner = 0

    private enum Work {
        case job(UnownedJob)
        case call(() -> Void)
    }

    private struct Item {
        var number: Int
        var owner: Owner
        var work: Work
    }

    private var ready: [Item] = []
    private var agenda = Agenda<Item>()
    private var number = 0
    private var dead: Set<Owner> = []
    private(set) var current: Owner = World.nobody

    /// Nanoseconds since the world began.
    private(set) var now: Int64 = 0
    /// What the wall clock is off by, in nanoseconds; it jumps, the monotonic clock never does.
    var wallOffset: Int64 = 0 { didSet { setClocks() } }
    private(set) var digest = Digest()
    private(set) var steps = 0
    /// Chance in the order of what is ready, and in pauses.
    var random = Random(0)

    /// 2026-01-01T00:00:00Z.
    private static let epoch: Int64 = 1_767_225_600 * 1_000_000_000
    /// The monotonic clock of a world begins here, so that times before its start can be said.
    private let base: Int64 = 1_000_000_000_000

    /// Begins anew: what still waits is forgotten and never runs.
    func reset(seed: UInt64) {
        ready = []
        agenda = Agenda()
        dead = []
        current = World.nobody
        now = 0
        wallOffset = 0
        digest = Digest()
        steps = 0
        number = 0
        random = Random(seed: seed, subject: 1)
        setClocks()
    }

    /// The wall clock, in nanoseconds since 1970.
    var wall: Int64 { Self.epoch + now + wallOffset }

    private func setClocks() { virtual_clock_set(base + now, wall) }

    // MARK: What the runtime asks for

    func enqueue(_ job: consuming ExecutorJob) {
        let item = item(.job(UnownedJob(job)))
        // What somebody dead still starts on its way out never runs.
        if !dead.contains(item.owner) { ready.append(item) }
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob,
        at instant: C.Instant,
        tolerance: C.Duration?,
        clock: C
    ) {
        let wait = clock.now.duration(to: instant) as? Duration ?? .zero
        add(item(.job(UnownedJob(job))), at: now + max(0, wait.nanosecondsRoundedUp))
    }

    // MARK: What the simulation asks for

    /// Runs a closure at a time, on behalf of whoever runs now or of the owner named.
    func at(_ time: Int64, for owner: Owner? = nil, _ call: @escaping () -> Void) {
        add(item(.call(call), for: owner), at: max(time, now))
    }

    private func add(_ item: Item, at due: Int64) {
        if !dead.contains(item.owner) { agenda.add(item, at: due) }
    }

    /// Runs a closure now on behalf of an owner.
    func act<Result>(as owner: Owner, _ body: () throws -> Result) rethrows -> Result {
        let before = current
        current = owner
        defer { current = before }
        return try body()
    }

    /// Waits.
    ///
    /// Nobody who is dead by then wakes up.
    func pause(_ nanoseconds: Int64) async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            at(now + nanoseconds) { continuation.resume() }
        }
    }

    /// Waits for ever: for calls that never come back.
    func hang() async { await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in } }

    /// Ends an owner as `kill -9` does: what it has under way is never resumed.
    func kill(_ owner: Owner) {
        dead.insert(owner)
        ready.removeAll { $0.owner == owner }
        agenda.removeAll { $0.owner == owner }
    }

    /// How much an owner has under way and asleep.
    func load(of owner: Owner) -> Int {
        ready.reduce(0) { $0 + ($1.owner == owner ? 1 : 0) } + agenda.count { $0.owner == owner }
    }

    /// Runs until a time has come or somebody says that it is over.
    /// - Returns: False when more than `most` steps were needed, which means that something turns in a circle.
    func run(until end: Int64, most: Int, isOver: () -> Bool) -> Bool {
        let limit = steps + most
        while !isOver() {
            while let due = agenda.nextDue, due <= now, let item = agenda.pop() { ready.append(item) }
            if ready.isEmpty {
                let next = agenda.nextDue ?? end
                guard next <= end else { break }
                if next == end, agenda.nextDue == nil { break }
                now = max(now, next)
                setClocks()
                continue
            }
            guard steps < limit else { return false }
            step(ready.remove(at: random.below(ready.count)))
            if now > end { return true }
        }
        if now < end, !isOver() {
            now = end
            setClocks()
        }
        return true
    }

    private func step(_ item: Item) {
        steps += 1
        now += 1000
        setClocks()
        note(UInt64(item.number))
        current = item.owner
        switch item.work {
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        case .call(let call): call()
        }
        current = World.nobody
    }

    /// Mixes a number into the digest of the run.
    func note(_ value: UInt64) {
        digest.add(value)
        digest.add(UInt64(now))
    }

    func note(_ text: String) { digest.add(text) }

    private func item(_ work: Work, for owner: Owner? = nil) -> Item {
        number += 1
        return Item(number: number, owner: owner ?? current, work: work)
    }
}

extension Duration {
    var nanosecondsRoundedUp: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + (attoseconds + 999_999_999) / 1_000_000_000
    }
}

/// Seconds as the world counts them.
func seconds(_ count: Double) -> Int64 { Int64(count * 1_000_000_000) }
func seconds(_ count: Int) -> Int64 { Int64(count) * 1_000_000_000 }
