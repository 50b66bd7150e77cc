internal import Delivery
internal import Diagnostics
internal import Files

/// Plain `.service` files that call `podman run`, for a Podman older than 4.4, which has no Quadlet.
///
/// They lie below the gitops folder and are linked into systemd's own, so that ownership is told as it is for Quadlet.
struct PlainServices: UnitGenerator {
    let layout: NodeLayout
    /// Podman's version, such as `3.0.1`.
    let version: [Int]

    var description: String { "plain services, because Podman before 4.4 has no Quadlet" }
    var identity: String { "plain" }

    /// Where the services it makes lie, below what the agent keeps.
    static let folder = "units"
    private var folder: String { "\(layout.kept)/\(Self.folder)" }

    func check(_ units: [UnitDeclaration]) async throws -> [UnitName: Failure] {
        let known = Dictionary(units.map { ($0.name.description, $0) }) { first, _ in first }
        var failures: [UnitName: Failure] = [:]
        for unit in units {
            do throws(Invalid) {
                _ = try PlainService(unit: unit, layout: layout, version: version, known: known, refusesStrangers: true)
                    .text()
            } catch {
                failures[unit.name] = Failure(error)
            }
        }
        return failures
    }

    func fault() async throws -> String? { nil }

    func links(of unit: UnitDeclaration) throws -> [String: String] {
        let known = try mentioned(by: unit)
        let text = try PlainService(unit: unit, layout: layout, version: version, known: known, refusesStrangers: false)
            .text()
        let file = "\(folder)/\(unit.name)/\(unit.service)"
        if (try? fileContent(file)) != Array(text.utf8) {
            try makeFolder("\(folder)/\(unit.name)", mode: 0o700)
            try replaceFile(file, with: Array(text.utf8), mode: 0o600)
        }
        var links = ["\(layout.units)/\(unit.service)": file]
        guard !unit.name.isTemplate else { return links }
        // systemd knows no UpheldBy= where Podman is that old.
        for (key, suffix) in Install.wanting where key != "UpheldBy" {
            for target in unit.unit.values("Install", key).flatMap(words) {
                links["\(layout.units)/\(target).\(suffix)/\(unit.service)"] = file
            }
        }
        for alias in unit.unit.values("Install", "Alias").flatMap(words) { links["\(layout.units)/\(alias)"] = file }
        return links
    }

    /// The units that a unit refers to: their files may give what they make a name of its own.
    private func mentioned(by unit: UnitDeclaration) throws -> [String: UnitDeclaration] {
        let words = Set(unit.unit.entries.flatMap { $0.value.split { ":,= ".contains($0) } }.map(String.init))
        let names = words.compactMap { UnitName($0) }
        guard !names.isEmpty else { return [:] }
        let units = try GitopsTree(layout).units.filter { names.contains($0.name) && $0.name != unit.name }
        return Dictionary(
            units.compactMap { source in (try? UnitDeclaration(source, layout)).map { ("\(source.name)", $0) } }
        ) { first, _ in first }
    }

    func possibleLinks(of name: UnitName) throws -> [String] {
        try owned().filter { $0.name == name }.map(\.path)
    }

    /// What these links lead to lies in the agent's own folder and is there as long as they are.
    func danglingLinks() throws -> [String] { [] }

    func linked() throws -> [UnitName] { Array(Set(try owned().map(\.name))) }

    /// Every link of ours in systemd's folder, with the unit it is there for, which its target's folder is named after.
    private func owned() throws -> [(path: String, name: UnitName)] {
        try layout.unitLinks().compactMap { path, target in
            let parts = target.split(separator: "/")
            guard parts.count > 1, let name = UnitName(String(parts[parts.count - 2])), !name.kind.isOfSystemd,
                layout.owns(linkAt: path)
            else { return nil }
            return (path, name)
        }
    }
}
