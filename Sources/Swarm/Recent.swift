/// A few values that were made last, each under a key; the one that has been there longest goes for a new one.
struct Recent<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let most: Int
    private var values: [Key: Value] = [:]
    /// The keys, the one that has been there longest first.
    private var order: [Key] = []

    /// `most`: How many values there are at most.
    init(most: Int) { self.most = most }

    subscript(key: Key) -> Value? { values[key] }

    /// Keeps a value in place of the one that the key had.
    mutating func keep(_ value: Value, for key: Key) {
        guard values.updateValue(value, forKey: key) == nil else { return }
        order.append(key)
        if order.count > most { values[order.removeFirst()] = nil }
    }
}
