import JSON
import Subprocess
import TestSupport
import Testing

extension NodeTests {
    /// What the shell reconciler did wrong, each shown not to happen any more.
    @Suite(.serialized) struct Defects {
        private func node(isOld: Bool = false) async throws -> Node {
            let node = try Node(isOld: isOld)
            try await node.clean()
            return node
        }

        /// A pass that finds everything right says nothing and changes nothing.
        private func doesNothing(_ node: Node) async throws {
            let again = try await node.once()
            #expect(again.code == 0 && again.errorText.isEmpty, "\(again.errorText)")
        }

        @Test(.timeLimit(.minutes(2))) func aFailedStartIsTriedAgainWithoutAnyChange() async throws {
            let node = try await node()
            // What a command of its own may make is not looked for before.
            let unit = sleeperUnit("Volume=%h/elsewhere:/data", service: "ExecStartPre=-/bin/true")
            try await node.write(unit, to: "apps/t-one.container")
            try await node.running {
                try await node.eventually("its failure is told") {
                    try await node.message("t-one.container").contains("t-one.service failed")
                }
                _ = try await node.shell("mkdir -p ~/elsewhere")
                try await node.eventually("it is started") { try await node.isReady("t-one.container") }
            }
        }

        @Test(.timeLimit(.minutes(2))) func twoFilesOfOneNameAreRefusedByName() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(), to: "system/t-one.container")
            #expect(try await node.once().code == 0)
            try await node.write(sleeperUnit(), to: "apps/t-one.container")
            let result = try await node.once()
            #expect(result.code == 1)
            #expect(
                result.errorText.contains("apps/t-one.container")
                    && result.errorText.contains("system/t-one.container"),
                "\(result.errorText)"
            )
            #expect(try await node.state("t-one") == "active", "the version that worked goes on")
            let invocation = try await node.invocation("t-one")
            _ = try await node.once()
            #expect(try await node.invocation("t-one") == invocation)
        }

        @Test(.timeLimit(.minutes(2))) func aSymlinkedGitopsFolderIsNoTrouble() async throws {
            let node = try await node()
            _ = try await node.shell("mv ~/.hecate ~/elsewhere && ln -s ~/elsewhere ~/.hecate")
            try await node.write(sleeperUnit(), to: "apps/t-one.container")
            #expect(try await node.once().code == 0)
            try await doesNothing(node)
            try await node.remove("apps/t-one.container")
            #expect(try await node.once().code == 0)
            #expect(try await node.state("t-one") == "inactive")
            #expect(try await node.link("t-one.container").isEmpty)
            _ = try await node.shell("rm ~/.hecate")
        }

        @Test(.timeLimit(.minutes(2))) func aFolderThatDisappearsTakesItsUnitsAlong() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(), to: "apps/t-one.container")
            try await node.write(sleeperUnit(), to: "apps/t-two.container")
            try await node.write(sleeperUnit(), to: "system/t-three.container")
            #expect(try await node.once().code == 0)
            try await node.remove("apps")
            try await node.write(sleeperUnit("Environment=B=2"), to: "system/t-two.container")
            let result = try await node.once()
            #expect(result.code == 0, "\(result.errorText)")
            #expect(try await node.state("t-one") == "inactive")
            #expect(try await node.state("t-three") == "active")
            #expect(try await node.link("t-two.container").hasSuffix("/system/t-two.container"))
            #expect(try await node.container("systemd-t-two", "{{.Config.Env}}").contains("B=2"))
            try await doesNothing(node)
        }

        @Test(.timeLimit(.minutes(2))) func anEmptyFolderIsNothingToDo() async throws {
            let node = try await node()
            try await doesNothing(node)
            let status = try await node.hecate("agent", "--status")
            #expect(!status.outputText.contains("[]") && !status.outputText.contains(".service"))
            try await node.remove("")
            let result = try await node.once()
            #expect(result.code == 1)
            #expect(result.errorText.contains("there is no gitops folder"), "\(result.errorText)")
        }

        @Test(.timeLimit(.minutes(2))) func statusSaysEveryStateOnce() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(), to: "apps/t-one.container")
            let before = try await node.hecate("agent", "--status")
            #expect(before.code == 1)
            #expect(before.outputText.ranges(of: "inactive").count == 1, "\(before.outputText)")
            #expect(try await node.once().code == 0)
            let after = try JSON(parsing: try await node.hecate("agent", "--status", "--format", "json").output)
            #expect(after["units"]?.array?.first?["state"]?.string == "active")
            let old = try await node.user("hecate-reconciler", "--status")
            #expect(old.outputText.contains("=== Hecate Reconciler Status ==="), "the old name answers as well")
        }

        @Test(.timeLimit(.minutes(2))) func aMissingFolderIsNoBusyLoop() async throws {
            let node = try await node()
            try await node.remove("apps")
            try await node.running {
                try await Task.sleep(for: .seconds(4))
                let cpu = try await node.shell("systemctl --user show -p CPUUsageNSec --value t-agent")
                let lines = node.log.split(separator: "\n").count
                #expect(lines <= 2, "\(node.log)")
                #expect((Int(cpu) ?? 0) < 1_000_000_000, "\(cpu) ns of CPU for nothing")
            }
        }

        @Test(.timeLimit(.minutes(4)), arguments: [false, true])
        func everyKindNestedFoldersAndDropInsAreKept(isOld: Bool) async throws {
            let node = try await node(isOld: isOld)
            try await node.write("[Volume]\n", to: "apps/t-data.volume")
            try await node.write("[Network]\nInternal=true\n", to: "apps/t-net.network")
            try await node.write("[Pod]\nNetwork=none\n", to: "apps/t-pod.pod")
            try await node.write(
                sleeperUnit("Volume=t-data.volume:/data").replacing("Network=none", with: "Pod=t-pod.pod"),
                to: "apps/plugin/inner/t-member.container"
            )
            try await node.write(
                "[Container]\nEnvironment=FROM=dropin\n",
                to: "apps/plugin/t-plain.container.d/10-x.conf"
            )
            try await node.write(sleeperUnit(), to: "apps/plugin/t-plain.container")
            try await node.write(sleeperUnit("Environment=WHO=%i"), to: "apps/t-many@.container")
            _ = try await node.shell("cd ~/.hecate/gitops/apps && ln -s t-many@.container t-many@a.container")
            try await node.write(
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: t-kube}
                spec:
                  hostNetwork: \(isOld)
                  containers: [{name: c, image: 'localhost/web:1.0.0', command: [sleep, '1000']}]
                """,
                to: "apps/t-kube.yml"
            )
            let network = isOld ? "" : "Network=none\n"
            try await node.write("[Kube]\nYaml=t-kube.yml\n\(network)", to: "apps/t-kube.kube")
            let result = try await node.once()
            #expect(result.code == 0, "\(result.errorText)")
            for service in ["t-data-volume", "t-net-network", "t-pod-pod", "t-member", "t-plain", "t-many@a"] {
                #expect(try await node.state(service) == "active", "\(service)")
            }
            #expect(try await node.container("systemd-t-plain", "{{.Config.Env}}").contains("FROM=dropin"))
            #expect(try await node.container("systemd-t-many_a", "{{.Config.Env}}").contains("WHO=a"))
            try await doesNothing(node)

            // A drop-in is a change of its unit and of nothing else.
            let member = try await node.invocation("t-member")
            try await node.write(
                "[Container]\nEnvironment=FROM=second\n",
                to: "apps/plugin/t-plain.container.d/10-x.conf"
            )
            #expect(try await node.once().code == 0)
            #expect(try await node.container("systemd-t-plain", "{{.Config.Env}}").contains("FROM=second"))
            #expect(try await node.invocation("t-member") == member)

            // A link that leads nowhere concerns its unit alone.
            _ = try await node.shell("ln -s /nowhere ~/.hecate/gitops/apps/t-gone.container")
            let dangling = try await node.once()
            #expect(dangling.code == 1)
            #expect(dangling.errorText.contains("the link leads to '/nowhere'"), "\(dangling.errorText)")
            #expect(try await node.state("t-plain") == "active")
        }

        @Test(.timeLimit(.minutes(2))) func aMissingEnvironmentFileIsNamedAndTheUnitGoesOn() async throws {
            let node = try await node()
            try await node.write("A=1\n", to: "apps/t-one.env")
            try await node.write(
                sleeperUnit("EnvironmentFile=%h/.hecate/gitops/apps/t-one.env"),
                to: "apps/t-one.container"
            )
            #expect(try await node.once().code == 0)
            try await node.remove("apps/t-one.env")
            let result = try await node.once()
            #expect(result.code == 1)
            #expect(result.errorText.contains("apps/t-one.env', which is not there"), "\(result.errorText)")
            #expect(try await node.state("t-one") == "active")
            // Even a restart by hand works, with the copy that was kept.
            _ = try await node.shell("systemctl --user restart t-one")
            #expect(try await node.container("systemd-t-one", "{{.Config.Env}}").contains("A=1"))
        }

        /// It does not end by itself, so that it is killed after ten seconds before it starts anew.
        @Test(.timeLimit(.minutes(2))) func aRestartByHandIsNoNews() async throws {
            let node = try await node()
            let stubborn = sleeperUnit()
                .replacing("trap exit TERM", with: "trap : TERM").replacing(
                    "TimeoutStopSec=3s",
                    with: "TimeoutStopSec=30s"
                )
            try await node.write(stubborn, to: "apps/t-one.container")
            try await node.running {
                try await node.eventually("it runs") { try await node.isReady("t-one.container") }
                let before = try await node.user("hecate", "events", "t-one.container").outputText
                _ = try await node.shell("systemctl --user restart t-one")
                try await Task.sleep(for: .seconds(8))
                #expect(try await node.state("t-one") == "active")
                let after = try await node.user("hecate", "events", "t-one.container").outputText
                #expect(after == before)
                #expect(try await node.isReady("t-one.container"))
            }
        }

        /// Nothing is linked and nothing restarted before a person made it, and then it goes on by itself.
        @Test(.timeLimit(.minutes(3))) func whatIsMissingIsNamedBeforeAnythingIsTouched() async throws {
            let node = try await node()
            _ = try await node.shell("podman secret rm t-key 2>/dev/null; podman network rm t-net 2>/dev/null; true")
            try await node.write(sleeperUnit(), to: "apps/t-one.container")
            #expect(try await node.once().code == 0)
            let run = try await node.invocation("t-one")
            _ = try await node.shell(
                "systemd-run -q --user --unit t-listen systemd-socket-activate -l 127.0.0.1:18080 /bin/true; "
                    + "podman run -q -d --name t-hand -p 127.0.0.1:18081:80 localhost/web:1.0.0 sleep 1000; sleep 1"
            )
            let lines = """
                Secret=t-key,type=env,target=KEY
                Volume=%h/elsewhere:/data
                AddDevice=/dev/t-none
                AddDevice=-/dev/t-none
                PublishPort=18080:80
                PublishPort=127.0.0.1:18081:81
                PublishPort=18082:82
                """
            try await node.write(
                sleeperUnit(lines).replacing("Network=none", with: "Network=t-net"),
                to: "apps/t-one.container"
            )
            let result = try await node.once()
            #expect(result.code == 1)
            for words in [
                "there is no secret 't-key'; make it with: podman secret create t-key FILE",
                "there is no network 't-net'; make it with: podman network create t-net",
                "there is no folder or file '\(Node.home)/elsewhere'", "there is no device '/dev/t-none'",
                "port 18080 is in use by another program; end that one, or publish another; see it with: ss -lntp",
                "port 18081 is in use by the container 't-hand', which somebody started by hand",
            ] {
                #expect(result.errorText.contains(words), "\(result.errorText)")
            }
            #expect(!result.errorText.contains("18082"))
            #expect(try await node.invocation("t-one") == run, "what ran runs on")
            _ = try await node.shell(
                "mkdir -p ~/elsewhere; echo x | podman secret create t-key -; podman network create t-net; "
                    + "systemctl --user stop t-listen; podman rm -f -t 0 t-hand"
            )
            try await node.write(
                sleeperUnit(lines.replacing("AddDevice=/dev/t-none\n", with: "")),
                to: "apps/t-one.container"
            )
            let second = try await node.once()
            #expect(second.code == 0, "\(second.errorText)")
            #expect(try await node.state("t-one") == "active")
            // One unit may take over a port from another.
            let next = sleeperUnit("PublishPort=18080:80").replacing("Network=none", with: "Network=t-net")
            try await node.write(next, to: "apps/t-two.container")
            try await node.remove("apps/t-one.container")
            let third = try await node.once()
            #expect(!third.errorText.contains("in use"), "\(third.errorText)")
        }

        /// What waits for a person to go is kept as it was, and nothing is said to be wrong with it.
        @Test(.timeLimit(.minutes(2))) func whatWaitsToGoIsWellUntilItGoes() async throws {
            let node = try await node()
            for number in 1...3 { try await node.write("[Volume]\n", to: "apps/t-\(number).volume") }
            try await node.write(sleeperUnit(), to: "apps/t-one.container")
            try await node.running {
                try await node.eventually("it runs") { try await node.isReady("t-one.container") }
                let run = try await node.invocation("t-one")
                try await node.remove("apps")
                try await node.eventually("a person is asked") {
                    try await node.user("hecate", "events").outputText.contains("hecate approve gitops")
                }
                try await Task.sleep(for: .seconds(3))
                let message = try await node.message("t-one.container")
                #expect(try await node.isReady("t-one.container"), "\(message)")
                #expect(try await node.invocation("t-one") == run)
                let told = try await node.user("hecate", "events", "t-one.container").outputText
                #expect(!told.contains("RolledBack") && !told.contains("cannot be read"), "\(told)")
                // Whatever starts it now starts what ran.
                _ = try await node.shell("systemctl --user daemon-reload; systemctl --user restart t-one")
                #expect(try await node.state("t-one") == "active")
                #expect(try await node.user("hecate", "approve", "gitops").code == 0)
                try await node.eventually("it goes") { try await node.state("t-one") != "active" }
            }
        }
    }
}
