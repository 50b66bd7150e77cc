internal import CJansson

/// Bytes that are not JSON.
package struct JSONError: Error, CustomStringConvertible {
    package var description: String
}

extension JSON {
    /// Reads one JSON value.
    /// - Throws: `JSONError` with the line and column of the first thing that is not JSON.
    package init(parsing bytes: [UInt8]) throws(JSONError) { try self.init(parsing: bytes[...]) }

    package init(parsing bytes: ArraySlice<UInt8>) throws(JSONError) {
        var error = json_error_t()
        let flags = JSON_DECODE_ANY_FLAG
        let parsed = bytes.withUnsafeBytes { buffer in
            buffer.withMemoryRebound(to: CChar.self) { json_loadb($0.baseAddress, $0.count, flags, &error) }
        }
        guard let parsed else {
            let text = withUnsafeBytes(of: error.text) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            throw JSONError(description: "not JSON at line \(error.line), column \(error.column): \(text)")
        }
        defer { json_decref(parsed) }
        self = JSON(parsed)
    }

    package init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }

    private init(_ value: UnsafeMutablePointer<json_t>) {
        switch value.pointee.type {
        case JSON_OBJECT:
            var members: [Members.Element] = []
            members.reserveCapacity(json_object_size(value))
            var iterator = json_object_iter(value)
            while let current = iterator {
                if let key = json_object_iter_key(current), let member = json_object_iter_value(current) {
                    members.append((String(cString: key), JSON(member)))
                }
                iterator = json_object_iter_next(value, current)
            }
            self = .object(Members(members))
        case JSON_ARRAY:
            var items: [JSON] = []
            let count = json_array_size(value)
            items.reserveCapacity(count)
            for index in 0..<count {
                if let item = json_array_get(value, index) { items.append(JSON(item)) }
            }
            self = .array(items)
        case JSON_STRING:
            let bytes = UnsafeBufferPointer(start: json_string_value(value), count: json_string_length(value))
            self = .string(bytes.withMemoryRebound(to: UInt8.self) { String(decoding: $0, as: UTF8.self) })
        case JSON_INTEGER: self = .int(json_integer_value(value))
        case JSON_REAL: self = .double(json_real_value(value))
        case JSON_TRUE: self = .bool(true)
        case JSON_FALSE: self = .bool(false)
        default: self = .null
        }
    }

    /// The value as bytes, members sorted by name so that equal values have equal bytes.
    package func encoded(pretty: Bool = false) -> [UInt8] {
        var output: [UInt8] = []
        write(to: &output, indent: pretty ? 0 : nil)
        return output
    }

    package func text(pretty: Bool = false) -> String { String(decoding: encoded(pretty: pretty), as: UTF8.self) }

    private func write(to output: inout [UInt8], indent: Int?) {
        switch self {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .int(let value): output += String(value).utf8
        case .double(let value): output += (value.isFinite ? "\(value)" : "null").utf8
        case .string(let value): Self.write(value, to: &output)
        case .array(let items):
            Self.write(items, to: &output, open: "[", close: "]", indent: indent) { item, output, indent in
                item.write(to: &output, indent: indent)
            }
        case .object(let members):
            Self.write(members, to: &output, open: "{", close: "}", indent: indent) { member, output, indent in
                Self.write(member.key, to: &output)
                output += (indent == nil ? ":" : ": ").utf8
                member.value.write(to: &output, indent: indent)
            }
        }
    }

    private static func write<Items: Collection>(
        _ items: Items,
        to output: inout [UInt8],
        open: String,
        close: String,
        indent: Int?,
        each: (Items.Element, inout [UInt8], Int?) -> Void
    ) {
        func newline(_ depth: Int) { output += ("\n" + String(repeating: "  ", count: depth)).utf8 }
        output += open.utf8
        for (index, item) in items.enumerated() {
            if index > 0 { output += ",".utf8 }
            if let indent { newline(indent + 1) }
            each(item, &output, indent.map { $0 + 1 })
        }
        if let indent, !items.isEmpty { newline(indent) }
        output += close.utf8
    }

    private static func write(_ string: String, to output: inout [UInt8]) {
        var string = string
        output.append(UInt8(ascii: "\""))
        string.withUTF8 { bytes in
            var written = 0
            for (index, byte) in bytes.enumerated() where isEscaped(byte) {
                output += bytes[written..<index]
                output += escape(byte).utf8
                written = index + 1
            }
            output += bytes[written...]
        }
        output.append(UInt8(ascii: "\""))
    }

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func escape(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "\""): return "\\\""
        case UInt8(ascii: "\\"): return "\\\\"
        case 0x0A: return "\\n"
        case 0x0D: return "\\r"
        case 0x09: return "\\t"
        default:
            let digits = String(byte, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
    }
}

/// jansson's `JSON_DECODE_ANY | JSON_ALLOW_NUL`, which are macros with casts and so not visible to Swift.
private let JSON_DECODE_ANY_FLAG = 0x4 | 0x10
