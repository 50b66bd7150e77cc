import JSON
import Subprocess
import Systemd
import TestSupport
import Testing

extension NodeTests {
    /// Units of systemd's own beside Podman's.
    @Suite(.serialized) struct SystemUnits {
        private func node(isOld: Bool = false) async throws -> Node {
            let node = try Node(isOld: isOld)
            try await node.clean()
            _ = try await node.shell("rm -f ~/t-runs ~/t-*.sock")
            return node
        }

        private let wanted = "[Install]\nWantedBy=default.target\n"

        private func service(_ command: String, _ more: String = "", install: String? = nil) -> String {
            "[Unit]\nDescription=A test\n[Service]\nExecStart=\(command)\n\(more)\n\(install ?? wanted)"
        }

        private func link(_ node: Node, _ path: String) async throws -> String {
            trimmedLine(try await node.user("readlink", "\(Node.home)/.config/systemd/user/\(path)").outputText)
        }

        /// The timer is started and its service is not, but for by the timer.
        @Test(.timeLimit(.minutes(3)), arguments: [false, true]) func aTimerIsKeptWithItsService(
            isOld: Bool
        ) async throws {
            let node = try await node(isOld: isOld)
            let job = service("/bin/sh -c 'echo run >>%h/t-runs'", "Type=oneshot", install: "")
            try await node.write(job, to: "apps/t-job.service")
            let timer = "[Timer]\nOnCalendar=*-*-* *:*:0/2\nAccuracySec=100ms\n[Install]\nWantedBy=timers.target\n"
            try await node.write(timer, to: "apps/t-job.timer")
            try await node.running {
                try await node.eventually("both are ready") {
                    guard try await node.isReady("t-job.timer") else { return false }
                    return try await node.isReady("t-job.service")
                }
                try await node.eventually("it ran twice") {
                    Int(trimmedLine(try await node.user("sh", "-c", "wc -l <~/t-runs").outputText)) ?? 0 > 1
                }
                #expect(!node.log.contains("DriftDetected"), "\(node.log)")
                let yearly = timer.replacing("*-*-* *:*:0/2", with: "*-01-01 00:00")
                try await node.write(yearly, to: "apps/t-job.timer")
                try await node.eventually("the new timer counts") {
                    try await node.shell("systemctl --user show -p NextElapseUSecRealtime t-job.timer").contains(
                        "-01-01"
                    )
                }
                #expect(try await link(node, "timers.target.wants/t-job.timer").hasSuffix("/apps/t-job.timer"))
                try await node.remove("apps/t-job.timer")
                try await node.eventually("it is gone") { try await node.state("t-job.timer") == "inactive" }
                try await node.eventually("its links are gone") {
                    let links = [
                        try await link(node, "timers.target.wants/t-job.timer"), try await link(node, "t-job.timer"),
                    ]
                    return links.allSatisfy(\.isEmpty)
                }
                #expect(try await node.isReady("t-job.service"))
            }
        }

        @Test(.timeLimit(.minutes(3)), arguments: [false, true])
        func aServiceIsChangedRolledBackAndRemoved(isOld: Bool) async throws {
            let node = try await node(isOld: isOld)
            let good = service("/bin/sleep \\\n  1000", "EnvironmentFile=%h/.hecate/gitops/apps/t-web.env")
            try await node.write("A=1\n", to: "apps/t-web.env")
            try await node.write(good, to: "apps/t-web.service")
            try await node.running {
                try await node.eventually("it is ready") { try await node.isReady("t-web.service") }
                #expect(try await link(node, "default.target.wants/t-web.service").hasSuffix("/apps/t-web.service"))
                func environment() async throws -> String {
                    let script = "tr '\\0' ' ' </proc/$(systemctl --user show -p MainPID --value t-web)/environ"
                    return try await node.shell(script)
                }
                try await node.write("A=2\n", to: "apps/t-web.env")
                try await node.eventually("its new environment counts") { try await environment().contains("A=2") }
                try await node.write("[Service]\nEnvironment=B=3\n", to: "apps/t-web.service.d/more.conf")
                try await node.eventually("so does its drop-in") { try await environment().contains("B=3") }
                try await node.eventually("it is ready again") { try await node.isReady("t-web.service") }

                try await node.write(good.replacing("/bin/sleep", with: "/bin/false"), to: "apps/t-web.service")
                try await node.eventually("it is rejected") { try await node.app("t-web.service")["rejected"] != nil }
                try await node.eventually("what was good is back") {
                    guard try await node.state("t-web") == "active" else { return false }
                    let environment = try await environment()
                    return environment.contains("A=2") && environment.contains("B=3")
                }
                let command = try await node.shell("systemctl --user show -p ExecStart --value t-web")
                #expect(command.contains("argv[]=/bin/sleep 1000"), "\(command)")

                try await node.remove("apps/t-web.service")
                try await node.eventually("it is stopped") { try await node.state("t-web") == "inactive" }
                try await node.eventually("its links are gone") {
                    let names = ["t-web.service", "t-web.service.d", "default.target.wants/t-web.service"]
                    for name in names where !(try await link(node, name).isEmpty) { return false }
                    return true
                }
            }
        }

