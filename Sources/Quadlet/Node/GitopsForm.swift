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
    /// Whoever lays it out anew says so: a folder is read as it was before, because units that are not seen any more are removed,
    /// and what lies elsewhere is not for this machine.
    init(_ layout: NodeLayout) {
        if !layout.given.isEmpty {
            self = .given(layout.given)
        } else if let kept = Self.kept(layout) {
            self = kept
        } else {
            // A link that leads nowhere stands for what it should lead to.
            let isParted = layout.parts.contains { fileStatus($0, followsLinks: false) != nil }
            self = isParted ? .parts : .whole
        }
    }

    private static func note(_ layout: NodeLayout) -> [String] {
        let text = (try? fileContent(layout.formNote)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    private static func kept(_ layout: NodeLayout) -> GitopsForm? {
        let lines = note(layout)
        switch lines.first {
        case "parts": return .parts
        case "whole": return .whole
        case "given" where lines.count > 1: return .given(Array(lines[1...]))
        default: return nil
        }
    }

    /// The folders in which this user had a home, in a folder that is read as a whole.
    static func ownHomes(_ layout: NodeLayout) -> Set<String> {
        Set(note(layout).filter { $0.hasPrefix("home ") }.map { String($0.dropFirst("home ".count)) })
    }

    /// Has the folder be read so from now on.
    ///
    /// `homes`: The folders in which this user has a home.
    func keep(_ layout: NodeLayout, homes: Set<String> = []) throws(FileError) {
        let lines: [String] =
            switch self {
            case .parts: ["parts"]
            case .given(let names): ["given"] + names
            case .whole: ["whole"] + homes.union(Self.ownHomes(layout)).sorted().map { "home \($0)" }
            }
        guard Self.note(layout) != lines else { return }
        try makeFolder(layout.kept, mode: 0o700)
        let text = lines.map { "\($0)\n" }.joined()
        try replaceFile(layout.formNote, with: Array(text.utf8), mode: 0o600)
    }
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
        if home != own, home != layout.gitops {
            if holdsHome(own) { return .others("it is another user's than '\(layout.user)'") }
            if GitopsForm.ownHomes(layout).contains(folder(of: home)) {
                return .unknown("there was a home of '\(layout.user)' beside it, and there is none any more")
            }
        }
        return .enterOnly(Self.homes.map { "\(path)/\($0)" }.filter(pathExists))
    }

    private static let homes = ["containers/systemd", "systemd/user"]

    private func holdsHome(_ path: String) -> Bool { Self.homes.contains { pathExists("\(path)/.config/\($0)") } }

    private func machine(_ path: String) -> Verdict {
        let entries = ((try? names(in: path)) ?? []).filter { !$0.hasPrefix(".") }
        let folders = entries.filter { fileStatus("\(path)/\($0)")?.kind == .folder }
        let own = folders.filter { $0 == layout.host || $0 == layout.shortHost }
        // An app may be called so, whose folders hold no units.
        let hasUnits = folders.contains { Self.holdsUnits("\(path)/\($0)", depth: 0) }
        let holdsUnits = entries.contains { UnitName($0) != nil && !folders.contains($0) }
        if folders.isEmpty || own.isEmpty && holdsUnits && !hasUnits { return .enter }
        guard !own.isEmpty else {
            return .unknown("it has folders for machines, and none for this one, '\(layout.shortHost)'")
        }
        return .enterOnly((own + folders.filter(Self.shared.contains)).map { "\(path)/\($0)" })
    }

    private static func holdsUnits(_ folder: String, depth: Int) -> Bool {
        depth < 8
            && ((try? names(in: folder)) ?? []).contains { name in
                let isFolder = fileStatus("\(folder)/\(name)")?.kind == .folder
                return isFolder ? holdsUnits("\(folder)/\(name)", depth: depth + 1) : UnitName(name) != nil
            }
    }
}
