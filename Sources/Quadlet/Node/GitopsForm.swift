internal import Files
internal import Systemd

/// How a gitops folder is laid out.
enum GitopsForm: Equatable {
    /// Units lie in `system` and `apps`.
    case parts
    /// They lie in these folders, which somebody named.
    case given([String])
    /// They lie anywhere in it, as in repositories that were not made for Hecate.
    case whole

    /// The form a folder has.
    ///
    /// Whoever lays it out anew says so: a folder that was read as a whole stays so, because units that are not seen any more
    /// are removed.
    init(_ layout: NodeLayout) {
        if !layout.given.isEmpty {
            self = .given(layout.given)
        } else if pathExists(layout.formNote) {
            self = .whole
        } else {
            // A link that leads nowhere stands for what it should lead to.
            let isParted = layout.parts.contains { fileStatus($0, followsLinks: false) != nil }
            self = isParted ? .parts : .whole
        }
    }

    /// Has a folder be read as a whole from now on.
    static func keepWhole(_ layout: NodeLayout) throws(FileError) {
        guard !pathExists(layout.formNote) else { return }
        try makeFolder(layout.kept, mode: 0o700)
        try replaceFile(layout.formNote, with: Array("units lie anywhere in the folder\n".utf8), mode: 0o600)
    }

    static func forgetWhole(_ layout: NodeLayout) throws(FileError) { try removeFile(layout.formNote) }
}

/// Which folders of a repository that was not made for Hecate are this machine's and this user's.
struct FolderChoice {
    let layout: NodeLayout

    /// What is done with a folder.
    enum Verdict: Equatable {
        case enter
        /// Only these folders in it are entered.
        case enterOnly([String])
        /// It is for somebody else, in words.
        case others(String)
        /// Nothing in it is for this machine, though there may be something for each.
        case unknown(String)
        /// It holds no units.
        case nothing
    }

    static let machines: Set<String> = ["hosts", "nodes", "machines"]
    static let shared: Set<String> = ["all", "common", "default", "shared"]
    private static let roots: Set<String> = ["root", "rootful"]
    private static let users: Set<String> = ["user", "rootless"]

    func verdict(on path: String) -> Verdict {
        let name = lastComponent(path)
        let (outer, isInGitops) = (folder(of: path), folder(of: path) == layout.gitops)
        let isInMachine = Self.machines.contains(lastComponent(folder(of: outer)))
        let isTop = isInGitops || isInMachine && folder(of: folder(of: outer)) == layout.gitops
        if name == ".config" { return configuration(path) }
        if name.hasPrefix(".") { return .nothing }
        if isTop, Self.roots.contains(name), layout.scope == .user {
            return .others("it is for root, and this agent is the user '\(layout.user)'")
        }
        if isTop, Self.users.contains(name), layout.scope == .system {
            return .others("it is for users, and this agent is root's")
        }
        if layout.scope == .user, path.hasSuffix("/etc/containers/systemd") || path.hasSuffix("/etc/systemd/system") {
            return .others("it is for root, and this agent is the user '\(layout.user)'")
        }
        if isInGitops, Self.machines.contains(name) { return machine(path) }
        return .enter
    }

    /// The folders of a user's home that hold units.
    private func configuration(_ path: String) -> Verdict {
        guard layout.scope == .user else { return .others("it is a user's, and this agent is root's") }
        // Beside the home of this user those of others are not this agent's.
        let home = folder(of: path)
        let own = "\(folder(of: home))/\(layout.user)"
        if home != own, home != layout.gitops, holdsHome(own) {
            return .others("it is another user's than '\(layout.user)'")
        }
        return .enterOnly(Self.homes.map { "\(path)/\($0)" }.filter(pathExists))
    }

    private static let homes = ["containers/systemd", "systemd/user"]

    private func holdsHome(_ path: String) -> Bool { Self.homes.contains { pathExists("\(path)/.config/\($0)") } }

    private func machine(_ path: String) -> Verdict {
        let entries = ((try? names(in: path)) ?? []).filter { !$0.hasPrefix(".") }
        let folders = entries.filter { fileStatus("\(path)/\($0)")?.kind == .folder }
        // An app may be called so.
        guard !folders.isEmpty, entries.allSatisfy({ UnitName($0) == nil || folders.contains($0) }) else {
            return .enter
        }
        let own = folders.filter { $0 == layout.host || $0 == layout.shortHost }
        guard !own.isEmpty else {
            return .unknown("it has folders for machines, and none for this one, '\(layout.shortHost)'")
        }
        return .enterOnly((own + folders.filter(Self.shared.contains)).map { "\(path)/\($0)" })
    }
}