        /// A name that the distribution has, as a unit or as an alias, hides nothing and stops nothing.
        @Test(.timeLimit(.minutes(3))) func whatIsSomebodyElsesStays() async throws {
            let node = try await node()
            let before = try await node.shell(
                "systemctl --user show -p FragmentPath,InvocationID dbus.service | tr '\\n' ' '"
            )
            try await node.write(service("/bin/sleep 1000"), to: "apps/dbus.service")
            let alias = wanted + "Alias=basic.target dbus.service\n"
            let hides = wanted + "Alias=systemd-exit.service\n"
            try await node.write(service("/bin/sleep 1000", install: hides), to: "apps/t-one.service")
            try await node.write(service("/bin/sleep 1000", install: alias), to: "apps/t-two.service")
            try await node.running {
                try await node.eventually("it is refused") {
                    try await node.message("dbus.service").contains("is a unit of somebody else's already, made of")
                }
                try await node.eventually("so is the alias") {
                    try await node.message("t-one.service").contains(
                        "'systemd-exit.service' is a unit of somebody else's already"
                    )
                }
                try await node.eventually("so is one of another kind") {
                    try await node.message("t-two.service").contains("an alias ends as the unit does")
                }
                for name in ["dbus.service", "t-one.service", "t-two.service"] { try await node.remove("apps/\(name)") }
                try await node.eventually("they are forgotten") { try await node.app("dbus.service") == .null }
                let after = try await node.shell(
                    "systemctl --user show -p FragmentPath,InvocationID dbus.service | tr '\\n' ' '"
                )
                #expect(after == before)
                #expect(try await link(node, "dbus.service").isEmpty)
            }
        }

