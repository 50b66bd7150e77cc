import Files
import SimulatedNode
import Subprocess
import Systemd
import TestSupport

/// A machine to play calls to: the booted one, or the model of it.
enum NodeStage {
    case real(Systemd, Node)
    case simulated(SimulatedManager, folder: String)

    /// The booted node's own systemd, reached from outside through its bus.
    static func booted(_ node: Node) async throws -> NodeStage {
        guard variable("DBUS_SESSION_BUS_ADDRESS")?.contains(node.folder) ?? false else {
            throw Unmet("the session bus is not the node's: the system tests are run by script/test")
        }
        // Made by the user, so that whoever cleans up may remove what lies in them.
        _ = try await node.shell("mkdir -p ~/.config/containers/systemd ~/.config/systemd/user")
        return .real(Systemd(.user), node)
    }

    static func model(seed: UInt64, in scratch: Scratch) throws -> NodeStage {
        let folders = SimulatedNode.Folders(
            quadlet: "\(scratch.path)/quadlet",
            units: "\(scratch.path)/units",
            home: scratch.path
        )
        try makeFolder(folders.quadlet)
        try makeFolder(folders.units)
        let manager = SimulatedManager(seed: seed, start: 1_800_000_000_000_000_000, folders: folders)
        return .simulated(manager, folder: scratch.path)
    }

    var manager: any ServiceManager {
        switch self {
        case .real(let systemd, _): systemd
        case .simulated(let manager, _): manager
        }
    }

    /// Where the two folders lie, as they are written to.
    private var folders: (quadlet: String, units: String) {
        switch self {
        case .real(_, let node):
            ("\(node.homeOnDisk)/.config/containers/systemd", "\(node.homeOnDisk)/.config/systemd/user")
        case .simulated(_, let folder): ("\(folder)/quadlet", "\(folder)/units")
        }
    }

    private func path(_ name: String) -> String {
        name.hasSuffix(".service") ? "\(folders.units)/\(name)" : "\(folders.quadlet)/\(name)"
    }

    func write(_ name: String, _ text: String) throws {
        try removeFile(path(name))
        try replaceFile(path(name), with: Array(text.utf8))
    }

    func remove(_ name: String) throws { try removeFile(path(name)) }

    /// A link: to `/dev/null` it masks a unit, to nowhere it ends Podman's generator.
    func link(_ name: String, to target: String) throws {
        try replaceLink(path(name), to: target)
    }

    func kill(_ service: String) async throws {
        switch self {
        case .real(_, let node):
            try await node.user("systemctl", "--user", "kill", "--kill-whom=main", "--signal=KILL", service)
        case .simulated(let manager, _): await manager.with { $0.kill(service) }
        }
    }

    /// Lets a twentieth of a second pass.
    func wait() async throws {
        switch self {
        case .real: try await Task.sleep(for: .milliseconds(50))
        case .simulated(let manager, _): await manager.pass(.milliseconds(50))
        }
    }

    /// Waits for a job's end and gives its result.
    func result(of job: Systemd.JobID) async throws -> String {
        guard case .simulated(let manager, _) = self else { return await self.manager.result(of: job) }
        for _ in 0..<4000 {
            if let result = await manager.resultSoFar(of: job) { return result }
            try await wait()
        }
        return "never"
    }

    /// What Podman's generator says of the folder, without where that is.
    func complaints() async throws -> [String] {
        let program = "/usr/libexec/podman/quadlet"
        let text: String
        switch self {
        case .real(_, let node):
            let folder = "\(Node.home)/.config/containers/systemd"
            let variable = "QUADLET_UNIT_DIRS=\(folder)"
            text = try await node.user("env", variable, program, "-dryrun", "-user").errorText.replacing(
                folder,
                with: ""
            )
        case .simulated(let manager, let folder):
            let command = Command(program, ["-dryrun"], environment: ["QUADLET_UNIT_DIRS": "\(folder)/quadlet"])
            text = await manager.run(command).errorText.replacing("\(folder)/quadlet", with: "")
        }
        return text.split(separator: "\n").map { line in
            let end = line.firstRange(of: "]: ")
            return String(line.hasPrefix("quadlet-generator[") ? line[(end?.upperBound ?? line.startIndex)...] : line)
        }
        .filter { $0.hasPrefix("converting") || $0.hasPrefix("error loading") }
    }

    /// What `podman container inspect` says of a container's health; nil when there is none.
    func health(of container: String) async throws -> String? {
        let form = "{{if .State.Health}}{{.State.Health.Status}}{{end}}"
        let answer: Completion
        switch self {
        case .real(_, let node):
            answer = try await node.user("podman", "container", "inspect", "--format", form, container)
        case .simulated(let manager, _):
            answer = await manager.run(Command("podman", ["container", "inspect", "--format", form, container]))
        }
        return answer.code == 0 ? answer.outputText.filter { $0 != "\n" } : nil
    }
}
