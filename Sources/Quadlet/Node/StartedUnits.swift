internal import Files

/// Which version of each unit runs: told when a unit is started, gone with the next boot, as what it tells of is.
///
/// It stands in a file beside systemd's own runtime files, so that an agent that was killed knows it again.
struct StartedUnits {
    /// One start.
    struct Start: Hashable {
        var fingerprint: String
        var unitHash: String

        /// Of something that is not known, but is not what is declared.
        static let another = Start(fingerprint: "another", unitHash: "another")
        /// Of something that was not what is declared as this was written, if it was started before.
        static let unsure = Start(fingerprint: "unsure", unitHash: "unsure")
    }

    /// A start that was asked for, and whose answer is not known: systemd may have been told, or not.
    struct Asked: Hashable {
        var start: Start
        /// What was known to run before.
        var before: Start?
        /// How systemd called the run of the service before; empty for none.
        ///
        /// A start that came about gives it another name.
        var invocation: String
    }

    private let path: String
    private var starts: [String: Start] = [:]
    private var asked: [String: Asked] = [:]
    private var lines = 0
    /// Whether the file may not say what is known here, or end amid a line, because the machine or the agent ended then or the
    /// disk is full: nothing is written after that, but all anew.
    private var isTorn = false

    init(runtime: String) {
        path = "\(runtime)/hecate/started"
        guard let bytes = try? fileContent(path, limit: 64 * 1024 * 1024) else { return }
        let newline = UInt8(ascii: "\n")
        isTorn = !bytes.isEmpty && bytes.last != newline
        for line in bytes.prefix(1 + (bytes.lastIndex(of: newline) ?? -1)).split(separator: newline) {
            let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
            guard [3, 6].contains(fields.count) else { continue }
            lines += 1
            let service = fields[0]
            let start = Self.start(fields[1...2])
            guard fields.count == 6, let start else {
                (starts[service], asked[service]) = (start, nil)
                continue
            }
            asked[service] = Asked(start: start, before: Self.start(fields[3...4]), invocation: fields[5])
        }
    }

    private static func start(_ fields: ArraySlice<String>) -> Start? {
        guard let first = fields.first, let last = fields.last, !first.isEmpty else { return nil }
        return Start(fingerprint: first, unitHash: last)
    }

    /// What a service runs, as far as that is known.
    subscript(service: String) -> Start? { starts[service] }

    /// Whether it is known what a service was started with, be it only that it is not what is declared.
    func knows(_ service: String) -> Bool { starts[service].map { $0 != .unsure } ?? false }

    /// The start of a service of which nobody knows whether it came about.
    func asked(of service: String) -> Asked? { asked[service] }

    /// Notes a start, or with nil that the service is gone.
    mutating func note(_ service: String, _ start: Start?) throws(FileError) {
        guard starts[service] != start || asked[service] != nil || isTorn else { return }
        (starts[service], asked[service]) = (start, nil)
        try append(line(service, start))
    }

    /// Notes that a start is about to be asked for.
    mutating func ask(_ service: String, _ start: Start, invocation: String) throws(FileError) {
        let asked = Asked(start: start, before: starts[service], invocation: invocation)
        self.asked[service] = asked
        try append(line(service, asked))
    }

    private mutating func append(_ line: String) throws(FileError) {
        let isLong = lines > 2 * starts.count + 1000
        guard isTorn || isLong else {
            isTorn = true
            try appendToFile(path, Array(line.utf8))
            (lines, isTorn) = (lines + 1, false)
            return
        }
        isTorn = true
        try makeFolder(folder(of: path), mode: 0o700)
        let all = starts.map { self.line($0.key, $0.value) } + asked.map { self.line($0.key, $0.value) }
        try replaceFile(path, with: Array(all.joined().utf8), mode: 0o600)
        (lines, isTorn) = (all.count, false)
    }

    private func line(_ service: String, _ start: Start?) -> String {
        "\(service) \(start?.fingerprint ?? "") \(start?.unitHash ?? "")\n"
    }

    private func line(_ service: String, _ asked: Asked) -> String {
        "\(service) \(asked.start.fingerprint) \(asked.start.unitHash) "
            + "\(asked.before?.fingerprint ?? "") \(asked.before?.unitHash ?? "") \(asked.invocation)\n"
    }
}
