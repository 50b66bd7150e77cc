import JSON
import Subprocess
import TestSupport
import Testing

/// A machine with systemd and Podman that `script/test` booted, and the agent on it.
final class Node: Sendable {
    let folder: String
    /// Whether its Podman has no Quadlet.
    let isOld: Bool
    private let disk: String
    /// The user's home as it is seen from outside.
    var homeOnDisk: String { disk }

    static let home = "/home/hecate"

    init(isOld: Bool = false) throws {
        let name = isOld ? "HECATE_TEST_OLD_NODE" : "HECATE_TEST_NODE"
        guard let folder = variable(name) else { throw Unmet("no node: the system tests are run by script/test") }
        self.folder = folder
        self.isOld = isOld
        disk = "\(folder)/root\(Self.home)"
    }

    private var rig: String { "\(checkout)/Rigs/node.sh" }

    /// Runs a program as the node's user.
    @discardableResult
    func user(_ words: String..., timeout: Duration = .seconds(120)) async throws -> Completion {
        try await execute([rig, "user", folder] + words, timeout: timeout)
    }

    func shell(_ script: String) async throws -> String {
        let result = try await user("sh", "-c", script)
        guard result.code == 0 else { throw Unmet("\(script): \(result.errorText)\(result.outputText)") }
        return trimmedLine(result.outputText)
    }

    /// Runs a script as the node's root.
    @discardableResult
    func asRoot(_ script: String) async throws -> String {
        let result = try await execute([rig, "root", folder, "sh", "-c", script], timeout: .seconds(120))
        guard result.code == 0 else { throw Unmet("\(script): \(result.errorText)\(result.outputText)") }
        return trimmedLine(result.outputText)
    }

    func machine(_ command: String) async throws { try await TestSupport.shell([rig, command, folder]) }

    /// Takes everything away that a test before this one left.
    func clean() async throws {
        _ = try await user(
            "sh",
            "-c",
            """
            systemctl --user stop 't-*' hecate-* 2>/dev/null
            find -L ~/.config/containers/systemd ~/.config/systemd/user -type l -delete 2>/dev/null
            find ~/.config/containers/systemd ~/.config/systemd/user -type l -delete 2>/dev/null
            rm -rf ~/.config/systemd/user/t-*
            rm -rf ~/.hecate ~/.config/containers/systemd ~/elsewhere /run/user/1000/hecate
            systemctl --user daemon-reload; systemctl --user reset-failed
            podman rm -f -a >/dev/null 2>&1
            mkdir -p ~/.hecate/gitops/system ~/.hecate/gitops/apps ~/.hecate/secrets
            """
        )
    }

    /// Writes a file of the gitops folder as an editor does: aside first, then in place.
    func write(_ text: String, to name: String) async throws {
        try writeFile(text, to: "\(disk)/.written")
        let path = "\(Self.home)/.hecate/gitops/\(name)"
        _ = try await shell("mkdir -p $(dirname \(path)) && cp \(Self.home)/.written \(path)")
    }

    func remove(_ name: String) async throws { _ = try await shell("rm -rf \(Self.home)/.hecate/gitops/\(name)") }

    // MARK: The agent

    private static let settings = ["HECATE_VERIFY_WINDOW=1", "HECATE_DEBOUNCE=0.1", "HECATE_TIMEOUT=40"]

    func once() async throws -> Completion {
        try await execute(
            [rig, "user", folder, "env"] + Self.settings + ["hecate", "agent", "--once", "--log", "text"]
        )
    }

    func hecate(_ words: String...) async throws -> Completion {
        try await execute([rig, "user", folder, "env"] + Self.settings + ["hecate"] + words)
    }

    /// Runs the agent for as long as the body takes.
    func running<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let log = "\(Self.home)/agent.log"
        let script =
            "exec env \(Self.settings.joined(separator: " ")) /opt/hecate/bin/hecate agent --log text >>\(log) 2>&1"
        _ = try await shell("rm -f \(log); systemd-run --user --quiet --unit t-agent sh -c '\(script)'")
        do {
            let value = try await body()
            _ = try await user("systemctl", "--user", "stop", "t-agent")
            return value
        } catch {
            _ = try? await user("systemctl", "--user", "stop", "t-agent")
            _ = try? await user("systemctl", "--user", "reset-failed", "t-agent")
            throw Unmet("\(error)\n\(self.log)")
        }
    }

    /// Runs the agent from now on, and again after each boot.
    ///
    /// `verifyWindow`: Seconds.
    func enableAgent(verifyWindow: Int = 1) async throws {
        let settings = Self.settings + ["HECATE_VERIFY_WINDOW=\(verifyWindow)"]
        let environment = settings.map { "Environment=\($0)\n" }.joined()
        let log = "append:%h/agent.log"
        let unit =
            "[Service]\n\(environment)ExecStart=/opt/hecate/bin/hecate agent --log text\n"
            + "StandardOutput=\(log)\nStandardError=\(log)\n[Install]\nWantedBy=default.target\n"
        try writeFile(unit, to: "\(disk)/.written")
        let folder = ".config/systemd/user"
        _ = try await shell(
            "rm -f agent.log; mkdir -p \(folder) && cp .written \(folder)/t-agent.service && systemctl --user daemon-reload "
                + "&& systemctl --user enable --now t-agent"
        )
    }

    func disableAgent() async throws {
        _ = try await shell(
            "systemctl --user disable --now t-agent; rm -f .config/systemd/user/t-agent.service; "
                + "systemctl --user daemon-reload"
        )
    }

    var log: String { fileText("\(disk)/agent.log") ?? "" }

    /// The record of one unit.
    func app(_ name: String) async throws -> JSON {
        let result = try await hecate("list", "apps", "--format", "json")
        guard result.code == 0 else { return .null }
        return try JSON(parsing: result.output).array?.first { $0["name"]?.string == name } ?? .null
    }

    func message(_ name: String) async throws -> String {
        let conditions = try await app(name)["conditions"]?.array ?? []
        return conditions.first { $0["type"]?.string == "Ready" }?["message"]?.string ?? ""
    }

    func isReady(_ name: String) async throws -> Bool { try await app(name)["ready"]?.bool ?? false }

    func eventually(
        _ what: String,
        within limit: Duration = .seconds(45),
        _ holds: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            if try await holds() { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw Unmet("not within \(limit): \(what)\n\(log)")
    }

    // MARK: What runs

    func state(_ service: String) async throws -> String {
        trimmedLine(try await user("systemctl", "--user", "is-active", service).outputText)
    }

    /// Changes with every start of a service.
    func invocation(_ service: String) async throws -> String {
        try await shell("systemctl --user show -p InvocationID --value \(service)")
    }

    /// Something of a running container, by Podman's template.
    func container(_ name: String, _ template: String) async throws -> String {
        trimmedLine(try await user("podman", "container", "inspect", "-f", template, name).outputText)
    }

    func link(_ name: String) async throws -> String {
        trimmedLine(try await user("readlink", "\(Self.home)/.config/containers/systemd/\(name)").outputText)
    }
}

/// A unit that does nothing for long and ends at once when asked.
func sleeperUnit(
    _ more: String = "",
    image: String = "localhost/web:1.0.0",
    unit: String = "",
    service: String = "Restart=on-failure"
) -> String {
    """
    [Unit]
    Description=A test
    \(unit)
    [Container]
    Image=\(image)
    Network=none
    Exec=sh -c 'trap exit TERM; while true; do sleep 0.2; done'
    \(more)
    [Service]
    \(service)
    TimeoutStartSec=20s
    TimeoutStopSec=3s
    [Install]
    WantedBy=default.target

    """
}
