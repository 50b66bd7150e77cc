/// A text with some of its bytes written otherwise.
///
/// By bytes and not by characters: to Swift a sign and the accent after it, or CR and LF, are one character; to whoever
/// reads the text they are two. Only ASCII can be replaced, which is never a part of another sign in UTF-8.
package func replacingBytes(in text: String, _ replacement: (UInt8) -> String?) -> String {
    var result: [UInt8] = []
    result.reserveCapacity(text.utf8.count + 16)
    for byte in text.utf8 {
        if byte < 0x80, let other = replacement(byte) { result += other.utf8 } else { result.append(byte) }
    }
    return String(decoding: result, as: UTF8.self)
}

/// Text in which a receiver of markup (HTML, Matrix, Slack) sees nothing but text.
///
/// `quotes`: Whether quotation marks are escaped as well, so that it fits into an attribute's value; Slack knows no
/// escapes for them.
package func markupEscaped(_ text: String, quotes: Bool = false) -> String {
    guard text.utf8.contains(where: { markupEscape($0, quotes: quotes) != nil }) else { return text }
    return replacingBytes(in: text) { markupEscape($0, quotes: quotes)?.description }
}

/// What stands for a byte in markup; nil for what stands for itself.
func markupEscape(_ byte: UInt8, quotes: Bool) -> StaticString? {
    switch byte {
    case UInt8(ascii: "&"): "&amp;"
    case UInt8(ascii: "<"): "&lt;"
    case UInt8(ascii: ">"): "&gt;"
    case UInt8(ascii: "\"") where quotes: "&quot;"
    case UInt8(ascii: "'") where quotes: "&#39;"
    default: nil
    }
}

/// A text with everything but unreserved characters percent-encoded (RFC 3986, section 2.3).
package func percentEncoded(_ text: String) -> String {
    String(unsafeUninitializedCapacity: 3 * text.utf8.count) { buffer in
        var count = 0
        func add(_ byte: UInt8) {
            buffer.initializeElement(at: count, to: byte)
            count += 1
        }
        func digit(_ value: UInt8) -> UInt8 {
            value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
        }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                add(byte)
            default:
                add(UInt8(ascii: "%"))
                add(digit(byte >> 4))
                add(digit(byte & 15))
            }
        }
        return count
    }
}
