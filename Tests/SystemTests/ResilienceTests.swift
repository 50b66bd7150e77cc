import JSON
import Subprocess
import TestSupport
import Testing

/// Whether the tests that take more than a minute run; the nightly run sets the variable.
let runsLongTests = variable("HECATE_TEST_LONG") == "1"

/// What a controller is spared by nothing: its own death, that of the Engine and of the Git server, a lost mirror.
@Suite struct ResilienceTests {
    /// Commits arrive, every third of them bad, while the controller is killed again and again: 200 times in the nightly run.
    @Test(.timeLimit(.minutes(30))) func theControllerDiesAtRandomMoments() async throws {
        let count = runsLongTests ? 200 : 20
        let fleet = try await Fleet(verify: "1s")
        let changing = ["one", "two", "three"]
        @Sendable func compose(_ number: Int) -> String {
            sleeper("A: \(number)", services: changing, more: "    configs: [page]").replacing("services:\n", with: "")
        }
        @Sendable func files(_ number: Int) -> [String: String] {
            let still = sleeper("S: 1", services: ["still"])
            return [
                "a.yml": still + compose(number) + "configs: {page: {file: page.txt}}\n", "page.txt": "page \(number)",
            ]
        }
        @Sendable func bad(_ number: Int) -> [String: String] {
            guard number.isMultiple(of: 6) else { return ["a.yml": "services: {one: {image: x, prots: [80]}}\n"] }
            let good = files(number)["a.yml"] ?? ""
            return [
                "a.yml": good.replacing(
                    "three:\n    image: web:1.0.0\n    command: sh -c '",
                    with: "three:\n    image: web:1.0.0\n    command: sh -c 'exit 3; "
                )
            ]
        }
        let stacks = ["{name: PREFIXa, compose_file: a.yml}", "{name: PREFIXb, compose_file: b.yml}"]
        try await fleet.commit(stacks: stacks, files(0).merging(["b.yml": sleeper()]) { old, _ in old })
        try await fleet.running { try await fleet.settled("a", "b") }
        let (neighbour, still) = (try await fleet.tasks("b"), try await fleet.tasks("a", service: "still"))
        #expect(neighbour.count == 1 && still.count == 1)
        for number in 1...count {
            let isBad = number.isMultiple(of: 3) && number < count
            try await fleet.commit(isBad ? bad(number) : files(number), "Change \(number)")
            // Most die early; some live long enough to see a deployment fail and be rolled back.
            let life = Double.random(in: number.isMultiple(of: 5) ? 2...8 : 0.02...2.5)
            let run = "\(fleet.binary) run \(fleet.config) --log text 2>>\(fleet.scratch.path)/log"
            _ = try await execute(["sh", "-c", "\(run) & sleep \(life); kill -9 $!; wait $!"])
        }
        try await fleet.running { try await fleet.settled("a", "b", within: .seconds(90)) }
        let expected = Dictionary(uniqueKeysWithValues: changing.map { ($0, "A=\(count)") } + [("still", "S=1")])
        #expect(try await fleet.environment("a") == expected)
        #expect(try await fleet.tasks("b") == neighbour, "a service nobody touched was restarted")
        #expect(try await fleet.tasks("a", service: "still") == still, "a service nobody touched was restarted")
        #expect(try await fleet.app("a")["rejected"] == nil)
        // Starting once more restarts nothing.
        let before = try await fleet.tasks("a")
        let plan = try await fleet.hecate("plan")
        #expect(plan.code == 0, "\(plan.outputText)\(plan.errorText)")
        try await fleet.running { try await fleet.settled("a") }
        #expect(try await fleet.tasks("a") == before)
        try await fleet.clean("a", "b")
    }

    @Test(
        .enabled(if: runsLongTests, "the nightly run sets HECATE_TEST_LONG=1"),
        .timeLimit(.minutes(5)),
        arguments: ["kill", "halt"]
    )
    func theEngineEndsDuringADeployment(how: String) async throws {
        try await onAnEngineOfItsOwn { folder, engine in try await deployAcrossARestart(of: folder, engine, how) }
    }

