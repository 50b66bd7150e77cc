internal import Glibc

/// Where the program prints: data to standard output, words for people to standard error.
enum Terminal {
    static var outputIsTerminal: Bool { isatty(1) != 0 }
    static var errorIsTerminal: Bool { isatty(2) != 0 }

    static func print(_ text: String) { write(text + "\n", to: 1) }
    static func complain(_ text: String) { write(text + "\n", to: 2) }

    static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// Rows under a heading, each column as wide as its widest cell.
    static func table(_ heading: [String], _ rows: [[String]]) -> String {
        let all = [heading] + rows
        let widths = heading.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column < row.count - 1 { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
            }
            return line
        }.joined(separator: "\n")
    }
}

/// Colours of a terminal (ECMA-48, select graphic rendition).
struct Palette: Sendable {
    let isOn: Bool

    /// `choice`: `always`, `never`, or anything else for: on a terminal, unless `NO_COLOR` is set.
    init(_ choice: String?, isTerminal: Bool) {
        switch choice {
        case "always": isOn = true
        case "never": isOn = false
        default: isOn = isTerminal && environmentVariable("NO_COLOR") == nil && environmentVariable("TERM") != "dumb"
        }
    }

    func green(_ text: String) -> String { paint(text, "32") }
    func red(_ text: String) -> String { paint(text, "31") }
    func yellow(_ text: String) -> String { paint(text, "33") }
    func bold(_ text: String) -> String { paint(text, "1") }
    func dim(_ text: String) -> String { paint(text, "2") }

    private func paint(_ text: String, _ code: String) -> String { isOn ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
}
