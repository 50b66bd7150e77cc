internal import Delivery
internal import Files
internal import Systemd

/// Whose the names are that a unit takes.
extension NodeDeployment {
    /// Sees to it that no link takes the place of a unit that is somebody else's, such as the distribution's own.
    /// - Returns: Whether systemd had to be asked.
    /// - Throws: `Failure` when one would.
    func refuseToHide(_ links: [NodePlanned.Link], _ unit: UnitDeclaration) async throws -> Bool {
        var names: [String] = []
        if name.kind.isOfSystemd {
            for link in links where link.from == nil && folder(of: link.path) == layout.units {
                if let other = UnitName(lastComponent(link.path)) { names.append(other.service) }
            }
        } else if await platform.start(of: unit.service)?.fingerprint != unit.fingerprint {
            // Podman's units are known by the services that are made of them, whose names may change with their text alone.
            names = [unit.service] + unit.unit.values("Install", "Alias").flatMap(words)
        }
        for service in names {
            guard let path = try await foreignFile(of: service) else { continue }
            throw Failure(
                .refused,
                "'\(service)' is a unit of somebody else's already, made of '\(path)'; give this one another name, or lay a drop-in "
                    + "over that one by hand"
            )
        }
        return !names.isEmpty
    }

    /// The file that a unit of systemd's is made of, when that is there and not the agent's.
    func foreignFile(of service: String) async throws -> String? {
        // A template is known by its instances.
        let asked = service.replacing("@.", with: "@hecate.", maxReplacements: 1)
        let properties = try await platform.systemd.properties(of: asked)
        let path = properties["FragmentPath"] ?? ""
        guard !path.isEmpty, path != "/dev/null" else { return nil }
        var source = path
        if path.hasPrefix("\(layout.runtime)/systemd/generator") {
            // What a generator made, such as Podman's or that of fstab, says what it was made of.
            source = properties["SourcePath"] ?? ""
            if source.isEmpty { return layout.owns(linkAt: layout.link(of: name)) ? nil : path }
        }
        // systemd names what it read, also when that went since.
        return fileStatus(source, followsLinks: false) == nil || isOwn(source) ? nil : source
    }

    private func isOwn(_ path: String) -> Bool {
        path.hasPrefix("\(layout.gitops)/") || layout.owns(linkAt: path)
            || realPath(path)?.hasPrefix("\(realPath(layout.gitops) ?? layout.gitops)/") ?? false
    }
}
