/// Things that happen at a time, in an order that depends on nothing but their times and on who was first to ask.
struct Timeline {
    struct Entry {
        var due: Int64
        var number: UInt64
        var action: (SimulatedEngine) -> Void
    }

    private var heap: [Entry] = []
    private var count: UInt64 = 0

    /// When the next thing happens; nil when nothing will.
    var next: Int64? { heap.first?.due }

    mutating func add(at due: Int64, _ action: @escaping (SimulatedEngine) -> Void) {
        count += 1
        heap.append(Entry(due: due, number: count, action: action))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard isEarlier(child, parent) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes the next thing out when it is due.
    mutating func take(until time: Int64) -> Entry? {
        guard let first = heap.first, first.due <= time else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isEarlier(child, least) {
                least = child
            }
            guard least != parent else { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private func isEarlier(_ left: Int, _ right: Int) -> Bool {
        (heap[left].due, heap[left].number) < (heap[right].due, heap[right].number)
    }
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

    /// A number of the range.
    mutating func within(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    /// An identifier as Swarm gives its objects: 25 characters, base 36.
    mutating func identifier() -> String {
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(25)
        while bytes.count < 25 {
            var number = next()
            for _ in 0..<12 where bytes.count < 25 {
                bytes.append(digits[Int(number % 36)])
                number /= 36
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Nanoseconds.
let millisecond: Int64 = 1_000_000
let second: Int64 = 1_000_000_000

/// A time as Go writes it (RFC 3339 in UTC, nanoseconds without trailing zeros).
func timestamp(_ nanoseconds: Int64) -> String {
    let seconds = nanoseconds >= 0 ? nanoseconds / second : (nanoseconds - second + 1) / second
    let fraction = nanoseconds - seconds * second
    let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
    let ofDay = seconds - days * 86_400
    // The civil calendar from days (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * month + 2) / 5 + 1
    let civilMonth = month < 10 ? month + 3 : month - 9
    let year = yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0)

    var text: [UInt8] = []
    text.reserveCapacity(32)
    func digits(_ value: Int64, _ width: Int) {
        var divisor: Int64 = 1
        for _ in 1..<width { divisor *= 10 }
        while divisor > 0 {
            text.append(UInt8(48 + value / divisor % 10))
            divisor /= 10
        }
    }
    digits(year, 4)
    text.append(UInt8(ascii: "-"))
    digits(civilMonth, 2)
    text.append(UInt8(ascii: "-"))
    digits(day, 2)
    text.append(UInt8(ascii: "T"))
    digits(ofDay / 3600, 2)
    text.append(UInt8(ascii: ":"))
    digits(ofDay / 60 % 60, 2)
    text.append(UInt8(ascii: ":"))
    digits(ofDay % 60, 2)
    if fraction > 0 {
        text.append(UInt8(ascii: "."))
        digits(fraction, 9)
        while text.last == UInt8(ascii: "0") { text.removeLast() }
    }
    text.append(UInt8(ascii: "Z"))
    return String(decoding: text, as: UTF8.self)
}
