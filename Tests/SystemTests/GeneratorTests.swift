import Diagnostics
import Files
import Subprocess
import TestSupport
import Testing

@testable import Quadlet

extension NodeTests {
    /// What `hecate check` says of units against what Podman's own generator makes of them.
    @Suite(.serialized) struct Generator {
        /// Units that every file may name.
        private static let others = [
            "data.volume": "[Volume]\n", "net.network": "[Network]\n", "all.pod": "[Pod]\n",
            "other.container": "[Container]\nImage=x\n", "many@.container": "[Container]\nImage=x\n",
            "img.image": "[Image]\nImage=x\n", "bld.build": "[Build]\nImageTag=x\nSetWorkingDirectory=unit\n",
        ]

        /// What the generator says of each unit, which lies beside all others: nil when it makes a service of it.
        private func refusals(of units: [(name: String, text: String)], on node: Node) async throws -> [String?] {
            try await node.asRoot("rm -rf /home/hecate/generator")
            for (index, unit) in units.enumerated() {
                for (name, text) in Self.others {
                    try writeFile(text, to: "\(node.homeOnDisk)/generator/\(index)/\(name)")
                }
                try writeFile(unit.text, to: "\(node.homeOnDisk)/generator/\(index)/\(unit.name)")
            }
            let answer = try await node.user(
                "sh",
                "-c",
                """
                cd ~/generator; for d in $(ls | sort -n); do
                    words=$(QUADLET_UNIT_DIRS=$PWD/$d /usr/libexec/podman/quadlet -dryrun -user 2>&1 >/dev/null); code=$?
                    echo "$code $(echo "$words" | grep -e 'error loading' -e converting -e panic: | head -n 1)"
                done
                """
            )
            try await node.asRoot("rm -rf /home/hecate/generator")
            return answer.outputText.split(separator: "\n").map { $0.hasPrefix("0 ") ? nil : String($0) }
        }

        /// What is said of a unit without Podman; nil when nothing is wrong with it.
        private func fault(_ name: String, _ text: String) throws -> String? {
            do {
                let unit = try UnitFile(Array(text.utf8), file: name)
                let subject = QuadletRules.Subject(name: try #require(UnitName(name)), path: name, unit: unit)
                let rules = QuadletRules(version: .tested, names: Set(Self.others.keys).union([name]))
                let found = rules.diagnostics(of: subject)
                return found.hasErrors ? found.all.map(\.description).joined(separator: "\n") : nil
            } catch let invalid as Invalid {
                return "\(invalid)"
            }
        }

        private func compare(_ units: [(name: String, text: String)]) async throws {
            let expected = try await refusals(of: units, on: try Node())
            try #require(expected.count == units.count)
            let taken = expected.count { $0 == nil }
            #expect(taken > units.count / 5 && taken < units.count * 9 / 10, "\(taken) of \(units.count) are taken")
            for (unit, refusal) in zip(units, expected) {
                let found = try fault(unit.name, unit.text)
                #expect(
                    (found == nil) == (refusal == nil),
                    "\(unit.name):\n\(unit.text)\nPodman: \(refusal ?? "takes it")\nhere: \(found ?? "takes it")"
                )
            }
        }

        @Test(.timeLimit(.minutes(3))) func everyKeyIsTakenAsPodmanTakesIt() async throws {
            let base = [
                "Container": "Image=x", "Kube": "Yaml=/x", "Image": "Image=x",
                "Build": "ImageTag=x\nSetWorkingDirectory=unit",
            ]
            var units: [(String, String)] = []
            for kind in UnitKind.allCases where !kind.isOfSystemd {
                let known = QuadletKeys.all[kind.section] ?? []
                // Keys of other kinds are none of this one's.
                let keys = known.union(["Image", "Label", "HostName", "Policy", "Foo"]).sorted()
                for key in keys {
                    units.append(("u.\(kind.rawValue)", "[\(kind.section)]\n\(key)=\n\(base[kind.section] ?? "")\n"))
                }
            }
            try await compare(units)
        }

        @Test(.timeLimit(.minutes(3)), arguments: [1, 2, 3]) func filesAtRandomAreJudgedAsPodmanJudgesThem(
            seed: UInt64
        ) async throws {
            var draw = UnitDraw(seed: seed)
            try await compare((0..<150).map { _ in draw.unit() })
        }

        @Test(.timeLimit(.minutes(3))) func whatPeopleWriteIsJudgedAsPodmanJudgesIt() async throws {
            try await compare(Self.written)
        }

