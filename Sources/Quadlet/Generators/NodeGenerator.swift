internal import Delivery

/// Podman's units and systemd's own, side by side.
struct NodeGenerator: UnitGenerator {
    /// What makes services of Podman's units.
    let podman: any UnitGenerator
    let system: SystemUnits

    var description: String { podman.description }
    var identity: String { podman.identity }

    private func generator(of name: UnitName) -> any UnitGenerator { name.kind.isOfSystemd ? system : podman }

    func check(_ units: [UnitDeclaration]) async throws -> [UnitName: Failure] {
        let own = try await system.check(units.filter(\.name.kind.isOfSystemd))
        return try await podman.check(units.filter { !$0.name.kind.isOfSystemd }).merging(own) { first, _ in first }
    }

    func fault() async throws -> String? { try await podman.fault() }

    func links(of unit: UnitDeclaration) throws -> [String: String] { try generator(of: unit.name).links(of: unit) }

    func possibleLinks(of name: UnitName) throws -> [String] { try generator(of: name).possibleLinks(of: name) }

    func danglingLinks() throws -> [String] { try podman.danglingLinks() + system.danglingLinks() }

    func linked() throws -> [UnitName] { try podman.linked() + system.linked() }
}
