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
    var identity: String { fileStatus(program)?.identity ?? "none" }

    /// Where distributions put the program.
    static let programs = [
        "/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet", "/usr/local/libexec/podman/quadlet",
    ]

    func check(_ units: [UnitDeclaration]) async throws -> [UnitName: Failure] {
        var failures: [UnitName: Failure] = [:]
        for unit in units {
            guard let fault = unit.relativeFault else { continue }
            failures[unit.name] = Failure(.invalid, fault.description, next: .needsChange)
        }
        var rest = units
        // A file that cannot be loaded, or that the generator itself breaks on, ends it for all; it is taken out and the others
        // are asked again.
        while !rest.isEmpty {
            var answer = try await ask(rest)
            // Once may be anything; what a unit does, it does again.
            if answer.crash != nil { answer = try await ask(rest) }
            if let crash = answer.crash {
                var wasKilled = answer.isKilled
                let found = try await culprits(rest, &wasKilled)
                // It ends with 1 over a unit and with 2 when it breaks; all else may be the machine's doing.
                if wasKilled, !(try await areToBlame(found, among: rest)) {
                    throw Failure(.unavailable, "Podman's generator did not come to its end: \(crash)")
                }
                for unit in found { failures[unit.name] = failure(unit, crash: crash) }
            }
            failures.merge(answer.failures) { _, new in new }
            guard answer.isFatal || answer.crash != nil else { break }
            let before = rest.count
            rest.removeAll { failures[$0.name] != nil }
            guard rest.count < before else { break }
        }
        return failures
    }

    /// What the generator said of some units.
    private struct Answer {
        var failures: [UnitName: Failure] = [:]
        /// Whether it ended at one of them, and the others were not looked at.
        var isFatal = false
        /// Its last words when it ended without saying why, such as `panic: …`.
        var crash: String?
        /// Whether something else may have ended it.
        var isKilled = false
    }

    private func ask(_ units: [UnitDeclaration]) async throws -> Answer {
        let (result, stage) = try await generate(units.flatMap { links(of: $0).map { ($0.key, $0.value) } })
        var answer = Answer()
        guard result.code != 0 else { return answer }
        let known = Dictionary(units.map { ($0.name, $0) }) { first, _ in first }
        for complaint in Self.complaints(result) {
            guard let name = UnitName(lastComponent(complaint.path)), let unit = known[name] else { continue }
            answer.isFatal = answer.isFatal || complaint.isLoading
            answer.failures[name] = failure(unit, complaint.text, stage: stage)
        }
        if result.code != 1 || answer.failures.isEmpty { answer.crash = Self.lastWords(result) }
        answer.isKilled = !(0...2).contains(result.code)
        return answer
    }

    /// Runs it over links in a folder of their own, which is gone when it has ended.
    private func generate(_ links: [(path: String, target: String)]) async throws -> (result: Completion, stage: String)
    {
        let stage = "\(layout.runtime)/hecate/stage-\(UInt64.random(in: 0..<UInt64.max))"
        defer { try? removeTree(stage) }
        try makeFolder(stage, mode: 0o700)
        for link in links { try replaceLink("\(stage)/\(lastComponent(link.path))", to: link.target) }
        return (try await generate(from: stage), stage)
    }

    private func generate(from folder: String) async throws -> Completion {
        try await run(
            Command(
                program,
                ["-dryrun"] + (layout.scope == .user ? ["-user"] : []),
                environment: [
                    "QUADLET_UNIT_DIRS": folder, "HOME": layout.home, "XDG_RUNTIME_DIR": layout.runtime,
                    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                ],
                timeout: .seconds(300),
                outputLimit: 512 * 1024 * 1024
            )
        )
    }

    /// What the generator says about files: which, and what is wrong with it.
    private static func complaints(_ result: Completion) -> [(path: String, text: String, isLoading: Bool)] {
        result.errorText.split(separator: "\n").compactMap { line in
            let isLoading = line.contains("error loading \"")
            guard isLoading || line.contains("converting \""),
                let quoted = line.split(separator: "\"").dropFirst().first,
                let end = line.range(of: isLoading ? "\", " : "\": ")
            else { return nil }
            return (String(quoted), String(line[end.upperBound...]), isLoading)
        }
    }

    private static func lastWords(_ result: Completion) -> String {
        let lines = result.errorText.split(separator: "\n").map(String.init)
        let telling = lines.first { $0.hasPrefix("panic:") || $0.hasPrefix("fatal error:") } ?? lines.last
        return "it ended with status \(result.code)" + (telling.map { " (\($0.prefix(200)))" } ?? "")
    }

    // MARK: Culprits

    /// The units that the generator breaks on, found by halving.
    ///
    /// `wasKilled`: Set when something else may have ended it meanwhile.
    private func culprits(_ units: [UnitDeclaration], _ wasKilled: inout Bool) async throws -> [UnitDeclaration] {
        guard units.count > 1 else { return units }
        let half = units.count / 2
        var found: [UnitDeclaration] = []
        for part in [Array(units[..<half]), Array(units[half...])] {
            // Once may be anything here as well.
            var answer = try await ask(part)
            wasKilled = wasKilled || answer.isKilled
            if answer.crash != nil { answer = try await ask(part) }
            wasKilled = wasKilled || answer.isKilled
            if answer.crash != nil { found += try await culprits(part, &wasKilled) }
        }
        // It breaks on them only together.
        return found.isEmpty ? units : found
    }

    /// Whether the generator is well without some units and breaks with them once more.
    private func areToBlame(_ found: [UnitDeclaration], among units: [UnitDeclaration]) async throws -> Bool {
        let names = Set(found.map(\.name))
        let others = units.filter { !names.contains($0.name) }
        // Without others to compare with, their number may be what the machine has no memory for.
        guard !others.isEmpty, try await ask(others).crash == nil else { return false }
        let answer = try await ask(found)
        guard answer.isKilled else { return answer.crash != nil }
        // One that takes all the memory is known by the others, which go well before and after it.
        guard found.count == 1 else { return false }
        return try await ask(others).crash == nil
    }

    private func failure(_ unit: UnitDeclaration, crash: String) -> Failure {
        let diagnostic = Diagnostic(
            .error,
            at: Place(file: unit.path),
            "Podman's generator breaks on the unit, so that others would have no service: \(crash)",
            cure: "take back what changed last; see podman-systemd.unit(5) for what each key takes"
        )
        return Failure(.invalid, diagnostic.description, next: .needsChange)
    }

    func fault() async throws -> String? {
        let result = try await generate(from: layout.quadlet)
        guard result.code != 0 else { return nil }
        let complaints = Self.complaints(result).filter(\.isLoading)
        if let first = complaints.first { return "'\(first.path)' cannot be loaded: \(first.text)" }
        // One that was killed says nothing of the files.
        guard result.code == 2 else { return nil }
        for name in try names(in: layout.quadlet) where UnitName(name) != nil {
            let alone = try await generate([(name, "\(layout.quadlet)/\(name)")]).result
            if alone.code == 2 { return "it breaks on '\(layout.quadlet)/\(name)': \(Self.lastWords(alone))" }
        }
        return Self.lastWords(result)
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
        if message.hasPrefix("unsupported key"), let entry, let table = QuadletKeys.all[entry.section] {
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
        // What a unit names relative to itself is looked for beside the link; a kept copy names it by its whole path.
        for path in unit.relativePaths where !unit.isKept && !path.leadsOut && path.path != "." {
            links["\(layout.quadlet)/\(path.first)"] = "\(folder(of: unit.path))/\(path.first)"
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
