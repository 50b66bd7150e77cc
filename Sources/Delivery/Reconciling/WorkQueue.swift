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

        /// How much longer ago a wish counts as made: the crowd of events goes ahead of what is periodic, and yet cannot
        /// starve it.
        var advance: Duration {
            switch self {
            case .periodic: .zero
            case .event: .seconds(5)
            case .user: .seconds(600)
            }
        }
    }

    /// One wish for a pass.
    package struct Entry: Sendable, Hashable {
        package var due: ContinuousClock.Instant
        package var asked: ContinuousClock.Instant
        package var priority: Priority
    }

    private var waiting: [Key: Entry] = [:]
    private var active: Set<Key> = []
    /// Every wish by its time.
    ///
    /// A key that was asked for again stands here twice; only what `waiting` says counts.
    private var timeline = Heap<Scheduled> { $0.due < $1.due }
    /// The wishes whose time has come, the next one first.
    private var ready = Heap<Ready> { left, right in
        left.rank == right.rank ? left.number < right.number : left.rank < right.rank
    }
    /// How many have become ready: of those that are equally late the one goes first that came first.
    private var count = 0

    private struct Scheduled: Sendable {
        var due: ContinuousClock.Instant
        var key: Key
    }

    private struct Ready: Sendable {
        var key: Key
        var entry: Entry
        var rank: ContinuousClock.Instant
        var number: Int
    }

    package init() {}

    package var depth: Int { waiting.count }
    package var activeCount: Int { active.count }

    /// Asks for a pass at a time; of several wishes the earliest time, the latest question and the highest priority
    /// count.
    ///
    /// A question never lies in the future: whoever takes the key asks no later than that.
    package mutating func add(
        _ key: Key,
        at due: ContinuousClock.Instant,
        asked: ContinuousClock.Instant,
        priority: Priority = .event
    ) {
        var entry = Entry(due: due, asked: asked, priority: priority)
        if let old = waiting[key] {
            entry = Entry(
                due: min(old.due, due),
                asked: max(old.asked, asked),
                priority: max(old.priority, priority)
            )
        }
        waiting[key] = entry
        timeline.push(Scheduled(due: entry.due, key: key))
    }

    /// Takes the next key that is due and not being worked on.
    package mutating func take(at now: ContinuousClock.Instant) -> (key: Key, entry: Entry)? {
        while let first = timeline.first, first.due <= now {
            timeline.pop()
            // It may have been taken since, and be wanted again later.
            guard let entry = waiting[first.key], entry.due <= now, !active.contains(first.key) else { continue }
            count += 1
            let rank = entry.due - entry.priority.advance
            ready.push(Ready(key: first.key, entry: entry, rank: rank, number: count))
        }
        while let next = ready.pop() {
            guard waiting[next.key] == next.entry, !active.contains(next.key) else { continue }
            waiting[next.key] = nil
            active.insert(next.key)
            var entry = next.entry
            entry.asked = min(entry.asked, now)
            return (next.key, entry)
        }
        return nil
    }

    /// Says that the work on a key is done.
    package mutating func finish(_ key: Key) {
        active.remove(key)
        // What was asked for meanwhile takes its place again.
        if let entry = waiting[key] { timeline.push(Scheduled(due: entry.due, key: key)) }
    }

    package mutating func remove(_ key: Key) { waiting[key] = nil }

    /// When the next key that is not being worked on is due.
    package var nextDue: ContinuousClock.Instant? {
        mutating get {
            while let first = ready.first, waiting[first.key] != first.entry || active.contains(first.key) {
                ready.pop()
            }
            while let first = timeline.first, waiting[first.key]?.due != first.due || active.contains(first.key) {
                timeline.pop()
            }
            guard let first = ready.first?.entry.due, let next = timeline.first?.due else {
                return ready.first?.entry.due ?? timeline.first?.due
            }
            return min(first, next)
        }
    }
}

/// A binary heap: what comes first by the given order is found at once.
private struct Heap<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private let precedes: @Sendable (Element, Element) -> Bool

    init(_ precedes: @escaping @Sendable (Element, Element) -> Bool) { self.precedes = precedes }

    var first: Element? { elements.first }

    mutating func push(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(elements[child], elements[parent]) else { return }
            elements.swapAt(child, parent)
            child = parent
        }
    }

    @discardableResult
    mutating func pop() -> Element? {
        guard let last = elements.popLast() else { return nil }
        guard let first = elements.first else { return last }
        elements[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < elements.count {
                if precedes(elements[child], elements[least]) { least = child }
            }
            guard least != parent else { return first }
            elements.swapAt(parent, least)
            parent = least
        }
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
