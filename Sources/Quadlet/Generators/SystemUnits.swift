internal import Delivery
internal import Diagnostics
internal import Files

/// Units that systemd reads itself: their files are linked into its folder, and enabled as `[Install]` says.
struct SystemUnits: UnitGenerator {
    let layout: NodeLayout

    var description: String { "systemd" }
    var identity: String { "" }

    func check(_ units: [UnitDeclaration]) async throws -> [UnitName: Failure] {
        var failures: [UnitName: Failure] = [:]
        for unit in units {
            do throws(Invalid) {
                try SystemRules(name: unit.name, path: unit.path, unit: unit.unit).diagnostics.throwIfErrors()
            } catch {
                failures[unit.name] = Failure(error)
            }
        }
        return failures
    }

    /// systemd leaves out one bad file, and names it.
    func fault() async throws -> String? { nil }

    func links(of unit: UnitDeclaration) -> [String: String] {
        var links = ["\(layout.units)/\(unit.name)": unit.path]
        for folder in unit.dropInFolders { links["\(layout.units)/\(lastComponent(folder))"] = folder }
        guard !unit.name.isTemplate else { return links }
        for (place, name) in installed(unit, Install.wanting.map { ($0.key, $0.suffix) }) {
            links["\(layout.units)/\(name).\(place)/\(unit.name)"] = unit.path
        }
        for alias in aliases(of: unit) { links["\(layout.units)/\(alias)"] = unit.path }
        return links
    }

    /// The other names it is to have.
    func aliases(of unit: UnitDeclaration) -> [String] {
        installed(unit, [("Alias", "")]).map(\.name).filter { $0 != unit.name.description }
    }

    private func installed(
        _ unit: UnitDeclaration,
        _ keys: [(key: String, place: String)]
    ) -> [(
        place: String, name: String
    )] {
        keys.flatMap { key, place in
            unit.unit.values("Install", key).flatMap(words).map {
                (place, layout.specifiers.expand($0, for: unit.name))
            }
        }
    }

    func possibleLinks(of name: UnitName) throws -> [String] {
        ["\(layout.units)/\(name)", "\(layout.units)/\(name).d"]
            + (try owned().filter { $0.name == name && !name.isTemplate }.map(\.path)
                .filter { $0 != "\(layout.units)/\(name)" })
    }

    func danglingLinks() throws -> [String] {
        try owned().map(\.path).filter { !pathExists($0) && layout.owns(linkAt: $0) }
    }

    func linked() throws -> [UnitName] {
        Array(Set(try owned().filter { layout.owns(linkAt: $0.path) }.map(\.name)))
    }

    /// Every link in systemd's folder that leads to a unit's own file, with that unit.
    private func owned() throws -> [(path: String, name: UnitName)] {
        var result: [(String, UnitName)] = []
        let made = "\(layout.kept)/\(PlainServices.folder)/"
        func look(_ place: String) throws {
            for entry in try names(in: place) {
                let path = "\(place)/\(entry)"
                if let target = linkTarget(path) {
                    guard let name = UnitName(lastComponent(target)), name.kind.isOfSystemd, !target.hasPrefix(made)
                    else { continue }
                    result.append((path, name))
                } else if place == layout.units, Install.wanting.contains(where: { entry.hasSuffix(".\($0.suffix)") }) {
                    try look(path)
                }
            }
        }
        try look(layout.units)
        return result
    }
}

/// What `[Install]` brings about (systemd.unit(5)).
enum Install {
    /// The keys by which another unit has it started, each with the end of the folder where a link says so.
    static let wanting = [
        (key: "WantedBy", suffix: "wants"), (key: "RequiredBy", suffix: "requires"),
        (key: "UpheldBy", suffix: "upholds"),
    ]
}
