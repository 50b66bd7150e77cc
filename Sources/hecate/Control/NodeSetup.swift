internal import Delivery
internal import Files
internal import Glibc
internal import Quadlet
internal import Repository
internal import Subprocess
internal import Systemd

/// Makes a machine a node, and takes that back.
///
/// Every step looks first and says what it did.
struct NodeSetup: Sendable {
    let installation: NodeInstallation
    /// What was done, in the order it was.
    private(set) var done: [String] = []

    static let service = "hecate-reconciler.service"

    init(installation: NodeInstallation) { self.installation = installation }

    private var layout: NodeLayout { installation.layout }
    private var systemd: Systemd { Systemd(layout.scope) }

    // MARK: Making

    mutating func make(from origin: String?) async throws {
        try makeFolders()
        try await linger()
        try describeHardware()
        try makeSecrets()
        if let origin { try await seed(from: origin) }
        try await startAgent()
    }

    private mutating func makeFolders() throws {
        let daemon = NodeInstallation.dataFolders.map { "\(installation.root)/hecate-daemon/\($0)" }
        let open = [
            "\(layout.gitops)/system", "\(layout.gitops)/apps", "\(installation.root)/config", layout.quadlet,
            layout.units,
        ]
        for path in open + daemon where fileStatus(path) == nil {
            try makeFolder(path)
            done.append("made \(path)")
        }
        for path in ["\(installation.root)/secrets", installation.settings.store] {
            if fileStatus(path) == nil {
                try makeFolder(path, mode: 0o700)
                done.append("made \(path), for its owner only")
            }
            try restrict(path, to: 0o700)
        }
    }

    private mutating func restrict(_ path: String, to mode: UInt32) throws {
        guard let now = fileStatus(path)?.mode, now != mode else { return }
        try setMode(path, mode)
        done.append("restricted \(path) to \(String(mode, radix: 8))")
    }

