import JSON
import Subprocess
import TestSupport
import Testing

/// A small generator that gives the same numbers for the same seed (splitmix64).
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension NodeTests {
    /// What holds whatever happens.
    @Suite(.serialized) struct Laws {
        /// What the gitops folder declares in the test: each unit's value.
        private struct Declared {
            var values: [String: Int] = [:]
            var isSymlinked = false
        }

        @Test(.timeLimit(.minutes(5)), arguments: [UInt64(1), 2, 3])
        func whateverHappensOnePassEndsAsDeclaredAndASecondDoesNothing(seed: UInt64) async throws {
            let node = try Node()
            try await node.clean()
            var random = Seeded(state: seed)
            var declared = Declared()
            var history: [String] = []
            for round in 0..<6 {
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    history.append(try await disturb(node, &declared, &random))
                }
                let told = history.joined(separator: ", ")
                let pass = try await node.once()
                #expect(pass.code == 0, "seed \(seed), round \(round), after \(told): \(pass.errorText)")
                try await holds(node, declared, "seed \(seed), round \(round), after \(told)")
                let again = try await node.once()
                #expect(again.code == 0 && again.errorText.isEmpty, "after \(told): \(again.errorText)")
            }
            if declared.isSymlinked { _ = try await node.shell("rm ~/.hecate && mv ~/elsewhere ~/.hecate") }
        }

        /// Does one thing that users, crashes and colleagues do.
        private func disturb(_ node: Node, _ declared: inout Declared, _ random: inout Seeded) async throws -> String {
            let name = ["t-a", "t-b", "t-c", "t-d"].randomElement(using: &random) ?? "t-a"
            let value = Int.random(in: 1...1000, using: &random)
            switch Int.random(in: 0..<9, using: &random) {
            case 0, 1, 2:
                let folder = name < "t-c" ? "apps" : "apps/nested"
                try await node.write(
                    sleeperUnit("Environment=V=\(value)\nEnvironmentFile=%h/.hecate/gitops/apps/\(name).env"),
                    to: "\(folder)/\(name).container"
                )
                try await node.write("E=\(value)\n", to: "apps/\(name).env")
                declared.values[name] = value
                return "write \(name)"
            case 3:
                try await node.remove("apps/\(name).container")
                try await node.remove("apps/nested/\(name).container")
                declared.values[name] = nil
                return "delete \(name)"
            case 4:
                // Until systemd has started it anew, that it failed is what there is to tell.
                _ = try await node.shell(
                    """
                    run() { systemctl --user show -p InvocationID -p SubState --value \(name) | tr '\\n' ' '; }
                    before=$(run)
                    podman kill systemd-\(name) 2>/dev/null || exit 0
                    for i in $(seq 100); do
                        case $(run) in "$before"|*stop*|*auto-restart*|*start*) sleep 0.1 ;; *) break ;; esac
                    done
                    """
                )
                return "kill the container of \(name)"
            case 5:
                _ = try await node.user("systemctl", "--user", "stop", name)
                return "stop \(name)"
            case 6:
                _ = try await node.shell("rm -f ~/.config/containers/systemd/\(name).container")
                return "remove the link of \(name)"
            case 7:
                let seconds = Double.random(in: 0.02...0.9, using: &random)
                _ = try await node.user("timeout", "-s", "KILL", "\(seconds)", "hecate", "agent", "--once")
                return "kill the agent after \(seconds) s"
            default:
                let move =
                    declared.isSymlinked
                    ? "rm ~/.hecate && mv ~/elsewhere ~/.hecate"
                    : "mv ~/.hecate ~/elsewhere && ln -s elsewhere ~/.hecate"
                _ = try await node.shell(move)
                declared.isSymlinked.toggle()
                return "move the folder"
            }
        }

        private func holds(_ node: Node, _ declared: Declared, _ told: String) async throws {
            for name in ["t-a", "t-b", "t-c", "t-d"] {
                let link = try await node.link("\(name).container")
                let state = try await node.state(name)
                guard let value = declared.values[name] else {
                    #expect(link.isEmpty && state != "active", "\(name) is gone, \(told): \(link) \(state)")
                    continue
                }
                #expect(link.contains("/.hecate/gitops/apps/"), "\(name), \(told): \(link)")
                #expect(state == "active", "\(name), \(told)")
                let environment = try await node.container("systemd-\(name)", "{{.Config.Env}}")
                #expect(environment.contains("V=\(value)") && environment.contains("E=\(value)"), "\(name), \(told)")
            }
        }

        @Test(.timeLimit(.minutes(2))) func anUpdateThatIsNotWellIsRolledBack() async throws {
            let node = try Node()
            try await node.clean()
            _ = try await node.shell("podman tag localhost/web:1.0.0 localhost/t-web:now")
            try await node.write(
                sleeperUnit("AutoUpdate=local", image: "localhost/t-web:now"),
                to: "apps/t-web.container"
            )
            #expect(try await node.once().code == 0)
            #expect(try await node.hecate("update").outputText.contains("nothing to update"))
            _ = try await node.shell("podman tag localhost/web:2.0.0 localhost/t-web:now")
            let updated = try await node.hecate("update")
            #expect(updated.code == 0 && updated.outputText.contains("t-web.service: updated"), "\(updated.errorText)")
            let wanted = try await node.shell("podman image inspect -f {{.Id}} localhost/web:2.0.0")
            #expect(try await node.container("systemd-t-web", "{{.Image}}") == wanted)
            // An image in which nothing runs.
            _ = try await node.shell("tar -c -T /dev/null | podman import -q - localhost/t-web:now")
            let bad = try await node.shell("podman image inspect -f {{.Id}} localhost/t-web:now")
            let failed = try await node.hecate("update")
            #expect(failed.code == 1 && failed.errorText.contains("rolled back to \(wanted.prefix(12))"))
            try await node.eventually("the image before is back") {
                try await node.container("systemd-t-web", "{{.Image}} {{.State.Running}}") == "\(wanted) true"
            }
            #expect(try await node.state("t-web") == "active")
            // It comes again with every look at the registry, and is not tried again.
            _ = try await node.shell("podman tag \(bad) localhost/t-web:now")
            let run = try await node.invocation("t-web")
            let again = try await node.hecate("update")
            #expect(again.code == 0 && again.outputText.contains("rolled back from that one before"))
            #expect(try await node.invocation("t-web") == run)
            #expect(try await node.shell("podman image inspect -f {{.Id}} localhost/t-web:now") == wanted)
        }

        /// Whoever updates dies while nobody knows yet how the new image does; who holds a service keeps it as it is.
        @Test(.timeLimit(.minutes(3))) func anUpdateThatWasBegunIsFinished() async throws {
            let node = try Node()
            try await node.clean()
            _ = try await node.shell(
                """
                podman tag localhost/web:1.0.0 localhost/t-web:now
                podman run --name t-make localhost/web:1.0.0 sh -c ': >/bad' && podman commit -q t-make localhost/t-bad:1
                """
            )
            let health =
                "HealthCmd=test ! -e /bad\nHealthInterval=2s\nHealthStartPeriod=8s\nHealthRetries=1\nAutoUpdate=local"
            let unit = sleeperUnit(health, image: "localhost/t-web:now")
            for name in ["t-one", "t-two"] { try await node.write(unit, to: "apps/\(name).container") }
            try await node.write("[Pod]\n[Install]\nWantedBy=default.target\n", to: "apps/t-all.pod")
            let member = sleeperUnit("AutoUpdate=local\nPod=t-all.pod", image: "localhost/t-member:now")
            _ = try await node.shell("podman tag localhost/web:1.0.0 localhost/t-member:now")
            try await node.write(member.replacing("Network=none\n", with: ""), to: "apps/t-member.container")
            let first = try await node.once()
            #expect(first.code == 0, "\(first.errorText)")
            func image(_ name: String) async throws -> String {
                try await node.container("systemd-\(name)", "{{.Image}}")
            }
            let (good, bad) = (
                try await image("t-one"), try await node.shell("podman image inspect -f {{.Id}} localhost/t-bad:1")
            )
            _ = try await node.shell("podman tag localhost/t-bad:1 localhost/t-web:now")
            _ = try await node.user("timeout", "-s", "KILL", "4", "hecate", "update")
            #expect(try await image("t-one") == bad, "it died amid")
            let lock = "\(Node.home)/.hecate/gitops/.hecate/updates.lock"
            let beside = try await node.user("flock", lock, "hecate", "update")
            #expect(beside.code == 1 && beside.errorText.contains("another 'hecate update' is under way"))
            #expect(try await image("t-one") == bad, "who waits for another one touches nothing")
            let second = try await node.hecate("update")
            #expect(second.code == 1 && second.errorText.contains("t-one.service: not well"), "\(second.outputText)")
            for name in ["t-one", "t-two"] {
                #expect(try await image(name) == good, "\(second.outputText)")
                #expect(try await node.state(name) == "active")
            }
            // The only container of a pod is updated like any other, and what a person holds is not.
            _ = try await node.shell(
                "podman tag localhost/web:2.0.0 localhost/t-web:now; podman tag localhost/web:2.0.0 localhost/t-member:now"
            )
            let wanted = try await node.shell("podman image inspect -f {{.Id}} localhost/web:2.0.0")
            #expect(try await node.hecate("stop", "t-two").code == 0)
            let third = try await node.hecate("update")
            #expect(third.code == 0, "\(third.errorText)")
            for name in ["t-one", "t-member"] { #expect(try await image(name) == wanted, "\(third.outputText)") }
            #expect(try await node.state("t-two") != "active")
        }
    }

    /// The plain services of the old Podman start what Quadlet starts on the new one.
    @Suite(.serialized) struct Differential {
        /// Where the two may differ, each with its reason.
        private static let allowed: [(path: String, reason: String)] = [
            ("Config.Labels.io.containers.autoupdate", "Podman 3.0 calls the policy 'image'"),
            ("Config.StopSignal", "a number in Podman 3, a name in Podman 5"),
            ("Config.Entrypoint", "a string in Podman 3, a list in Podman 5"),
            ("Config.Env.TERM", "Podman 3 sets it for every container"),
            ("Config.Env.HOME", "Podman 5 sets it, empty where the image has no users; Podman 3 does not then"),
        ]

        private static let units: [(name: String, text: String)] = [
            ("t-plain", sleeperUnit()),
            (
                "t-full",
                sleeperUnit(
                    """
                    ContainerName=t-full-name
                    AutoUpdate=registry
                    Environment=A=1 B="two words"
                    Environment=HOME=%h
                    EnvironmentFile=%h/.hecate/gitops/apps/t-full.env
                    Volume=%h/elsewhere:/data:ro
                    Volume=t-data.volume:/more
                    Label=one=1
                    User=0
                    WorkingDir=/tmp
                    HostName=box
                    AddCapability=NET_ADMIN
                    DropCapability=CHOWN
                    Tmpfs=/scratch
                    ReadOnly=true
                    NoNewPrivileges=true
                    ShmSize=32m
                    Ulimit=nofile=512:512
                    Annotation=note=x
                    RunInit=false
                    HealthCmd=true
                    HealthInterval=30s
                    HealthRetries=3
                    HealthTimeout=5s
                    HealthStartPeriod=10s
                    StopTimeout=1
                    """
                )
            ),
            ("t-notify", sleeperUnit("HealthCmd=true\nHealthInterval=5s\nNotify=healthy\nStopSignal=SIGTERM")),
        ]

        @Test(.timeLimit(.minutes(3))) func plainServicesStartWhatQuadletStarts() async throws {
            var reports: [[String: JSON]] = []
            for isOld in [false, true] {
                let node = try Node(isOld: isOld)
                try await node.clean()
                _ = try await node.shell("mkdir -p ~/elsewhere")
                for (name, text) in Self.units {
                    // Podman 5.4 has no key StopTimeout's like in 3; both know the argument.
                    try await node.write(text, to: "apps/\(name).container")
                }
                try await node.write("[Volume]\nLabel=kept=yes\n", to: "apps/t-data.volume")
                try await node.write("FROM_FILE=yes\n", to: "apps/t-full.env")
                let result = try await node.once()
                #expect(result.code == 0, "\(result.errorText)")
                var report: [String: JSON] = [:]
                for name in ["systemd-t-plain", "t-full-name", "systemd-t-notify"] {
                    let text = try await node.user("podman", "container", "inspect", name).output
                    report[name] = try JSON(parsing: text).array?.first.map(Self.normalized)
                }
                reports.append(report)
            }
            for (name, quadlet) in reports[0] {
                let differences = Self.differences(quadlet, reports[1][name], path: "")
                for difference in differences where !Self.allowed.contains(where: { difference.hasPrefix($0.path) }) {
                    Issue.record("\(name): \(difference)")
                }
            }
            #expect(reports[0].count == 3)
        }

        @Test(.timeLimit(.minutes(2))) func aKeyThatCannotBeKeptIsRefusedByName() async throws {
            let node = try Node(isOld: true)
            try await node.clean()
            try await node.write(sleeperUnit("HealthOnFailure=kill"), to: "apps/t-one.container")
            try await node.write(sleeperUnit(), to: "apps/t-two.container")
            let result = try await node.once()
            #expect(result.code == 1)
            #expect(result.errorText.contains("'HealthOnFailure' needs Podman 4.2"), "\(result.errorText)")
            #expect(result.errorText.contains("t-one.container:8:1"), "\(result.errorText)")
            #expect(try await node.state("t-two") == "active")
        }

        /// What of a container was asked for, in one form for both versions.
        private static func normalized(_ container: JSON) -> JSON {
            let config = container["Config"]
            let host = container["HostConfig"]
            var environment: JSON.Members = [:]
            for entry in config?["Env"]?.array?.compactMap(\.string) ?? [] {
                let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                // Who runs it and where is each container's own.
                if parts[0] != "HOSTNAME" { environment[String(parts[0])] = .string(String(parts[1])) }
            }
            let mounts = (container["Mounts"]?.array ?? []).map { mount in
                "\(mount["Type"]?.string ?? "") \(mount["Name"]?.string ?? mount["Source"]?.string ?? "") -> "
                    + "\(mount["Destination"]?.string ?? "") \(mount["RW"]?.bool ?? false)"
            }
            var result: JSON = [
                "Name": container["Name"] ?? .null, "ImageName": container["ImageName"] ?? .null,
                "Mounts": .array(mounts.sorted().map { .string($0) }),
            ]
            var ownConfig: JSON.Members = ["Env": .object(environment)]
            for key in ["Cmd", "User", "WorkingDir", "Labels", "Entrypoint", "StopSignal", "Healthcheck"] {
                ownConfig[key] = config?[key]
            }
            if config?["Hostname"]?.string == "box" { ownConfig["Hostname"] = "box" }
            var ownHost: JSON.Members = [:]
            for key in ["NetworkMode", "ReadonlyRootfs", "ShmSize", "Memory", "Init", "Privileged"] {
                ownHost[key] = host?[key]
            }
            for key in ["CapAdd", "CapDrop"] {
                let all = (host?[key]?.array ?? []).compactMap(\.string)
                // Podman 3 counts what its own defaults leave out as dropped.
                let own = all.filter { !["CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW"].contains($0) }
                ownHost[key] = .array(own.sorted().map { .string($0) })
            }
            // Podman 3 lists those that a read-only root brings along as well.
            let mounted = (host?["Tmpfs"]?.object ?? [:]).keys.filter { !["/run", "/tmp", "/var/tmp"].contains($0) }
            ownHost["Tmpfs"] = .array(mounted.sorted().map { .string($0) })
            let security = (host?["SecurityOpt"]?.array ?? []).compactMap(\.string).filter { $0.contains("no-new") }
            ownHost["SecurityOpt"] = .bool(!security.isEmpty)
            let limits = (host?["Ulimits"]?.array ?? []).first { $0["Name"]?.string?.contains("NOFILE") ?? false }
            // Podman 5 reports the machine's own limit where the unit sets none.
            if limits?["Soft"]?.int == 512 { ownHost["nofile"] = 512 }
            result["Config"] = .object(ownConfig.filter { $0.value != .null })
            result["HostConfig"] = .object(ownHost.filter { $0.value != .null })
            return result
        }

        private static func differences(_ left: JSON?, _ right: JSON?, path: String) -> [String] {
            guard left != right else { return [] }
            if case .object(let one)? = left, case .object(let other)? = right {
                return Set(one.keys).union(other.keys).sorted().flatMap {
                    differences(one[$0], other[$0], path: path.isEmpty ? $0 : "\(path).\($0)")
                }
            }
            return ["\(path): Quadlet \(left?.text() ?? "nothing"), plain \(right?.text() ?? "nothing")"]
        }
    }
}
