internal import Delivery
internal import Diagnostics
internal import Files

/// What units take that only one of them can have: the place of a link, the name of a service.
///
/// What two units name by one relative path is looked for in one folder, wherever the units themselves lie; with two files of
/// that name one unit would run with the other's.
struct UnitConflicts {
    private var places: [String: (unit: String, target: String)] = [:]
    private var services: [String: String] = [:]

    /// Takes in what an accepted unit has.
    mutating func add(_ unit: String, service: String, links: [String: String]) {
        services[service] = unit
        for (path, target) in links where places[path] == nil { places[path] = (unit, target) }
    }

    /// What another unit has that this one wants; nil when there is none.
    func failure(_ unit: UnitDeclaration, _ links: [String: String]) -> Failure? {
        if let other = services[unit.service], other != unit.name.description {
            return failure(
                unit,
                "it makes the service '\(unit.service)', and so does '\(other)'",
                cure: "give one of them another name, or another ServiceName="
            )
        }
        for (path, target) in links.sorted(by: { $0.key < $1.key }) {
            guard let other = places[path], other.target != target, other.unit != unit.name.description else {
                continue
            }
            return failure(
                unit,
                "'\(lastComponent(path))' is '\(target)' here and '\(other.target)' for '\(other.unit)', and "
                    + (unit.name.kind.isOfSystemd
                        ? "systemd has one unit of a name" : "Podman would look for both in one folder"),
                cure: "give one of the files another name, or write its whole path"
            )
        }
        return nil
    }

    private func failure(_ unit: UnitDeclaration, _ message: String, cure: String) -> Failure {
        let diagnostic = Diagnostic(.error, at: Place(file: unit.path), message, cure: cure)
        return Failure(.invalid, diagnostic.description, next: .needsChange)
    }
}
