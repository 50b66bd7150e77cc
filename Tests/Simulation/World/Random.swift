/// A small generator of numbers that look random and depend on the seed alone.
///
/// Source: Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators" (SplitMix64).
struct Random {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    /// A generator of its own for one subject of a seed, so that what one subject draws moves nothing elsewhere.
    init(seed: UInt64, subject: UInt64) {
        var mixer = Random(seed ^ subject &* 0xD6E8_FEB8_6659_FD93)
        state = mixer.next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// A number from 0 up to the bound, which is at least one.
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }

    mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    /// A number from 0 up to 1.
    mutating func fraction() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

    mutating func happens(_ probability: Double) -> Bool { fraction() < probability }

    /// One of the items; nil when there is none.
    mutating func pick<Item>(_ items: [Item]) -> Item? { items.isEmpty ? nil : items[below(items.count)] }

    /// One of the items, each as often as its weight says; nil when there is none.
    mutating func pick<Item>(weighted items: [(weight: Int, item: Item)]) -> Item? {
        var left = below(items.reduce(0) { $0 + $1.weight })
        for (weight, item) in items {
            if left < weight { return item }
            left -= weight
        }
        return items.last?.item
    }
}

/// A digest of what happened, one number after the other (FNV-1a over 64-bit words).
struct Digest {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ number: UInt64) { value = (value ^ number) &* 0x0000_0100_0000_01B3 }
    mutating func add(_ text: String) { for byte in text.utf8 { add(UInt64(byte)) } }
    mutating func add(_ bytes: [UInt8]) { for byte in bytes { add(UInt64(byte)) } }

    var hexadecimal: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
