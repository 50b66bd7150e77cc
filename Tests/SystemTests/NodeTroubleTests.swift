import JSON
import Subprocess
import TestSupport
import Testing

extension NodeTests {
    /// Thirty units that trouble an agent, each in its own way.
    @Suite(.serialized) struct Trouble {
        /// Units by name; all of them are taken up at once.
        private static let units: [(name: String, text: String)] = [
            ("t-good.container", sleeperUnit()),
            // Ends.
            ("t-task.container", task("sleep 1")),
            ("t-task-bad.container", task("exit 3")),
            ("t-task-stays.container", task("sleep 1", "RemainAfterExit=yes\n")),
            ("t-ends.container", ending("exit 0", "Restart=no")),
            ("t-ends-bad.container", ending("exit 3", "Restart=no")),
            ("t-ends-retry.container", ending("exit 0", "Restart=on-failure")),
            ("t-ends-fine.container", ending("exit 3", "Restart=no\nSuccessExitStatus=3")),
            ("t-loop.container", ending("exit 1", "Restart=always\nRestartSec=1")),
            ("t-loop-good.container", ending("exit 0", "Restart=always\nRestartSec=5")),
            ("t-loop-ended.container", ending("exit 1", "Restart=on-failure\nRestartSec=100ms")),
            ("t-killed.container", ending("kill -9 $$$$", "Restart=no")),
            // Does not start.
            ("t-if.container", sleeperUnit(unit: "ConditionPathExists=/nowhere")),
            ("t-if-host.container", sleeperUnit(unit: "ConditionHost=elsewhere")),
            ("t-must.container", sleeperUnit(unit: "AssertPathExists=/nowhere")),
            ("t-needs.container", sleeperUnit(unit: "Requires=t-nobody.service")),
            ("t-needs-bad.container", sleeperUnit(unit: "Requires=t-image.service\nAfter=t-image.service")),
            ("t-image.container", sleeperUnit("Pull=never", image: "localhost/missing:1")),
            ("t-path.container", sleeperUnit("Volume=/nowhere:/data")),
            ("t-secret.container", sleeperUnit("Secret=nobody")),
            (
                "t-never.container",
                sleeperUnit("Notify=true", service: "TimeoutStartSec=5s\nRestart=no").replacing("20s", with: "5s")
            ),
            ("t-ill.container", sleeperUnit("HealthCmd=false\nHealthInterval=1s\nHealthRetries=2")),
            // Is nobody's to start.
            ("t-hand.container", sleeperUnit().replacing("WantedBy=default.target", with: "")),
            ("t-hand-task.container", task("sleep 1").replacing("WantedBy=default.target", with: "")),
            ("t-many@.container", sleeperUnit()),
            ("t-unused.volume", "[Volume]\n"),
            // Cannot be used.
            ("t-key.container", sleeperUnit("Imagee=x")),
            ("t-break.container", sleeperUnit("Mount=type=volume,destination=/data")),
            ("t-none.container", sleeperUnit("Volume=t-nobody.volume:/data")),
            ("t-env.container", sleeperUnit("EnvironmentFile=%h/nowhere.env")),
            ("t-garbage.container", "what is this\n"),
            ("t-twin.container", sleeperUnit("ServiceName=t-good")),
        ]

        private static func task(_ command: String, _ more: String = "") -> String {
            sleeperUnit(service: "Type=oneshot\n\(more)").replacing("while true; do sleep 0.2; done", with: command)
        }

        private static func ending(_ command: String, _ service: String) -> String {
            sleeperUnit(service: service).replacing("while true; do sleep 0.2; done", with: "sleep 2; \(command)")
        }

        @Test(.timeLimit(.minutes(6))) func noUnitKeepsTheAgentBusy() async throws {
            let node = try Node()
            try await node.clean()
            for (name, text) in Self.units { try await node.write(text, to: "apps/\(name)") }
            _ = try await node.shell("mkfifo ~/.hecate/gitops/apps/t-pipe.container")
            try await node.running {
                try await node.eventually("the good one is up") { try await node.isReady("t-good.container") }
                // Everything is tried, times out and is told of; what is tried again is so later and later.
                try await Task.sleep(for: .seconds(60))
                let (told, used) = (node.log, try await Self.processorTime(node))
                try await Task.sleep(for: .seconds(60))
                let busy = try await Self.processorTime(node) - used
                // Of a debug build, and of the programs it runs; a release build needs two thirds.
                #expect(busy < 3_000_000_000, "\(busy / 1_000_000) ms of CPU in a minute")
                let news = node.log.dropFirst(told.count).split(separator: "\n").filter { !$0.hasPrefix("  ") }
                let facts = Dictionary(grouping: news) { $0.dropFirst(13) }
                #expect(facts.allSatisfy { $0.value.count == 1 }, "told again: \(facts.filter { $0.value.count > 1 })")
                #expect(news.count < 20, "\(news.joined(separator: "\n"))")
                #expect(try await node.isReady("t-good.container"))
            }
        }

        private static func processorTime(_ node: Node) async throws -> Int {
            Int(try await node.shell("systemctl --user show -p CPUUsageNSec --value t-agent")) ?? 0
        }
    }
}
