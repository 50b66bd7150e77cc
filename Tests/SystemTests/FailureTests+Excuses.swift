import JSON
import Subprocess
import TestSupport
import Testing

/// What excuses too much, or too little.
extension FailureTests {
    /// A service that never comes to rest is a good reason to take it out.
    @Test(.timeLimit(.minutes(4))) func aServiceThatKeepsEndingCanBeTakenOut() async throws {
        let fleet = try await Fleet(verify: "10s", timeout: "60s")
        let atOnce = "    networks: [outside]\n    deploy: {restart_policy: {delay: 0s}}"
        let ending = """
              ending:
                image: web:1.0.0
                command: sh -c 'sleep 4; exit 1'
                networks: [outside]
                deploy: {restart_policy: {delay: 1s}}

            """
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": sleeper(more: atOnce, tail: ending + outsideNetwork)]
        )
        try await fleet.running {
            try await fleet.eventually("both are there") { try await fleet.services("a").count == 2 }
            try await Task.sleep(for: .seconds(6))
            try await fleet.commit(["a.yml": sleeper("A: 2", more: atOnce, tail: outsideNetwork)], "Take it out")
            try await fleet.settled("a", within: .seconds(90))
            // What was told of as to go goes once the rest is good.
            try await fleet.eventually("it is taken out", within: .seconds(20)) {
                try await fleet.services("a").count == 1
            }
        }
        try await fleet.clean("a")
    }

    /// Swarm pauses the update at the first replica; what a controller does not know excuses none of the others.
    @Test(.timeLimit(.minutes(4))) func aControllerThatStartsAgainDoesNotRollABadRevisionOn() async throws {
        let fleet = try await Fleet(verify: "10s", timeout: "120s")
        let four =
            "    networks: [outside]\n    deploy: {replicas: 4, restart_policy: {delay: 0s}, update_config: {monitor: 5s}}"
        let good = sleeper(more: four, tail: outsideNetwork)
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": good])
        @Sendable func state() async throws -> String {
            try await fleet.services("a")["one"]?["UpdateStatus"]?["State"]?.string ?? ""
        }
        try await fleet.running {
            try await fleet.settled("a")
            let bad = sleeper("A: 2", more: four, tail: outsideNetwork)
                .replacing("trap exit TERM; while", with: "sleep 3; exit 1; while")
            try await fleet.commit(["a.yml": bad], "Ends by itself")
            try await fleet.eventually("it is begun") { try await state() == "updating" }
        }
        try await fleet.eventually("Swarm paused it") { try await state() == "paused" }
        try await fleet.running {
            // The first is seen running for a moment, so that Swarm may have begun with the second.
            var least = 4
            try await Task.sleep(for: .seconds(1))
            let old = try await fleet.olds("a")
            #expect(old >= 2)
            try await fleet.eventually("it is rejected", within: .seconds(100)) {
                least = min(least, try await fleet.olds("a"))
                return try await fleet.app("a")["rejected"] != nil
            }
            #expect(least == old, "\(fleet.log)")
        }
        try await fleet.clean("a")
    }

    /// 255 is how a container ends with its Engine, and how PHP ends when it gives up.
    @Test(.timeLimit(.minutes(4))) func anUnchangedServiceThatEndsWithTheNewRevisionCounts() async throws {
        let fleet = try await Fleet(verify: "10s", timeout: "150s")
        let port = freePort()
        @Sendable func compose(_ path: String) -> String {
            """
            services:
              web:
                image: web:1.0.0
                command: sh -c 'mkdir /tmp/w; echo hi >/tmp/w/\(path); exec httpd -f -p \(port) -h /tmp/w'
                stop_grace_period: 1s
                networks: [outside]
              worker:
                image: web:1.0.0
                command: sh -c 'sleep 1; trap exit TERM; while wget -q -O- http://127.0.0.1:\(port)/jobs; do sleep 1; done; exit 255'
                stop_grace_period: 1s
                networks: [outside]
                deploy: {restart_policy: {delay: 2s}}
            networks: {outside: {external: true, name: host}}

            """
        }
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": compose("jobs")]
        )
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.commit(["a.yml": compose("tasks")], "No jobs any more")
            try await fleet.eventually("it is rejected", within: .seconds(60)) {
                try await fleet.app("a")["rejected"] != nil
            }
        }
        try await fleet.clean("a")
    }

    /// Swarm writes the service once more as it rolls it back, and what is rolled back is then of an earlier specification.
    @Test(.timeLimit(.minutes(4))) func whatEndsWith255AndIsRolledBackBySwarmIsNotTriedAgain() async throws {
        let fleet = try await Fleet(verify: "10s", timeout: "120s")
        let more =
            "    networks: [outside]\n    deploy: {update_config: {failure_action: rollback, monitor: 5s}}"
        let good = sleeper(more: more, tail: outsideNetwork)
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": good])
        try await fleet.running {
            try await fleet.settled("a")
            let bad = sleeper("A: 2", more: more, tail: outsideNetwork)
                .replacing("trap exit TERM; while", with: "sleep 2; exit 255; while")
            try await fleet.commit(["a.yml": bad], "Gives up")
            try await fleet.eventually("it is rejected", within: .seconds(45)) {
                try await fleet.app("a")["rejected"] != nil
            }
        }
        try await fleet.clean("a")
    }

    /// Nobody declared that one needs the other, and Swarm pauses the first while the second cannot be made yet.
    @Test(.timeLimit(.minutes(4))) func whatWasPausedBeforeAllWasThereGoesOn() async throws {
        let fleet = try await Fleet(verify: "3s", timeout: "60s")
        let two = "    networks: [outside]\n    deploy: {replicas: 2, restart_policy: {delay: 1s}}"
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": sleeper(services: ["app"], more: two, tail: outsideNetwork)]
        )
        try await fleet.running {
            try await fleet.settled("a")
            let needing = sleeper("A: 2", services: ["app"], more: two + "\n    volumes: ['shared:/s']")
                .replacing("sh -c 'trap", with: "sh -c 'test -e /s/ready || exit 1; trap")
            let store = """
                  store:
                    image: web:1.0.0
                    command: sh -c 'touch /s/ready; trap exit TERM; while true; do sleep 0.2; done'
                    stop_grace_period: 1s
                    networks: [outside]
                    volumes: ['shared:/s']
                volumes: {shared: {}}

                """
            // Somebody's service has the name that the second is to have.
            let taken = "\(fleet.name("a"))_store"
            try await fleet.docker("service", "create", "-d", "--replicas", "0", "--name", taken, "web:1.0.0")
            try await fleet.commit(["a.yml": needing + store + outsideNetwork], "It needs a store that comes later")
            try await fleet.eventually("Swarm paused it") {
                try await fleet.services("a")["app"]?["UpdateStatus"]?["State"]?.string == "paused"
            }
            try await Task.sleep(for: .seconds(2))
            try await fleet.docker("service", "rm", taken)
            #expect(try await fleet.decided("a")["rejected"] == nil, "\(fleet.log)")
        }
        try await fleet.clean("a")
    }

    /// Swarm still watches the update that brings the good one back, and calls the bad one what was there before.
    @Test(.timeLimit(.minutes(4))) func aLostStoreAmidARollbackDoesNotTakeTheBadForTheGood() async throws {
        let fleet = try await Fleet(verify: "3s", timeout: "60s")
        let watched = "    networks: [outside]\n    deploy: {update_config: {monitor: 20s}}"
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": sleeper(more: watched, tail: outsideNetwork)]
        )
        try await fleet.running {
            try await fleet.settled("a")
            let bad = sleeper("A: 2", more: watched, tail: outsideNetwork)
                .replacing("trap exit TERM; while", with: "sleep 1; exit 3; while")
            try await fleet.commit(["a.yml": bad], "Ends by itself")
            try await fleet.eventually("it is brought back") {
                let isRejected = try await fleet.app("a")["rejected"] != nil
                return try await fleet.environment("a") == ["one": "A=1"] && isRejected
            }
        }
        #expect(try await fleet.services("a")["one"]?["UpdateStatus"]?["State"]?.string == "updating")
        try await fleet.loseStore()
        try await fleet.running {
            try await fleet.eventually("it is tried again") { try await fleet.environment("a") == ["one": "A=2"] }
            try await fleet.eventually("it is brought back") {
                let isRejected = try await fleet.app("a")["rejected"] != nil
                return try await fleet.environment("a") == ["one": "A=1"] && isRejected
            }
        }
        try await fleet.clean("a")
    }

    /// What the configuration calls a Swarm says nothing about what runs there.
    @Test(.timeLimit(.minutes(3))) func aSwarmThatIsGivenAnotherNameLosesNothing() async throws {
        let fleet = try await Fleet(verify: "2s")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        try await fleet.running { try await fleet.settled("a") }
        let tasks = try await fleet.tasks("a")
        let text = fileText(fleet.config) ?? ""
        try fleet.scratch.write(text.replacing("name: default", with: "name: other"), to: "config.yml")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml, target: other}"])
        try await fleet.running {
            try await Task.sleep(for: .seconds(20))
            let apps = try await fleet.hecate("list", "apps").output
            let status = try await fleet.hecate("status")
            #expect(status.code == 0, "\(apps) \(status.output) \(fleet.log)")
            #expect(try await fleet.tasks("a") == tasks)
            #expect(fleet.log.contains("there is no target 'default' in the configuration"))
        }
        try await fleet.clean("a")
    }
}

extension Fleet {
    /// How many tasks run that were told `A=1`.
    fileprivate func olds(_ stack: String) async throws -> Int {
        guard let service = try await services(stack)["one"]?["ID"]?.string else { return 0 }
        return try await api("/tasks").array?.count { task in
            let variables = task["Spec"]?["ContainerSpec"]?["Env"]?.array?.compactMap(\.string) ?? []
            return task["ServiceID"]?.string == service && task["DesiredState"]?.string == "running"
                && task["Status"]?["State"]?.string == "running" && variables.contains("A=1")
        } ?? 0
    }
}
