internal import Diagnostics

/// What differs from machine to machine in files that are the same for all: `${{ node.NAME }}`.
///
/// It is neither a shell's variable nor a specifier of systemd's, so that both keep their meaning; nothing is computed, and a value
/// is put in as it is.
struct MachineValues {
    var texts: [String: String] = [:]
    /// Where a value would be given, in words.
    private var known = ""

    init() {}

    /// Whether it is known which machine's they are.
    var isKnown: Bool { !texts.isEmpty }

    /// `host`: The machine's short name, which is the value `host`.
    init(host: String, known: String) {
        texts = ["host": host]
        self.known = known
    }

    /// Larger files are data.
    private static let limit = 1024 * 1024
    /// So long a name may be, with blanks; and so many faults are named in a file.
    private static let (longest, most) = (256, 20)
    private static let opening = Array("${{".utf8)
    private static let closing = Array("}}".utf8)
    private static let prefix = Array("node.".utf8)

    private static func nextOpening(in bytes: ArraySlice<UInt8>) -> Range<Int>? {
        var from = bytes.startIndex
        while let index = bytes[from...].firstIndex(of: opening[0]) {
            let end = index + opening.count
            if end <= bytes.endIndex, bytes[index..<end].elementsEqual(opening) { return index..<end }
            from = index + 1
        }
        return nil
    }

    /// Whether what follows an opening is the name of a value.
    private static func isValue(_ rest: ArraySlice<UInt8>) -> Bool {
        rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.starts(with: prefix)
    }

    static func isName(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    /// Whether values are looked for in a file: documents may speak of them.
    private static func applies(to path: String, _ bytes: [UInt8]) -> Bool {
        !path.hasSuffix(".md") && bytes.count <= limit && !bytes.contains(0)
    }

    /// A file with its values in it.
    ///
    /// `file`: How messages name it. `isForAll`: Whether it may be another machine's, for which what nobody gives here stays as it is.
    /// - Throws: `Invalid` with every value that nobody gives.
    func filled(_ bytes: [UInt8], file: String, isForAll: Bool = false) throws(Invalid) -> [UInt8] {
        // Most files have none, and are not copied.
        guard Self.applies(to: file, bytes), Self.nextOpening(in: bytes[...]) != nil else { return bytes }
        var diagnostics = Diagnostics()
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let start = Self.nextOpening(in: rest) {
            result += rest[..<start.lowerBound]
            guard Self.isValue(rest[start.upperBound...]) else {
                // Of another program, such as a workflow of GitHub's.
                result += rest[start]
                rest = rest[start.upperBound...]
                continue
            }
            let line = rest[start.upperBound...].prefix(Self.longest).prefix { $0 != UInt8(ascii: "\n") }
            let end = line.firstRange(of: Self.closing)
            let word = trimmed(String(decoding: line[..<(end?.lowerBound ?? line.endIndex)], as: UTF8.self))
            let name = String(word.dropFirst(Self.prefix.count))
            guard let end, Self.isName(name) else {
                if isForAll {
                    result += rest[start]
                    rest = rest[start.upperBound...]
                    continue
                }
                let place = Self.place(of: start.lowerBound, in: bytes, file)
                diagnostics.error(at: place, "'${{ \(word)' names no value", cure: "write ${{ node.NAME }}")
                guard diagnostics.all.count < Self.most else { break }
                result += rest[start]
                rest = rest[start.upperBound...]
                continue
            }
            if let value = texts[name] {
                result += value.utf8
            } else if isForAll {
                result += rest[start.lowerBound..<end.upperBound]
            } else {
                let place = Self.place(of: start.lowerBound, in: bytes, file)
                let near = nearest(to: name, among: texts.keys).map { "did you mean '\($0)'?" }
                let cure = near ?? "give it below 'values' in \(known)"
                diagnostics.error(
                    at: place,
                    "nobody gives the value '\(name)' for '\(texts["host"] ?? "")'",
                    cure: cure
                )
            }
            rest = rest[end.upperBound...]
            guard diagnostics.all.count < Self.most else { break }
        }
        try diagnostics.throwIfErrors()
        return result + rest
    }

    /// The first value that a file still wants, by the rules of `filled`; nil when it wants none.
    static func unfilled(_ bytes: [UInt8], file: String) -> String? {
        guard applies(to: file, bytes) else { return nil }
        var rest = bytes[...]
        while let start = nextOpening(in: rest) {
            rest = rest[start.upperBound...]
            guard isValue(rest) else { continue }
            let line = rest.prefix(longest).prefix { $0 != UInt8(ascii: "\n") }
            guard let end = line.firstRange(of: closing) else { continue }
            let word = trimmed(String(decoding: line[..<end.lowerBound], as: UTF8.self))
            let name = String(word.dropFirst(prefix.count))
            if isName(name) { return name }
        }
        return nil
    }

    private static func place(of index: Int, in bytes: [UInt8], _ file: String) -> Place {
        let before = bytes[..<index]
        let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        return Place(file: file, line: line, column: String(decoding: bytes[start..<index], as: UTF8.self).count + 1)
    }
}
