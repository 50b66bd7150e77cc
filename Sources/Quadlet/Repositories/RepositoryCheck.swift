package import Delivery
package import Diagnostics
internal import Files

/// Checks a repository of Quadlet files where there is neither Podman nor systemd, for its own CI.
package struct RepositoryCheck {
    private var diagnostics = Diagnostics()
    private let version: PodmanVersion
    /// The gitops folder that the repository is, or has.
    private let folder: String
    private var values = MachineValues()
    private var units: [UnitName: QuadletRules.Subject] = [:]
    private var dropInFolders: [UnitName: [String]] = [:]
    private var readDropIns: [String: [(file: String, unit: UnitFile)]] = [:]
    /// Units that nothing of their own starts, and every word of the others that might.
    private var unwanted: [(name: UnitName, path: String)] = []
    private var mentions: Set<String> = []

    /// Whether a folder has units of Podman's, or is laid out as hecate-gitops or as a node's own gitops folder is.
    package static func applies(to root: String) -> Bool {
        let folder = folder(in: root)
        if ["system", "apps"].contains(where: { fileStatus("\(folder)/\($0)")?.kind == .folder }) { return true }
        return GitopsView.all(of: folder).contains { layout in
            let units = (try? GitopsTree(layout))?.units ?? []
            return units.contains { !$0.name.kind.isOfSystemd }
        }
    }

    private static func folder(in root: String) -> String {
        fileStatus("\(root)/quadlet")?.kind == .folder ? "\(root)/quadlet" : root
    }

    /// Everything that is wrong in a repository's units, with its place, as each machine and user sees them.
    ///
    /// `snapshot`: The files of the same folder. `version`: The Podman that they are for.
    package static func diagnostics(
        of root: String,
        _ snapshot: any BrowsableSnapshot,
        for version: PodmanVersion = .tested
    ) async throws -> Diagnostics {
        let folder = folder(in: root)
        var result = Diagnostics()
        var seen: Set<Diagnostic> = []
        func note(_ diagnostics: [Diagnostic]) {
            for found in diagnostics where seen.insert(found).inserted { result.append(found) }
        }
        let registry = try await PluginRegistry(in: snapshot)
        // What some machine has was checked as that one sees it.
        var claimed: Set<String> = []
        let machines = try await machines(of: snapshot)
        if machines.count > GitopsView.most {
            let message = "only the first \(GitopsView.most) of \(machines.count) machines are checked"
            note([Diagnostic(.warning, at: Place(file: "\(root)/\(MachineSettings.machines)"), message)])
        }
        for layout in GitopsView.all(of: folder, machines: machines) {
            var check = RepositoryCheck(folder, version)
            var theirs: Set<String>?
            if !layout.host.isEmpty {
                do {
                    let files = try await MachineFiles(snapshot, layout, registry: registry)
                    check.values = files.values
                    if files.isLaidOut {
                        theirs = Set(files.origins.values.map { "\(root)/\($0)" })
                        _ = try await files.contents()
                    }
                } catch let invalid as Invalid {
                    note(invalid.diagnostics.map { $0.moved { "\(root)/\($0)" } })
                    // Where only values lack, its units are checked all the same.
                    if theirs == nil { continue }
                }
            }
            let tree = try GitopsTree(layout)
            for problem in tree.problems { check.diagnostics.append(problem) }
            for source in tree.units where theirs?.contains(source.path) ?? true { check.check(source) }
            try check.judge()
            check.warnOfUnwanted()
            note(check.diagnostics.all.filter { theirs != nil || !claimed.contains($0.place?.file ?? "") })
            claimed.formUnion(theirs ?? [])
        }
        return result
    }

    /// The machines that have a file of their own.
    private static func machines(of snapshot: any BrowsableSnapshot) async throws -> [String] {
        try await MachineSettings.names(in: MachineSettings.machines, of: snapshot)
    }

    private init(_ folder: String, _ version: PodmanVersion) { (self.folder, self.version) = (folder, version) }

    private mutating func read(_ path: String, joinsWithBlank: Bool) -> UnitFile? {
        do {
            var content = try fileContent(path, limit: 1024 * 1024)
            if values.isKnown { content = try values.filled(content, file: path) }
            return try UnitFile(content, file: path, joinsWithBlank: joinsWithBlank)
        } catch let invalid as Invalid {
            diagnostics.append(contentsOf: invalid.diagnostics)
        } catch {
            diagnostics.error(at: Place(file: path), "the file cannot be read: \(error)", cure: "mend or remove it")
        }
        return nil
    }

    private mutating func check(_ source: UnitSource) {
        let (name, path) = (source.name, source.path)
        if let problem = source.problem { diagnostics.append(problem) }
        guard fileStatus(path)?.kind == .file else { return }
        dropInFolders[name] = source.dropInFolders
        guard let unit = read(path, joinsWithBlank: name.kind.isOfSystemd) else { return }
        units[name] = QuadletRules.Subject(name: name, path: path, unit: unit)
        noteWants(of: unit, name, path)
        for entry in unit.all("Container", "EnvironmentFile") { environmentFile(entry) }
        if name.kind == .service {
            for entry in unit.all("Service", "EnvironmentFile") where !entry.value.hasPrefix("-") {
                environmentFile(entry)
            }
        }
        for entry in unit.all("Container", "Image") { image(entry) }
    }

    /// What Podman would make of the units, each with what is laid over it.
    private mutating func judge() throws {
        let rules = QuadletRules(version: version, names: Set(units.keys.map(\.description)))
        for (name, subject) in units.sorted(by: { $0.value.path < $1.value.path }) {
            var subject = subject
            // A drop-in of a more special folder hides one of the same name in a more general one.
            var seen: Set<String> = []
            var found: [(file: String, unit: UnitFile)] = []
            for folder in (dropInFolders[name] ?? []).reversed() {
                for part in try parts(of: folder, of: name.kind) where seen.insert(part.file).inserted {
                    found.append(part)
                }
            }
            for part in found.sorted(by: { $0.file < $1.file }) { subject.unit = subject.unit.merging(part.unit) }
            let own = SystemRules(name: name, path: subject.path, unit: subject.unit)
            let verdict = name.kind.isOfSystemd ? own.diagnostics : rules.diagnostics(of: subject)
            diagnostics.append(contentsOf: verdict.all)
        }
    }

    /// The drop-ins of a folder, which are read once.
    private mutating func parts(of folder: String, of kind: UnitKind) throws -> [(file: String, unit: UnitFile)] {
        if let known = readDropIns[folder] { return known }
        var result: [(file: String, unit: UnitFile)] = []
        for file in try names(in: folder).sorted() where file.hasSuffix(".conf") {
            let part = read("\(folder)/\(file)", joinsWithBlank: kind.isOfSystemd)
            if let part { result.append((file, part)) }
        }
        readDropIns[folder] = result
        return result
    }

    private mutating func noteWants(of unit: UnitFile, _ name: UnitName, _ path: String) {
        for entry in unit.entries { mentions.formUnion(entry.value.split { ":,=; ".contains($0) }.map(String.init)) }
        // A timer, a socket or a path starts the service of its name.
        if [.timer, .socket, .path].contains(name.kind) { mentions.insert("\(name.stem).service") }
        let isMember = unit.last("Container", "Pod") != nil && unit.isTrue("Container", "StartWithPod") != false
        if !unit.isInstalled, !isMember, !name.kind.isThing, !name.isTemplate { unwanted.append((name, path)) }
    }

    /// A unit that no other names and that has no `[Install]` section stays down, also after a boot.
    private mutating func warnOfUnwanted() {
        for (name, path) in unwanted where mentions.isDisjoint(with: [name.description, name.service]) {
            diagnostics.warning(
                at: Place(file: path),
                "nothing starts '\(name)': it has no [Install] section, and no other unit names it",
                cure: "add [Install] with WantedBy=default.target, unless it is started by hand"
            )
        }
    }

    /// A file of the gitops folder has to be in the repository; what lies elsewhere is the node's own.
    private mutating func environmentFile(_ entry: UnitFile.Entry) {
        if entry.value.hasPrefix("-") {
            diagnostics.error(
                at: entry.place,
                "Quadlet knows no optional environment file",
                cure: "remove the '-' and make sure that the file is there"
            )
            return
        }
        let prefix = "%h/.hecate/gitops/"
        guard entry.value.hasPrefix(prefix) else { return }
        let path = entry.value.dropFirst(prefix.count)
        guard !pathExists("\(folder)/\(path)") else { return }
        diagnostics.error(
            at: entry.place,
            "EnvironmentFile names '\(path)', which the repository does not have",
            cure: "add \(folder)/\(path), or remove the line"
        )
    }

    private mutating func image(_ entry: UnitFile.Entry) {
        let image = entry.value
        guard UnitName(image) == nil, !image.contains("@") else { return }
        let last = lastComponent(image)
        let tag = last.split(separator: ":", maxSplits: 1).dropFirst().first.map(String.init)
        guard tag == nil || ["latest", "main", "master", "edge", "nightly"].contains(tag ?? "") else { return }
        diagnostics.warning(
            at: entry.place,
            "the image '\(image)' moves under its tag",
            cure: "name a version or a digest, so that a commit says what runs"
        )
    }
}
