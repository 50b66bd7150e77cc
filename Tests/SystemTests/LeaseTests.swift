import JSON
import Subprocess
import TestSupport
import Testing

/// Several controllers of one repository on one Swarm: one acts, and another takes over.
@Suite struct LeaseTests {
    @Test(.timeLimit(.minutes(2))) func aSecondControllerWaitsAndTakesOverFromADeadOne() async throws {
        let fleet = try await Fleet(verify: "1s")
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": sleeper(services: ["one", "two"])]
        )
        let second = try fleet.sibling("second")
        let first = try await fleet.start()
        let other: Fleet.Controller
        do {
            try await fleet.settled("a")
            other = try await fleet.start(second, log: "second.log")
        } catch {
            await first.end("KILL")
            throw error
        }
        do {
            try await fleet.eventually("the second says that it waits", within: .seconds(20)) {
                try await fleet.hecate(at: second, "status").outputText.contains("waits; ")
            }
            // What is new only one of them brings about: each service is written once.
            try await fleet.commit(["a.yml": sleeper("A: 2", services: ["one", "two"])])
            try await fleet.settled("a")
            let tasks = try await fleet.tasks("a")
            let versions = try await fleet.services("a").mapValues { $0["Version"] }
            let specs = try await fleet.services("a").mapValues { $0["PreviousSpec"]?["TaskTemplate"] }
            await first.end("KILL")
            let killed = ContinuousClock.now
            try await fleet.eventually("the second acts", within: .seconds(25)) {
                fleet.text("second.log").contains("acts for this source on 'default' now")
            }
            #expect(ContinuousClock.now - killed < .seconds(16))
            try await fleet.eventually("it has taken the app over", within: .seconds(20)) {
                try await fleet.isSettled("a", at: second)
            }
            try await Task.sleep(for: .seconds(4))
            #expect(try await fleet.tasks("a") == tasks)
            #expect(try await fleet.services("a").mapValues { $0["Version"] } == versions, "nothing is applied twice")
            #expect(try await fleet.services("a").mapValues { $0["PreviousSpec"]?["TaskTemplate"] } == specs)
            #expect(!fleet.text("second.log").contains(" Applying"))
            // And it really acts.
            try await fleet.commit(["a.yml": sleeper("A: 3", services: ["one", "two"])])
            try await fleet.eventually("the second deploys", within: .seconds(30)) {
                try await fleet.environment("a") == ["one": "A=3", "two": "A=3"]
            }
        } catch {
            await first.end("KILL")
            await other.end("KILL")
            throw error
        }
        await other.end("KILL")
        try await fleet.clean("a")
    }

    /// The controller that began an update dies before it was verified; the one that takes over knows nothing of it but what
    /// it sees, and sees it running.
    @Test(.timeLimit(.minutes(2))) func whoTakesOverAnUpdateVerifiesItToo() async throws {
        let fleet = try await Fleet(verify: "30s", timeout: "90s")
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml, verify_window: 1s}"],
            ["a.yml": sleeper()]
        )
        let second = try fleet.sibling("second")
        let first = try await fleet.start()
        let other: Fleet.Controller
        do {
            try await fleet.settled("a")
            other = try await fleet.start(second, log: "second.log")
        } catch {
            await first.end("KILL")
            throw error
        }
        do {
            try await fleet.eventually("the second waits", within: .seconds(20)) {
                fleet.text("second.log").contains("this one waits and takes over")
            }
            let ending = sleeper("A: 2").replacing("trap exit TERM; while", with: "sleep 22; exit 1; while")
            try await fleet.commit(
                stacks: ["{name: PREFIXa, compose_file: a.yml, verify_window: 30s}"],
                ["a.yml": ending],
                "It ends after 22 seconds"
            )
            try await fleet.eventually("it is applied") { try await fleet.environment("a")["one"] == "A=2" }
            await first.end("KILL")
            try await fleet.eventually("the second acts", within: .seconds(25)) {
                fleet.text("second.log").contains("acts for this source on 'default' now")
            }
            // Until the first end of it nobody can have watched it for as long as is asked for.
            let begun = ContinuousClock.now
            while ContinuousClock.now - begun < .seconds(20) {
                let isSettled = try await fleet.isSettled("a", at: second)
                #expect(!isSettled, "\(fleet.text("second.log"))")
                if isSettled { break }
                try await Task.sleep(for: .milliseconds(500))
            }
        } catch {
            await first.end("KILL")
            await other.end("KILL")
            throw error
        }
        await other.end("KILL")
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(2))) func aControllerThatIsAskedToEndHandsOverAtOnce() async throws {
        let fleet = try await Fleet(verify: "1s")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        let second = try fleet.sibling("second")
        let first = try await fleet.start()
        let other: Fleet.Controller
        do {
            try await fleet.settled("a")
            other = try await fleet.start(second, log: "second.log")
        } catch {
            await first.end("KILL")
            throw error
        }
        do {
            try await fleet.eventually("the second waits", within: .seconds(20)) {
                fleet.text("second.log").contains("this one waits and takes over")
            }
            let tasks = try await fleet.tasks("a")
            await first.end("TERM")
            try await fleet.eventually("the second acts at once", within: .seconds(5)) {
                fleet.text("second.log").contains("acts for this source on 'default' now")
            }
            try await fleet.eventually("it has taken the app over", within: .seconds(20)) {
                try await fleet.isSettled("a", at: second)
            }
            #expect(try await fleet.tasks("a") == tasks)
        } catch {
            await first.end("KILL")
            await other.end("KILL")
            throw error
        }
        await other.end("KILL")
        try await fleet.clean("a")
    }

    /// Its store knows nothing of what the other one rejected; the Swarm does.
    ///
    /// The same goes for a controller that lost its store.
    @Test(.timeLimit(.minutes(3))) func whatWasRejectedIsNotTriedAgainByWhoTakesOver() async throws {
        let fleet = try await Fleet(verify: "2s")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        let second = try fleet.sibling("second")
        let broken = sleeper("A: 2").replacing("trap exit TERM; while", with: "sleep 1; exit 3; while")
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.commit(["a.yml": broken], "Break it")
            try await fleet.eventually("it is rolled back") { fleet.log.contains(" RolledBack") }
            // The claim says so once leftovers are collected.
            try await Task.sleep(for: .seconds(2))
        }
        let versions = try await fleet.services("a").mapValues { $0["Version"] }
        try await fleet.loseStore()
        for config in [fleet.config, second] {
            let log = config == second ? "second.log" : "again.log"
            let controller = try await fleet.start(config, log: log)
            do {
                try await fleet.eventually("it knows", within: .seconds(40)) {
                    fleet.text(log).contains("was rejected before, and is not tried again")
                        && fleet.text(log).contains(" RolledBack")
                }
                try await Task.sleep(for: .seconds(3))
                #expect(try await fleet.services("a").mapValues { $0["Version"] } == versions, "\(fleet.text(log))")
                #expect(!fleet.text(log).contains(" Applying"), "\(fleet.text(log))")
            } catch {
                await controller.end("KILL")
                throw error
            }
            await controller.end("TERM")
        }
        // A person has it tried once more, and the next one knows of it again.
        try await fleet.running {
            try await fleet.eventually("it acts") { try await fleet.app("a")["rejected"] != nil }
            _ = try await fleet.hecate("reconcile", fleet.name("a"))
            try await fleet.eventually("it is tried") { fleet.log.ranges(of: " Applying").count >= 3 }
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(2))) func aStoreDeletedUnderADeadControllerCostsNoRestart() async throws {
        let fleet = try await Fleet(verify: "1s")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        let first = try await fleet.start()
        do { try await fleet.settled("a") } catch {
            await first.end("KILL")
            throw error
        }
        let tasks = try await fleet.tasks("a")
        let versions = try await fleet.services("a").mapValues { $0["Version"] }
        await first.end("KILL")
        try await fleet.loseStore()
        let start = ContinuousClock.now
        try await fleet.running {
            try await fleet.settled("a", within: .seconds(20))
            #expect(ContinuousClock.now - start < .seconds(12), "an earlier self's lease is not waited for")
            #expect(try await fleet.tasks("a") == tasks)
            #expect(try await fleet.services("a").mapValues { $0["Version"] } == versions)
            #expect(fleet.log.contains("Adopted"))
        }
        try await fleet.clean("a")
    }
}

