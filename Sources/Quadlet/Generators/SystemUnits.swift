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
        for (key, suffix) in Install.wanting {
            for other in names(unit, key) { links["\(layout.units)/\(other).\(suffix)/\(unit.name)"] = unit.path }
        }
        for alias in names(unit, "Alias") where alias != unit.name.description {
            links["\(layout.units)/\(alias)"] = unit.path
        }
        return links
    }

    /// The units that a key of `[Install]` names.
    private func names(_ unit: UnitDeclaration, _ key: String) -> [String] {
        unit.unit.values("Install", key).flatMap(words).map { layout.specifiers.expand($0, for: unit.name) }
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
        let made = "\(layout.kept)/\(PlainServices.folder)/"
        return try layout.unitLinks().compactMap { path, target in
            guard let name = UnitName(lastComponent(target)), name.kind.isOfSystemd, !target.hasPrefix(made) else {
                return nil
            }
            return (path, name)
        }
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
