package import Delivery
package import Diagnostics
internal import Files
internal import Glibc
internal import Systemd

/// What a repository has a machine run, worked out on any other one: by the code that the machine itself runs, in a folder that
/// lasts as long as that takes.
package struct MachinePreview {
    private var units: [UnitName: UnitDeclaration] = [:]
    /// Units that cannot be read: a machine keeps what it has of them.
    private var unreadable: Set<UnitName> = []
    private var isPartial = false
    /// What is wrong, at the places in the repository.
    package private(set) var problems = Diagnostics()

    /// `user`: Whose agent it is; `root` for the system's.
    /// - Throws: `Invalid` when what the repository says of the machine is wrong.
    package init(
        of snapshot: any BrowsableSnapshot,
        host: String,
        user: String,
        registry: PluginRegistry?
    ) async throws {
        let home = try temporaryFolder()
        defer { try? removeTree(home) }
        var layout = NodeLayout(
            scope: user == "root" ? .system : .user,
            home: home,
            user: user,
            userID: 0,
            host: host,
            gitops: nil,
            runtime: "\(home)/run",
            configuration: nil
        )
        layout.isElsewhere = true
        let files = try await MachineFiles(snapshot, layout, registry: registry)
        _ = try await GitopsSync(layout: layout).bring(files, of: snapshot.revision.commit)
        if files.isLaidOut, !files.isNamed {
            let known = try await MachineSettings.names(in: MachineSettings.machines, of: snapshot)
            problems.warning(
                at: nil,
                "there is no \(MachineSettings.machines)/\(host).yml, so that '\(host)' gets what every machine does",
                cure: suggestion(for: host, among: known)
            )
        }
        func inRepository(_ path: String) -> String {
            guard path.hasPrefix("\(layout.gitops)/") else { return path }
            let inner = String(path.dropFirst(layout.gitops.count + 1))
            return files.origins[inner] ?? inner
        }
        func note(_ diagnostics: some Collection<Diagnostic>) {
            for diagnostic in diagnostics { problems.append(diagnostic.moved(inRepository)) }
        }
        let tree = try GitopsTree(layout)
        isPartial = tree.isPartial
        note(tree.problems + tree.elsewhere)
        for source in tree.units {
            do throws(Invalid) {
                var unit = try UnitDeclaration(source, layout)
                for index in unit.referencedFiles.indices {
                    unit.referencedFiles[index].path = inRepository(unit.referencedFiles[index].path)
                }
                units[source.name] = unit
            } catch {
                unreadable.insert(source.name)
                note(error.diagnostics)
            }
        }
    }

    /// What is to be done where this runs, so that another one does, unit by unit.
    ///
    /// `old`: What runs; nil for a machine on which nothing does.
    package static func plans(from old: MachinePreview?, to new: MachinePreview, on host: String) -> [(AppID, Plan)] {
        let names = Set(new.units.keys).union(old?.units.keys.map { $0 } ?? [])
        return names.sorted { $0.description < $1.description }.map { name in
            let id = AppID(target: host, name: name.description)
            func plan(_ action: Change.Action, _ unit: UnitDeclaration, _ fields: [FieldChange] = []) -> Plan {
                Plan([Change(action, "unit", unit.service, fields: fields)])
            }
            switch (old?.units[name], new.units[name]) {
            case (nil, let come?): return (id, plan(.create, come))
            case (let gone?, nil):
                return (id, new.isPartial || new.unreadable.contains(name) ? Plan() : plan(.remove, gone))
            case (let before?, let after?) where before.fingerprint != after.fingerprint:
                let fields = UnitDifference.fields(
                    from: before.unit,
                    before.referencedFiles.map { ($0.path, $0.digest) },
                    to: after.unit,
                    after.referencedFiles
                )
                return (id, plan(.update, after, fields))
            default: return (id, Plan())
            }
        }
    }
}

/// A folder of its own, which nobody else may read.
private func temporaryFolder() throws -> String {
    var template = Array("/tmp/hecate-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else {
        throw Failure(.unavailable, "no folder can be made in /tmp: \(String(cString: strerror(errno)))")
    }
    return String(cString: made)
}
