import JSON
import TestSupport
import Testing

/// A service that is made, perhaps updated, and watched until nothing more is expected of it.
struct Scenario: Sendable, CustomTestStringConvertible {
    var name: String
    var first: String
    var second: String?
    var replicas: Int64 = 1
    /// What is added to the specification, by its path's first part.
    var options: JSON = [:]
    var policy: JSON?
    var job: Int64?
    /// How many tasks must have ended (or, with an update, which state the update must have) for it to be over.
    var ends: Int
    var update: String?

    var testDescription: String { name }

    static let all: [Scenario] = [
        Scenario(
            name: "a task that crashes is restarted twice, after the delay, and then no more",
            first: "crash:3",
            policy: ["Condition": "any", "Delay": 2_000_000_000, "MaxAttempts": 2],
            ends: 3
        ),
        Scenario(
            name: "a task that ends well is not restarted on failure",
            first: "exit:0:3",
            policy: ["Condition": "on-failure"],
            ends: 1
        ),
        Scenario(name: "a job runs until it has completed as often as it should", first: "exit:0:3", job: 2, ends: 2),
        Scenario(
            name: "an update that crashes is paused",
            first: "good",
            second: "crash:3",
            options: ["UpdateConfig": ["Parallelism": 1, "Monitor": 10_000_000_000, "FailureAction": "pause"]],
            policy: ["Condition": "any", "Delay": 60_000_000_000],
            ends: 2,
            update: "paused"
        ),
        Scenario(
            name: "an update that crashes is rolled back",
            first: "good",
            second: "crash:3",
            options: [
                "UpdateConfig": ["Parallelism": 1, "Monitor": 10_000_000_000, "FailureAction": "rollback"],
                "RollbackConfig": ["Parallelism": 1, "Monitor": 1_000_000_000],
            ],
            policy: ["Condition": "none"],
            ends: 2,
            update: "rollback_completed"
        ),
        Scenario(
            name: "start-first stops the old task when the new one runs",
            first: "good",
            second: "good:2",
            options: ["UpdateConfig": ["Parallelism": 1, "Monitor": 1_000_000_000, "Order": "start-first"]],
            ends: 1,
            update: "completed"
        ),
        Scenario(
            name: "stop-first starts the new task when the old one has stopped",
            first: "good",
            second: "good:2",
            options: ["UpdateConfig": ["Parallelism": 0, "Monitor": 1_000_000_000]],
            ends: 1,
            update: "completed"
        ),
        Scenario(
            name: "what never becomes healthy is stopped, and counts as running for the moment in which it ends well",
            first: "never",
            policy: ["Condition": "none"],
            ends: 1
        ),
    ]

    /// A shell command that behaves as the variable says.
    private static let script = """
        trap 'exit 0' TERM
        case $SIM in
        crash:*) sleep "${SIM#crash:}" & wait $!; exit 1;;
        exit:0:*) sleep "${SIM#exit:0:}" & wait $!; exit 0;;
        esac
        while :; do sleep 0.1; done
        """

    private func spec(_ behaviour: String, _ name: String) -> JSON {
        var container: JSON = [
            "Image": "web:1.0.0", "Command": ["sh", "-c", .string(Self.script)],
            "Env": [.string("SIM=\(behaviour)")],
        ]
        if behaviour == "never" {
            container["Healthcheck"] = [
                "Test": ["CMD-SHELL", "false"], "Interval": 1_000_000_000, "Timeout": 5_000_000_000, "Retries": 2,
            ]
        }
        var task: JSON = ["ContainerSpec": container]
        task["RestartPolicy"] = policy
        var spec: JSON = ["Name": .string(name), "TaskTemplate": task]
        for (key, value) in options.object ?? [:] { spec[key] = value }
        spec["Mode"] =
            job.map { ["ReplicatedJob": ["MaxConcurrent": 1, "TotalCompletions": .int($0)]] }
            ?? ["Replicated": ["Replicas": .int(replicas)]]
        return spec
    }

    /// What was seen of it.
    struct Trace {
        /// For each task, in the order in which they were made: what it went through that matters.
        var steps: [String] = []
        /// What the update went through.
        var updates: [String] = []
        /// Seconds between what the policies put apart.
        var intervals: [String: Double] = [:]
    }

