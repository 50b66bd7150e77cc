internal import JSON

/// What was read of a list, by its bytes: items that come again, byte for byte, are not read again.
struct ListReading: Sendable {
    let bytes: [UInt8]
    let value: JSON
    private let items: [Item]

    /// An item as it came, and what it says.
    private struct Item {
        var bytes: ArraySlice<UInt8>
        var value: JSON
    }

    /// Reads a list whose last reading is given; nil when it is no list or no JSON.
    init?(_ bytes: [UInt8], after last: ListReading?) {
        if let last, last.bytes == bytes {
            self = last
            return
        }
        guard let parts = Self.split(bytes) else { return nil }
        let before = last?.items ?? []
        var items: [Item] = []
        items.reserveCapacity(parts.count)
        // Items keep their order: what follows one that came again is most likely to come next.
        var next = 0
        for part in parts {
            let order = [next..<before.count, 0..<next].joined()
            if let place = order.first(where: { before[$0].bytes == part }) {
                items.append(Item(bytes: part, value: before[place].value))
                next = place + 1
            } else {
                guard let value = try? JSON(parsing: part) else { return nil }
                items.append(Item(bytes: part, value: value))
            }
        }
        self.bytes = bytes
        self.items = items
        value = .array(items.map(\.value))
    }

    /// The items of a list, not yet looked into; nil when it is none.
    private static func split(_ bytes: [UInt8]) -> [ArraySlice<UInt8>]? {
        guard bytes.first == UInt8(ascii: "[") else { return nil }
        return bytes.withUnsafeBufferPointer { text in
            var parts: [ArraySlice<UInt8>] = []
            var start = 1
            var depth = 0
            var index = 0
            var isText = false
            while index < text.count {
                let byte = text[index]
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
                            guard text[(index + 1)...].allSatisfy({ $0 == 0x0A }) else { return nil }
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
}
