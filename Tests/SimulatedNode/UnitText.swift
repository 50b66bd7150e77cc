import Files

/// The text of a unit file: `Key=Value` lines in sections (systemd.syntax(7)).
struct UnitText {
    private(set) var sections: [String] = []
    private(set) var entries: [(section: String, key: String, value: String)] = []

    init(_ text: String) {
        var section = ""
        for line in text.split(separator: "\n") {
            let line = Self.trimmed(line)
            guard let first = line.first, first != "#", first != ";" else { continue }
            if first == "[" {
                section = String(line.dropFirst().dropLast())
                if !sections.contains(section) { sections.append(section) }
            } else if let equals = line.firstIndex(of: "=") {
                let key = Self.trimmed(line[..<equals])
                entries.append((section, String(key), String(Self.trimmed(line[line.index(after: equals)...]))))
            }
        }
    }

    /// The drop-ins in a folder; none where there is no such folder.
    static func dropIns(_ folder: String) -> [UnitText] {
        ((try? names(in: folder)) ?? []).filter { $0.hasSuffix(".conf") }.compactMap { file in
            (try? fileContent("\(folder)/\(file)")).map { UnitText(String(decoding: $0, as: UTF8.self)) }
        }
    }

    /// Lays a drop-in over it.
    mutating func append(_ other: UnitText) {
        entries += other.entries
        sections += other.sections.filter { !sections.contains($0) }
    }

    /// The assignments of a key in force: an empty one takes back those before it.
    func all(_ section: String, _ key: String) -> [String] {
        var result: [String] = []
        for entry in entries where entry.section == section && entry.key == key {
            if entry.value.isEmpty { result = [] } else { result.append(entry.value) }
        }
        return result
    }

    func last(_ section: String, _ key: String) -> String? { all(section, key).last }

    /// The words of all assignments of a key.
    func words(_ section: String, _ key: String) -> [String] {
        all(section, key).flatMap { $0.split(separator: " ").map(String.init) }
    }

    func isTrue(_ section: String, _ key: String) -> Bool {
        ["1", "yes", "true", "on"].contains(last(section, key)?.lowercased() ?? "")
    }

    /// A span such as `20`, `4s`, `500ms` or `1min`, in nanoseconds; `infinity` is a very long one.
    func span(_ section: String, _ key: String) -> Int64? {
        guard let text = last(section, key) else { return nil }
        if text == "infinity" { return Int64.max / 4 }
        let digits = text.prefix { $0.isNumber }
        let units: [String: Int64] = ["": 1000, "s": 1000, "sec": 1000, "ms": 1, "min": 60_000, "m": 60_000]
        guard let number = Int64(digits), let unit = units[String(text.dropFirst(digits.count))] else { return nil }
        return number * unit * 1_000_000
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" || last == "\r" { text.removeLast() }
        return text
    }
}
