import JSON
import Subprocess
import TestSupport
import Testing

/// The real Engine that `script/test` started, as `unix://…`.
func sharedEngine() throws -> String {
    guard let engine = variable("HECATE_TEST_ENGINE") else {
        throw Unmet("no Engine: the system tests are run by script/test, which starts one")
    }
    return engine
}

/// A fleet repository, a configuration and a controller of a test's own, on a real Engine.
///
/// Stacks carry a prefix so that tests on one Engine do not meet.
final class Fleet: Sendable {
    let scratch: Scratch
    let repository: TestRepository
    let engine: String
    let prefix: String
    let binary = "\(checkout)/.build/debug/hecate"

    var config: String { "\(scratch.path)/config.yml" }
    var store: String { "\(scratch.path)/store" }

    init(
        engine: String? = nil,
        url: String? = nil,
        verify: String = "2s",
        timeout: String = "40s",
        extra: String = ""
    ) async throws {
        self.engine = try engine ?? sharedEngine()
        scratch = try Scratch()
        prefix = "t" + String(UInt32.random(in: 0..<UInt32.max), radix: 36)
        repository = try await TestRepository(at: "\(scratch.path)/fleet")
        try scratch.write(
            """
            git: {url: '\(url ?? repository.path)', poll_interval: 0.3}
            targets: [{name: default, endpoint: '\(self.engine)'}]
            store: \(scratch.path)/store
            limits: {verify_window: \(verify), timeout: \(timeout), interval: 3s}
            \(extra)
            """,
            to: "config.yml"
        )
    }

    func name(_ stack: String) -> String { "\(prefix)\(stack)" }

    /// Commits a stacks file made of entries, and the files with it.
    ///
    /// `PREFIX` stands for the test's prefix.
    func commit(
        stacks: [String]? = nil,
        _ files: [String: String] = [:],
        _ subject: String = "Change",
        tail: String = ""
    ) async throws {
        var files = files
        if let stacks { files["stacks.yml"] = "stacks:\n" + stacks.map { "  - \($0)\n" }.joined() + tail }
        try await repository.commit(files.mapValues { $0.replacing("PREFIX", with: prefix) }, subject)
    }

    /// Takes the store away at one moment, and then deletes it, though a controller may be writing into it.
    func loseStore() async throws {
        try await shell(["sh", "-c", "mv store lost && { rm -rf lost || rm -rf lost; }"], directory: scratch.path)
    }

    // MARK: The controller

    func hecate(_ words: String..., timeout: Duration = .seconds(60)) async throws -> Completion {
        try await execute([binary] + words + ["--config", config], timeout: timeout)
    }

