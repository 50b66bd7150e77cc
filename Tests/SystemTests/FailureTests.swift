import JSON
import Subprocess
import TestSupport
import Testing

/// What happens when something does not work.
@Suite struct FailureTests {
    @Test(.timeLimit(.minutes(3))) func oneFailingServiceOfFourRollsAllFourBack() async throws {
        let fleet = try await Fleet()
        let names = ["one", "two", "three", "four"]
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper(services: names)])
        try await fleet.running {
            try await fleet.settled("a")
            let broken = sleeper("A: 2", services: names).replacing(
                "four:\n    image: web:1.0.0\n    command: sh -c 'trap",
                with: "four:\n    image: web:1.0.0\n    command: sh -c 'echo no database; exit 3; trap"
            )
            #expect(broken.contains("exit 3"))
            try await fleet.commit(["a.yml": broken], "Break four")
            try await fleet.eventually("all four are back") {
                let rejected = try await fleet.app("a")["rejected"] != nil
                let variables = try await fleet.environment("a")
                return rejected && variables == ["one": "A=1", "two": "A=1", "three": "A=1", "four": "A=1"]
            }
            let app = try await fleet.app("a")
            let failure = app["rejected"]?["failure"]?.string ?? ""
            #expect(
                failure.contains("\(fleet.name("a"))_four") && failure.contains("non-zero exit (3)")
                    && failure.contains("on node")
            )
            #expect(app["rejected"]?["details"]?.array?.contains("log: no database") == true, "\(app)")
            try await fleet.eventually("it says so") { try await fleet.hecate("status").code == 1 }
            // Rejected until it changes: the same revision is not tried again, another is.
            try await fleet.commit(["a.yml": sleeper("A: 3", services: names)], "Fix")
            try await fleet.settled("a")
        }
        try await fleet.clean("a")
    }

    /// What is started anew at once is seen running at almost every look.
    @Test(.timeLimit(.minutes(4))) func aServiceThatEndsAgainAndAgainWithinTheVerifyWindowIsNotDeployed() async throws {
        let fleet = try await Fleet(verify: "10s", timeout: "60s")
        let names = ["a", "b", "c", "d"]
        let atOnce = "    networks: [outside]\n    deploy: {restart_policy: {delay: 0s}}"
        @Sendable func all(_ text: String) -> [String: String] {
            Dictionary(names.map { ("\($0).yml", text) }) { first, _ in first }
        }
        try await fleet.commit(
            stacks: names.map { "{name: PREFIX\($0), compose_file: \($0).yml}" },
            all(sleeper(more: atOnce, tail: outsideNetwork))
        )
        try await fleet.running {
            for name in names { try await fleet.settled(name) }
            // Long enough for Swarm itself not to pause the update.
            let ending = sleeper("A: 2", more: atOnce, tail: outsideNetwork)
                .replacing("trap exit TERM; while", with: "sleep 6; exit 1; while")
            #expect(ending.contains("exit 1"))
            try await fleet.commit(all(ending), "Ends every six seconds")
            for name in names {
                let app = try await fleet.decided(name)
                #expect(app["rejected"] != nil, "\(app)")
            }
        }
        try await fleet.clean("a", "b", "c", "d")
    }

    /// Swarm pauses an update when its first task ends, and goes on with no other once what it lacked is there.
    @Test(.timeLimit(.minutes(3))) func aServiceOfTwoThatWaitsForASlowNewDependencyIsNotRejected() async throws {
        let fleet = try await Fleet(verify: "3s", timeout: "60s")
        let two = "    networks: [outside]\n    deploy: {replicas: 2}"
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": sleeper(services: ["web"], more: two, tail: outsideNetwork)]
        )
        try await fleet.running {
            try await fleet.settled("a")
            let port = freePort()
            let needing = sleeper("A: 2", services: ["web"], more: "\(two)\n    depends_on: [store]")
                .replacing("sh -c 'trap", with: "sh -c 'wget -q -O- http://127.0.0.1:\(port)/ || exit 1; trap")
            let store = """
                  store:
                    image: web:1.0.0
                    command: sh -c 'sleep 6; exec httpd -f -p \(port) -h /www'
                    healthcheck: {test: 'wget -q -O- http://127.0.0.1:\(port)/', interval: 1s, retries: 30}
                    networks: [outside]

                """
            try await fleet.commit(["a.yml": needing + store + outsideNetwork], "It needs a store that takes its time")
            #expect(try await fleet.decided("a")["rejected"] == nil, "\(fleet.log)")
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(3))) func aFixTakesOverWhileTheFaultIsStillWaitedFor() async throws {
        let fleet = try await Fleet(timeout: "300s")
        let never = "    healthcheck: {test: 'false', interval: 60s, start_period: 300s}"
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.commit(["a.yml": sleeper("A: 2", more: never)], "Never healthy")
            try await fleet.eventually("it is waited for") { try await fleet.environment("a")["one"] == "A=2" }
            try await fleet.commit(["a.yml": sleeper("A: 3")], "Fix")
            try await fleet.settled("a", within: .seconds(40))
            #expect(try await fleet.environment("a") == ["one": "A=3"])
            #expect(fleet.log.contains("gives way to a newer one"))
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(4))) func eachFaultStaysWithItsStack() async throws {
        let fleet = try await Fleet(timeout: "60s")
        let unhealthy = "    healthcheck: {test: 'false', interval: 1s, retries: 60}"
        try await fleet.commit(
            stacks: [
                "{name: PREFIXgood, compose_file: good.yml}", "{name: PREFIXbroken, compose_file: broken.yml}",
                "{name: PREFIXmissing, compose_file: missing.yml}",
                "{name: PREFIXsick, compose_file: sick.yml, timeout: 12s}",
                "{name: PREFIXnofile, compose_file: nofile.yml}", "{name: PREFIXwrong, compose_fil: x.yml}",
                "{name: PREFIXlost, compose_file: lost.yml}",
            ],
            [
                "good.yml": sleeper(), "broken.yml": "services: {a: {image: x, prots: [80]}}",
                "missing.yml": sleeper(image: "nowhere:1"),
                "sick.yml": sleeper(more: unhealthy),
                "lost.yml":
                    "services: {a: {image: 'web:1.0.0', networks: [n]}}\nnetworks: {n: {external: true, name: no-such-network}}",
            ]
        )
        try await fleet.running {
            try await fleet.settled("good")
            @Sendable func message(_ stack: String) async throws -> String {
                let conditions = try await fleet.app(stack)["conditions"]?.array ?? []
                return conditions.first { $0["type"]?.string == "Ready" }?["message"]?.string ?? ""
            }
            try await fleet.eventually("each says its own") {
                let messages = [
                    try await message("broken").contains(
                        "broken.yml:1:26: unknown key 'prots' in service 'a'; did you mean 'ports'?"
                    ),
                    try await message("missing").contains("the image 'nowhere:1' cannot be resolved"),
                    try await message("nofile").contains("there is no file 'nofile.yml'"),
                    try await message("wrong").contains("needs 'compose_file' or 'compose_files'"),
                    try await message("lost").contains("the external network 'no-such-network' does not exist"),
                    try await message("sick").contains("not healthy after 12s"),
                ]
                return messages.allSatisfy { $0 }
            }
            // There was nothing to go back to: it stays as it is, and is tried again.
            #expect(try await fleet.services("sick").count == 1)
            #expect(try await fleet.services("good").count == 1)
            let plan = try await fleet.hecate("plan")
            #expect(plan.code == 1 && plan.errorText.contains("did you mean 'ports'?"))
        }
        try await fleet.clean("good", "sick", "missing", "broken", "lost")
    }

    @Test(.timeLimit(.minutes(3))) func theLostStoreIsNoLoss() async throws {
        let fleet = try await Fleet()
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}", "{name: PREFIXb, compose_file: a.yml}"],
            ["a.yml": sleeper(more: "    secrets: [t]", tail: "secrets: {t: {file: t.txt}}\n"), "t.txt": "secret"]
        )
        try await fleet.running { try await fleet.settled("a", "b") }
        let before = try await fleet.tasks("a")
        try await fleet.loseStore()
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"])
        try await fleet.running {
            try await fleet.settled("a")
            #expect(try await fleet.tasks("a") == before)
            // Ownership stands on the cluster: b is known to be this source's, and goes.
            try await fleet.eventually("b is removed") { try await fleet.services("b").isEmpty }
        }
        try await fleet.clean("a", "b")
    }

    @Test(.timeLimit(.minutes(3))) func theGitServerIsGoneForAWhile() async throws {
        let port = freePort()
        let fleet = try await Fleet(url: "git://127.0.0.1:\(port)/fleet")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        @Sendable func serve() async throws -> String {
            let daemon =
                "git daemon --reuseaddr --listen=127.0.0.1 --port=\(port) --base-path=\(fleet.scratch.path) --export-all"
            return try await shell(["sh", "-c", "timeout 120 \(daemon) >/dev/null 2>&1 & echo $!"])
        }
        var daemon = try await serve()
        let first = daemon
        try await fleet.eventually("git serves") {
            try await execute(["git", "ls-remote", "git://127.0.0.1:\(port)/fleet"]).code == 0
        }
        daemon = try await fleet.running {
            try await fleet.settled("a")
            try await shell(["sh", "-c", "pkill -P \(trimmedLine(first)); kill \(trimmedLine(first)) || true"])
            try await fleet.commit(["a.yml": sleeper("A: 2")])
            try await fleet.eventually("its absence is told") { fleet.log.contains("fleet Unavailable") }
            let second = try await serve()
            try await fleet.settled("a")
            #expect(try await fleet.environment("a") == ["one": "A=2"])
            #expect(fleet.log.contains("answers again"))
            return second
        }
        _ = try? await shell(["sh", "-c", "pkill -P \(trimmedLine(daemon)); kill \(trimmedLine(daemon)) || true"])
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(1))) func theControllerEndsWhenItIsAsked() async throws {
        let fleet = try await Fleet()
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml, enabled: false}"])
        let script = "\(fleet.binary) run \(fleet.config) --log text & p=$!; sleep 2; kill -TERM $p; wait $p"
        let result = try await execute(["sh", "-c", script], timeout: .seconds(20))
        #expect(result.code == 0, "\(result.errorText)")
        #expect(try await execute(["ls", fleet.store]).outputText.contains("wake") == false)
    }

    /// A secret is written once and read by nobody: what needs one that is gone cannot be put back.
    @Test(.timeLimit(.minutes(3))) func anOlderRevisionIsReturnedToWhenASecretOfTheNewestIsGone() async throws {
        let fleet = try await Fleet(verify: "1s")
        @Sendable func stack(_ number: Int, bad: Bool = false) -> [String: String] {
            let text = sleeper(
                "A: \(number)",
                more: "    secrets: [token]",
                tail: "secrets: {token: {file: token.txt}}\n"
            )
            return [
                "a.yml": bad ? text.replacing("trap exit TERM; while", with: "sleep 3; exit 3; while") : text,
                "token.txt": "secret \(number)",
            ]
        }
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], stack(1))
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.commit(stack(2))
            try await fleet.settled("a")
            let mounted = "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.SecretName}}{{end}}"
            let second = try await fleet.docker("service", "inspect", "--format", mounted, "\(fleet.name("a"))_one")
            try await fleet.commit(stack(3, bad: true), "Break it")
            try await fleet.eventually("the third is tried") { try await fleet.environment("a") == ["one": "A=3"] }
            _ = try await fleet.docker("secret", "rm", trimmedLine(second))
            try await fleet.eventually("the one before that runs", within: .seconds(90)) {
                try await fleet.environment("a") == ["one": "A=1"]
            }
            try await fleet.eventually("it says so") { fleet.log.contains("an older one is tried") }
            try await fleet.eventually("it is back") { fleet.log.contains("an older kept revision runs") }
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(2))) func aMissingRepositoryIsToldAndEndsNothing() async throws {
        let fleet = try await Fleet(url: "/nonexistent/fleet")
        try await fleet.running {
            try await fleet.eventually("status says so") {
                let status = try await fleet.hecate("status")
                return status.code == 1 && status.outputText.contains("there is no such repository")
            }
            let asked = try await fleet.hecate("reconcile", "--wait")
            #expect(asked.code == 1 && asked.errorText.contains("there is no such repository"))
            // It is asked every 300 ms, and told of once.
            try await Task.sleep(for: .seconds(2))
            #expect(fleet.log.components(of: "there is no such repository") == 1, "\(fleet.log)")
        }
        for words in [["run", fleet.config, "--once"], ["reconcile", "--config", fleet.config]] {
            let result = try await execute([fleet.binary] + words, timeout: .seconds(30))
            #expect(result.code == 1 && result.errorText.contains("there is no such repository"), "\(words)")
        }
        let empty = try await fleet.hecate("reconcile", "")
        #expect(empty.code == 1 && empty.errorText.contains("is no name of an app"))
    }
}

extension String {
    /// How many times a text occurs.
    fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}
