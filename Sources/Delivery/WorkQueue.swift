/// Which apps want a pass, and when.
///
/// One entry per key however often it is asked for; a key asked for while it is being worked on gets one more pass
/// afterwards.
///
/// A value with no clock of its own: the caller says what time it is.
package struct WorkQueue<Key: Hashable & Comparable & Sendable>: Sendable {
    /// Who asked.
    ///
    /// A person goes ahead of the crowd.
    package enum Priority: Int, Sendable, Comparable {
        case periodic, event, user
        package static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }
    }

    /// One wish for a pass.
    package struct Entry: Sendable, Hashable {
        package var due: ContinuousClock.Instant
        package var asked: ContinuousClock.Instant
        package var priority: Priority
    }

    private var waiting: [Key: Entry] = [:]
    private var active: Set<Key> = []

    package init() {}

    package var depth: Int { waiting.count }
    package var activeCount: Int { active.count }

    /// Asks for a pass at a time; of several wishes the earliest time, the latest question and the highest priority
    /// count.
    package mutating func add(
        _ key: Key,
        at due: ContinuousClock.Instant,
        asked: ContinuousClock.Instant,
        priority: Priority = .event
    ) {
        guard let old = waiting[key] else {
            waiting[key] = Entry(due: due, asked: asked, priority: priority)
            return
        }
        waiting[key] = Entry(
            due: min(old.due, due),
            asked: max(old.asked, asked),
            priority: max(old.priority, priority)
        )
    }

    /// Takes the next key that is due and not being worked on.
    package mutating func take(at now: ContinuousClock.Instant) -> (key: Key, entry: Entry)? {
        let next =
            waiting
            .filter { $0.value.due <= now && !active.contains($0.key) }
            .min { left, right in
                if left.value.priority != right.value.priority { return left.value.priority > right.value.priority }
                return (left.value.due, left.key) < (right.value.due, right.key)
            }
        guard let next else { return nil }
        waiting[next.key] = nil
        active.insert(next.key)
        return (next.key, next.value)
    }

    /// Says that the work on a key is done.
    package mutating func finish(_ key: Key) { active.remove(key) }

    package mutating func remove(_ key: Key) { waiting[key] = nil }

    /// When the next key that is not being worked on is due.
    package var nextDue: ContinuousClock.Instant? {
        waiting.filter { !active.contains($0.key) }.map(\.value.due).min()
    }
}

/// How long to wait before trying again: doubling from a second to five minutes, with jitter so that a crowd that
/// failed together does not come back together.
package struct Backoff: Sendable {
    package var first: Duration = .seconds(1)
    package var most: Duration = .seconds(300)

    package init() {}

    /// `failures`: How many times it has failed in a row, from one.
    ///
    /// `jitter`: A number from 0 to 1 that the caller drew.
    package func delay(afterFailures failures: Int, jitter: Double) -> Duration {
        let doubled = first * (1 << min(max(failures - 1, 0), 20))
        let bounded = min(doubled, most)
        return .seconds(bounded.inSeconds * (0.75 + 0.5 * jitter))
    }
}
