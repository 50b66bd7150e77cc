internal import Text

/// The text of a unit file, written so that systemd and Quadlet read back exactly what was meant.
struct UnitText {
    private var sections: [(name: String, lines: [String])] = []

    /// Adds a value that is taken as it is, specifiers and all.
    mutating func add(_ section: String, _ key: String, _ value: String) {
        if let index = sections.firstIndex(where: { $0.name == section }) {
            sections[index].lines.append("\(key)=\(value)")
        } else {
            sections.append((section, ["\(key)=\(value)"]))
        }
    }

    var text: String {
        sections.map { "[\($0.name)]\n" + $0.lines.joined(separator: "\n") + "\n" }.joined(separator: "\n")
    }

    /// A text in which systemd sees neither a specifier nor a variable.
    static func literal(_ text: String) -> String {
        replacingBytes(in: text) { byte in
            switch byte {
            case UInt8(ascii: "%"): "%%"
            case UInt8(ascii: "$"): "$$"
            default: nil
            }
        }
    }

    /// One word of a line that systemd splits (systemd.syntax(7), "Quoting").
    static func word(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7F && !"\"'\\;#".utf8.contains(byte)
        }
        if plain, !text.isEmpty { return literal(text) }
        let escaped = replacingBytes(in: literal(text)) { byte in
            switch byte {
            case UInt8(ascii: "\\"): "\\\\"
            case UInt8(ascii: "\""): "\\\""
            case UInt8(ascii: "\n"): "\\n"
            case UInt8(ascii: "\t"): "\\t"
            case UInt8(ascii: "\r"): "\\r"
            default: nil
            }
        }
        return "\"\(escaped)\""
    }
}
