import HTTP
import JSON
import Text
import SimulatedEngine
import TestSupport
import Testing

/// The simulated Engine against the real one: the same calls, compared.
///
/// What the controller's simulation proves is worth as much as its model of Swarm is true.
@Suite struct SimulationTruthTests {
    private func real() throws -> Stage {
        let socket = String(try sharedEngine().dropFirst(7))
        return .real(Client(endpoint: Endpoint(base: "http://localhost", socket: socket), width: 4))
    }

    private func simulated(_ seed: UInt64) -> Stage {
        .simulated(SimulatedTransport(seed: seed, start: 1_800_000_000_000_000_000))
    }

    @Test(.timeLimit(.minutes(2)), arguments: [11, 23, 42, 77] as [UInt64])
    func theSameCallsGetTheSameAnswers(seed: UInt64) async throws {
        let prefix = "d" + String(UInt32.random(in: 0..<UInt32.max), radix: 36)
        let calls = Calls(seed: seed, prefix: prefix).make(120)
        var one = Player(stage: try real(), prefix: prefix)
        var other = Player(stage: simulated(seed), prefix: prefix)
        for (number, call) in calls.enumerated() {
            let expected = try await one.play(call)
            let actual = try await other.play(call)
            #expect(actual == expected, "seed \(seed), call \(number): \(call)")
            if actual != expected { break }
        }
        try await one.clean()
    }

    @Test(.timeLimit(.minutes(2)), arguments: Scenario.all)
    func tasksAndUpdatesGoTheSameWay(scenario: Scenario) async throws {
        let prefix = "d" + String(UInt32.random(in: 0..<UInt32.max), radix: 36)
        let actual = try await scenario.play(on: simulated(7), prefix: prefix)
        let expected = try await scenario.play(on: try real(), prefix: prefix)
        #expect(actual.steps == expected.steps)
        #expect(actual.updates == expected.updates)
        for (name, times) in expected.intervals {
            // Of what overlaps, or was too short to be seen, there is nothing to measure; its steps are compared above.
            guard let model = actual.intervals[name], model >= 0 else { continue }
            // A loaded machine is slow in everything; nothing is ever faster than its policy says.
            #expect(times > model - 0.8 && times < model + 8, "\(name): \(times) s, simulated \(model) s")
        }
    }
}

/// An Engine to play calls to.
enum Stage {
    case real(Client)
    case simulated(SimulatedTransport)

    func send(_ request: Request) async throws -> Response {
        switch self {
        case .real(let client): try await client.send(request)
        case .simulated(let transport): try await transport.send(request)
        }
    }

    /// Lets a twentieth of a second pass.
    func wait() async throws {
        switch self {
        case .real: try await Task.sleep(for: .milliseconds(50))
        case .simulated(let transport): transport.pass(.milliseconds(50))
        }
    }

    func call(
        _ method: String,
        _ path: String,
        filters: JSON? = nil,
        body: JSON? = nil
    ) async throws -> (status: Int, body: JSON) {
        var path = "/v1.41\(path)"
        if let filters { path += "\(path.contains("?") ? "&" : "?")filters=\(percentEncoded(filters.text()))" }
        let bytes = body?.encoded() ?? (method == "POST" ? [] : nil)
        let response = try await send(
            Request(method, path, headers: ["Content-Type": "application/json"], body: bytes)
        )
        let text = String(decoding: response.body, as: UTF8.self)
        return (response.status, text.isEmpty ? .null : (try? JSON(parsing: text)) ?? .string(text))
    }
}
