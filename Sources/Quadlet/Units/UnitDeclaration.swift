internal import Crypto
package import Diagnostics
internal import Files

/// A file that a unit names and that concerns it as much as its own text: an environment file, a Kubernetes document.
package struct ReferencedFile: Sendable, Hashable {
    package var section: String
    package var key: String
    /// As the unit writes it.
    package var written: String
    package var path: String
    /// The content's SHA-256.
    package var digest: String
}

/// One unit, read in full.
package struct UnitDeclaration: Sendable {
    package var name: UnitName
    package var path: String
    /// The unit with its drop-ins laid over it.
    package var unit: UnitFile
    package var referencedFiles: [ReferencedFile]
    package var dropInFolders: [String]
    /// The service made of it.
    package var service: String
    /// Identifies the unit's own text and that of its drop-ins.
    package var unitHash: String
    /// Identifies all of it: equal fingerprints, equal containers.
    package var fingerprint: String
    /// Set when it was put back from what was kept: its fingerprint then.
    package var isKept = false
    /// Values that nobody gives for this machine.
    private var unfilled: [Diagnostic] = []

    /// Reads a unit, its drop-ins and what it refers to.
    /// - Throws: `Invalid` with everything that is wrong in it.
    package init(_ source: UnitSource, _ layout: NodeLayout) throws(Invalid) {
        if let problem = source.problem { throw Invalid([problem]) }
        var diagnostics = Diagnostics()
        let isOfSystemd = source.name.kind.isOfSystemd
        var unit = try Self.read(source.path, joinsWithBlank: isOfSystemd)
        var seen: Set<String> = []
        var folders: [String] = []
        // A drop-in of a more special folder hides one of the same name in a more general one.
        for folder in source.dropInFolders.reversed() {
            for file in ((try? names(in: folder)) ?? []) where file.hasSuffix(".conf") && seen.insert(file).inserted {
                folders.append("\(file)\0\(folder)")
            }
        }
        for entry in folders.sorted() {
            let parts = entry.split(separator: "\0")
            do throws(Invalid) {
                unit = unit.merging(try Self.read("\(parts[1])/\(parts[0])", joinsWithBlank: isOfSystemd))
            } catch { diagnostics.append(contentsOf: error.diagnostics) }
        }
        try diagnostics.throwIfErrors()
        try self.init(name: source.name, path: source.path, unit: unit, layout: layout)
        // What is kept was good as it is.
        guard unfilled.isEmpty else { throw Invalid(unfilled) }
        dropInFolders = source.dropInFolders
    }

    /// A unit whose text is known.
    init(name: UnitName, path: String, unit: UnitFile, layout: NodeLayout) throws(Invalid) {
        var diagnostics = Diagnostics()
        self.name = name
        self.path = path
        self.unit = unit
        dropInFolders = []
        let given = name.kind.isOfSystemd ? nil : unit.last(name.kind.section, "ServiceName")
        service = given.map { "\($0).service" } ?? name.service
        referencedFiles = []
        guard unit.sections.contains(name.kind.section) || !name.kind.needsSection else {
            throw Invalid(
                at: Place(file: path),
                "a .\(name.kind.rawValue) file has a section [\(name.kind.section)], and this one has none",
                cure: "add [\(name.kind.section)]"
            )
        }
        for entry in unit.entries {
            if let value = MachineValues.unfilled(Array(entry.value.utf8), file: entry.place.file) {
                unfilled.append(Self.unfilled(value, entry.place))
            }
        }
        for (section, key) in Self.referencingKeys(of: name.kind) {
            for entry in unit.all(section, key) {
                if let file = Self.file(entry, name, path, layout, &diagnostics, &unfilled) {
                    referencedFiles.append(file)
                }
            }
        }
        try diagnostics.throwIfErrors()
        unitHash = sha256(unit.text)
        fingerprint = sha256(
            ([unitHash] + referencedFiles.map { "\($0.written) \($0.digest)" }).joined(separator: "\n")
        )
    }

    private static func read(_ path: String, joinsWithBlank: Bool = false) throws(Invalid) -> UnitFile {
        do {
            let content = try fileContent(path, limit: 1024 * 1024)
            return try UnitFile(content, file: path, joinsWithBlank: joinsWithBlank)
        } catch let error as FileError {
            throw Invalid(
                at: Place(file: path),
                "the file cannot be read: \(error)",
                cure: "check it and its permissions"
            )
        } catch let invalid as Invalid {
            throw invalid
        } catch {
            throw Invalid(at: Place(file: path), "\(error)")
        }
    }

    /// Which keys name files.
    static func referencingKeys(of kind: UnitKind) -> [(section: String, key: String)] {
        switch kind {
        case .container: [("Container", "EnvironmentFile"), ("Service", "EnvironmentFile")]
        case .kube: [("Kube", "Yaml"), ("Kube", "ConfigMap")]
        case .build: [("Build", "File")]
        case .service: [("Service", "EnvironmentFile")]
        default: []
        }
    }

    private static func unfilled(_ value: String, _ place: Place) -> Diagnostic {
        let cure = "give it below 'values' in the repository's nodes/NAME.yml or a group of it"
        return Diagnostic(.error, at: place, "nobody gives the value '\(value)' for this machine", cure: cure)
    }

    private static func file(
        _ entry: UnitFile.Entry,
        _ name: UnitName,
        _ unitPath: String,
        _ layout: NodeLayout,
        _ diagnostics: inout Diagnostics,
        _ unfilled: inout [Diagnostic]
    ) -> ReferencedFile? {
        var written = entry.value
        let isOptional = written.hasPrefix("-")
        if isOptional {
            guard entry.section == "Service" else {
                diagnostics.error(
                    at: entry.place,
                    "Quadlet knows no optional environment file",
                    cure: "remove the '-' and make sure that the file is there"
                )
                return nil
            }
            written.removeFirst()
        }
        let expanded = layout.specifiers.expand(written, for: name)
        if expanded.hasPrefix("http://") || expanded.hasPrefix("https://") || expanded.contains("%") { return nil }
        let path = normalizedPath(expanded.hasPrefix("/") ? expanded : "\(folder(of: unitPath))/\(expanded)")
        if layout.isElsewhere, !path.hasPrefix("\(layout.gitops)/") { return nil }
        do throws(FileError) {
            let content = try fileContent(path)
            let digest = sha256(content)
            if path.hasPrefix("\(layout.gitops)/"), let value = MachineValues.unfilled(content, file: path) {
                unfilled.append(Self.unfilled(value, Place(file: path)))
            }
            return ReferencedFile(
                section: entry.section,
                key: entry.key,
                written: entry.value,
                path: path,
                digest: digest
            )
        } catch {
            if isOptional, error.isNotFound {
                return ReferencedFile(
                    section: entry.section,
                    key: entry.key,
                    written: entry.value,
                    path: path,
                    digest: ""
                )
            }
            diagnostics.error(
                at: entry.place,
                error.isNotFound
                    ? "\(entry.key) names '\(path)', which is not there" : "\(entry.key) cannot be read: \(error)",
                cure: error.isNotFound ? "make the file, or remove the line" : "check its permissions"
            )
            return nil
        }
    }

    /// The paths of the files a unit names, whether they are there or not; nil when its text cannot be read.
    static func referencedPaths(_ source: UnitSource, _ layout: NodeLayout) -> [String] {
        var unit = UnitFile()
        let dropIns = source.dropInFolders.flatMap { folder in
            ((try? names(in: folder)) ?? []).filter { $0.hasSuffix(".conf") }.map { "\(folder)/\($0)" }
        }
        for path in [source.path] + dropIns {
            if let part = try? read(path) { unit = unit.merging(part) }
        }
        return referencingKeys(of: source.name.kind).flatMap { section, key in
            unit.values(section, key).map { value in
                let expanded = layout.specifiers.expand(
                    value.hasPrefix("-") ? String(value.dropFirst()) : value,
                    for: source.name
                )
                return normalizedPath(expanded.hasPrefix("/") ? expanded : "\(folder(of: source.path))/\(expanded)")
            }
        }
    }

    /// The other Quadlet files this one refers to by name, such as the volume in `Volume=data.volume:/data`.
    var references: [String] {
        unit.entries.flatMap { entry in
            entry.value.split { ":,=; \t".contains($0) }.compactMap { word in
                UnitName(String(word)).flatMap { $0.description == name.description ? nil : $0.description }
            }
        }
    }

    /// A start of its service as it is declared.
    var start: StartedUnits.Start { StartedUnits.Start(fingerprint: fingerprint, unitHash: unitHash) }

    /// The name Podman knows its container by; nil when it makes none.
    func containerName(_ layout: NodeLayout) -> String? {
        guard name.kind == .container else { return nil }
        let written = unit.last("Container", "ContainerName") ?? "systemd-%N"
        return layout.specifiers.expand(written, for: name)
    }

    /// Whether its health is known only by asking Podman: a health command without `Notify=healthy`.
    var hasOwnHealthCheck: Bool {
        guard name.kind == .container, let command = unit.last("Container", "HealthCmd"), command != "none" else {
            return false
        }
        return unit.last("Container", "Notify")?.lowercased() != "healthy"
    }
}
