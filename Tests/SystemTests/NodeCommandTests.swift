import JSON
import Subprocess
import TestSupport
import Testing

extension NodeTests {
    /// The commands of a node, on a repository laid out as hecate-gitops is.
    @Suite(.serialized) struct Commands {
        private static let files = [
            "quadlet/system/hecate-daemon.container": """
            [Unit]
            Description=Hecate Daemon (core)
            After=network-online.target
            Wants=network-online.target
            [Container]
            Image=localhost/web:1.0.0
            ContainerName=hecate-daemon
            AutoUpdate=registry
            Network=host
            Environment=HOME=%h
            Environment=XDG_RUNTIME_DIR=%t
            Environment=DBUS_SESSION_BUS_ADDRESS=unix:path=%t/bus
            EnvironmentFile=%h/.hecate/gitops/system/hecate-daemon.env
            EnvironmentFile=%h/.hecate/secrets/llm-providers.env
            Volume=%h/.hecate/hecate-daemon:%h/.hecate/hecate-daemon:Z
            Volume=%h/.hecate/gitops:%h/.hecate/gitops:Z
            Volume=%t/bus:%t/bus:ro
            HealthCmd=test -d %h/.hecate/hecate-daemon/sockets
            HealthInterval=30s
            HealthRetries=3
            HealthTimeout=5s
            HealthStartPeriod=10s
            PodmanArgs=--stop-timeout 1
            [Service]
            Restart=always
            RestartSec=5s
            TimeoutStartSec=60s
            [Install]
            WantedBy=default.target

            """,
            "quadlet/system/hecate-daemon.env": "HECATE_REALM=io.macula\nHECATE_SOCKET_PATH=REPLACE_ME\n",
            "quadlet/apps/hecate-traded.container": sleeperUnit(unit: "Wants=hecate-daemon.service"),
            "quadlet/apps/hecate-traded.env": "A=1\n",
            "quadlet/apps/hecate-traderd.container": sleeperUnit(
                "EnvironmentFile=%h/.hecate/gitops/apps/hecate-traderd.env",
                unit: "After=hecate-daemon.service\nWants=hecate-daemon.service"
            ),
            "quadlet/apps/hecate-traderd.env": "HECATE_DAEMON_SOCKET=x\n",
            "quadlet/apps/hecate-traderw.container": sleeperUnit(unit: "After=hecate-traderd.service"),
            "quadlet/apps/hecate-halfd.container": sleeperUnit(),
            "plugins/registry.json": """
            {"trader": {"description": "Trading agent",
              "files": ["hecate-traderd.container", "hecate-traderd.env", "hecate-traderw.container"],
              "data_dirs": ["hecate-traderd"], "frontend_port": 5174},
             "trade": {"description": "Another", "files": ["hecate-traded.container", "hecate-traded.env"]},
             "half": {"description": "Lists one that is not there", "files": ["hecate-halfd.container", "hecate-halfw.container"]},
             "broken": {"description": "Lists a file that is not there", "files": ["hecate-brokend.container"]}}
            """,
        ]

        private func prepared(isOld: Bool = false) async throws -> Node {
            let node = try Node(isOld: isOld)
            try await node.clean()
            _ = try await node.shell("rm -rf ~/.hecate ~/elsewhere ~/.config/systemd/user/hecate-reconciler.service")
            for (path, text) in Self.files { try await node.write(text, to: "../../elsewhere/\(path)") }
            return node
        }

        private func hecate(_ node: Node, _ words: String...) async throws -> Completion {
            let settings = ["HECATE_VERIFY_WINDOW=1", "HECATE_GITOPS_REPO=\(Node.home)/elsewhere"]
            return try await execute(
                ["\(checkout)/Rigs/node.sh", "user", node.folder, "env"] + settings + ["hecate"] + words
            )
        }

        @Test(.timeLimit(.minutes(4)), arguments: [false, true])
        func aNodeIsMadeUsedAndTakenBack(isOld: Bool) async throws {
            let node = try await prepared(isOld: isOld)
            let made = try await hecate(node, "init", "node")
            #expect(made.code == 0, "\(made.errorText)")
            #expect(try await hecate(node, "init", "node").outputText == "nothing to do: this is a node already\n")
            #expect(
                try await node.shell("stat -c %a ~/.hecate/secrets ~/.hecate/secrets/*.env | sort -u | tr '\\n' ' '")
                    == "600 700 "
            )
            #expect(try await node.shell("grep -c REPLACE_ME ~/.hecate/gitops/system/hecate-daemon.env || true") == "0")
            #expect(
                try await node.shell("grep HECATE_NODE_NAME ~/.hecate/config/node.env")
                    == "HECATE_NODE_NAME=hecate@node"
            )
            try await node.eventually("the daemon runs") { try await node.isReady("hecate-daemon.container") }

