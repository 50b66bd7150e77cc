internal import Diagnostics
internal import Files

/// Paths that a unit gives relative to the folder it lies in (podman-systemd.unit(5): `./data:/data`, `EnvironmentFile=app.env`).
///
/// Podman looks for them beside the link to the unit, which lies in Podman's own folder.
extension UnitDeclaration {
    /// One of them.
    struct RelativePath {
        var entry: UnitFile.Entry
        /// Without a leading `./`.
        var path: String

        /// Its first part: what has to lie beside the unit.
        var first: String { path.split(separator: "/").first.map(String.init) ?? path }
        var leadsOut: Bool { path.split(separator: "/").contains("..") }
    }

    /// All of them, in the order they are written.
    var relativePaths: [RelativePath] {
        unit.entries.compactMap { entry in
            guard let written = Self.path(in: entry, of: name.kind) else { return nil }
            let path = written.hasPrefix("./") ? String(written.dropFirst(2)) : written
            return RelativePath(entry: entry, path: path.isEmpty ? "." : path)
        }
    }

    /// The relative path that an assignment has; nil when it has none.
    private static func path(in entry: UnitFile.Entry, of kind: UnitKind) -> String? {
        guard entry.section == kind.section else { return nil }
        let value = entry.value
        switch (kind, entry.key) {
        case (.container, "EnvironmentFile"), (.kube, "Yaml"), (.kube, "ConfigMap"):
            let isElsewhere = ["/", "%", "http://", "https://"].contains { value.hasPrefix($0) }
            return isElsewhere || value.isEmpty ? nil : value
        case (.container, "Volume"), (.pod, "Volume"), (.build, "Volume"):
            return dotted(value.split(separator: ":").first.map(String.init))
        case (.container, "Mount"):
            let source = value.split(separator: ",").first { $0.hasPrefix("source=") || $0.hasPrefix("src=") }
            return dotted(source?.split(separator: "=").last.map(String.init))
        default: return nil
        }
    }

    private static func dotted(_ path: String?) -> String? {
        path.flatMap { $0.hasPrefix(".") ? $0 : nil }
    }

    /// Why what it names beside itself would not be found through the link to it; nil when it would.
    var relativeFault: Diagnostic? {
        let cure = "write the whole path, such as %h/.hecate/gitops/…"
        if let path = relativePaths.first(where: { $0.leadsOut || $0.path == "." }) {
            return Diagnostic(
                .error,
                at: path.entry.place,
                "'\(path.path)' is no part of the unit's folder, and Podman looks for it from its own",
                cure: cure
            )
        }
        let bases = ["unit"] + (relativePaths.contains { $0.entry.key == "Yaml" } ? ["yaml"] : [])
        guard let base = unit.all(name.kind.section, "SetWorkingDirectory").last, bases.contains(base.value) else {
            return nil
        }
        return Diagnostic(
            .error,
            at: base.place,
            "'\(base.value)' would be Podman's own folder, where only links to the units lie",
            cure: cure
        )
    }

    /// The same text with these paths whole, for a copy that lies elsewhere.
    static func withWholePaths(_ unit: UnitFile, of kind: UnitKind, from folder: String) -> UnitFile {
        var result = unit
        for (index, entry) in unit.entries.enumerated() where ["Volume", "Mount"].contains(entry.key) {
            guard let path = path(in: entry, of: kind) else { continue }
            result.entries[index].value = entry.value.replacing(
                path,
                with: normalizedPath("\(folder)/\(path)"),
                maxReplacements: 1
            )
        }
        return result
    }
}
