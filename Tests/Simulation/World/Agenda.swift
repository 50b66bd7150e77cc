/// What happens when its time comes: a heap by time, and in order of entry at the same time.
struct Agenda<Element> {
    private struct Entry {
        var due: Int64
        var number: Int
        var element: Element
    }

    private var entries: [Entry] = []
    private var count = 0

    var size: Int { entries.count }
    var nextDue: Int64? { entries.first?.due }

    mutating func add(_ element: Element, at due: Int64) {
        count += 1
        entries.append(Entry(due: due, number: count, element: element))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(child, parent) else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> Element? {
        guard let last = entries.popLast() else { return nil }
        guard let first = entries.first else { return last.element }
        entries[0] = last
        sink()
        return first.element
    }

    /// Strikes out what the condition names.
    mutating func removeAll(where isGone: (Element) -> Bool) {
        entries.removeAll { isGone($0.element) }
        // A sorted list is a heap.
        entries.sort { ($0.due, $0.number) < ($1.due, $1.number) }
    }

    func count(where holds: (Element) -> Bool) -> Int { entries.reduce(0) { $0 + (holds($1.element) ? 1 : 0) } }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (entries[left].due, entries[left].number) < (entries[right].due, entries[right].number)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count && precedes(child, least) {
                least = child
            }
            guard least != parent else { return }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
