internal import JSON

/// What was read of a list, by its bytes: items that come again, byte for byte, are not read again.
struct ListReading: Sendable {
    let bytes: [UInt8]
    let value: JSON
    private let items: [Item: JSON]

    /// An item as it came.
    private struct Item: Hashable {
        var bytes: ArraySlice<UInt8>

        func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
    }

    /// Reads a list whose last reading is given; nil when it is no list or no JSON.
    init?(_ bytes: [UInt8], after last: ListReading?) {
        if let last, last.bytes == bytes {
            self = last
            return
        }
        guard let parts = Self.split(bytes) else { return nil }
        var values: [JSON] = []
        values.reserveCapacity(parts.count)
        var items: [Item: JSON] = [:]
        items.reserveCapacity(parts.count)
        for part in parts {
            let item = Item(bytes: part)
            guard let value = last?.items[item] ?? (try? JSON(parsing: part)) else { return nil }
            values.append(value)
            items[item] = value
        }
        self.bytes = bytes
        self.items = items
        value = .array(values)
    }

    /// The items of a list, not yet looked into; nil when it is none.
    private static func split(_ bytes: [UInt8]) -> [ArraySlice<UInt8>]? {
        guard bytes.first == UInt8(ascii: "[") else { return nil }
        var parts: [ArraySlice<UInt8>] = []
        var start = 1
        var depth = 0
        var index = 0
        var isText = false
        while index < bytes.count {
            let byte = bytes[index]
            if isText {
                if byte == UInt8(ascii: "\\") { index += 1 } else if byte == UInt8(ascii: "\"") { isText = false }
            } else {
                switch byte {
                case UInt8(ascii: "\""): isText = true
                case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
                case UInt8(ascii: "]"), UInt8(ascii: "}"):
                    depth -= 1
                    if depth == 0 {
                        // What follows is at most the end of the line.
                        guard bytes[(index + 1)...].allSatisfy({ $0 == 0x0A }) else { return nil }
                        if index > 1 { parts.append(bytes[start..<index]) }
                        return byte == UInt8(ascii: "]") ? parts : nil
                    }
                case UInt8(ascii: ",") where depth == 1:
                    parts.append(bytes[start..<index])
                    start = index + 1
                default: break
                }
            }
            index += 1
        }
        return nil
    }
}