        private static let web = "[Container]\nImage=x\n"
        private static let written: [(String, String)] = [
            ("u.container", web), ("u.container", "[Container]\n"), ("u.container", "[Unit]\nDescription=x\n"),
            ("u.container", ""),
            ("u.container", web + "Exec=a \\   \n  b\n"), ("u.container", web + "Exec=a \\\n# no\nb\n"),
            ("u.container", web + "Exec=a \\"),
            ("u.container", web + "nothing\n"), ("u.container", "Image=x\n" + web), ("u.container", web + "=x\n"),
            ("u.container", "[Container\nImage=x\n"), ("u.container", "[Container] \nImage=x\n"),
            ("u.container", "[]\n" + web),
            ("u.container", "; c\n# d\n\n" + web + "  [Service]  \n"), ("u.container", web + "[X-Mine]\nFoo=1\n"),
            ("u.container", web + "[Quadlet]\nDefaultDependencies=false\n"),
            ("u.container", web + "[Quadlet]\nFoo=1\n"),
            ("u.container", web + "Rootfs=/x\n"), ("u.container", "[Container]\nRootfs=/x\n"),
            ("u.container", "[Container]\nImage=x\nImage=\n"),
            ("u.container", "[Container]\nImage=gone.image\n"), ("u.container", "[Container]\nImage=gone.build\n"),
            ("u.container", "[Container]\nImage=img.image\n"), ("u.container", "[Container]\nImage=bld.build\n"),
            ("u.container", web + "Volume=gone.volume:/x\n"), ("u.container", web + "Volume=data.volume:/x:ro\n"),
            ("u.container", web + "Volume=/a:/b\n"), ("u.container", web + "Volume=/b\n"),
            ("u.container", web + "Volume=gone.image:/x\n"),
            ("u.container", web + "Network=gone.network\n"), ("u.container", web + "Network=net.network:ip=1.2.3.4\n"),
            ("u.container", web + "Network=other.container\n"), ("u.container", web + "Network=other.container:x\n"),
            ("u.container", web + "Network=many@.container\n"), ("u.container", web + "Network=host\n"),
            ("u.container", web + "Mount=type=volume,destination=/data\n"),
            ("u.container", web + "Mount=type=volume,source,destination=/d\n"),
            ("u.container", web + "Mount=type=bind,source=/a,destination=/d\n"),
            ("u.container", web + "Mount=source=gone.volume,destination=/d\n"),
            ("u.container", web + "Mount=type=image,source=gone.image,destination=/d\n"),
            ("u.container", web + "Mount=type=tmpfs,destination=/d\n"),
            ("u.container", web + "Mount=type=volume,source=data.volume,destination=/d,subpath=/a\n"),
            ("u.container", web + "Mount=type=bind,source=,destination=/d\n"),
            ("u.container", web + "Mount=type=bind,src=/a,dst=/b\n"),
            ("u.container", web + "Pod=x\n"), ("u.container", web + "Pod=gone.pod\n"),
            ("u.container", web + "Pod=all.pod\n"),
            ("u.container", web + "Group=1\n"), ("u.container", web + "User=1\nGroup=1\n"),
            ("u.container", web + "UserNS=keep-id\nRemapUsers=auto\n"),
            ("u.container", web + "RemapUid=0:1:2\n"), ("u.container", web + "RemapUsers=other\n"),
            ("u.container", web + "RemapUsers=keep-id\nRemapUid=1\nRemapUid=2\n"),
            ("u.container", web + "UIDMap=0:1:2\nRemapGid=1\n"),
            ("u.container", web + "RemapUsers=manual\nRemapUid=0:1:2\n"),
            ("u.container", web + "ExposeHostPort=80\n"), ("u.container", web + "ExposeHostPort=80/sctp\n"),
            ("u.container", web + "ExposeHostPort=80-90/udp\n"),
            ("u.container", web + "[Service]\nKillMode=process\n"), ("u.container", web + "[Service]\nType=simple\n"),
            ("u.container", web + "[Service]\nType=oneshot\n"),
            ("u.container", "[Unit]\nAfter=gone.volume\n" + web), ("u.container", web + "Memory=1g\n"),
            ("u.container", web + "LogOpt=a=b\n"),
            ("u.container", web + "PublishPort=abc\n"), ("u.container", web + "Environment=\"A=b\n"),
            ("u.container", web + "AddDevice=-/dev/x\n"),
            ("u.volume", ""), ("u.volume", "[Service]\nRestart=no\n"), ("u.volume", "[Volume]\nDriver=image\n"),
            ("u.volume", "[Volume]\nDriver=image\nImage=img.image\n"),
            ("u.volume", "[Volume]\nDriver=image\nImage=gone.image\n"), ("u.volume", "[Volume]\nType=bind\n"),
            ("u.volume", "[Volume]\nDevice=/x\nType=bind\nOptions=o\n"),
            ("u.volume", "[Volume]\nDriver=image\nImage=x\nType=bind\n"),
            ("u.network", ""), ("u.network", "[Service]\nRestart=no\n"), ("u.network", "[Network]\nGateway=1.2.3.4\n"),
            ("u.network", "[Network]\nSubnet=1.2.3.0/24\nGateway=1.2.3.1\nGateway=1.2.3.2\n"),
            ("u.network", "[Network]\nSubnet=1.2.3.0/24\nGateway=1.2.3.1\n"), ("u.network", "[Network]\nIPRange=1\n"),
            ("u.network", "[Network]\nGateway=1\nGateway=\n"),
            ("u.pod", ""), ("u.pod", "[Service]\nRestart=no\n"), ("u.pod", "[Pod]\nNetwork=gone.network\n"),
            ("u.pod", "[Pod]\nVolume=gone.volume:/x\n"), ("u.pod", "[Pod]\nRemapUsers=other\n"),
            ("u.pod", "[Pod]\n[Service]\nType=simple\nKillMode=none\n"), ("u.pod", "[Pod]\nHostName=x\n"),
            ("u.kube", ""), ("u.kube", "[Kube]\n"), ("u.kube", "[Kube]\nYaml=/x\nLogOpt=a=b\n"),
            ("u.kube", "[Kube]\nYaml=/x\nRemapUsers=manual\n"),
            ("u.kube", "[Kube]\nYaml=/x\nSetWorkingDirectory=file\n"),
            ("u.kube", "[Kube]\nYaml=/x\nSetWorkingDirectory=Unit\n"),
            ("u.kube", "[Kube]\nYaml=/x\n[Service]\nType=simple\n"),
            ("u.kube", "[Kube]\nYaml=/x\nNetwork=gone.network\n"),
            ("u.image", ""), ("u.image", "[Image]\n"), ("u.image", "[Image]\nImage=x\n"),
            ("u.build", "[Build]\nFile=/x\n"), ("u.build", "[Build]\nImageTag=x\n"),
            ("u.build", "[Build]\nImageTag=x\nFile=./x\n"),
            ("u.build", "[Build]\nImageTag=x\nFile=./x\nSetWorkingDirectory=unit\n"),
            ("u.build", "[Build]\nImageTag=x\nSetWorkingDirectory=/x\n"),
            ("u.build", "[Build]\nImageTag=x\nSetWorkingDirectory=yaml\n"),
            ("u.build", "[Build]\nImageTag=x\nSetWorkingDirectory=file\n"),
            ("u.build", "[Build]\nImageTag=x\nFile=x\n[Service]\nWorkingDirectory=/y\n"),
            ("u.build", "[Build]\nImageTag=x\nFile=https://a/b\n"),
            ("u.build", "[Build]\nImageTag=x\nFile=/x\nNetwork=gone.network\n"),
            ("u.build", "[Build]\nImageTag=x\nFile=/x\nVolume=gone.volume:/x\n"),
            ("u.build", "[Build]\nImageTag=x\nSetWorkingDirectory=https://example.org/a.git\n"),
        ]
    }
}

