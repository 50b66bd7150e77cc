import Delivery
import Diagnostics
import Testing

@testable import Swarm

@Suite struct FleetReaderTests {
    @Test func aFleetSaysWhetherItsFileWasReadInFull() async throws {
        let reader = FleetReader.offline(
            stacksFile: "stacks.yml",
            targets: ["default"],
            variables: [:],
            bindRoot: "/srv"
        )
        let whole = try await reader.fleet(at: Files(["stacks.yml": "stacks: [{name: a, compose_file: a.yml}]"]))
        #expect(!whole.fleet.isPartial)
        #expect(whole.fleet.warnings.isEmpty)
        let partial = try await reader.fleet(at: Files(["stacks.yml": "stacks: [{compose_file: a.yml}]"]))
        #expect(partial.fleet.isPartial)
        #expect(partial.fleet.unreadable.isEmpty)
        #expect(partial.fleet.warnings.map(\.description) == ["stacks.yml:1:10: a stack needs 'name'"])
    }
}
