internal import Files
internal import Systemd

/// A repository as each machine and user that it has folders for sees it.
enum GitopsView {
    /// So many are looked at.
    static let most = 500

    /// One layout for each of them, the most general one last.
    ///
    /// `machines`: Those that have a file of their own.
    static func all(of folder: String, machines: [String] = []) -> [NodeLayout] {
        let plain = layout(folder, .user, user: "", host: "")
        guard GitopsForm(plain) == .whole else {
            return (machines.prefix(most).map { layout(folder, .user, user: "", host: $0) }) + [plain]
        }
        let own = FolderChoice.machines.sorted().flatMap { folders(in: "\(folder)/\($0)") }
            .filter { !FolderChoice.shared.contains($0) }
        let hosts = Set(own + machines).sorted()
        let users = folders(in: folder).filter { pathExists("\(folder)/\($0)/.config") }
        var result: [NodeLayout] = []
        for host in hosts.isEmpty ? [""] : hosts {
            for user in users.isEmpty ? [""] : users { result.append(layout(folder, .user, user: user, host: host)) }
            result.append(layout(folder, .system, user: "root", host: host))
        }
        return Array(result.prefix(most))
    }

    private static func folders(in path: String) -> [String] {
        ((try? names(in: path)) ?? []).filter { !$0.hasPrefix(".") && fileStatus("\(path)/\($0)")?.kind == .folder }
    }

    private static func layout(_ folder: String, _ scope: Systemd.Scope, user: String, host: String) -> NodeLayout {
        var layout = NodeLayout(
            scope: scope,
            home: "/home/\(user)",
            user: user,
            userID: 0,
            host: host,
            gitops: folder,
            runtime: "/run",
            configuration: nil
        )
        // What is found is named as the repository was.
        layout.gitops = folder
        return layout
    }
}
