internal import Crypto
internal import Diagnostics
internal import Files
internal import JSON

/// Copies of units as they were when they worked, so that they can come back.
///
/// The unit's text and its environment files may hold secrets, so they stay on the node, readable by their owner only; the
/// journal gets nothing but digests.
struct KeptUnits: Sendable {
    let layout: NodeLayout

    private func folder(_ name: UnitName) -> String { "\(layout.kept)/kept/\(name)" }

    /// Whether anything of a unit is kept, which stands for its having been ours.
    func has(_ name: UnitName) -> Bool { pathExists(folder(name)) || pathExists("\(layout.kept)/live/\(name)") }

    /// Keeps a unit and gives what the journal remembers of it.
    func keep(_ declaration: UnitDeclaration) throws(FileError) -> [UInt8] {
        let folder = folder(declaration.name)
        try makeFolder(folder, mode: 0o700)
        let text = Array(declaration.unit.text.utf8)
        let digest = sha256(text)
        try write(text, "\(folder)/\(digest)")
        for file in declaration.referencedFiles where !file.digest.isEmpty {
            let copy = "\(folder)/\(file.digest)"
            if fileStatus(copy) == nil, let content = try? fileContent(file.path),
                sha256(content) == file.digest
            {
                try write(content, copy)
            }
        }
        let payload: JSON = [
            "name": .string(declaration.name.description), "path": .string(declaration.path), "text": .string(digest),
            "fingerprint": .string(declaration.fingerprint), "unitHash": .string(declaration.unitHash),
            "referencedFiles": .array(
                declaration.referencedFiles.map { file in
                    [
                        "section": .string(file.section), "key": .string(file.key),
                        "written": .string(file.written), "path": .string(file.path),
                        "digest": .string(file.digest),
                    ]
                }
            ),
        ]
        return Array(payload.text().utf8)
    }

    /// Writes a file unless it already says just that.
    private func put(_ bytes: [UInt8], _ path: String) throws(FileError) {
        if let old = try? fileContent(path), old == bytes { return }
        try replaceFile(path, with: bytes, mode: 0o600)
    }

    private func write(_ bytes: [UInt8], _ path: String) throws(FileError) {
        if fileStatus(path) == nil { try replaceFile(path, with: bytes, mode: 0o600) }
    }

    /// A kept file's content, or nil when it is gone.
    private func copy(_ path: String) throws(FileError) -> [UInt8]? {
        do {
            return try fileContent(path)
        } catch {
            guard error.isNotFound else { throw error }
            return nil
        }
    }

    /// Puts a kept unit back into a file of its own, its environment files beside it.
    /// - Returns: The unit as it is to be linked, or nil when its copy is gone.
    func restore(_ payload: [UInt8]) throws -> UnitDeclaration? {
        guard let document = try? JSON(parsing: payload), let name = document["name"]?.string.flatMap(UnitName.init),
            let digest = document["text"]?.string, let fingerprint = document["fingerprint"]?.string
        else { return nil }
        let source = folder(name)
        let live = "\(layout.kept)/live/\(name)"
        guard let text = try copy("\(source)/\(digest)") else { return nil }
        var unit = try UnitFile(text, file: "\(source)/\(digest)", joinsWithBlank: name.kind.isOfSystemd)
        try makeFolder(live, mode: 0o700)
        for (index, item) in Self.files(of: document).enumerated() {
            guard let written = item["written"]?.string, let digest = item["digest"]?.string, !digest.isEmpty,
                let path = item["path"]?.string
            else { continue }
            let copy = "\(live)/\(index)-\(lastComponent(path))"
            guard let content = try self.copy("\(source)/\(digest)") else { return nil }
            try put(content, copy)
            for position in unit.entries.indices
            where unit.entries[position].key == item["key"]?.string && unit.entries[position].value == written {
                unit.entries[position].value = copy
            }
        }
        if let original = document["path"]?.string {
            unit = UnitDeclaration.withWholePaths(unit, of: name.kind, from: Files.folder(of: original))
        }
        let path = "\(live)/\(name)"
        try put(Array(unit.text.utf8), path)
        var declaration = try UnitDeclaration(name: name, path: path, unit: unit, layout: layout)
        // It is what it was, wherever its files lie now.
        declaration.fingerprint = fingerprint
        declaration.unitHash = document["unitHash"]?.string ?? declaration.unitHash
        declaration.isKept = true
        return declaration
    }

    /// A file that generates a service of a unit's name, so that a unit whose own file is gone can be stopped in peace.
    ///
    /// Nil for a unit of systemd's own, which is stopped as well without its file.
    func placeholder(_ name: UnitName) throws -> String? {
        let folder = "\(layout.kept)/live/\(name)"
        let body =
            switch name.kind {
            case .container, .image: "Image=localhost/removed"
            case .volume, .network, .pod: ""
            case .kube: "Yaml=/dev/null"
            case .build: "ImageTag=localhost/removed\nSetWorkingDirectory=/"
            default: nil as String?
            }
        guard let body else { return nil }
        try makeFolder(folder, mode: 0o700)
        try put(Array("[\(name.kind.section)]\n\(body)\n".utf8), "\(folder)/\(name)")
        return "\(folder)/\(name)"
    }

    static func fingerprint(_ payload: [UInt8]) -> String? { (try? JSON(parsing: payload))?["fingerprint"]?.string }

    /// The files a payload names; older stores call them companions.
    private static func files(of document: JSON) -> [JSON] {
        (document["referencedFiles"] ?? document["companions"])?.array ?? []
    }

    static func referencedFiles(_ payload: [UInt8]) -> [(path: String, digest: String)] {
        ((try? JSON(parsing: payload)).map(files(of:)) ?? []).compactMap { item in
            guard let path = item["path"]?.string, let digest = item["digest"]?.string else { return nil }
            return (path, digest)
        }
    }

    /// The text of a kept unit.
    func text(_ payload: [UInt8]) -> UnitFile? {
        guard let document = try? JSON(parsing: payload), let name = document["name"]?.string.flatMap(UnitName.init),
            let digest = document["text"]?.string, let text = try? fileContent("\(folder(name))/\(digest)")
        else { return nil }
        return try? UnitFile(text, file: name.description)
    }

    /// Removes the copies that none of the payloads needs.
    func collect(_ name: UnitName, keeping payloads: [[UInt8]]) throws(FileError) {
        var needed: Set<String> = []
        for payload in payloads {
            guard let document = try? JSON(parsing: payload) else { continue }
            if let text = document["text"]?.string { needed.insert(text) }
            for item in Self.files(of: document) {
                if let digest = item["digest"]?.string { needed.insert(digest) }
            }
        }
        if payloads.isEmpty {
            try removeTree(folder(name))
            try removeTree("\(layout.kept)/live/\(name)")
            return
        }
        for file in try names(in: folder(name)) where !needed.contains(file) {
            try removeFile("\(folder(name))/\(file)")
        }
    }
}
