import JSON
import Subprocess
import TestSupport
import Testing

extension NodeTests {
    /// What is wanted of a unit is what the unit itself says, and one strange unit is no other's trouble.
    @Suite(.serialized) struct Wanted {
        private func node() async throws -> Node {
            let node = try Node()
            try await node.clean()
            return node
        }

        private func lines(_ node: Node, about name: String) -> [Substring] {
            node.log.split(separator: "\n").filter { $0.contains("node/\(name)") }
        }

        // MARK: Service types and restart policies

        @Test(.timeLimit(.minutes(3))) func whatEndsWellIsNotStartedAgain() async throws {
            let node = try await node()
            let ends = sleeperUnit(service: "Restart=on-failure").replacing(
                "sleep 0.2; done",
                with: "sleep 2; break; done"
            )
            let task = sleeperUnit(service: "Type=oneshot").replacing("while true; do sleep 0.2; done", with: "sleep 1")
            try await node.write(ends, to: "apps/t-ends.container")
            try await node.write(task, to: "apps/t-task.container")
            try await node.running {
                for name in ["t-ends", "t-task"] {
                    try await node.eventually("\(name) is deployed") { try await node.isReady("\(name).container") }
                    try await node.eventually("\(name) ends") { try await node.state(name) == "inactive" }
                }
                let runs = [try await node.invocation("t-ends"), try await node.invocation("t-task")]
                let told = node.log
                try await Task.sleep(for: .seconds(6))
                #expect([try await node.invocation("t-ends"), try await node.invocation("t-task")] == runs)
                #expect(node.log == told, "nothing happened, and nothing is told")
                #expect(try await node.isReady("t-ends.container"))

                // Another declaration is another run.
                try await node.write(task.replacing("sleep 1", with: "sleep 1.5"), to: "apps/t-task.container")
                try await node.eventually("it runs again") { try await node.invocation("t-task") != runs[1] }
            }
        }

