import JSON
import TestSupport
import Testing

/// Nodes that are drained while something is deployed, each test on an Engine of its own.
@Suite(.enabled(if: runsLongTests, "the nightly run sets HECATE_TEST_LONG=1")) struct DrainTests {
    /// The only node is drained while a good commit arrives, for longer than its time-out.
    @Test(.timeLimit(.minutes(5)))
    func whatNoNodeTakesIsNotRejected() async throws {
        try await onAnEngineOfItsOwn { _, engine in
            let fleet = try await Fleet(engine: engine, timeout: "8s")
            let node = try await fleet.docker("node", "ls", "-q")
            try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
            try await fleet.running {
                try await fleet.settled("a")
                _ = try await fleet.docker("node", "update", "--availability", "drain", trimmedLine(node))
                try await fleet.commit(["a.yml": sleeper("A: 2")])
                try await fleet.eventually("it is said") { fleet.log.contains("its time-out waits") }
                try await Task.sleep(for: .seconds(20))
                #expect(try await fleet.app("a")["rejected"] == nil, "\(fleet.log)")
                _ = try await fleet.docker("node", "update", "--availability", "active", trimmedLine(node))
                try await fleet.settled("a")
                #expect(try await fleet.environment("a") == ["one": "A=2"])
                #expect(fleet.log.ranges(of: "its time-out waits").count == 1, "it is said once")
            }
        }
    }

    /// Swarm makes no tasks of it meanwhile, and it ends at once where it runs.
    @Test(.timeLimit(.minutes(5)))
    func whatRunsOnEachNodeIsJudgedWhereItRuns() async throws {
        try await onAnEngineOfItsOwn { _, engine in
            let fleet = try await Fleet(engine: engine, timeout: "30s")
            let node = trimmedLine(try await fleet.docker("node", "ls", "-q"))
            let global = "    deploy: {mode: global}"
            try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper(more: global)])
            try await fleet.running {
                try await fleet.settled("a")
                _ = try await fleet.docker("node", "update", "--availability", "drain", node)
                let bad = sleeper("A: 2", more: global).replacing("trap exit TERM; while", with: "exit 1; while")
                try await fleet.commit(["a.yml": bad], "Ends at once")
                try await fleet.eventually("it is said") { fleet.log.contains("its time-out waits") }
                try await Task.sleep(for: .seconds(10))
                _ = try await fleet.docker("node", "update", "--availability", "active", node)
                try await fleet.eventually("it is rejected", within: .seconds(90)) {
                    try await fleet.app("a")["rejected"] != nil
                }
                try await fleet.eventually("what was good is back", within: .seconds(60)) {
                    try await fleet.environment("a") == ["one": "A=1"]
                }
            }
        }
    }

    /// Half of the update is made as the only node is drained, and Swarm ends it for the task that went.
    @Test(.timeLimit(.minutes(5)), arguments: ["pause", "rollback"])
    func aGoodCommitOutlivesADrainAmidItsUpdate(_ action: String) async throws {
        try await onAnEngineOfItsOwn { _, engine in
            let fleet = try await Fleet(engine: engine, timeout: "90s")
            let node = trimmedLine(try await fleet.docker("node", "ls", "-q"))
            let slow = "    deploy: {replicas: 2, update_config: {delay: 3s, monitor: 12s, failure_action: \(action)}}"
            try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper(more: slow)])
            try await fleet.running {
                try await fleet.settled("a")
                try await fleet.commit(["a.yml": sleeper("A: 2", more: slow)])
                try await fleet.eventually("half of it is made") {
                    try await fleet.services("a")["one"]?["UpdateStatus"]?["State"]?.string == "updating"
                }
                try await Task.sleep(for: .seconds(2))
                _ = try await fleet.docker("node", "update", "--availability", "drain", node)
                // Swarm ends the update when the tasks are at work again, or before that.
                try await Task.sleep(for: .seconds(8))
                _ = try await fleet.docker("node", "update", "--availability", "active", node)
                try await fleet.settled("a", within: .seconds(90))
                #expect(try await fleet.environment("a") == ["one": "A=2"], "\(fleet.log)")
                #expect(!fleet.log.contains("HealthCheckFailed"), "\(fleet.log)")
            }
        }
    }

    /// Its restart policy starts no other one.
    @Test(.timeLimit(.minutes(5))) func aMigrationThatWentWithItsNodeIsMadeAgainAndOnce() async throws {
        try await onAnEngineOfItsOwn { _, engine in
            let fleet = try await Fleet(engine: engine, timeout: "60s")
            let node = trimmedLine(try await fleet.docker("node", "ls", "-q"))
            let migration = """
                  migration:
                    image: web:1.0.0
                    command: sh -c 'trap "exit 1" TERM; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 0.3; done'
                    stop_grace_period: 1s
                    deploy: {restart_policy: {condition: none}}

                """
            try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
            try await fleet.running {
                try await fleet.settled("a")
                try await fleet.commit(["a.yml": sleeper("A: 2", tail: migration)], "Migrate")
                try await fleet.eventually("it runs") {
                    try await fleet.states(of: "a", "migration").contains("running")
                }
                _ = try await fleet.docker("node", "update", "--availability", "drain", node)
                try await fleet.eventually("it went") { try await fleet.states(of: "a", "migration") == ["shutdown"] }
                try await Task.sleep(for: .seconds(2))
                _ = try await fleet.docker("node", "update", "--availability", "active", node)
                try await fleet.settled("a", within: .seconds(90))
                try await fleet.eventually("it is done") {
                    try await fleet.states(of: "a", "migration").sorted() == ["complete", "shutdown"]
                }
                #expect(!fleet.log.contains("HealthCheckFailed"), "\(fleet.log)")
                // What is done is not done again by what changes beside it.
                try await fleet.commit(["a.yml": sleeper("A: 3", tail: migration)], "Change the other")
                try await fleet.settled("a")
                #expect(try await fleet.states(of: "a", "migration").count { $0 == "complete" } == 1)
            }
        }
    }
}

/// Runs a test with an Engine that nobody else uses.
func onAnEngineOfItsOwn(_ body: (_ folder: String, _ engine: String) async throws -> Void) async throws {
    let scratch = try Scratch()
    let folder = "\(scratch.path)/rig"
    let engine = try await swarmRig("start", folder)
    do {
        try await body(folder, engine)
    } catch {
        _ = try? await swarmRig("stop", folder)
        throw error
    }
    _ = try await swarmRig("stop", folder)
}

func swarmRig(_ command: String, _ folder: String) async throws -> String {
    trimmedLine(
        try await shell(["\(checkout)/Rigs/swarm.sh", command, folder], environment: ["RIG_LIFETIME": "900"])
    )
}
