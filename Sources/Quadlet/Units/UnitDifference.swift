internal import Delivery
internal import Files

/// What differs between two versions of a unit, key by key.
enum UnitDifference {
    static func fields(
        from old: UnitFile,
        _ oldFiles: [(path: String, digest: String)],
        to new: UnitFile,
        _ newFiles: [ReferencedFile]
    ) -> [FieldChange] {
        var keys: [String] = []
        var values: [String: (old: [String], new: [String])] = [:]
        func add(_ file: UnitFile, _ path: WritableKeyPath<(old: [String], new: [String]), [String]>) {
            for entry in file.entries {
                let key = "\(entry.section).\(entry.key)"
                if values[key] == nil { keys.append(key) }
                values[key, default: ([], [])][keyPath: path].append(entry.value)
            }
        }
        add(old, \.old)
        add(new, \.new)
        var result: [FieldChange] = []
        for key in keys {
            guard let pair = values[key], pair.old != pair.new else { continue }
            let gone = pair.old.filter { !pair.new.contains($0) }
            let come = pair.new.filter { !pair.old.contains($0) }
            result.append(FieldChange(key, from: joined(gone), to: joined(come)))
        }
        let before = Dictionary(oldFiles.map { ($0.path, $0.digest) }) { first, _ in first }
        for file in newFiles where before[file.path].map({ $0 != file.digest }) ?? false {
            let from = before[file.path].map { "content \($0.prefix(12))" }
            result.append(FieldChange(file.path, from: from, to: "content \(file.digest.prefix(12))"))
        }
        return result
    }

    private static func joined(_ values: [String]) -> String? { values.isEmpty ? nil : values.joined(separator: ", ") }
}
