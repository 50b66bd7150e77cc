internal import Delivery

/// What turns unit files into services: Podman's own Quadlet, or the plain units made for a Podman that has none.
protocol UnitGenerator: Sendable {
    /// In a few words, for people.
    var description: String { get }

    /// Asks about units all at once, without anything being linked.
    /// - Returns: Why each of those that are refused is.
    func check(_ units: [UnitDeclaration]) async throws -> [UnitName: Failure]

    /// The links that bring a unit about, each with where it points; files they need are written.
    func links(of unit: UnitDeclaration) throws -> [String: String]

    /// Every link that could have been made for a unit.
    func possibleLinks(of name: UnitName) throws -> [String]

    /// Points links of ours that lead nowhere to where they do no harm, before systemd reads them again: one such link
    /// ends Podman's generator for every unit.
    /// `standIn`: Gives a file to take the place of a unit that is gone.
    func mendLinks(_ standIn: (UnitName) throws -> String) throws

    /// The units that links of ours are there for.
    func linked() throws -> [UnitName]
}
