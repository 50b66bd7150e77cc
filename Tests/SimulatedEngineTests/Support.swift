import Delivery
import Diagnostics
import HTTP
import JSON
import Text
import SimulatedEngine
import Swarm

/// A simulated Engine, and how tests call it.
struct World {
    let transport: SimulatedTransport

    init(seed: UInt64 = 1) { transport = SimulatedTransport(seed: seed, start: 1_800_000_000_000_000_000) }

    func pass(seconds: Double) { transport.pass(.seconds(seconds)) }

    func with<Value: Sendable>(_ body: (SimulatedEngine) throws -> sending Value) rethrows -> Value {
        try transport.with(body)
    }

    // MARK: Calls

    @discardableResult
    func call(
        _ method: String,
        _ path: String,
        filters: JSON? = nil,
        body: JSON? = nil
    ) -> (status: Int, body: JSON) {
        let query = filters.map { "?filters=\(percentEncoded($0.text()))" } ?? ""
        let request = Request(method, "/v1.41\(path)\(query)", body: body?.encoded())
        let response = with { $0.handle(request) }
        return (response.status, (try? JSON(parsing: response.body)) ?? .null)
    }

    @discardableResult
    func create(_ name: String, _ behaviour: String = "good", _ change: (inout JSON) -> Void = { _ in }) -> JSON {
        call("POST", "/services/create", body: service(name, behaviour, change)).body
    }

    /// Updates a service at its present version.
    @discardableResult
    func update(_ name: String, _ behaviour: String, _ change: (inout JSON) -> Void = { _ in }) -> (Int, JSON) {
        let version = call("GET", "/services/\(name)").body["Version"]?["Index"]?.int ?? 0
        let answer = call(
            "POST",
            "/services/\(name)/update?version=\(version)",
            body: service(name, behaviour, change)
        )
        return (answer.status, answer.body)
    }

    func status(of name: String) -> String {
        call("GET", "/services/\(name)").body["UpdateStatus"]?["State"]?.string ?? "none"
    }

    /// The states of the tasks of a service that Swarm has, oldest first.
    func states(of name: String) -> [String] {
        with { engine in engine.tasks(ofService: name).map { "\($0.state.name)/\($0.desired.name)" } }
    }
}

func service(_ name: String, _ behaviour: String, _ change: (inout JSON) -> Void = { _ in }) -> JSON {
    var spec: JSON = [
        "Name": .string(name), "Labels": [:],
        "TaskTemplate": ["ContainerSpec": ["Image": "web:1.0.0", "Env": [.string("SIM=\(behaviour)")]]],
        "Mode": ["Replicated": ["Replicas": 2]],
    ]
    change(&spec)
    return spec
}

/// Files that are nowhere but here.
struct Files: Snapshot {
    var files: [String: String]
    var revision = Revision(source: "fleet", commit: "0123456789abcdef0123456789abcdef01234567")

    func read(_ path: String) async throws -> [UInt8] {
        guard let text = files[path] else { throw Invalid(at: nil, "there is no file '\(path)'") }
        return Array(text.utf8)
    }

    func identifier(of path: String) async throws -> String? { files[path] }
}

/// A stack's desired state, read as the controller reads it.
func deployment(
    _ files: [String: String],
    named name: String = "shop",
    on platform: SwarmPlatform,
    options: String = ""
) async throws -> any Deployment {
    let reader = FleetReader(
        stacksFile: "stacks.yml",
        platforms: [platform],
        defaults: FleetDefaults(
            timeout: .seconds(60),
            verifyWindow: .seconds(5),
            interval: .seconds(60),
            variables: [:],
            bindRoot: "/srv"
        )
    )
    var files = files
    files["stacks.yml"] = "stacks:\n  - {name: \(name), compose_file: shop.yml\(options)}\n"
    let snapshot = Files(files: files)
    let fleet = try await reader.fleet(at: snapshot).fleet
    guard let app = fleet.apps.first else { throw Invalid(at: nil, "the stacks file gave no app") }
    return try await app.prepare(snapshot)
}
