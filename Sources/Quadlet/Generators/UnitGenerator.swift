internal import Delivery

/// What turns unit files into services: Podman's own Quadlet, or the plain units made for a Podman that has none.
protocol UnitGenerator: Sendable {
    /// In a few words, for people.
    var description: String { get }

    /// Changes when it may make something else of the same files.
    var identity: String { get }

    /// Asks about units all at once, without anything being linked.
    /// - Returns: Why each of those that are refused is.
    func check(_ units: [UnitDeclaration]) async throws -> [UnitName: Failure]

    /// Why it makes no services of what is linked now, in words, such as a file of somebody else's that it breaks on; nil when
    /// nothing keeps it from that.
    func fault() async throws -> String?

    /// The links that bring a unit about, each with where it points; files they need are written.
    func links(of unit: UnitDeclaration) throws -> [String: String]

    /// Every link that could have been made for a unit.
    func possibleLinks(of name: UnitName) throws -> [String]

    /// Links of ours that lead nowhere: one such link ends Podman's generator for every unit.
    func danglingLinks() throws -> [String]

    /// The units that links of ours are there for.
    func linked() throws -> [UnitName]
}
