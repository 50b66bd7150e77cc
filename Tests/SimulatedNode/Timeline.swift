/// Things that happen at a time, the first to be asked for first at the same one.
struct Timeline {
    private struct Entry {
        var due: Int64
        var number: Int
        var action: () -> Void
    }

    private var entries: [Entry] = []
    private var count = 0

    /// When the next thing happens; nil when nothing will.
    var next: Int64? { entries.first?.due }

    mutating func add(at due: Int64, _ action: @escaping () -> Void) {
        count += 1
        let index = entries.firstIndex { $0.due > due } ?? entries.endIndex
        entries.insert(Entry(due: due, number: count, action: action), at: index)
    }

    /// Takes the next thing out when it is due.
    mutating func take(until time: Int64) -> (due: Int64, action: () -> Void)? {
        guard let first = entries.first, first.due <= time else { return nil }
        entries.removeFirst()
        return (first.due, first.action)
    }

    mutating func removeAll() { entries = [] }
}

/// Numbers that look like chance and follow from a seed (SplitMix64).
struct Chance {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A time of the range, in milliseconds, as nanoseconds.
    mutating func milliseconds(_ range: ClosedRange<Int64>) -> Int64 {
        (range.lowerBound + Int64(next() % UInt64(range.upperBound - range.lowerBound + 1))) * 1_000_000
    }

    /// 128 bits in hexadecimal, as systemd names a unit's runs.
    mutating func identifier() -> String {
        [next(), next()].map { number in
            let digits = String(number, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