        /// Units that generators make of files by hand are as much somebody else's, also under a name that a unit takes later.
        @Test(.timeLimit(.minutes(3))) func whatIsMadeOfSomebodyElsesFilesStays() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(), to: "elsewhere.txt")
            _ = try await node.shell(
                "mkdir -p ~/.config/containers/systemd ~/.config/systemd/user"
                    + " && mv ~/.hecate/gitops/elsewhere.txt ~/.config/containers/systemd/t-hand.container"
                    + " && printf '[Service]\\nExecStart=/bin/sleep 1000\\n' >~/.config/systemd/user/t-moved.service"
                    + " && systemctl --user daemon-reload && systemctl --user start t-hand t-moved"
            )
            let run = try await node.invocation("t-hand")
            try await node.write(service("/bin/sleep 1000"), to: "apps/t-hand.service")
            try await node.write(sleeperUnit(), to: "apps/t-own.container")
            try await node.running {
                try await node.eventually("it is refused") {
                    try await node.message("t-hand.service").contains(
                        "containers/systemd/t-hand.container'; give this one"
                    )
                }
                try await node.eventually("another one runs") { try await node.isReady("t-own.container") }
                // A name may be taken by the text alone.
                for words in ["[Container]\nServiceName=t-moved", "[Install]\nAlias=t-moved.service"] {
                    try await node.write(sleeperUnit() + words + "\n", to: "apps/t-own.container")
                    try await node.eventually("it is refused: \(words)") {
                        try await node.message("t-own.container").contains("is a unit of somebody else's already")
                    }
                }
                #expect(try await node.state("t-own") == "active")
                #expect(try await node.invocation("t-hand") == run)
                // What somebody moves into the folder is theirs no longer, whatever systemd remembers.
                try await node.remove("apps/t-own.container")
                _ = try await node.shell("mv ~/.config/systemd/user/t-moved.service ~/.hecate/gitops/apps/")
                try await node.eventually("it is taken over") { try await node.isReady("t-moved.service") }
                try await node.remove("apps/t-hand.service")
            }
            _ = try await node.shell(
                "systemctl --user stop t-hand; rm ~/.config/containers/systemd/t-hand.container; systemctl --user daemon-reload"
            )
        }

        /// What only systemd itself knows to be wrong: the words are its own, and what ran comes back.
        @Test(.timeLimit(.minutes(3))) func whatSystemdDoesNotLoadIsRolledBack() async throws {
            let node = try await node()
            let good = service("/bin/sleep 1000")
            try await node.write(good, to: "apps/t-web.service")
            try await node.write(service("/bin/sleep 1000", "Type=dbus"), to: "apps/t-bad.service")
            try await node.running {
                try await node.eventually("the good one is ready") { try await node.isReady("t-web.service") }
                try await node.eventually("the bad one is named") {
                    try await node.message("t-bad.service").contains("bad")
                }
                try await node.write(service("/bin/sleep 1000", "Type=dbus"), to: "apps/t-web.service")
                try await node.eventually("it is rejected") { try await node.app("t-web.service")["rejected"] != nil }
                try await node.eventually("what was good is back") {
                    guard try await node.state("t-web") == "active" else { return false }
                    return try await node.shell("systemctl --user show -p Type --value t-web") == "simple"
                }
                let told = node.log.split(separator: "\n").count
                try await Task.sleep(for: .seconds(8))
                #expect(node.log.split(separator: "\n").count <= told + 2, "\(node.log)")
            }
        }

        /// systemd reads a bad file as well, and what is up has no use of the good one that comes back until it is restarted.
        @Test(.timeLimit(.minutes(2))) func aTimerThatWasRolledBackElapses() async throws {
            let node = try await node()
            let timer = "[Timer]\nOnCalendar=*-*-* *:*:0/2\nAccuracySec=100ms\n[Install]\nWantedBy=timers.target\n"
            try await node.write(
                service("/bin/sh -c 'echo run >>%h/t-runs'", "Type=oneshot", install: ""),
                to: "apps/t-job.service"
            )
            try await node.write(timer, to: "apps/t-job.timer")
            try await node.running {
                try await node.eventually("it is ready") { try await node.isReady("t-job.timer") }
                try await node.write(timer.replacing("*-*-* *:*:0/2", with: "bogus"), to: "apps/t-job.timer")
                try await node.eventually("it is rejected") { try await node.app("t-job.timer")["rejected"] != nil }
                try await node.eventually("it is rolled back") { node.log.contains("RolledBack") }
                _ = try await node.shell("rm -f ~/t-runs")
                try await node.eventually("it elapses") {
                    try await node.user("test", "-e", "\(Node.home)/t-runs").code == 0
                }
            }
        }

        /// What runs in a slice, and what the distribution or the user has by the name, outlives whatever comes and goes here.
        @Test(.timeLimit(.minutes(2))) func neighboursAreLeftAlone() async throws {
            let node = try await node()
            let mine = "[Service]\nExecStart=/bin/sleep 1000\n"
            try await node.write(mine, to: "../../.config/systemd/user/t-mine.service")
            _ = try await node.shell("systemctl --user daemon-reload && systemctl --user start t-mine")
            try await node.write("[Slice]\n", to: "apps/t-box.slice")
            _ = try await node.shell("systemd-run --user --quiet --slice=t-box.slice --unit t-others sleep 1000")
            try await node.write(service("/bin/sleep 1000"), to: "apps/podman-kube@.service")
            try await node.write(sleeperUnit(), to: "apps/t-mine.container")
            let first = try await node.once()
            for words in [
                "podman-kube@.service: 'podman-kube@.service' is a unit of somebody",
                "'t-mine.service' is a unit of somebody",
            ] {
                #expect(first.errorText.contains(words), "\(words)\n\(first.errorText)")
            }
            let before = [try await node.invocation("t-mine"), try await node.invocation("t-others")]
            // As many as may go at once.
            try await node.remove("apps/podman-kube@.service")
            _ = try await node.once()
            for name in ["t-box.slice", "t-mine.container"] { try await node.remove("apps/\(name)") }
            let second = try await node.once()
            #expect(second.code == 0, "\(second.errorText)")
            #expect([try await node.invocation("t-mine"), try await node.invocation("t-others")] == before)
            for name in ["t-mine", "t-others"] { #expect(try await node.state(name) == "active") }
            _ = try await node.shell("systemctl --user stop t-mine t-others")
        }

        /// Equal positions of systemd's are equal states.
        @Test(.timeLimit(.minutes(1))) func aPositionChangesWithWhatHappens() async throws {
            let node = try await node()
            _ = try await node.shell("systemctl --user stop t-pos; systemctl --user is-system-running --wait || true")
            let systemd = try await NodeStage.booted(node).manager
            _ = try await systemd.signals()
            let before = try await systemd.position()
            try await Task.sleep(for: .seconds(1))
            #expect(try await systemd.position() == before && before != nil)
            _ = try await node.shell("systemd-run --user --quiet --unit t-pos sleep 100")
            let started = try await systemd.position()
            #expect(started != before)
            #expect(try await systemd.units(named: ["t-pos.service"]).first?.active == "active")
            _ = try await node.shell("systemctl --user daemon-reload")
            let reloaded = try await systemd.position()
            #expect(reloaded != started && reloaded != nil)
            _ = try await node.shell("systemctl --user stop t-pos")
            #expect(try await systemd.position() != reloaded)
        }

        /// A slice or a target is read anew, and nothing that belongs to it is restarted; a socket opens elsewhere.
        @Test(.timeLimit(.minutes(3))) func eachKindIsChangedInItsWay() async throws {
            let node = try await node()
            let socket = "[Socket]\nListenStream=%h/t-one.sock\n[Install]\nWantedBy=sockets.target\n"
            try await node.write("[Slice]\nCPUWeight=50\n", to: "apps/t-some.slice")
            try await node.write("[Unit]\nDescription=All\n" + wanted, to: "apps/t-all.target")
            let inSlice = service(
                "/bin/sleep 1000",
                "Slice=t-some.slice",
                install: "[Install]\nWantedBy=t-all.target\n"
            )
            try await node.write(inSlice, to: "apps/t-web.service")
            try await node.write(socket, to: "apps/t-echo.socket")
            try await node.write(service("/bin/sleep 1000", install: ""), to: "apps/t-echo.service")
            try await node.running {
                for name in ["t-some.slice", "t-all.target", "t-web.service", "t-echo.socket", "t-echo.service"] {
                    try await node.eventually("\(name) is ready") { try await node.isReady(name) }
                }
                try await node.eventually("the target's service is up") { try await node.state("t-web") == "active" }
                let run = try await node.invocation("t-web")
                try await node.write("[Slice]\nCPUWeight=70\n", to: "apps/t-some.slice")
                try await node.write("[Unit]\nDescription=All of it\n" + wanted, to: "apps/t-all.target")
                try await node.eventually("the slice counts") {
                    try await node.shell("systemctl --user show -p CPUWeight --value t-some.slice") == "70"
                }
                try await node.eventually("both are ready again") {
                    guard try await node.isReady("t-some.slice") else { return false }
                    return try await node.isReady("t-all.target")
                }
                #expect(try await node.invocation("t-web") == run)
                _ = try await node.shell("systemctl --user start t-echo.service")
                try await node.write(socket.replacing("one", with: "two"), to: "apps/t-echo.socket")
                try await node.eventually("it listens elsewhere") {
                    guard try await node.isReady("t-echo.socket") else { return false }
                    return try await node.user("test", "-S", "\(Node.home)/t-two.sock").code == 0
                }
                #expect(!node.log.contains("Rejected"), "\(node.log)")
                try await node.remove("apps/t-web.service")
                try await node.eventually("the empty folder of wishes goes with the last of them") {
                    try await node.user("test", "-e", "\(Node.home)/.config/systemd/user/t-all.target.wants").code == 1
                }
            }
        }
    }
}
