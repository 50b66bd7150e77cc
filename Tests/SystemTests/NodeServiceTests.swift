import JSON
import Subprocess
import TestSupport
import Testing

extension NodeTests {
    /// The agent as a service: its watchdog, its journal, and as root under the system's manager.
    @Suite(.serialized) struct Services {
        @Test(.timeLimit(.minutes(3))) func aHungAgentIsStartedAgain() async throws {
            let node = try Node()
            try await node.clean()
            try await node.write(sleeperUnit(), to: "apps/t-web.container")
            _ = try await node.shell(
                """
                systemd-run --user --quiet --unit t-watched -p Type=notify -p NotifyAccess=main -p WatchdogSec=2s \\
                    -p TimeoutAbortSec=1s -p Restart=always -p RestartSec=0.2s -E HECATE_VERIFY_WINDOW=1 hecate agent --watch
                """
            )
            try await node.eventually("the unit runs") { try await node.isReady("t-web.container") }
            let before = try await node.shell("systemctl --user show -p MainPID --value t-watched")
            // It tells the manager that it is well for as long as it is.
            try await Task.sleep(for: .seconds(5))
            #expect(try await node.shell("systemctl --user show -p MainPID --value t-watched") == before)
            _ = try await node.shell("kill -STOP \(before)")
            try await node.eventually("another agent runs") {
                let now = try await node.shell("systemctl --user show -p MainPID --value t-watched")
                let state = try await node.state("t-watched")
                return now != before && now != "0" && state == "active"
            }
            _ = try await node.shell("systemctl --user stop t-web")
            try await node.eventually("it does its work") { try await node.state("t-web") == "active" }

            // What it did stands in the journal, with fields to find it by.
            let entry = try await node.shell(
                "journalctl --user -o json HECATE_SUBJECT=node/t-web.container HECATE_REASON=Deployed | tail -n 1"
            )
            let json = try JSON(parsing: entry)
            #expect(
                json["PRIORITY"]?.string == "6" && json["MESSAGE"]?.string?.contains("deployed in") ?? false,
                "\(entry)"
            )
            _ = try await node.user("systemctl", "--user", "stop", "t-watched")
        }

        @Test(.timeLimit(.minutes(3))) func theAgentHasAnAPIAndADashboardToo() async throws {
            let node = try Node()
            try await node.clean()
            try await node.write(
                """
                server: {socket: /run/user/1000/t-hecate.sock}
                notifications: [{name: away, kind: webhook, url: 'http://127.0.0.1:1/', reasons: [Deployed], group: 0}]
                """,
                to: "../config/server.yml"
            )
            try await node.write(sleeperUnit("HealthCmd=true"), to: "apps/t-web.container")
            try await node.running {
                try await node.eventually("the unit runs") { try await node.isReady("t-web.container") }
                let remote = "unix:/run/user/1000/t-hecate.sock"
                let status = try await node.hecate("status", "--server", remote)
                #expect(status.code == 0 && status.outputText.contains("1 of 1 apps ready"), "\(status)")
                let read = try await node.hecate("read", "app", "t-web", "--server", remote).outputText
                #expect(read.contains("node/t-web.container") && read.contains("localhost/web:1.0.0"), "\(read)")
                _ = try await node.shell("systemctl --user stop t-web")
                try await node.eventually("it is repaired") { try await node.state("t-web") == "active" }
                #expect(try await node.hecate("plan", "--server", remote).code == 0)
                let logs = try await node.hecate("logs", "t-web", "--server", remote)
                #expect(logs.code == 0 && !logs.outputText.isEmpty)
                let hold = try await node.hecate("suspend", "t-web", "--reason", "x", "--server", remote)
                #expect(hold.code == 0, "\(hold.errorText)")
                try await node.eventually("a receiver that is away is told of") {
                    try await node.hecate("list", "events").outputText.contains("notifications:away")
                }
            }
            try await node.remove("../config/server.yml")
        }

        @Test(.timeLimit(.minutes(4)), arguments: [false, true])
        func rootKeepsTheSystemsUnits(isOld: Bool) async throws {
            let node = try Node(isOld: isOld)
            try await node.clean()
            try await node.asRoot(
                """
                systemctl stop 't-*' 2>/dev/null; find /etc/containers/systemd /etc/systemd/system -name 't-*' -delete 2>/dev/null
                rm -rf /root/.hecate /run/hecate; systemctl daemon-reload; systemctl reset-failed
                mkdir -p /root/.hecate/gitops/system /root/.hecate/gitops/apps
                """
            )
            _ = try await node.shell("rm -f /tmp/web.tar && podman save -o /tmp/web.tar localhost/web:1.0.0")
            try await node.asRoot("podman load -i /tmp/web.tar")
            func declare(_ text: String) async throws {
                try await node.write(text, to: "../t-root")
                try await node.asRoot("cp \(Node.home)/.hecate/t-root /root/.hecate/gitops/apps/t-root.container")
            }
            let once = "HECATE_VERIFY_WINDOW=1 HECATE_TIMEOUT=40 hecate agent --once --log text"
            let unit = sleeperUnit("Environment=A=1").replacing("default.target", with: "multi-user.target")
            try await declare(unit)
            try await node.asRoot(once)
            #expect(try await node.asRoot("systemctl is-active t-root") == "active")
            #expect(
                try await node.asRoot("podman container inspect -f '{{.Config.Env}}' systemd-t-root").contains("A=1")
            )
            try await declare(unit.replacing("Exec=sh", with: "Exec=/nowhere"))
            let failed = await #expect(throws: (any Error).self) { try await node.asRoot(once) }
            #expect("\(String(describing: failed))".contains("was rolled back"), "\(String(describing: failed))")
            #expect(try await node.asRoot("systemctl is-active t-root") == "active")
            try await node.asRoot("rm /root/.hecate/gitops/apps/t-root.container; \(once)")
            #expect(try await node.asRoot("podman ps -q; systemctl is-active t-root || true") == "inactive")
        }
    }
}
