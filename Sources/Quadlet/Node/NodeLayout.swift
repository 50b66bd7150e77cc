internal import Files
package import Systemd

/// Where everything of a node lies.
package struct NodeLayout: Sendable {
    package var scope: Systemd.Scope
    package var home: String
    package var user: String
    package var host: String
    /// What should run.
    package var gitops: String
    /// The folders below it that units are read from, as somebody named them; empty for those that its form gives.
    package var given: [String] = []
    /// Where Podman's generator looks.
    package var quadlet: String
    /// Where systemd looks for units written by hand.
    package var units: String
    /// What lasts until the next boot.
    package var runtime: String
    /// Whether it is another machine's, of which only the gitops folder is here.
    var isElsewhere = false

    package init(
        scope: Systemd.Scope,
        home: String,
        user: String,
        userID: UInt32,
        host: String,
        gitops: String?,
        runtime: String?,
        configuration: String?
    ) {
        self.scope = scope
        self.home = home
        self.user = user
        self.host = host
        self.gitops = normalizedPath(gitops ?? "\(home)/.hecate/gitops")
        switch scope {
        case .user:
            let configuration = configuration ?? "\(home)/.config"
            quadlet = "\(configuration)/containers/systemd"
            units = "\(configuration)/systemd/user"
            self.runtime = runtime ?? "/run/user/\(userID)"
        case .system:
            quadlet = "/etc/containers/systemd"
            units = "/etc/systemd/system"
            self.runtime = "/run"
        }
    }

    /// The folders that are read when they are there, the first winning nothing: a name that stands in both is refused.
    var parts: [String] { ["\(gitops)/system", "\(gitops)/apps"] }
    /// What the agent keeps for itself; below the gitops folder, so that links into it are its own.
    package var kept: String { "\(gitops)/.hecate" }
    /// Says how the folder is read, once units of it were.
    var formNote: String { "\(kept)/form" }
    /// The host's name without its domain.
    package var shortHost: String { host.split(separator: ".").first.map(String.init) ?? host }

    /// Where the link to a unit's file belongs, so that who reads it finds it.
    func link(of name: UnitName) -> String { "\(name.kind.isOfSystemd ? units : quadlet)/\(name)" }

    package var specifiers: Specifiers {
        Specifiers([
            "h": home, "t": runtime, "H": host, "l": shortHost,
            "u": user,
            "T": "/tmp", "V": "/var/tmp", "E": folder(of: folder(of: quadlet)),
        ])
    }

    /// Every link in systemd's folder and in its folders of wishes, with where it leads.
    func unitLinks() throws(FileError) -> [(path: String, target: String)] {
        var result: [(path: String, target: String)] = []
        var places = [units]
        while let place = places.popLast() {
            for entry in try names(in: place) {
                let path = "\(place)/\(entry)"
                if let target = linkTarget(path) {
                    result.append((path, target))
                } else if place == units, Install.wanting.contains(where: { entry.hasSuffix(".\($0.suffix)") }) {
                    places.append(path)
                }
            }
        }
        return result
    }

    /// Removes a link when it is the agent's, and the folder of wishes that it leaves empty, as `systemctl disable` does.
    func removeLink(_ path: String) throws(FileError) {
        guard owns(linkAt: path) else { return }
        try removeFile(path)
        let place = folder(of: path)
        guard folder(of: place) == units, Install.wanting.contains(where: { place.hasSuffix(".\($0.suffix)") }) else {
            return
        }
        removeEmptyFolder(place)
    }

    /// Whether a link is the agent's: it points below the gitops folder, by whatever name that folder is reached.
    package func owns(linkAt path: String) -> Bool {
        guard let target = linkTarget(path) else { return false }
        if target.hasPrefix(gitops), target.utf8.dropFirst(gitops.utf8.count).first == UInt8(ascii: "/"),
            !target.contains("/../")
        {
            return true
        }
        let whole = normalizedPath(target.hasPrefix("/") ? target : "\(folder(of: path))/\(target)")
        let roots = [gitops, realPath(gitops)].compactMap { $0 }
        return roots.contains { whole.hasPrefix($0 + "/") }
            || roots.contains { root in realPath(folder(of: whole)).map { ($0 + "/").hasPrefix(root + "/") } ?? false }
    }
}
