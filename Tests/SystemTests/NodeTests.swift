import JSON
import Subprocess
import TestSupport
import Testing

/// The agent on a real node.
///
/// The tests share the two machines, so they run one after the other.
@Suite(.serialized) struct NodeTests {
    @Test(.timeLimit(.minutes(4)), arguments: [false, true])
    func installChangeBreakRemove(isOld: Bool) async throws {
        let node = try Node(isOld: isOld)
        try await node.clean()
        try await node.write(sleeperUnit(), to: "apps/t-one.container")
        try await node.write(
            sleeperUnit("EnvironmentFile=%h/.hecate/gitops/apps/t-two.env"),
            to: "apps/t-two.container"
        )
        try await node.write("A=1\n", to: "apps/t-two.env")
        try await node.running {
            try await node.eventually("both are ready") {
                guard try await node.isReady("t-one.container") else { return false }
                return try await node.isReady("t-two.container")
            }
            var one = try await node.invocation("t-one")
            var two = try await node.invocation("t-two")

            // A unit is changed: it alone restarts.
            try await node.write(sleeperUnit("Environment=B=2"), to: "apps/t-one.container")
            try await node.eventually("the unit's new version runs") {
                try await node.container("systemd-t-one", "{{.Config.Env}}").contains("B=2")
            }
            try await node.eventually("it is ready") { try await node.isReady("t-one.container") }
            #expect(try await node.invocation("t-two") == two)
            #expect(try await node.invocation("t-one") != one)

            // Only an environment file is changed.
            one = try await node.invocation("t-one")
            try await node.write("A=3\n", to: "apps/t-two.env")
            try await node.eventually("the environment's new content runs") {
                try await node.container("systemd-t-two", "{{.Config.Env}}").contains("A=3")
            }
            try await node.eventually("it is ready") { try await node.isReady("t-two.container") }
            #expect(try await node.invocation("t-one") == one)
            two = try await node.invocation("t-two")

            // A comment is no change.
            try await node.write("# a comment\n" + sleeperUnit("Environment=B=2"), to: "apps/t-one.container")
            try await Task.sleep(for: .seconds(2))
            #expect(try await node.invocation("t-one") == one)

            // A unit is broken: it keeps running as it was, and the reason is told.
            try await node.write(sleeperUnit("Environmnt=B=4"), to: "apps/t-one.container")
            try await node.eventually("the key is named") {
                try await node.message("t-one.container").contains("'Environmnt'")
            }
            #expect(try await node.state("t-one") == "active")
            #expect(try await node.container("systemd-t-one", "{{.Config.Env}}").contains("B=2"))
            #expect(try await node.isReady("t-two.container"))

            // It is mended, and then removed.
            try await node.write(sleeperUnit("Environment=B=5"), to: "apps/t-one.container")
            try await node.eventually("the mended version runs") {
                try await node.container("systemd-t-one", "{{.Config.Env}}").contains("B=5")
            }
            try await node.remove("apps/t-one.container")
            try await node.eventually("it is gone") {
                guard try await node.state("t-one") == "inactive" else { return false }
                return try await node.app("t-one.container") == .null
            }
            #expect(try await node.invocation("t-two") == two)
            let leftovers = "find ~/.config -name '*t-one*'; ls ~/.hecate/gitops/.hecate/kept | grep t-one || true"
            #expect(try await node.shell(leftovers).isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(3)), arguments: [false, true])
    func aBadImageIsRolledBack(isOld: Bool) async throws {
        let node = try Node(isOld: isOld)
        try await node.clean()
        try await node.write(sleeperUnit("Pull=never"), to: "apps/t-web.container")
        try await node.running {
            try await node.eventually("it is ready") { try await node.isReady("t-web.container") }
            let invocation = try await node.invocation("t-web")
            // What is known to be lacking is named, and nothing is touched.
            try await node.write(
                sleeperUnit("Pull=never", image: "localhost/missing:1"),
                to: "apps/t-web.container"
            )
            try await node.eventually("the image is named") {
                try await node.message("t-web.container").contains("there is no image 'localhost/missing:1'")
            }
            #expect(try await node.invocation("t-web") == invocation)
            // Nobody listens there.
            try await node.write(sleeperUnit(image: "localhost:1/missing:1"), to: "apps/t-web.container")
            try await node.eventually("it is rolled back") {
                try await node.message("t-web.container").contains("was rolled back")
            }
            try await node.eventually("the old image runs again") {
                try await node.container("systemd-t-web", "{{.ImageName}} {{.State.Running}}")
                    == "localhost/web:1.0.0 true"
            }
            // The next version takes over.
            try await node.write(sleeperUnit(image: "localhost/web:2.0.0"), to: "apps/t-web.container")
            try await node.eventually("the next image runs") {
                guard try await node.isReady("t-web.container") else { return false }
                return try await node.container("systemd-t-web", "{{.ImageName}}") == "localhost/web:2.0.0"
            }
        }
    }

    @Test(.timeLimit(.minutes(3)), arguments: [false, true])
    func aHealthCheckThatNeverPassesIsRolledBack(isOld: Bool) async throws {
        let node = try Node(isOld: isOld)
        try await node.clean()
        func unit(_ command: String) -> String {
            sleeperUnit("HealthCmd=\(command)\nHealthInterval=1s\nHealthRetries=1\nNotify=healthy")
                .replacing("TimeoutStartSec=20s", with: "TimeoutStartSec=5s")
        }
        try await node.write(unit("true"), to: "apps/t-web.container")
        #expect(try await node.once().code == 0)
        try await node.write(unit("false"), to: "apps/t-web.container")
        let result = try await node.once()
        #expect(result.code == 1)
        #expect(result.errorText.contains("was rolled back: t-web.service failed"), "\(result.errorText)")
        #expect(try await node.state("t-web") == "active")
    }

    /// Its start is over before the first check, and only Podman tells that it is ill.
    @Test(.timeLimit(.minutes(3)), arguments: [false, true])
    func anIllContainerIsRolledBack(isOld: Bool) async throws {
        let node = try Node(isOld: isOld)
        try await node.clean()
        func unit(_ command: String) -> String {
            sleeperUnit("HealthCmd=\(command)\nHealthInterval=1s\nHealthRetries=1")
        }
        try await node.write(unit("true"), to: "apps/t-web.container")
        #expect(try await node.once().code == 0)
        try await node.write(unit("echo no; false"), to: "apps/t-web.container")
        let result = try await node.once()
        #expect(result.code == 1)
        #expect(
            result.errorText.contains("was rolled back: t-web.service: the health command of 'systemd-t-web' fails"),
            "\(result.errorText)"
        )
        // Podman 3 keeps nothing of what the command prints.
        #expect(isOld || result.errorText.contains("check: no"), "\(result.errorText)")
        #expect(try await node.container("systemd-t-web", "{{.Config.Healthcheck}}").contains("true"))
    }

    @Test(.timeLimit(.minutes(3)), arguments: [false, true])
    func afterAPowerCutEverythingComesBackAsItWas(isOld: Bool) async throws {
        let node = try Node(isOld: isOld)
        try await node.clean()
        try await node.write(sleeperUnit("Environment=A=1"), to: "system/t-one.container")
        try await node.write(sleeperUnit("Environment=A=1"), to: "apps/t-two.container")
        #expect(try await node.once().code == 0)
        try await node.machine("off")
        // What changes while it is dark is taken up as well.
        try await node.machine("boot")
        try await node.write(sleeperUnit("Environment=A=2"), to: "apps/t-two.container")
        let result = try await node.once()
        #expect(result.code == 0, "\(result.errorText)")
        #expect(try await node.container("systemd-t-one", "{{.Config.Env}}").contains("A=1"))
        #expect(try await node.container("systemd-t-two", "{{.Config.Env}}").contains("A=2"))
        let again = try await node.once()
        #expect(again.code == 0 && again.errorText.isEmpty, "a second pass does nothing: \(again.errorText)")
    }

    /// A volume that nothing mounts is made once, and a unit that nothing starts is left to whoever does.
    @Test(.timeLimit(.minutes(3))) func whatNothingStartsStaysDownAfterABoot() async throws {
        let node = try Node()
        try await node.clean()
        let unit = sleeperUnit("Environment=A=1").replacing("WantedBy=default.target", with: "")
        try await node.write(unit, to: "apps/t-web.container")
        try await node.write("[Volume]\n", to: "apps/t-data.volume")
        try await node.enableAgent()
        try await node.eventually("the volume is made") { try await node.isReady("t-data.volume") }
        try await node.eventually("it is ready") { try await node.isReady("t-web.container") }
        _ = try await node.shell("systemctl --user start t-web")
        try await node.machine("off")
        let told = node.log
        try await node.machine("boot")
        try await node.eventually("the agent is back") { node.log.count > told.count }
        try await node.eventually("it has looked") { try await node.isReady("t-web.container") }
        try await Task.sleep(for: .seconds(2))
        #expect(try await node.state("t-web") == "inactive")
        #expect(!node.log.dropFirst(told.count).contains("node/"), "\(node.log.dropFirst(told.count))")
        try await node.disableAgent()
    }

    @Test(.timeLimit(.minutes(3))) func aPowerCutDuringADeploymentRejectsNothing() async throws {
        let node = try Node()
        try await node.clean()
        // Up only six seconds after its start, so that the machine is still starting when the agent looks.
        func unit(_ version: Int) -> String {
            sleeperUnit("Environment=A=\(version)", service: "Restart=on-failure\nExecStartPost=/bin/sleep 6")
        }
        try await node.write(unit(1), to: "apps/t-web.container")
        try await node.enableAgent()
        try await node.eventually("it is ready") { try await node.isReady("t-web.container") }
        try await node.write(unit(2), to: "apps/t-web.container")
        try await node.eventually("the new version is starting") {
            try await node.container("systemd-t-web", "{{.Config.Env}}").contains("A=2")
        }
        try await node.machine("off")
        try await node.machine("boot")
        try await node.eventually("the new version is ready") { try await node.isReady("t-web.container") }
        #expect(try await node.container("systemd-t-web", "{{.Config.Env}}").contains("A=2"))
        #expect(!node.log.contains("rolled back"), "\(node.log)")
        try await node.disableAgent()
    }

    @Test(.timeLimit(.minutes(3))) func aBadVersionThatTheMachineStartedIsRolledBack() async throws {
        let node = try Node()
        try await node.clean()
        let good = sleeperUnit("Environment=A=1", service: "Restart=no")
        try await node.write(good, to: "apps/t-web.container")
        try await node.enableAgent(verifyWindow: 8)
        try await node.eventually("it is ready") { try await node.isReady("t-web.container") }
        try await node.machine("off")
        // It runs long enough for the agent to see it run, and not as long as it is watched.
        let bad = good.replacing("A=1", with: "A=2").replacing("while true", with: "sleep 4; exit 3; while true")
        try writeFile(bad, to: "\(node.homeOnDisk)/.hecate/gitops/apps/t-web.container")
        try await node.machine("boot")
        try await node.eventually("it is rolled back") {
            node.log.contains("was rolled back") || node.log.contains("RolledBack")
        }
        #expect(try await node.container("systemd-t-web", "{{.Config.Env}}").contains("A=1"))
        try await node.disableAgent()
    }

    @Test(.timeLimit(.minutes(3))) func aUnitAndWhatItRequiresChangeTogether() async throws {
        let node = try Node()
        try await node.clean()
        func declare(_ version: Int) async throws {
            try await node.write("[Volume]\nLabel=version=\(version)\n", to: "apps/t-data.volume")
            let unit = sleeperUnit("Volume=t-data.volume:/data\nLabel=version=\(version)")
            try await node.write(unit, to: "apps/t-user.container")
        }
        try await declare(1)
        #expect(try await node.once().code == 0)
        for version in 2...4 {
            try await declare(version)
            let result = try await node.once()
            #expect(result.code == 0, "\(result.outputText)\(result.errorText)")
            #expect(!result.errorText.contains("HealthCheckFailed"), "\(result.errorText)")
        }
        #expect(try await node.container("systemd-t-user", "{{.Config.Labels.version}}") == "4")
    }

    @Test(.timeLimit(.minutes(3))) func driftIsRepaired() async throws {
        let node = try Node()
        try await node.clean()
        try await node.write(sleeperUnit(), to: "apps/t-web.container")
        try await node.running {
            try await node.eventually("it is ready") { try await node.isReady("t-web.container") }
            _ = try await node.shell("systemctl --user stop t-web")
            try await node.eventually("it is started again") { try await node.state("t-web") == "active" }
            _ = try await node.shell("rm ~/.config/containers/systemd/t-web.container")
            try await node.eventually("the link is there again") {
                try await node.link("t-web.container").hasSuffix("/.hecate/gitops/apps/t-web.container")
            }
            // A file that is not ours is never touched.
            _ = try await node.shell("printf '[Container]\\nImage=x\\n' >~/.config/containers/systemd/t-own.container")
            try await node.write(sleeperUnit(), to: "apps/t-own.container")
            try await node.eventually("the file in the way is named") {
                try await node.message("t-own.container").contains("is a file that is not the agent's")
            }
            #expect(try await node.shell("cat ~/.config/containers/systemd/t-own.container").hasPrefix("[Container]"))
        }
    }

    /// People keep their folders in order: nothing is restarted for it, and nobody else is said to have changed anything.
    @Test(.timeLimit(.minutes(3))) func aMoveIsNoDrift() async throws {
        let node = try Node()
        try await node.clean()
        try await node.write("A=1\n", to: "apps/a/env-web/web.env")
        try await node.write("[Container]\nEnvironment=B=1\n", to: "apps/a/t-web.container.d/10-x.conf")
        try await node.write(sleeperUnit("EnvironmentFile=env-web/web.env"), to: "apps/a/t-web.container")
        try await node.write(
            "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=default.target\n",
            to: "apps/a/t-own.service"
        )
        try await node.running {
            for name in ["t-web.container", "t-own.service"] {
                try await node.eventually("\(name) is ready") { try await node.isReady(name) }
            }
            let before = [try await node.invocation("t-web"), try await node.invocation("t-own")]
            for (old, new) in [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f")] {
                _ = try await node.shell("mv ~/.hecate/gitops/apps/\(old) ~/.hecate/gitops/apps/\(new)")
                try await node.eventually("the links follow") {
                    guard try await node.link("t-web.container").hasSuffix("/apps/\(new)/t-web.container") else {
                        return false
                    }
                    return try await node.shell("readlink ~/.config/systemd/user/t-own.service").hasSuffix(
                        "/\(new)/t-own.service"
                    )
                }
                try await node.eventually("all is well") {
                    guard try await node.isReady("t-web.container") else { return false }
                    return try await node.isReady("t-own.service")
                }
            }
            #expect([try await node.invocation("t-web"), try await node.invocation("t-own")] == before)
            #expect(!node.log.contains("Drift") && !node.log.contains("✗"), "\(node.log)")
        }
    }

    /// A pod ends with its last container, so that systemd's restart of that one finds what it is bound to gone.
    @Test(.timeLimit(.minutes(3)), arguments: [false, true])
    func theOnlyContainerOfAPodIsChanged(isOld: Bool) async throws {
        let node = try Node(isOld: isOld)
        try await node.clean()
        try await node.write("[Pod]\nNetwork=none\n", to: "apps/t-pod.pod")
        for version in 1...3 {
            let unit = sleeperUnit("Environment=A=\(version)").replacing("Network=none", with: "Pod=t-pod.pod")
            try await node.write(unit, to: "apps/t-member.container")
            let result = try await node.once()
            #expect(result.code == 0 && !result.errorText.contains("✗"), "\(result.errorText)")
            #expect(try await node.container("systemd-t-member", "{{.Config.Env}}").contains("A=\(version)"))
        }
    }

    /// A store of its own makes no agent of its own: the folder has one.
    @Test(.timeLimit(.minutes(3))) func aSecondAgentWaitsAndTakesOver() async throws {
        let node = try Node()
        try await node.clean()
        try await node.write(sleeperUnit(), to: "apps/t-one.container")
        try await node.running {
            try await node.eventually("it runs") { try await node.isReady("t-one.container") }
            let before = try await node.invocation("t-one")
            _ = try await node.shell(
                "rm -rf other other.log; systemd-run --user --quiet --unit t-second sh -c "
                    + "'exec env HECATE_DEBOUNCE=0.1 HECATE_VERIFY_WINDOW=1 /opt/hecate/bin/hecate agent --store ~/other "
                    + "--log text >>~/other.log 2>&1'"
            )
            func second() -> String { fileText("\(node.homeOnDisk)/other.log") ?? "" }
            try await node.eventually("it says who acts") { second().contains("another controller, ") }
            try await node.write(sleeperUnit("Environment=A=2"), to: "apps/t-one.container")
            try await node.eventually("the first acts") { try await node.invocation("t-one") != before }
            let changed = try await node.invocation("t-one")
            #expect(!second().contains("Applying"), "\(second())")
            try await node.eventually("it is settled") { try await node.isReady("t-one.container") }
            _ = try await node.shell("systemctl --user kill -s KILL t-agent")
            let died = ContinuousClock.now
            try await node.eventually("the second takes over") { second().contains("acts for this source") }
            #expect(ContinuousClock.now - died < .seconds(15))
            try await node.write(sleeperUnit("Environment=A=3"), to: "apps/t-one.container")
            try await node.eventually("it acts") { try await node.invocation("t-one") != changed }
            _ = try await node.shell("systemctl --user stop t-second; systemctl --user reset-failed")
        }
        try await node.clean()
    }

    @Test(.timeLimit(.minutes(3))) func onceFailsWhenSomethingDidNotStart() async throws {
        let node = try Node()
        try await node.clean()
        try await node.write(sleeperUnit(), to: "apps/t-good.container")
        try await node.write(
            sleeperUnit().replacing("while true", with: "exit 3; while true"),
            to: "apps/t-bad.container"
        )
        let result = try await node.once()
        #expect(result.code == 1)
        #expect(result.errorText.contains("t-bad.container: t-bad.service failed"), "\(result.errorText)")
        #expect(try await node.isReady("t-good.container"))
    }
}
