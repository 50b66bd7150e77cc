internal import Files

/// Which version of each unit runs: told when a unit is started, gone with the next boot, as what it tells of is.
///
/// It stands in a file beside systemd's own runtime files, so that an agent that was killed knows it again.
struct StartedUnits {
    /// One start.
    struct Start: Hashable {
        var fingerprint: String
        var unitHash: String
    }

    private let path: String
    private var starts: [String: Start] = [:]
    private var lines = 0

    init(runtime: String) {
        path = "\(runtime)/hecate/started"
        guard let bytes = try? fileContent(path, limit: 64 * 1024 * 1024) else { return }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
            guard fields.count == 3 else { continue }
            lines += 1
            starts[fields[0]] = fields[1].isEmpty ? nil : Start(fingerprint: fields[1], unitHash: fields[2])
        }
    }

    subscript(service: String) -> Start? { starts[service] }

    /// Notes a start, or with nil that the service is gone.
    mutating func note(_ service: String, _ start: Start?) throws(FileError) {
        guard starts[service] != start else { return }
        starts[service] = start
        if lines > 2 * starts.count + 1000 {
            try makeFolder(folder(of: path), mode: 0o700)
            let all = starts.map { line($0.key, $0.value) }.joined()
            try replaceFile(path, with: Array(all.utf8), mode: 0o600)
            lines = starts.count
        } else {
            try appendToFile(path, Array(line(service, start).utf8))
            lines += 1
        }
    }

    private func line(_ service: String, _ start: Start?) -> String {
        "\(service) \(start?.fingerprint ?? "") \(start?.unitHash ?? "")\n"
    }
}