    /// The Engine ends while a good commit is half applied.
    private func deployAcrossARestart(of folder: String, _ engine: String, _ how: String) async throws {
        let fleet = try await Fleet(engine: engine, timeout: "120s")
        let names = ["one", "two", "three", "four"]
        let slow = "    deploy: {replicas: 2, update_config: {parallelism: 1, delay: 2s}}"
        let stacks = ["{name: PREFIXa, compose_file: a.yml}"]
        try await fleet.commit(stacks: stacks, ["a.yml": sleeper(services: names, more: slow)])
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.commit(["a.yml": sleeper("A: 2", services: names, more: slow)])
            try await fleet.eventually("it is under way") { try await fleet.environment("a").values.contains("A=2") }
            _ = try await swarmRig(how, folder)
            try await fleet.eventually("its absence is told") { fleet.log.contains("cannot be reached") }
            _ = try await swarmRig("restart", folder)
            try await fleet.settled("a", within: .seconds(120))
            let expected = Dictionary(uniqueKeysWithValues: names.map { ($0, "A=2") })
            #expect(try await fleet.environment("a") == expected)
            #expect(try await fleet.app("a")["rejected"] == nil, "\(fleet.log)")
            #expect(!fleet.log.contains("Rejected") && !fleet.log.contains("RolledBack"), "\(fleet.log)")
        }
    }

    /// What is done to the mirrors under a running controller.
    private static let damages = [
        "rm -rf mirrors || rm -rf mirrors", "rm -rf mirrors/* || rm -rf mirrors/*",
        "find mirrors -type f | while read -r f; do head -c \"$(stat -c %s \"$f\")\" /dev/urandom >\"$f\"; done",
        "find mirrors -type f -exec truncate -s 0 {} +",
    ]

    @Test(.timeLimit(.minutes(3)), arguments: damages) func theNextCommitArrivesWithoutTheMirror(
        _ damage: String
    ) async throws {
        let fleet = try await Fleet()
        let stacks = ["{name: PREFIXa, compose_file: a.yml}", "{name: PREFIXb, compose_file: b.yml}"]
        try await fleet.commit(stacks: stacks, ["a.yml": sleeper(), "b.yml": sleeper()])
        try await fleet.running {
            try await fleet.settled("a", "b")
            let neighbour = try await fleet.tasks("b")
            try await shell(["sh", "-c", damage], directory: fleet.store)
            try await fleet.commit(["a.yml": sleeper("A: 2")])
            try await fleet.settled("a", "b")
            #expect(try await fleet.environment("a") == ["one": "A=2"])
            #expect(try await fleet.tasks("b") == neighbour)
        }
        try await fleet.clean("a", "b")
    }

    @Test(.timeLimit(.minutes(3))) func driftIsHealedAfterAStartThoughGitIsAway() async throws {
        let fleet = try await Fleet()
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        try await fleet.running { try await fleet.settled("a") }
        @Sendable func replicas() async throws -> Int64? {
            let service = try await fleet.services("a")["one"]
            return service?["Spec"]?["Mode"]?["Replicated"]?["Replicas"]?.int
        }
        let away = "\(fleet.repository.path)-away"
        try await shell(["mv", fleet.repository.path, away])
        // Once before the start and once after it.
        try await fleet.docker("service", "scale", "-d", "\(fleet.name("a"))_one=3")
        try await fleet.running {
            try await fleet.eventually("the first drift is healed") { try await replicas() == 1 }
            try await fleet.eventually("its absence is told") { fleet.log.contains("there is no such repository") }
            try await fleet.docker("service", "scale", "-d", "\(fleet.name("a"))_one=2")
            try await fleet.eventually("the second drift is healed") { try await replicas() == 1 }
            try await shell(["mv", away, fleet.repository.path])
            try await fleet.commit(["a.yml": sleeper("A: 2")])
            try await fleet.settled("a")
            #expect(try await fleet.environment("a") == ["one": "A=2"])
        }
        try await fleet.clean("a")
    }
}

extension Fleet {
    /// The identifiers of the tasks that should run of one service.
    func tasks(_ stack: String, service: String) async throws -> Set<String> {
        let text = try await docker(
            "service",
            "ps",
            "-q",
            "--no-trunc",
            "--filter",
            "desired-state=running",
            "\(name(stack))_\(service)"
        )
        return Set(text.split(separator: "\n").map(String.init))
    }
}
