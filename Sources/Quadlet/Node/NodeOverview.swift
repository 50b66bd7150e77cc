internal import Diagnostics
internal import Files
internal import Systemd

/// One unit as the folder, the links and systemd show it.
package struct UnitOverview: Sendable {
    package var name: String
    package var service: String
    /// systemd's state, such as `active`.
    package var state: String
    /// Where it is declared; empty when only its link is left.
    package var path: String
    /// Where its link leads.
    package var link: String?
}

extension NodePlatform {
    /// How units become services here, in words.
    package nonisolated var method: String { generator.description }

    /// Every unit that is declared or linked, with its state.
    package func overview() async throws -> [UnitOverview] {
        let tree = try GitopsTree(layout)
        var result: [UnitOverview] = tree.units.map { source in
            let service = (try? UnitDeclaration(source, layout))?.service ?? source.name.service
            return UnitOverview(
                name: source.name.description,
                service: service,
                state: "",
                path: source.path,
                link: nil
            )
        }
        let declared = Set(result.map(\.name))
        for name in try generator.linked() where !declared.contains(name.description) {
            result.append(UnitOverview(name: name.description, service: name.service, state: "", path: "", link: nil))
        }
        let states = Dictionary(try await systemd.units(named: result.map(\.service)).map { ($0.name, $0.active) }) {
            a,
            _ in a
        }
        for index in result.indices {
            result[index].state = states[result[index].service] ?? "unknown"
            guard let name = UnitName(result[index].name) else { continue }
            result[index].link = try generator.possibleLinks(of: name).lazy.compactMap { linkTarget($0) }.first
        }
        return result.sorted { $0.name < $1.name }
    }
}