    func play(on stage: Stage, prefix: String) async throws -> Trace {
        let name = "\(prefix)s"
        var watch = Watch(name: name)
        guard try await stage.call("POST", "/services/create", body: spec(first, name)).status == 201 else {
            throw Unmet("the service '\(self.name)' was not made")
        }
        if let second {
            try await until("it runs", stage, &watch) { $0.count(of: "running") == Int(replicas) }
            let service = try await stage.call("GET", "/services/\(name)").body
            let path = "/services/\(name)/update?version=\(service["Version"]?["Index"]?.int ?? 0)"
            guard try await stage.call("POST", path, body: spec(second, name)).status == 200 else {
                throw Unmet("the service '\(self.name)' was not updated")
            }
        }
        try await until("it is over", stage, &watch) { watch in
            watch.ended >= ends && (update == nil || watch.updates.last?.hasPrefix(update ?? "") == true)
        }
        // What should not happen gets its time to happen.
        for _ in 0..<20 {
            try await stage.wait()
            try await watch.look(stage)
        }
        _ = try await stage.call("DELETE", "/services/\(name)")
        return watch.trace
    }

    private func until(
        _ what: String,
        _ stage: Stage,
        _ watch: inout Watch,
        _ holds: (Watch) -> Bool
    ) async throws {
        for _ in 0..<900 {
            try await stage.wait()
            try await watch.look(stage)
            if holds(watch) { return }
        }
        throw Unmet("'\(name)': not in time: \(what); seen: \(watch.trace)")
    }
}

/// What is seen of a service's tasks by looking again and again.
struct Watch {
    private struct Seen {
        var made: Double
        var slot: Int64
        var steps: [String] = []
        var times: [String: Double] = [:]
        var last = ""
    }

    let name: String
    private var tasks: [String: Seen] = [:]
    private(set) var updates: [String] = []

    init(name: String) { self.name = name }

    private var inOrder: [(id: String, seen: Seen)] {
        tasks.map { ($0.key, $0.value) }.sorted { $0.1.made < $1.1.made }
    }

    func count(of state: String) -> Int { tasks.values.count { $0.last == state } }

    var ended: Int {
        tasks.values.count { ["complete", "failed", "rejected", "shutdown"].contains($0.last) }
    }

    mutating func look(_ stage: Stage) async throws {
        let found = try await stage.call("GET", "/tasks", filters: ["service": [.string(name)]]).body.array ?? []
        for task in found {
            let id = task["ID"]?.string ?? ""
            let status = task["Status"] ?? .null
            let state = status["State"]?.string ?? ""
            let made = seconds(task["CreatedAt"])
            var seen = tasks[id] ?? Seen(made: made, slot: task["Slot"]?.int ?? 0)
            seen.last = state
            // States of a moment may be missed by looking.
            if ["running", "complete", "failed", "rejected", "shutdown"].contains(state), seen.times[state] == nil {
                // What had started, or ended well, has run: a busy machine tells of both at once.
                if ["started", "finished"].contains(status["Message"]?.string), seen.steps.isEmpty, state != "running" {
                    seen.steps.append("running")
                }
                seen.times[state] = seconds(status["Timestamp"])
                let code = status["ContainerStatus"]?["ExitCode"]?.int ?? 0
                let error = status["Err"]?.string ?? ""
                let isEnd = state != "running"
                seen.steps.append(isEnd ? "\(state) exit \(code) \(error) (\(status["Message"]?.string ?? ""))" : state)
            }
            tasks[id] = seen
        }
        let service = try await stage.call("GET", "/services/\(name)").body
        guard let update = service["UpdateStatus"], let state = update["State"]?.string else { return }
        var text = "\(state): \(update["Message"]?.string ?? "")"
        for (number, task) in inOrder.enumerated() { text = text.replacing(task.id, with: "#\(number)") }
        // When nothing is left to be replaced, a rollback that has begun has ended a moment later.
        if updates.last != text && state != "rollback_started" { updates.append(text) }
    }

    private func seconds(_ value: JSON?) -> Double {
        let parts = (value?.string ?? "").split(whereSeparator: { "T:Z".contains($0) })
        guard parts.count == 4, let hour = Double(parts[1]), let minute = Double(parts[2]),
            let second = Double(parts[3])
        else { return 0 }
        let day = Double(parts[0].split(separator: "-").last ?? "0") ?? 0
        return ((day * 24 + hour) * 60 + minute) * 60 + second
    }

    var trace: Scenario.Trace {
        var trace = Scenario.Trace(updates: updates)
        var before: Seen?
        for (number, (_, seen)) in inOrder.enumerated() {
            trace.steps.append("#\(number) slot \(seen.slot): \(seen.steps.joined(separator: ", "))")
            let end = seen.times.first { $0.key != "running" }?.value
            if let start = seen.times["running"], let end { trace.intervals["how long #\(number) ran"] = end - start }
            if let before, let start = seen.times["running"],
                let end = before.times.first(where: { $0.key != "running" })?.value
            {
                trace.intervals["from the end before to #\(number) running"] = start - end
            }
            before = seen
        }
        return trace
    }
}
