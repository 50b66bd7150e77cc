import HTTP
import JSON
import Subprocess
import Testing

@Suite struct SubprocessTests {
    private func command(
        _ script: String,
        input: String = "",
        timeout: Duration = .seconds(10),
        limit: Int = 1 << 20
    ) -> Command {
        Command(
            "sh",
            ["-c", script],
            environment: ["PATH": "/usr/bin:/bin", "A": "b"],
            input: Array(input.utf8),
            timeout: timeout,
            outputLimit: limit
        )
    }

    @Test func bothOutputsAndTheCode() async throws {
        let result = try await run(command("echo out; echo err >&2; echo $A; exit 3"))
        #expect(result.code == 3)
        #expect(result.outputText == "out\nb\n")
        #expect(result.errorText == "err\n")
    }

    @Test func inputLargerThanAPipe() async throws {
        let text = String(repeating: "x", count: 300_000)
        #expect(try await run(command("cat | wc -c", input: text)).outputText.contains("300000"))
    }

    @Test func theDeadlineKillsTheWholeGroup() async throws {
        let start = ContinuousClock.now
        await #expect(throws: SubprocessError.self) {
            try await run(command("sleep 60 & sleep 60", timeout: .milliseconds(300)))
        }
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test(.timeLimit(.minutes(1))) func aProgramThatClosedItsOutputsIsEndedAsWell() async throws {
        let start = ContinuousClock.now
        await #expect(throws: SubprocessError.self) {
            try await run(command("exec sleep 60 >/dev/null 2>&1", timeout: .milliseconds(300)))
        }
        let task = Task { try await run(command("exec sleep 60 >/dev/null 2>&1", timeout: .seconds(60))) }
        try await Task.sleep(for: .milliseconds(300))
        task.cancel()
        await #expect(throws: SubprocessError.self) { try await task.value }
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(try await run(command("exec >/dev/null 2>&1; sleep 0.3; exit 7")).code == 7)
    }

    @Test func tooMuchOutputIsRefused() async {
        do {
            _ = try await run(command("yes", limit: 10_000))
            Issue.record("accepted")
        } catch {
            #expect("\(error)" == "'sh' wrote more than 10000 bytes")
        }
    }

    @Test func aMissingProgramIsNamed() async {
        do {
            _ = try await run(Command("no-such-program", []))
            Issue.record("found")
        } catch {
            #expect("\(error)".hasPrefix("'no-such-program' is not installed"))
        }
    }

    @Test func cancellationEndsIt() async throws {
        let task = Task { try await run(command("sleep 60")) }
        try await Task.sleep(for: .milliseconds(100))
        task.cancel()
        await #expect(throws: SubprocessError.self) { try await task.value }
    }

    @Test func jsonReadsWhatItWrites() throws {
        let value: JSON = [
            "a": [1, .double(2.5), "x\n\"\u{1}é", true, nil], "b": [:], "c": .int(Int64.max), "d": .double(0.1),
        ]
        #expect(try JSON(parsing: value.encoded()) == value)
        #expect(try JSON(parsing: value.encoded(pretty: true)) == value)
        #expect(throws: JSONError.self) { try JSON(parsing: "{a}") }
    }

    @Test func nobodyListening() async {
        let client = Client(endpoint: Endpoint(base: "http://localhost", socket: "/nonexistent"))
        await #expect(throws: TransportError.self) { try await client.send(Request("GET", "/")) }
    }
}
