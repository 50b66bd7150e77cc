package import Diagnostics

/// A unit file as systemd and Quadlet write them: sections of `Key=Value` lines.
///
/// Source: systemd.syntax(7).
package struct UnitFile: Sendable, Hashable {
    /// One assignment.
    package struct Entry: Sendable, Hashable {
        package var section: String
        package var key: String
        package var value: String
        package var place: Place
    }

    package var entries: [Entry] = []
    /// The sections in the order they first appear.
    package private(set) var sections: [String] = []

    package init() {}

    /// Reads a file's text as Podman's generator does, or as systemd does.
    ///
    /// `joinsWithBlank`: Whether lines that go on are joined by a blank, as systemd does, and not by nothing, as Podman does.
    /// - Throws: `Invalid` with every line that is neither a section, an assignment nor a comment.
    package init(_ bytes: [UInt8], file: String, joinsWithBlank: Bool = false) throws(Invalid) {
        var diagnostics = Diagnostics()
        guard !bytes.contains(0) else {
            throw Invalid(at: Place(file: file), "the file is binary", cure: "write a unit file")
        }
        var section: String?
        var pending = ""
        var start = 0
        let text = bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...]
        let lines = String(decoding: text, as: UTF8.self).utf8
            .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            var line = trimmed(String(Substring(line)))
            if line.hasPrefix("#") || line.hasPrefix(";") || line.isEmpty && !pending.isEmpty { continue }
            if pending.isEmpty { start = index + 1 }
            // The backslash of the last line stands for nothing.
            if line.hasSuffix("\\") {
                line.removeLast()
                if joinsWithBlank { line += " " }
                if index < lines.count - 1 {
                    pending += line
                    continue
                }
            }
            let whole = trimmed(pending + line)
            pending = ""
            if whole.isEmpty { continue }
            let place = Place(file: file, line: start, column: 1)
            if whole.first == "[" {
                guard whole.last == "]", whole.count > 2 else {
                    diagnostics.error(at: place, "'\(whole.prefix(40))' is no section", cure: "write it as [Container]")
                    continue
                }
                let name = String(whole.dropFirst().dropLast())
                if !sections.contains(name) { sections.append(name) }
                section = name
                continue
            }
            guard let equals = whole.utf8.firstIndex(of: UInt8(ascii: "=")), equals != whole.startIndex else {
                diagnostics.error(
                    at: place,
                    "'\(whole.prefix(40))' is no assignment, section or comment",
                    cure: "write it as Key=Value"
                )
                continue
            }
            guard let section else {
                diagnostics.error(
                    at: place,
                    "an assignment stands before the first section",
                    cure: "put it below [Container]"
                )
                continue
            }
            let key = trimmed(String(whole[..<equals]))
            let value = trimmed(String(whole[whole.utf8.index(after: equals)...]))
            entries.append(Entry(section: section, key: key, value: value, place: place))
        }
        if !pending.isEmpty {
            diagnostics.error(
                at: Place(file: file, line: start, column: 1),
                "the last line goes on with '\\' and nothing follows, so that Podman drops it",
                cure: "remove the backslash"
            )
        }
        try diagnostics.throwIfErrors()
    }

    /// The assignments of a key in force, in order: an empty one takes back those before it.
    package func all(_ section: String, _ key: String) -> [Entry] {
        var result: [Entry] = []
        for entry in entries where entry.section == section && entry.key == key {
            if entry.value.isEmpty { result = [] } else { result.append(entry) }
        }
        return result
    }

    package func values(_ section: String, _ key: String) -> [String] { all(section, key).map(\.value) }

    /// The last assignment of a key.
    package func last(_ section: String, _ key: String) -> String? { all(section, key).last?.value }

    package func isTrue(_ section: String, _ key: String) -> Bool? {
        last(section, key).map { ["1", "yes", "true", "on", "y", "t"].contains($0.lowercased()) }
    }

    /// Whether its `[Install]` section has something start it.
    var isInstalled: Bool { ["WantedBy", "RequiredBy", "UpheldBy"].contains { !values("Install", $0).isEmpty } }

    /// The file with another's assignments after its own, as a drop-in has them.
    package func merging(_ other: UnitFile) -> UnitFile {
        var result = self
        result.entries += other.entries
        result.sections += other.sections.filter { !sections.contains($0) }
        return result
    }

    /// The file's meaning as text: no comments, sections together.
    ///
    /// Equal texts, equal units.
    package var text: String {
        var text = ""
        for section in sections {
            if !text.isEmpty { text += "\n" }
            text += "[\(section)]\n"
            for entry in entries where entry.section == section { text += "\(entry.key)=\(entry.value)\n" }
        }
        return text
    }
}

func trimmed(_ text: String) -> String {
    func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }
    let head = text.utf8.drop(while: isBlank)
    guard let end = head.lastIndex(where: { !isBlank($0) }) else { return "" }
    return String(Substring(head[...end]))
}

/// The words of a value, quotes and escapes resolved (systemd.syntax(7), "Quoting").
func words(_ value: String) -> [String] {
    var result: [String] = []
    var word: String?
    var quote: Character?
    var rest = Substring(value)
    while let character = rest.popFirst() {
        if character == "\\", quote != "'", let next = rest.popFirst() {
            let plain: [Character: String] = ["n": "\n", "t": "\t", "s": " ", "\\": "\\", "\"": "\"", "'": "'"]
            word = (word ?? "") + (plain[next] ?? "\\\(next)")
        } else if let open = quote {
            if character == open { quote = nil } else { word = (word ?? "") + String(character) }
        } else if character == "\"" || character == "'" {
            quote = character
            word = word ?? ""
        } else if character == " " || character == "\t" {
            if let done = word { result.append(done) }
            word = nil
        } else {
            word = (word ?? "") + String(character)
        }
    }
    if let word { result.append(word) }
    return result
}
