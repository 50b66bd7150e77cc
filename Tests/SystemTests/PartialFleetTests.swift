import Subprocess
import TestSupport
import Testing

/// A stacks file of which a part cannot be read.
@Suite struct PartialFleetTests {
    @Test(.timeLimit(.minutes(3))) func anEntryWithoutANameRemovesNothing() async throws {
        let fleet = try await Fleet()
        let entries = ["a", "b"].map { "{name: PREFIX\($0), compose_file: \($0).yml}" }
        try await fleet.commit(stacks: entries, ["a.yml": sleeper(), "b.yml": sleeper()])
        try await fleet.running {
            try await fleet.settled("a", "b")
            // The name of 'b' is lost, and 'a' changes: 'a' is deployed, 'b' is not taken for undeclared.
            try await fleet.commit(
                stacks: [entries[0], "{compose_file: b.yml}"],
                ["a.yml": sleeper("A: 2")],
                "Lose a name"
            )
            try await fleet.settled("a")
            try await fleet.eventually("it says so") { fleet.log.contains("a stack needs 'name'") }
            let plan = try await fleet.hecate("plan")
            #expect(plan.code != 0 && plan.errorText.contains("a stack needs 'name'"), "\(plan.errorText)")
            try await fleet.commit(["a.yml": sleeper("A: 3")], "Another")
            try await fleet.settled("a")
            #expect(try await fleet.environment("b") == ["one": "A=1"])
            // Once the file can be read again, what is not in it goes.
            try await fleet.commit(stacks: [entries[0]], [:], "Remove it")
            try await fleet.eventually("it is gone") { try await fleet.services("b").isEmpty }
        }
        try await fleet.clean("a", "b")
    }

    /// The entry without a name may be the one of what another replaces.
    @Test(.timeLimit(.minutes(3))) func anEntryWithoutANameIsNotReplaced() async throws {
        let fleet = try await Fleet()
        let entries = ["{name: PREFIXa, compose_file: a.yml}", "{name: PREFIXb, compose_file: b.yml}"]
        try await fleet.commit(stacks: [entries[0]], ["a.yml": sleeper(), "b.yml": sleeper()])
        try await fleet.running {
            try await fleet.settled("a")
            let replacing = "{name: PREFIXb, compose_file: b.yml, replaces: [PREFIXa]}"
            try await fleet.commit(stacks: [replacing, "{compose_file: a.yml}"], [:], "Replace it")
            try await fleet.settled("b")
            try await Task.sleep(for: .seconds(5))
            #expect(try await fleet.services("a").count == 1, "\(fleet.log)")
            try await fleet.commit(stacks: [replacing], [:], "Mend it")
            try await fleet.eventually("it is replaced") { try await fleet.services("a").isEmpty }
        }
        try await fleet.clean("a", "b")
    }
}