extension Fleet {
    /// A controller that runs beside the test and can be ended by any signal.
    struct Controller: Sendable {
        var pid: String

        /// Returns when it has ended, or after ten seconds.
        func end(_ signal: String) async {
            let script = """
                kill -\(signal) \(pid)
                for _ in $(seq 100); do
                    grep -q '^State:[^Z]*$' /proc/\(pid)/status 2>/dev/null || break
                    sleep 0.1
                done
                """
            _ = try? await execute(["sh", "-c", script])
        }
    }

    /// Starts a controller; the test has to end it.
    func start(_ config: String? = nil, log: String = "log") async throws -> Controller {
        let words = "\(binary) run \(config ?? self.config) --log text"
        let line = "\(words) >>\(scratch.path)/\(log) 2>&1 </dev/null & echo $!"
        return Controller(pid: trimmedLine(try await shell(["sh", "-c", line])))
    }

    /// The configuration of another controller of the same repository, with a store of its own.
    func sibling(_ name: String) throws -> String {
        let text = (fileText(config) ?? "").replacing("store: \(store)", with: "store: \(scratch.path)/\(name)")
        try scratch.write(text, to: "\(name).yml")
        return "\(scratch.path)/\(name).yml"
    }

    func hecate(at config: String, _ words: String...) async throws -> Completion {
        try await execute([binary] + words + ["--config", config])
    }

    /// What stands in a file of the test's folder.
    func text(_ file: String) -> String { fileText("\(scratch.path)/\(file)") ?? "" }

    /// The same as `isSettled`, by another controller's store.
    func isSettled(_ stack: String, at config: String) async throws -> Bool {
        let result = try await hecate(at: config, "list", "apps", "--format", "json")
        guard result.code == 0 else { return false }
        let app = try JSON(parsing: result.output).array?.first { $0["name"]?.string == name(stack) } ?? .null
        let isReconciling = app["conditions"]?.array?.contains { $0["type"]?.string == "Reconciling" } ?? true
        let head = try await repository.head()
        return app["ready"]?.bool == true && !isReconciling && app["commit"]?.string == head
    }
}