        @Test(.timeLimit(.minutes(2))) func whatSomebodyStoppedIsStartedAgain() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(service: "Restart=no"), to: "apps/t-one.container")
            #expect(try await node.once().code == 0)
            _ = try await node.shell("systemctl --user stop t-one")
            #expect(try await node.once().code == 0)
            #expect(try await node.state("t-one") == "active")
            try await node.running {
                try await node.eventually("the agent looks at it") { try await node.isReady("t-one.container") }
                _ = try await node.shell("systemctl --user stop t-one")
                try await node.eventually("it is up again") { try await node.state("t-one") == "active" }
            }
        }

        /// Whoever holds it has the last word, also over a start that is on its way, and nothing is said against the revision.
        @Test(.timeLimit(.minutes(3))) func whatIsHeldWhileItStartsStaysDown() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(service: "Restart=no"), to: "apps/t-one.container")
            try await node.running {
                try await node.eventually("it is deployed") { try await node.isReady("t-one.container") }
                let slow = sleeperUnit(service: "Restart=no\nExecStartPre=/bin/sleep 8")
                try await node.write(slow, to: "apps/t-one.container")
                try await node.eventually("it starts") { try await node.state("t-one") == "activating" }
                let stopped = try await node.hecate("stop", "t-one", "--reason", "backup")
                #expect(stopped.code == 0, "\(stopped.outputText)\(stopped.errorText)")
                for _ in 0..<12 {
                    #expect(["inactive", "failed"].contains(try await node.state("t-one")))
                    try await Task.sleep(for: .seconds(1))
                }
                let started = try await node.hecate("start", "t-one")
                #expect(started.code == 0, "\(started.outputText)\(started.errorText)")
                try await node.eventually("it is deployed at last") { try await node.isReady("t-one.container") }
                let loaded = try await node.shell("systemctl --user cat t-one | grep 'sleep 8'")
                #expect(!loaded.isEmpty)
                #expect(!node.log.contains("RollingBack") && !node.log.contains("Rejected"), "\(node.log)")
            }
        }

        /// What somebody stops while it starts is started again, as long as nobody holds it.
        @Test(.timeLimit(.minutes(3))) func aStartThatIsTakenAwayIsNoFailure() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(service: "Restart=no"), to: "apps/t-one.container")
            try await node.running {
                try await node.eventually("it is deployed") { try await node.isReady("t-one.container") }
                let slow = sleeperUnit(service: "Restart=no\nExecStartPre=/bin/sleep 4")
                try await node.write(slow, to: "apps/t-one.container")
                try await node.eventually("it starts") { try await node.state("t-one") == "activating" }
                _ = try await node.shell("systemctl --user stop t-one")
                try await node.eventually("it is deployed all the same") { try await node.isReady("t-one.container") }
                let loaded = try await node.shell("systemctl --user cat t-one | grep 'sleep 4'")
                #expect(!loaded.isEmpty)
                #expect(!node.log.contains("RollingBack"), "\(node.log)")
            }
        }

        /// Nothing tells systemd of it, and nothing but asking Podman does.
        @Test(.timeLimit(.minutes(2))) func anIllContainerIsToldByWhoeverLooks() async throws {
            let node = try await node()
            let command = "HealthCmd=cat /data/ok"
            let check = "\(command)\nHealthInterval=1s\nHealthRetries=2\nHealthStartPeriod=1s"
            _ = try await node.shell("mkdir -p ~/elsewhere && touch ~/elsewhere/ok")
            try await node.write(sleeperUnit("\(check)\nVolume=%h/elsewhere:/data"), to: "apps/t-one.container")
            #expect(try await node.once().code == 0)
            #expect(try await node.once().code == 0)
            _ = try await node.shell("rm ~/elsewhere/ok")
            try await node.eventually("it is ill") {
                try await node.container("systemd-t-one", "{{.State.Health.Status}}") == "unhealthy"
            }
            let result = try await node.once()
            #expect(result.code == 1)
            #expect(result.errorText.contains("the health command of 'systemd-t-one' fails"), "\(result.errorText)")
            // What it printed is what tells why.
            #expect(result.errorText.contains("the check ended with 1:"), "\(result.errorText)")
            #expect(result.errorText.contains("check: cat: can't open '/data/ok'"), "\(result.errorText)")
        }

        // MARK: Whether it is started at all

        @Test(.timeLimit(.minutes(3))) func whatNothingStartsIsKeptInStep() async throws {
            let node = try await node()
            let unit = sleeperUnit("Environment=A=1").replacing("[Install]\nWantedBy=default.target\n", with: "")
            try await node.write(unit, to: "apps/t-hand.container")
            let first = try await node.once()
            #expect(first.code == 0, "\(first.errorText)")
            #expect(try await node.state("t-hand") == "inactive")
            #expect(try await node.link("t-hand.container").hasSuffix("/apps/t-hand.container"))
            #expect(try await node.once().errorText.isEmpty)

            // A change reaches whoever starts it, without starting it.
            try await node.write(unit.replacing("A=1", with: "A=2"), to: "apps/t-hand.container")
            #expect(try await node.once().code == 0)
            #expect(try await node.state("t-hand") == "inactive")
            _ = try await node.shell("systemctl --user start t-hand")
            #expect(try await node.container("systemd-t-hand", "{{.Config.Env}}").contains("A=2"))
            // What a person started stays, and what runs is kept in step as well.
            #expect(try await node.once().errorText.isEmpty)
            #expect(try await node.state("t-hand") == "active")
            try await node.write(unit.replacing("A=1", with: "A=3"), to: "apps/t-hand.container")
            #expect(try await node.once().code == 0)
            #expect(try await node.container("systemd-t-hand", "{{.Config.Env}}").contains("A=3"))
            _ = try await node.shell("systemctl --user stop t-hand")
            #expect(try await node.once().errorText.isEmpty)
            #expect(try await node.state("t-hand") == "inactive")
        }

        @Test(.timeLimit(.minutes(2))) func anUnmetConditionIsNoFailureAndAnUnmetAssertionIs() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(unit: "ConditionPathExists=%h/elsewhere"), to: "apps/t-if.container")
            try await node.write(sleeperUnit(unit: "AssertPathExists=%h/elsewhere"), to: "apps/t-must.container")
            try await node.running {
                try await node.eventually("the condition is seen") { try await node.isReady("t-if.container") }
                try await node.eventually("the assertion is told") {
                    try await node.message("t-must.container").contains("AssertPathExists")
                }
                let read = try await node.hecate("read", "app", "t-if.container")
                #expect(
                    read.outputText.contains("it was not started: ConditionPathExists=%h/elsewhere not met"),
                    "\(read.outputText)"
                )
                try await Task.sleep(for: .seconds(3))
                #expect(lines(node, about: "t-if.container").count <= 3, "\(node.log)")
                _ = try await node.shell("mkdir -p ~/elsewhere")
                try await node.eventually("the assertion holds") { try await node.isReady("t-must.container") }
                #expect(try await node.state("t-must") == "active")
            }
        }

        // MARK: Strange units beside good ones

        @Test(.timeLimit(.minutes(3))) func aUnitThatBreaksTheGeneratorIsNamedAndTheOthersGoOn() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(), to: "apps/t-one.container")
            #expect(try await node.once().code == 0)
            let bad = sleeperUnit("Mount=type=volume,destination=/data")
            try await node.write(bad, to: "apps/t-bad.container")
            try await node.write(sleeperUnit(), to: "apps/t-two.container")
            let result = try await node.once()
            #expect(result.code == 1)
            #expect(
                result.errorText.contains("t-bad.container: Podman's generator breaks on the unit"),
                "\(result.errorText)"
            )
            for name in ["t-one", "t-two"] { #expect(try await node.state(name) == "active") }
            _ = try await node.shell("systemctl --user daemon-reload")
            #expect(try await node.shell("systemctl --user show -p LoadState --value t-one") == "loaded")
            // A unit that worked and is changed into one that breaks it keeps its last version.
            try await node.write(bad, to: "apps/t-two.container")
            #expect(try await node.once().code == 1)
            #expect(try await node.state("t-two") == "active")
            _ = try await node.shell("systemctl --user daemon-reload")
            #expect(try await node.shell("systemctl --user show -p LoadState --value t-two") == "loaded")
        }

        @Test(.timeLimit(.minutes(2))) func aFileOfSomebodyElsesThatBreaksTheGeneratorIsNamed() async throws {
            let node = try await node()
            _ = try await node.shell("mkdir -p ~/.config/containers/systemd")
            let theirs = "\(node.homeOnDisk)/.config/containers/systemd/t-a-theirs.container"
            try writeFile(sleeperUnit("Mount=type=volume,destination=/data"), to: theirs)
            try await node.write(sleeperUnit(), to: "apps/t-one.container")
            let result = try await node.once()
            #expect(result.code == 1)
            #expect(
                result.errorText.contains("does not make every service")
                    && result.errorText.contains("systemd/t-a-theirs.container"),
                "\(result.errorText)"
            )
        }

        @Test(.timeLimit(.minutes(3))) func strangeFilesAreNamedAndTheRestGoesOn() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(), to: "apps/t-one.container")
            let long = "t-" + String(repeating: "a", count: 240)
            _ = try await node.shell(
                """
                cd ~/.hecate/gitops/apps
                mkfifo t-pipe.container t-env.fifo
                cp t-one.container \(long).container
                cp t-one.container t-a+b.container
                cp t-one.container "$(printf 't-caf\\351.container')"
                cp t-one.container t-locked.container && chmod 000 t-locked.container
                ln -s . circle
                mkdir -p a/b/c/d/e/f/g/h/i && cp t-one.container a/b/c/d/e/f/g/h/i/t-deep.container
                cp t-one.container ../t-beside.container
                mkdir default.target.wants t-none.container.d t-one.service.d service.d
                ln -s /nowhere disk
                mkdir locked && cp t-one.container locked/t-inner.container && chmod 000 locked
                """
            )
            try await node.write(sleeperUnit("EnvironmentFile=t-env.fifo"), to: "apps/t-env.container")
            let result = try await node.once()
            _ = try await node.shell("chmod 700 ~/.hecate/gitops/apps/locked")
            #expect(result.code == 1)
            for words in [
                "t-pipe.container: it is a named pipe", "t-env.fifo': it is a named pipe",
                "the name is longer than", "t-a+b.container: systemd takes letters",
                "t-caf\\xE9.container: the name is no UTF-8", "t-locked.container: the file cannot be read",
                "circle: the link leads to a folder that it lies in", "this one lies deeper",
                "locked: the folder cannot be read",
                "t-beside.container: units are read from 'system' or 'apps'",
                "default.target.wants: what starts a unit is read from its [Install] section",
                "t-none.container.d: no unit here has the name",
                "t-one.service.d: the drop-ins are for a service that Podman makes",
                "service.d: the drop-ins would be laid over units that are not declared here",
                "apps/disk: the link leads to '/nowhere'",
            ] {
                #expect(result.errorText.contains(words), "\(words)\n\(result.errorText)")
            }
            #expect(try await node.state("t-one") == "active")
        }

        @Test(.timeLimit(.minutes(2))) func twoAppsWithOneFileNameDoNotShareIt() async throws {
            let node = try await node()
            for (folder, value) in [("one", 1), ("two", 2)] {
                try await node.write("A=\(value)\n", to: "apps/\(folder)/app.env")
                try await node.write(
                    sleeperUnit("EnvironmentFile=./app.env"),
                    to: "apps/\(folder)/t-\(folder).container"
                )
            }
            let result = try await node.once()
            #expect(result.code == 1)
            #expect(result.errorText.contains("'app.env' is"), "\(result.errorText)")
            #expect(try await node.container("systemd-t-one", "{{.Config.Env}}").contains("A=1"))
            #expect(try await node.state("t-two") != "active")
            let invocation = try await node.invocation("t-one")
            _ = try await node.once()
            #expect(try await node.invocation("t-one") == invocation)
            // What lies in a folder beside the unit is found.
            try await node.write("A=3\n", to: "apps/two/env/f.env")
            try await node.write("hello\n", to: "apps/two/conf/file")
            try await node.write(
                sleeperUnit("EnvironmentFile=env/f.env\nVolume=./conf:/conf"),
                to: "apps/two/t-two.container"
            )
            let mended = try await node.once()
            #expect(mended.code == 0, "\(mended.errorText)")
            #expect(try await node.container("systemd-t-two", "{{.Config.Env}}").contains("A=3"))
            #expect(try await node.shell("podman exec systemd-t-two cat /conf/file") == "hello")
        }
    }
}