/// Units made at random from the table of keys, good and bad.
private struct UnitDraw {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    private mutating func below(_ limit: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(limit))
    }

    private mutating func pick(_ values: [String]) -> String { values[below(values.count)] }

    private static let values = [
        "", "x", "80", "80/udp", "80-90", "1.2.3.0/24", "true", "no", "0:1:2", "0:1:2 3:4:5", "keep-id", "auto",
        "manual",
        "a=b", "\"a b\"", "/abs", "./rel", "unit", "file", "yaml", "image", "data.volume", "data.volume:/d",
        "gone.volume:/d",
        "./rel:/d", "net.network", "gone.network", "other.container", "gone.container", "other.container:x", "all.pod",
        "gone.pod", "img.image", "gone.image", "bld.build", "gone.build", "type=tmpfs,destination=/d",
        "type=volume,source=data.volume,destination=/d", "type=bind,source=/a,target=/b",
        "source=gone.volume,destination=/d",
    ]

    mutating func unit() -> (name: String, text: String) {
        let kinds = UnitKind.allCases.filter { !$0.isOfSystemd }
        // Containers have the most rules.
        let kind = below(2) == 0 ? UnitKind.container : kinds[below(kinds.count)]
        let keys = (QuadletKeys.all[kind.section] ?? []).sorted()
        var lines: [String] = []
        let needed = ["Image", "Yaml", "ImageTag"].filter(keys.contains)
        for key in needed where below(8) > 0 && !(kind == .volume) { lines.append("\(key)=/x") }
        if kind == .build, below(4) > 0 { lines.append("SetWorkingDirectory=unit") }
        for _ in 0..<below(5) {
            let known = keys.filter { QuadletKeys.since[kind.section]?[$0].map { $0 <= .tested } ?? false }
            let key = pick(below(12) == 0 ? keys : known)
            // Where a device or a mount has nothing to say, other versions differ.
            let value = pick(
                key == "Mount" ? Self.values.filter { $0.contains("=/") || $0.contains("=d") } : Self.values
            )
            lines.append("\(key)=\(value)")
        }
        var text = "[\(kind.section)]\n" + lines.joined(separator: "\n") + "\n"
        if below(6) == 0 {
            text +=
                "[Service]\n\(pick(["Type", "KillMode", "WorkingDirectory"]))=\(pick(["simple", "oneshot", "mixed", "none", "notify"]))\n"
        }
        return ("u.\(kind.rawValue)", text)
    }
}
