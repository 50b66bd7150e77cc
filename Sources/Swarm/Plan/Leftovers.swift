internal import JSON

/// A config or a secret by its name in the cluster.
struct FileName: Sendable, Hashable {
    var kind: DesiredFile.Kind
    var name: String

    /// Whether it is one of the versions of a declared file that carry their content's hash in their names.
    func isVersion(of declared: FileName) -> Bool {
        kind == declared.kind
            && ObjectName.isVersion(
                name,
                of: declared.name,
                digits: StackPlanner.fileDigits,
                limit: ObjectName.limit
            )
    }
}

/// Decides which configs and secrets of a stack nobody needs any more.
///
/// Whoever makes one by hand may give it the stack's label too: only what a revision declared, or is a version of such a
/// file, was ever this controller's to remove.
struct Leftovers: Sendable {
    /// What kept revisions and services refer to.
    var needed: Set<FileName>
    /// What revisions declared, those among them that are not kept any more.
    var declared: Set<FileName>
    /// Whether what the stack declares no longer is removed; otherwise only versions are, which nobody else makes.
    var prunes: Bool

    func contains(_ file: FileName) -> Bool {
        guard !needed.contains(file) else { return false }
        return prunes && declared.contains(file) || declared.contains { file.isVersion(of: $0) }
    }
}

extension DesiredStack {
    /// The names under which its configs and secrets are declared, and under which they were deployed; what ran before
    /// the first change declares none.
    var declaredFiles: Set<FileName> {
        Set(
            isCaptured
                ? []
                : files.flatMap { file in
                    [file.name, file.deployedName].compactMap { $0 }.map { FileName(kind: file.kind, name: $0) }
                }
        )
    }
}

extension ObservedStack {
    /// The configs and secrets that services use, or would use after Swarm rolled them back.
    var usedFiles: Set<FileName> {
        var used: Set<FileName> = []
        for spec in services.flatMap({ [$0.spec, $0.previousSpec].compactMap { $0 } }) {
            let container = spec["TaskTemplate"]?["ContainerSpec"]
            for item in container?["Configs"]?.array ?? [] {
                used.insert(FileName(kind: .config, name: item["ConfigName"]?.string ?? ""))
            }
            for item in container?["Secrets"]?.array ?? [] {
                used.insert(FileName(kind: .secret, name: item["SecretName"]?.string ?? ""))
            }
        }
        return used
    }
}