    /// Runs the controller for as long as the body takes.
    ///
    /// `restarted`: Whether it is started again a second after it ended, as systemd does.
    func running<Value: Sendable>(
        restarted: Bool = false,
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { [self] in
                let run = "\(binary) run \(config) --log text 2>>\(scratch.path)/log"
                let command = restarted ? "while :; do \(run); sleep 1; done" : "exec \(run)"
                let result = try? await execute(["sh", "-c", command], timeout: .seconds(300))
                if let result, !Task.isCancelled { throw Unmet("the controller ended with \(result.code): \(log)") }
                return nil
            }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while let value = try await group.next() { if let value { return value } }
            throw Unmet("the body gave nothing")
        }
    }

    var log: String { fileText("\(scratch.path)/log") ?? "" }

    /// The record of one app.
    func app(_ stack: String) async throws -> JSON {
        let result = try await hecate("list", "apps", "--format", "json")
        guard result.code == 0 else { return .null }
        return try JSON(parsing: result.output).array?.first { $0["name"]?.string == name(stack) } ?? .null
    }

    func isSettled(_ stack: String) async throws -> Bool {
        let app = try await app(stack)
        let isReconciling = app["conditions"]?.array?.contains { $0["type"]?.string == "Reconciling" } ?? true
        let head = try await repository.head()
        return app["ready"]?.bool == true && !isReconciling && app["commit"]?.string == head
    }

    /// Waits until stacks are ready at the head of the branch.
    func settled(_ stacks: String..., within limit: Duration = .seconds(60)) async throws {
        try await eventually("\(stacks) are ready", within: limit) {
            for stack in stacks where try await !isSettled(stack) { return false }
            return true
        }
    }

    /// Waits until a stack is ready at the head of the branch, or its revision was rejected.
    ///
    /// - Returns: The stack's record then.
    func decided(_ stack: String, within limit: Duration = .seconds(90)) async throws -> JSON {
        try await eventually("it is decided", within: limit) {
            let isRejected = try await app(stack)["rejected"] != nil
            let isSettled = try await isSettled(stack)
            return isSettled || isRejected
        }
        return try await app(stack)
    }

    /// Looks again and again until something holds.
    func eventually(
        _ what: String,
        within limit: Duration = .seconds(60),
        _ holds: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            if try await holds() { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw Unmet("not within \(limit): \(what)\n\(log)")
    }

    // MARK: The cluster

    @discardableResult
    func docker(_ words: String...) async throws -> String {
        let program = isProgram("/usr/bin/docker") ? "/usr/bin/docker" : "docker"
        return try await shell([program, "-H", engine] + words)
    }

    /// A document of the Engine's API.
    func api(_ path: String) async throws -> JSON {
        let socket = String(engine.dropFirst(7))
        let text = try await shell(["curl", "-s", "-g", "--unix-socket", socket, "http://engine/v1.41\(path)"])
        return try JSON(parsing: text)
    }

    /// The services of a stack by their short names.
    func services(_ stack: String) async throws -> [String: JSON] {
        let filter = "{\"label\":[\"com.docker.stack.namespace=\(name(stack))\"]}"
        let encoded = filter.replacing("{", with: "%7B").replacing("}", with: "%7D").replacing("\"", with: "%22")
            .replacing("[", with: "%5B").replacing("]", with: "%5D").replacing("=", with: "%3D")
        let list = try await api("/services?filters=\(encoded)").array ?? []
        return Dictionary(
            list.map { (String(($0["Spec"]?["Name"]?.string ?? "").dropFirst(name(stack).count + 1)), $0) }
        ) { first, _ in first }
    }

    /// The identifiers of the tasks that should run in a stack, to see whether any was restarted.
    func tasks(_ stack: String) async throws -> Set<String> {
        let filter = "desired-state=running"
        do {
            let text = try await docker("stack", "ps", "-q", "--no-trunc", "--filter", filter, name(stack))
            return Set(text.split(separator: "\n").map(String.init))
        } catch let error as Unmet where error.description.contains("nothing found in stack") {
            return []
        }
    }

    /// What the services are told through a variable.
    func environment(_ stack: String) async throws -> [String: String] {
        try await services(stack).mapValues { service in
            service["Spec"]?["TaskTemplate"]?["ContainerSpec"]?["Env"]?.array?.compactMap(\.string).joined(
                separator: ","
            ) ?? ""
        }
    }

    /// The states of all tasks of a service that Swarm knows of.
    func states(of stack: String, _ service: String) async throws -> [String] {
        let id = try await services(stack)[service]?["ID"]?.string ?? "none"
        let tasks = try await api("/tasks?filters=%7B%22service%22%3A%5B%22\(id)%22%5D%7D").array ?? []
        return tasks.compactMap { $0["Status"]?["State"]?.string }
    }

    /// Removes what the test made on the shared Engine.
    func clean(_ stacks: String...) async throws {
        for stack in stacks {
            _ = try? await docker("stack", "rm", name(stack))
            _ = try? await docker("config", "rm", "hecate.\(name(stack))")
        }
    }
}

/// Declares the machine's own network as `outside`: what uses it starts at once, and reaches what listens on the loopback.
let outsideNetwork = "networks: {outside: {external: true, name: host}}\n"

/// A Compose file of one service that does nothing for long.
func sleeper(
    _ environment: String = "A: 1",
    image: String = "web:1.0.0",
    services: [String] = ["one"],
    more: String = "",
    tail: String = ""
) -> String {
    "services:\n"
        + services.map { name in
            """
              \(name):
                image: \(image)
                command: sh -c 'trap exit TERM; while true; do sleep 0.2; done'
                environment: {\(environment)}
                stop_grace_period: 1s
            \(more)

            """
        }.joined() + tail
}
