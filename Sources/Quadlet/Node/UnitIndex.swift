internal import Crypto
internal import Files

private func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// What reading and checking each unit gave, so that a pass over what did not change opens no file and asks no generator.
///
/// A cache: it is believed only where the files' identities are the very same, and by the same generator.
struct UnitIndex {
    /// What one unit's files meant.
    struct Entry: Equatable {
        /// Identifies the unit's own file and drop-ins.
        var identity: String
        /// The files it names.
        var referencedFiles: [String]
        /// Identifies all of its files.
        var settings: String
        var fingerprint: String
        var service: String
        /// Whether a service of it has to be active.
        var stays: Bool
        /// Whether its health is known only by asking Podman, so that nothing of it is believed unseen.
        var isWatched: Bool
        var links: [String: String]
    }

    private let path: String
    private let generator: String
    private(set) var entries: [String: Entry] = [:]
    private var isDirty = false

    /// Reads what is kept.
    ///
    /// `generator` identifies what turns units into services.
    init(runtime: String, generator: String) {
        path = "\(runtime)/hecate/index"
        self.generator = generator
        guard let bytes = try? fileContent(path, limit: 256 * 1024 * 1024) else { return }
        // Bytes, not characters: there may be thousands of lines.
        var lines = bytes.split(separator: UInt8(ascii: "\n"))[...]
        guard let first = lines.popFirst(), first.elementsEqual(generator.utf8) else { return }
        entries.reserveCapacity(lines.count)
        for line in lines {
            let fields = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
            guard fields.count >= 7 else { continue }
            var links: [String: String] = [:]
            for link in fields[7...] {
                let parts = link.split(separator: 0x1F)
                if parts.count == 2 { links[text(parts[0])] = text(parts[1]) }
            }
            entries[text(fields[0])] = Entry(
                identity: text(fields[1]),
                referencedFiles: fields[2].split(separator: 0x1F).map(text),
                settings: text(fields[3]),
                fingerprint: text(fields[4]),
                service: text(fields[5]),
                stays: fields[6].first != UInt8(ascii: "0"),
                isWatched: fields[6].first == UInt8(ascii: "2"),
                links: links
            )
        }
    }

    subscript(name: String) -> Entry? {
        get { entries[name] }
        set {
            guard entries[name] != newValue else { return }
            entries[name] = newValue
            isDirty = true
        }
    }

    /// Writes what changed, leaving out units that are no more.
    mutating func save(only names: Set<String>) throws(FileError) {
        for name in entries.keys where !names.contains(name) { self[name] = nil }
        guard isDirty else { return }
        var text = generator + "\n"
        for (name, entry) in entries {
            let fields = [
                name, entry.identity, entry.referencedFiles.joined(separator: "\u{1F}"), entry.settings,
                entry.fingerprint,
                entry.service, entry.stays ? entry.isWatched ? "2" : "1" : "0",
            ]
            let links = entry.links.map { "\($0.key)\u{1F}\($0.value)" }
            text += (fields + links).joined(separator: "\t") + "\n"
        }
        try makeFolder(folder(of: path), mode: 0o700)
        try replaceFile(path, with: Array(text.utf8), mode: 0o600)
        isDirty = false
    }

    /// A long text's short form.
    static func digest(_ text: String) -> String { String(sha256(text).prefix(32)) }
}
