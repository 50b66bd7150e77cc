internal import Delivery
internal import Diagnostics
internal import Files
internal import Subprocess
internal import Systemd

/// Podman's own generator, 4.4 and newer: unit files are linked into its folder and systemd runs it.
struct PodmanQuadlet: UnitGenerator {
    let layout: NodeLayout
    /// The generator's program, asked with `-dryrun`.
    let program: String
    let run: @Sendable (Command) async throws -> Completion

    var description: String { "Quadlet" }

    /// Where distributions put the program.
    static let programs = [
        "/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet", "/usr/local/libexec/podman/quadlet",
    ]

    func check(_ units: [UnitDeclaration]) async throws -> [UnitName: Failure] {
        var failures: [UnitName: Failure] = [:]
        var rest = units
        // A file that cannot be loaded ends the generator for all; it is taken out and the others are asked again.
        while !rest.isEmpty {
            let found = try await ask(rest)
            failures.merge(found.failures) { _, new in new }
            guard found.isFatal else { break }
            let before = rest.count
            rest.removeAll { found.failures[$0.name] != nil }
            guard rest.count < before else { break }
        }
        return failures
    }

    private func ask(_ units: [UnitDeclaration]) async throws -> (failures: [UnitName: Failure], isFatal: Bool) {
        let stage = "\(layout.runtime)/hecate/stage-\(UInt64.random(in: 0..<UInt64.max))"
        try makeFolder(stage, mode: 0o700)
        for unit in units {
            for (path, target) in links(of: unit) { try replaceLink("\(stage)/\(lastComponent(path))", to: target) }
        }
        let result = try await run(
            Command(
                program,
                ["-dryrun"] + (layout.scope == .user ? ["-user"] : []),
                environment: [
                    "QUADLET_UNIT_DIRS": stage, "HOME": layout.home, "XDG_RUNTIME_DIR": layout.runtime,
                    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                ],
                timeout: .seconds(300),
                outputLimit: 512 * 1024 * 1024
            )
        )
        try removeTree(stage)
        guard result.code != 0 else { return ([:], false) }
        let known = Dictionary(units.map { ($0.name, $0) }) { first, _ in first }
        var failures: [UnitName: Failure] = [:]
        var isFatal = false
        for line in result.errorText.split(separator: "\n") {
            let isLoading = line.contains("error loading \"")
            guard isLoading || line.contains("converting \""),
                let quoted = line.split(separator: "\"").dropFirst().first,
                let name = UnitName(lastComponent(String(quoted))), let unit = known[name],
                let end = line.range(of: isLoading ? "\", " : "\": ")
            else { continue }
            isFatal = isFatal || isLoading
            failures[name] = failure(unit, String(line[end.upperBound...]), stage: stage)
        }
        return (failures, isFatal)
    }

    private func failure(_ unit: UnitDeclaration, _ text: String, stage: String) -> Failure {
        var message = text
        for suffix in [" in \(stage)/\(unit.name)", " in \(unit.path)"] where message.hasSuffix(suffix) {
            message.removeLast(suffix.count)
        }
        message = message.replacing("\(stage)/", with: "")
        // Podman names the key; the place is found again here.
        let names = message.split(separator: "'").map(String.init)
        let entry = unit.unit.entries.first { names.contains($0.key) }
        var cure: String?
        if message.hasPrefix("unsupported key"), let entry, let table = QuadletKeys.table[entry.section] {
            cure =
                suggestion(for: entry.key, among: table.sorted())
                ?? "see podman-systemd.unit(5) for the keys of this Podman"
        }
        let place = entry?.place ?? Place(file: unit.path)
        let diagnostic = Diagnostic(.error, at: place, "Podman's generator refuses the unit: \(message)", cure: cure)
        return Failure(.invalid, diagnostic.description, next: .needsChange)
    }

    // MARK: Links

    func links(of unit: UnitDeclaration) -> [String: String] {
        var links = ["\(layout.quadlet)/\(unit.name)": unit.path]
        for folder in unit.dropInFolders { links["\(layout.quadlet)/\(lastComponent(folder))"] = folder }
        // What a unit names relative to itself is looked for beside the link.
        for file in unit.referencedFiles
        where !unit.isKept && file.section != "Service" && !file.written.hasPrefix("/")
            && !file.written.hasPrefix("%") && !file.written.contains("..")
        {
            let own = file.written.hasPrefix("./") ? String(file.written.dropFirst(2)) : file.written
            if !own.contains("/") { links["\(layout.quadlet)/\(own)"] = file.path }
        }
        return links
    }

    func possibleLinks(of name: UnitName) -> [String] { ["\(layout.quadlet)/\(name)", "\(layout.quadlet)/\(name).d"] }

    func danglingLinks() throws -> [String] {
        try names(in: layout.quadlet).compactMap { entry in
            let path = "\(layout.quadlet)/\(entry)"
            return !pathExists(path) && layout.owns(linkAt: path) ? path : nil
        }
    }

    func linked() throws -> [UnitName] {
        try names(in: layout.quadlet).compactMap(UnitName.init).filter { name in
            layout.owns(linkAt: "\(layout.quadlet)/\(name)")
        }
    }
}

extension String {
    func range(of needle: String) -> Range<String.Index>? { ranges(of: needle).first }
}

extension Substring {
    func range(of needle: String) -> Range<String.Index>? { ranges(of: needle).first }
}
