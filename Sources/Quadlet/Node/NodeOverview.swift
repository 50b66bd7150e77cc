package import Delivery
internal import Diagnostics
internal import Files
package import JSON
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

    package init(name: String, service: String, state: String, path: String, link: String? = nil) {
        (self.name, self.service, self.state, self.path, self.link) = (name, service, state, path, link)
    }
}

extension NodePlatform {
    /// A unit's service and its processes as systemd and Podman report them now.
    package func describe(_ id: AppID) async throws -> JSON {
        guard let name = UnitName(id.name) else { return .null }
        let unit = try GitopsTree(layout).units.first { $0.name == name }.flatMap { try? UnitDeclaration($0, layout) }
        let service = unit?.service ?? name.service
        let properties = try await systemd.properties(of: service)
        let state = "\(properties["ActiveState"] ?? "unknown") (\(properties["SubState"] ?? ""))"
        let isUp = properties["ActiveState"] == "active"
        let result = properties["Result"] ?? "success"
        var why = result == "success" ? "" : result
        if why.isEmpty, properties["ActiveState"] == "inactive", let unit, !name.isTemplate {
            why = try await deployment(unit).expectation(unit, properties, isDeclared: true).reason
        }
        return .array([
            [
                "name": .string(service), "running": .int(isUp ? 1 : 0), "desired": .int(name.isTemplate ? 0 : 1),
                "image": .string(unit?.unit.last(name.kind.section, "Image") ?? ""),
                "tasks": .array([
                    [
                        "name": .string("pid \(properties["MainPID"] ?? "-")"), "state": .string(state),
                        "node": .string(layout.host), "error": .string(why),
                        "restarts": .int(properties["NRestarts"].flatMap(Int64.init) ?? 0),
                    ]
                ]),
            ]
        ])
    }

    /// How units become services here, in words.
    package nonisolated var method: String { generator.description }

    /// Removes every link of the agent's, for good.
    /// - Returns: The links that were there.
    package func removeLinks() async throws -> [String] {
        var result: [String] = []
        for name in try generator.linked() {
            for path in try generator.possibleLinks(of: name) where layout.owns(linkAt: path) {
                try layout.removeLink(path)
                result.append(path)
            }
        }
        return result
    }

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
        let states = Dictionary(
            try await systemd.units(named: result.map(\.service).filter { !$0.contains("@.") }).map {
                ($0.name, $0.active)
            }
        ) {
            a,
            _ in a
        }
        for index in result.indices {
            let isTemplate = result[index].service.contains("@.")
            result[index].state = states[result[index].service] ?? (isTemplate ? "template" : "unknown")
            guard let name = UnitName(result[index].name) else { continue }
            result[index].link = try generator.possibleLinks(of: name).lazy.compactMap { linkTarget($0) }.first
        }
        return result.sorted { $0.name < $1.name }
    }
}
