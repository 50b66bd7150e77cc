import JSON
import Subprocess
import TestSupport
import Testing

extension NodeTests {
    /// Folders and repositories that were not made for Hecate.
    @Suite(.serialized) struct Layouts {
        private func node() async throws -> Node {
            let node = try Node()
            try await node.clean()
            _ = try await node.shell("rmdir ~/.hecate/gitops/system ~/.hecate/gitops/apps")
            return node
        }

        private let program = "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=default.target\n"

        private func expect(_ node: Node, _ states: [String: String]) async throws {
            for (service, state) in states.sorted(by: { $0.key < $1.key }) {
                #expect(try await node.state(service) == state, "\(service)\n\(node.log)")
            }
        }

        @Test(.timeLimit(.minutes(3))) func unitsAreReadWhereTheyLie() async throws {
            let node = try await node()
            try await node.write(sleeperUnit(), to: "t-one.container")
            try await node.write("A=1\n", to: "two/app.env")
            try await node.write(sleeperUnit("EnvironmentFile=./app.env"), to: "two/t-two.container")
            try await node.write(program, to: "hosts/node/t-three.service")
            try await node.write(program, to: "hosts/other/t-four.service")
            try await node.write(program, to: "five/.config/systemd/user/t-five.service")
            try await node.write(program, to: "root/t-six.service")
            let first = try await node.once()
            #expect(first.code == 0, "\(first.errorText)")
            #expect(first.errorText.contains("root: it is for root"), "\(first.errorText)")
            let running = ["t-one": "active", "t-two": "active", "t-three": "active", "t-five": "active"]
            try await expect(node, running.merging(["t-four": "inactive", "t-six": "inactive"]) { one, _ in one })
            #expect(try await node.container("systemd-t-two", "{{.Config.Env}}").contains("A=1"))

            // A folder of the usual name that comes later takes nothing away.
            let runs = try await node.invocation("t-one")
            try await node.write(program, to: "apps/t-seven.service")
            try await node.remove("t-one.container")
            let second = try await node.once()
            #expect(second.code == 0, "\(second.errorText)")
            try await expect(node, ["t-one": "inactive", "t-two": "active", "t-seven": "active"])
            try await node.write(sleeperUnit(), to: "t-one.container")
            // The machine has another name in the repository now: what it runs is not taken for gone.
            _ = try await node.shell("mv ~/.hecate/gitops/hosts/node ~/.hecate/gitops/hosts/renamed")
            let third = try await node.once()
            #expect(third.errorText.contains("none for this one, 'node'"), "\(third.errorText)")
            try await expect(node, ["t-one": "active", "t-three": "active"])
            #expect(try await node.invocation("t-one") != runs)
        }

        @Test(.timeLimit(.minutes(3))) func aRepositoryOfAnyLayoutIsFollowed() async throws {
            let node = try await node()
            _ = try await node.shell("mkdir -p ~/.hecate/gitops/system ~/.hecate/gitops/apps")
            for (text, path) in [
                (sleeperUnit("EnvironmentFile=./app.env"), "one/t-one.container"), ("A=1\n", "one/app.env"),
                (program.replacing("/bin/sleep", with: "%h/.hecate/gitops/one/run.sh"), "hosts/node/t-two.service"),
                ("#!/bin/sh\nexec sleep \"$1\"\n", "one/run.sh"), (program, "hosts/other/t-three.service"),
                ("text\n", ".github/workflow.yml"),
            ] { try await node.write(text, to: "../../elsewhere/\(path)") }
            let commit = "git -c user.name=a -c user.email=a@b commit -q -m"
            _ = try await node.shell(
                "chmod 755 ~/elsewhere/one/run.sh && cd ~/elsewhere && git init -q -b main . && git add -A && \(commit) First"
            )
            func pass(_ settings: String...) async throws -> Completion {
                let words = ["HECATE_VERIFY_WINDOW=1", "HECATE_GITOPS_SOURCE=\(Node.home)/elsewhere"] + settings
                let command = ["hecate", "agent", "--once", "--log", "text"]
                return try await execute(["\(checkout)/Rigs/node.sh", "user", node.folder, "env"] + words + command)
            }
            let first = try await pass()
            #expect(first.code == 0, "\(first.errorText)")
            try await expect(node, ["t-one": "active", "t-two": "active", "t-three": "inactive"])
            #expect(try await node.container("systemd-t-one", "{{.Config.Env}}").contains("A=1"))
            #expect(try await node.user("test", "-e", "\(Node.home)/.hecate/gitops/.github").code == 1)
            // What a person put beside it stays, and what the repository drops goes.
            try await node.write(program, to: "apps/t-own.service")
            _ = try await node.shell("cd ~/elsewhere && git rm -q one/t-one.container && \(commit) Second")
            let second = try await pass()
            #expect(second.code == 0, "\(second.errorText)")
            try await expect(node, ["t-one": "inactive", "t-two": "active", "t-own": "active"])
            // Somebody says where units lie.
            let third = try await pass("HECATE_GITOPS_UNITS=hosts/%l apps")
            #expect(third.code == 0, "\(third.errorText)")
            try await expect(node, ["t-two": "active", "t-own": "active"])
            let wrong = try await pass("HECATE_GITOPS_UNITS=../elsewhere")
            #expect(wrong.code != 0 && wrong.errorText.contains("write folders below the gitops folder"))
        }
    }
}