    /// The user's services have to run without anybody logged in.
    private mutating func linger() async throws {
        guard layout.scope == .user, fileStatus("/var/lib/systemd/linger/\(layout.user)") == nil else { return }
        let environment = ["PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]
        let answer = try await run(Command("loginctl", ["enable-linger", layout.user], environment: environment))
        guard answer.code == 0 else {
            throw Failure(
                .refused,
                "lingering cannot be switched on for '\(layout.user)': \(answer.errorText); ask root to run: loginctl enable-linger \(layout.user)"
            )
        }
        done.append("switched lingering on for \(layout.user)")
    }

    /// Adds what `node.env` does not say yet; what somebody wrote there stays.
    private mutating func describeHardware() throws {
        let path = "\(installation.root)/config/node.env"
        let short = layout.host.split(separator: ".").first.map(String.init) ?? layout.host
        let memory = (try? fileContent("/proc/meminfo")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let total = memory.split(separator: "\n").first { $0.hasPrefix("MemTotal:") }?.split(separator: " ").dropFirst()
            .first
        let facts = [
            ("HECATE_NODE_NAME", "hecate@\(short)"),
            ("HECATE_RAM_GB", "\((total.flatMap { Int($0) } ?? 0) / 1024 / 1024)"),
            ("HECATE_CPU_CORES", "\(sysconf(Int32(_SC_NPROCESSORS_ONLN)))"), ("HECATE_GPU", "none"),
            ("HECATE_GPU_VRAM_GB", "0"),
        ]
        var text = (try? fileContent(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let missing = facts.filter { fact in
            !text.split(whereSeparator: \.isNewline).contains { $0.hasPrefix("\(fact.0)=") }
        }
        guard !missing.isEmpty else { return }
        if !text.isEmpty, text.last != "\n" { text += "\n" }
        for (name, value) in missing { text += "\(name)=\(value)\n" }
        try replaceFile(path, with: Array(text.utf8))
        done.append("wrote \(missing.map(\.0).joined(separator: ", ")) to \(path)")
    }

    /// The files that the daemon's unit reads have to be there, and nobody else may read them.
    private mutating func makeSecrets() throws {
        for name in ["api-keys.env", "llm-providers.env"] {
            let path = "\(installation.root)/secrets/\(name)"
            guard fileStatus(path) == nil else { continue }
            try replaceFile(path, with: [], mode: 0o600)
            done.append("made \(path), empty")
        }
        for name in try names(in: "\(installation.root)/secrets") {
            let path = "\(installation.root)/secrets/\(name)"
            try restrict(path, to: fileStatus(path)?.kind == .folder ? 0o700 : 0o600)
        }
    }

    /// Takes the units that every node has from a repository; those that are here already stay as they are.
    private mutating func seed(from origin: String) async throws {
        let snapshot = try await installation.snapshot(of: origin)
        for file in try await snapshot.files(below: "quadlet/system") where !file.hasSuffix(".md") {
            let path = "\(layout.gitops)/system/\(file)"
            guard fileStatus(path, followsLinks: false) == nil else { continue }
            var text = String(decoding: try await snapshot.read("quadlet/system/\(file)"), as: UTF8.self)
            text = text.replacing(
                "HECATE_SOCKET_PATH=REPLACE_ME",
                with: "HECATE_SOCKET_PATH=\(installation.root)/hecate-daemon/sockets/api.sock"
            )
            try makeFolder(folder(of: path))
            try replaceFile(path, with: Array(text.utf8), mode: file.hasSuffix(".env") ? 0o600 : 0o644)
            done.append("seeded \(path)")
        }
    }

    private var serviceText: String {
        """
        [Unit]
        Description=Hecate agent (keeps this node equal to its gitops folder)
        Documentation=man:hecate(1)
        After=network-online.target
        Wants=network-online.target

        [Service]
        Type=notify
        ExecStart=\(Parts.ownPath()) agent --watch
        Restart=on-failure
        RestartSec=10s
        WatchdogSec=60s
        StandardOutput=journal
        StandardError=journal
        SyslogIdentifier=hecate-reconciler
        Environment=HECATE_GITOPS_DIR=\(layout.gitops)

        [Install]
        WantedBy=\(layout.scope == .user ? "default.target" : "multi-user.target")

        """
    }

    private mutating func startAgent() async throws {
        let path = "\(layout.units)/\(Self.service)"
        let text = Array(serviceText.utf8)
        let systemd = systemd
        if (try? fileContent(path)) != text {
            try replaceFile(path, with: text)
            try await systemd.reload()
            done.append("wrote \(path)")
            try await systemd.enable([Self.service], true)
            done.append("enabled \(Self.service)")
            let result = try await systemd.run(.restart, Self.service)
            guard result == "done" else { throw notStarted(result) }
            done.append("started \(Self.service)")
        } else if try await systemd.units(named: [Self.service]).first?.active != "active" {
            let result = try await systemd.run(.start, Self.service)
            guard result == "done" else { throw notStarted(result) }
            done.append("started \(Self.service)")
        }
    }

    private func notStarted(_ result: String) -> Failure {
        Failure(.unavailable, "\(Self.service) did not start (\(result)); see: journalctl --user-unit \(Self.service)")
    }

    // MARK: Taking back

    /// Stops everything that is the agent's and removes it; data stays unless it is asked for by name.
    mutating func takeBack(withData: Bool) async throws {
        let systemd = systemd
        let path = "\(layout.units)/\(Self.service)"
        if fileStatus(path) != nil {
            try? await systemd.enable([Self.service], false)
            _ = try? await systemd.run(.stop, Self.service)
            try removeFile(path)
            done.append("stopped and removed \(Self.service)")
        }
        let platform = try await NodePlatform.found(layout: layout, revisions: { _ in [] })
        for unit in try await platform.overview() where unit.link != nil {
            _ = try? await systemd.run(.stop, unit.service)
            done.append("stopped \(unit.service)")
        }
        for link in try await platform.removeLinks() { done.append("removed \(link)") }
        try await systemd.reload()
        if withData {
            try removeTree(installation.root)
            done.append("removed \(installation.root) with all data")
        } else {
            try removeTree(layout.kept)
            done.append("kept \(installation.root)")
        }
    }
}
