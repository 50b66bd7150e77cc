import JSON
import Subprocess
import TestSupport
import Testing

/// `hecate run --once`, as a timer or a pipeline calls it: one pass, and its end says how it went.
@Suite struct OnceTests {
    /// A timer has a pass made each minute; what was rejected must not come back each minute.
    @Test(.timeLimit(.minutes(3))) func aPassByATimerTriesNothingAgain() async throws {
        let fleet = try await Fleet(timeout: "15s")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        func once(_ words: String...) async throws -> Completion {
            try await execute([fleet.binary] + words, timeout: .seconds(90))
        }
        #expect(try await once("run", fleet.config, "--once").code == 0)
        let broken = sleeper("A: 2").replacing("sh -c 'trap", with: "sh -c 'exit 3; trap")
        try await fleet.commit(["a.yml": broken], "Break it")
        let rejecting = try await once("run", fleet.config, "--once", "--log", "text")
        #expect(rejecting.code == 1 && rejecting.errorText.contains(" RolledBack"), "\(rejecting.errorText)")
        let before = try await fleet.services("a")["one"]?["Version"]
        for _ in 0..<2 {
            let again = try await once("run", fleet.config, "--once", "--log", "text")
            #expect(again.code == 1 && !again.errorText.contains(" Applying"), "\(again.errorText)")
        }
        #expect(try await fleet.services("a")["one"]?["Version"] == before, "nothing was updated")
        // A store of its own knows it from the target.
        try await fleet.loseStore()
        let other = try await once("run", fleet.config, "--once", "--log", "text")
        #expect(other.code == 1 && !other.errorText.contains(" Applying"), "\(other.errorText)")
        #expect(try await fleet.services("a")["one"]?["Version"] == before)
        // A person's word is another thing.
        #expect(try await once("reconcile", "--config", fleet.config).code == 1)
        #expect(try await fleet.services("a")["one"]?["Version"] != before)
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(3))) func whatWaitsForAnotherIsDeployedInTheSamePass() async throws {
        let fleet = try await Fleet()
        let entries = [
            "{name: PREFIXa, compose_file: a.yml, depends_on: [PREFIXb]}",
            "{name: PREFIXb, compose_file: a.yml, depends_on: [PREFIXc]}", "{name: PREFIXc, compose_file: a.yml}",
        ]
        try await fleet.commit(stacks: entries, ["a.yml": sleeper()])
        let result = try await execute([fleet.binary, "run", fleet.config, "--once"], timeout: .seconds(120))
        #expect(result.code == 0, "\(result.errorText)")
        #expect(try await fleet.services("a").count == 1)
        // What cannot be ready keeps nobody waiting.
        let broken = sleeper("A: 2").replacing("sh -c 'trap", with: "sh -c 'exit 3; trap")
        let changed = entries[0...1] + ["{name: PREFIXc, compose_file: c.yml}"]
        try await fleet.commit(stacks: Array(changed), ["c.yml": broken])
        let rejecting = try await execute([fleet.binary, "run", fleet.config, "--once"], timeout: .seconds(120))
        #expect(rejecting.code == 1, "\(rejecting.errorText)")
        try await fleet.clean("a", "b", "c")
    }

    /// The controller before was killed, and its lease still stands.
    @Test(.timeLimit(.minutes(3))) func whatWasKilledIsTakenOverAtOnce() async throws {
        let fleet = try await Fleet()
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        for version in 2...4 {
            let script = "\(fleet.binary) run \(fleet.config) 2>/dev/null & p=$!; sleep 3; kill -9 $p; wait $p"
            _ = try await execute(["sh", "-c", script], timeout: .seconds(60))
            try await fleet.commit(["a.yml": sleeper("A: \(version)")], "Change")
            let result = try await execute([fleet.binary, "run", fleet.config, "--once"], timeout: .seconds(60))
            #expect(result.code == 0, "\(result.errorText)")
            #expect(try await fleet.environment("a") == ["one": "A=\(version)"])
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(2))) func itEndsWhenItIsAsked() async throws {
        let fleet = try await Fleet(timeout: "100s")
        let slow = sleeper(more: "    healthcheck: {test: 'false', interval: 1s, retries: 1000, start_period: 90s}")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": slow])
        let script = "\(fleet.binary) run \(fleet.config) --once & p=$!; sleep 4; kill -TERM $p; wait $p"
        let clock = ContinuousClock.now
        let result = try await execute(["sh", "-c", script], timeout: .seconds(60))
        #expect(result.code == 130, "\(result.errorText)")
        #expect(ContinuousClock.now - clock < .seconds(15))
        // Its lease was given back: another store need not wait for its end.
        try await fleet.commit(["a.yml": sleeper()], "Mend it")
        try await fleet.loseStore()
        let next = try await execute([fleet.binary, "run", fleet.config, "--once"], timeout: .seconds(60))
        #expect(next.code == 0, "\(next.errorText)")
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(2))) func whatWasApprovedMeanwhileIsDone() async throws {
        let fleet = try await Fleet()
        let all = sleeper(services: ["one", "two", "three", "four"])
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": all])
        func once() async throws -> Completion {
            try await execute([fleet.binary, "run", fleet.config, "--once"], timeout: .seconds(60))
        }
        #expect(try await once().code == 0)
        try await fleet.commit(["a.yml": sleeper()], "Drop most")
        #expect(try await once().code == 1)
        #expect(try await fleet.services("a").count == 4)
        #expect(try await fleet.hecate("approve", fleet.name("a")).code == 0)
        #expect(try await once().code == 0)
        #expect(try await fleet.services("a").count == 1)
        try await fleet.clean("a")
    }
}
