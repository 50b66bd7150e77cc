import SimulatedNode
import Systemd
import TestSupport
import Testing

extension NodeTests {
    /// The simulated systemd and Podman against the real ones: the same calls, compared.
    ///
    /// What the simulation of nodes proves is worth as much as this model is true.
    @Suite(.serialized) struct Truth {
        /// Other seeds are named by `HECATE_TEST_NODE_SEEDS`, such as `1,2,3`.
        private static let seeds = variable("HECATE_TEST_NODE_SEEDS").map {
            $0.split(separator: ",").compactMap { UInt64($0) }
        }

        @Test(.timeLimit(.minutes(5)), arguments: seeds ?? [3, 17])
        func theSameCallsGetTheSameAnswers(seed: UInt64) async throws {
            let node = try Node()
            try await clean(node)
            let scratch = try Scratch()
            var calls = NodeCalls(seed: seed)
            var real = NodePlayer(stage: try await .booted(node))
            var model = NodePlayer(stage: try .model(seed: seed, in: scratch))
            var played: [String] = []
            for (number, call) in calls.make(30).enumerated() {
                played.append("\(number): \(call)")
                let expected = try await real.play(call)
                let actual = try await model.play(call)
                #expect(actual == expected, "seed \(seed), after\n\(played.suffix(12).joined(separator: "\n"))")
                if actual != expected { break }
            }
            try await clean(node)
        }

        private func clean(_ node: Node) async throws {
            try await node.clean()
            _ = try await node.user("sh", "-c", "podman network rm systemd-t-n; podman volume rm systemd-t-v")
        }
    }
}