            // Installing, by the agent that runs.
            let installed = try await hecate(node, "install", "trader")
            #expect(installed.code == 0, "\(installed.outputText)\(installed.errorText)")
            #expect(try await hecate(node, "install", "trade").code == 0)
            #expect(try await node.state("hecate-traderd") == "active")
            #expect(try await node.shell("ls -d ~/.hecate/hecate-traderd/reckon-db").isEmpty == false)
            #expect(try await hecate(node, "install", "trader").outputText == "trader is installed already\n")
            let unknown = try await hecate(node, "install", "tradr")
            #expect(unknown.code == 1 && unknown.errorText.contains("did you mean"), "\(unknown.errorText)")
            let broken = try await hecate(node, "install", "broken")
            #expect(broken.errorText.contains("nothing was installed"), "\(broken.errorText)")

            // What is there is installed, and what is not is named.
            let half = try await hecate(node, "install", "half")
            #expect(
                half.code == 0 && half.errorText.contains("'half' lists 'hecate-halfw.container'"),
                "\(half.errorText)"
            )
            #expect(try await node.state("hecate-halfd") == "active")
            #expect(try await hecate(node, "remove", "half").code == 0)
            let plugins = try await hecate(node, "plugins")
            #expect(plugins.outputText.contains("trader  installed  Trading agent"), "\(plugins.outputText)")
            #expect(plugins.outputText.contains("broken  available  Lists a file"), "\(plugins.outputText)")

            // Stopping holds it; starting lets go, and leaves nothing to repair.
            let before = try await hecate(node, "events", "hecate-traderd.container").outputText
            #expect(try await hecate(node, "stop", "traderd", "--reason", "backup").code == 0)
            try await Task.sleep(for: .seconds(2))
            #expect(try await node.state("hecate-traderd") != "active", "it stays stopped")
            #expect(try await hecate(node, "start", "trader").code == 0)
            #expect(try await node.state("hecate-traderd") == "active")
            try await Task.sleep(for: .seconds(2))
            let after = try await hecate(node, "events", "hecate-traderd.container").outputText
            #expect(!after.dropFirst(before.count).contains("Drift"), "\(after)")
            let restarted = try await node.invocation("hecate-traderw")
            #expect(try await hecate(node, "restart", "hecate-traderw").code == 0)
            #expect(try await node.invocation("hecate-traderw") != restarted)
            #expect(try await hecate(node, "logs", "traderw").outputText.contains("hecate-traderw"))
            // The habits of the CLI before this one.
            let lines = try await hecate(node, "logs", "--", "--lines", "2", "--no-pager")
            #expect(
                lines.code == 0 && lines.outputText.lowercased().contains("hecate"),
                "\(lines.outputText)\(lines.errorText)"
            )
            #expect(try await hecate(node, "-v").outputText.hasPrefix("hecate 0."))
            #expect(
                try await hecate(node, "logs", "reconciler", "--", "--lines", "3", "--no-pager").outputText.contains(
                    "hecate"
                )
            )
            let agent = try await node.invocation("hecate-reconciler")
            #expect(try await hecate(node, "restart", "reconciler").code == 0)
            #expect(try await node.invocation("hecate-reconciler") != agent)
            let listed = try await hecate(node, "list", "apps", "--available")
            #expect(listed.outputText.contains("localhost/web:1.0.0"), "\(listed.outputText)")
            #expect(listed.outputText.contains("broken"), "\(listed.outputText)")

            // Removing one leaves the other of a like name alone, and the data.
            let removed = try await hecate(node, "remove", "trade")
            #expect(removed.code == 0, "\(removed.outputText)\(removed.errorText)")
            #expect(try await node.state("hecate-traded") == "inactive")
            #expect(try await node.state("hecate-traderd") == "active")
            let second = try await hecate(node, "remove", "trader")
            #expect(
                second.outputText.contains("kept the data in \(Node.home)/.hecate/hecate-traderd"),
                "\(second.outputText)"
            )
            #expect(try await node.state("hecate-traderd") != "active")

            let back = try await hecate(node, "uninstall", "node")
            #expect(back.code == 0, "\(back.errorText)")
            #expect(try await node.state("hecate-daemon") != "active")
            #expect(try await node.shell("find ~/.config -name '*hecate*'").isEmpty)
            #expect(try await node.shell("ls -d ~/.hecate/hecate-daemon").isEmpty == false)
        }

        @Test(.timeLimit(.minutes(3))) func theDaemonsAnswerOnTheirSockets() async throws {
            let node = try await prepared()
            try await node.write("", to: "system/.keep")
            // The daemon's place is taken by a few lines of shell that speak HTTP on its socket.
            let answer = """
                mkdir -p ~/.hecate/hecate-daemon/sockets ~/.hecate/hecate-traderd/sockets
                cat >~/elsewhere/answer <<'EOF'
                read method path rest
                body='{"status":"healthy","ready":true,"path":"'$path'"}'
                printf 'HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %s\\r\\nConnection: close\\r\\n\\r\\n%s' ${#body} "$body"
                EOF
                for name in daemon traderd; do
                    printf '[Socket]\\nListenStream=%%h/.hecate/hecate-%s/sockets/api.sock\\nAccept=yes\\n' $name \\
                        >~/.config/systemd/user/t-$name.socket
                    printf '[Service]\\nExecStart=/bin/sh %%h/elsewhere/answer\\nStandardInput=socket\\n' \\
                        >~/.config/systemd/user/t-$name@.service
                done
                systemctl --user daemon-reload && systemctl --user start t-daemon.socket t-traderd.socket
                """
            _ = try await node.shell(answer)
            let health = try await hecate(node, "health")
            #expect(health.code == 0, "\(health.errorText)")
            #expect(try JSON(parsing: health.output)["path"]?.string == "/health")
            #expect(try JSON(parsing: try await hecate(node, "identity").output)["path"]?.string == "/identity")
            let asked = try await hecate(node, "trader", "orders", "last week")
            #expect(try JSON(parsing: asked.output)["path"]?.string == "/api/orders/last%20week", "\(asked.errorText)")
            let missing = try await hecate(node, "health", "martha")
            #expect(
                missing.code == 1 && missing.errorText.contains("has no socket")
                    || missing.errorText.contains("no socket")
            )
            _ = try await node.shell(
                "systemctl --user stop t-daemon.socket t-traderd.socket; rm ~/.config/systemd/user/t-*"
            )
        }

        @Test(.timeLimit(.minutes(3))) func aRepositoryBehindTheFolderIsFollowed() async throws {
            let node = try await prepared()
            try await node.write("apps: [trader]\n", to: "../../elsewhere/nodes/node.yml")
            let git = """
                cd ~/elsewhere && git init -q -b main . && git add -A &&
                git -c user.name=a -c user.email=a@b commit -q -m First
                """
            _ = try await node.shell(git)
            try await node.write(sleeperUnit(), to: "apps/t-own.container")
            _ = try await node.shell(
                "mkdir -p ~/.hecate/secrets && touch ~/.hecate/secrets/llm-providers.env ~/.hecate/.x; mkdir -p ~/.hecate/hecate-daemon/sockets"
            )
            func pass() async throws -> Completion {
                try await execute([
                    "\(checkout)/Rigs/node.sh", "user", node.folder, "env", "HECATE_VERIFY_WINDOW=1",
                    "HECATE_GITOPS_SOURCE=\(Node.home)/elsewhere", "hecate", "agent", "--once", "--log", "text",
                ])
            }
            let first = try await pass()
            #expect(first.code == 0, "\(first.errorText)")
            for service in ["hecate-daemon", "hecate-traderd", "hecate-traderw", "t-own"] {
                #expect(try await node.state(service) == "active", "\(service)")
            }
            #expect(try await node.state("hecate-traded") == "inactive", "nobody asked for it")
            // What is edited here: an environment file stays, a unit comes back and the edited one is kept aside.
            _ = try await node.shell(
                "cd ~/.hecate/gitops/apps && echo B=2 >>hecate-traderd.env && echo '# x' >>hecate-traderw.container"
            )
            try await node.write("apps: []\nvalues: {realm: other}\n", to: "../../elsewhere/nodes/node.yml")
            let environment = "HECATE_REALM=${{ node.realm }}\n"
            try await node.write(environment, to: "../../elsewhere/quadlet/system/hecate-daemon.env")
            let commit = "cd ~/elsewhere && git -c user.name=a -c user.email=a@b commit -q -a -m Next"
            _ = try await node.shell(commit)
            let second = try await pass()
            #expect(second.code == 0, "\(second.errorText)")
            #expect(second.errorText.contains("which was edited here"), "\(second.errorText)")
            #expect(try await node.state("hecate-traderd") != "active")
            #expect(try await node.state("t-own") == "active", "what was installed by hand stays")
            #expect(try await node.shell("find ~/.hecate/gitops/.hecate/replaced -type f | wc -l") == "2")
            #expect(try await node.container("hecate-daemon", "{{.Config.Env}}").contains("HECATE_REALM=other"))
            let planned = try await node.user(
                "hecate",
                "plan",
                "--host",
                "node",
                "--folder",
                "\(Node.home)/elsewhere",
                "--since",
                "HEAD~1"
            )
            #expect(planned.code == 2 && planned.outputText.contains("remove unit hecate-traderd.service"))
            #expect(planned.outputText.contains("quadlet/system/hecate-daemon.env: content"), "\(planned.outputText)")
            // A value that nobody gives any more takes nothing away.
            try await node.write("apps: []\n", to: "../../elsewhere/nodes/node.yml")
            _ = try await node.shell(commit)
            let third = try await pass()
            #expect(third.code == 1 && third.errorText.contains("nobody gives the value 'realm' for 'node'"))
            #expect(try await node.container("hecate-daemon", "{{.Config.Env}}").contains("HECATE_REALM=other"))
        }
    }
}
