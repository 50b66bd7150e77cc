import JSON
import Subprocess
import TestSupport
import Testing

/// The life of stacks on a real Swarm.
@Suite struct LifecycleTests {
    @Test(.timeLimit(.minutes(4))) func deployUpdateRemoveDisableRenameReplace() async throws {
        let fleet = try await Fleet()
        try await fleet.commit(
            stacks: [
                "{name: PREFIXa, compose_file: a.yml}", "{name: PREFIXb, compose_file: b.yml, depends_on: [PREFIXa]}",
            ],
            ["a.yml": sleeper(services: ["one", "two"]), "b.yml": sleeper()]
        )
        try await fleet.running {
            try await fleet.settled("a", "b")
            #expect(try await fleet.services("a").keys.sorted() == ["one", "two"])

            // A variable changes and a service goes: one commit.
            try await fleet.commit(["a.yml": sleeper("A: 2")], "Update a")
            try await fleet.settled("a", "b")
            // What is dropped goes a pass after the rest is known to be well.
            try await fleet.eventually("the other service is gone", within: .seconds(10)) {
                try await fleet.environment("a") == ["one": "A=2"]
            }

            // b is disabled, a gets another name.
            try await fleet.commit(
                stacks: [
                    "{name: PREFIXc, compose_file: a.yml}", "{name: PREFIXb, compose_file: b.yml, enabled: false}",
                ]
            )
            try await fleet.settled("c")
            try await fleet.eventually("a and b are gone") {
                let a = try await fleet.services("a")
                let b = try await fleet.services("b")
                return a.isEmpty && b.isEmpty
            }

            // d replaces c, which nobody declares any more.
            try await fleet.commit(stacks: ["{name: PREFIXd, compose_file: a.yml, replaces: [PREFIXc]}"])
            try await fleet.settled("d")
            try await fleet.eventually("c is gone, with its network") {
                let services = try await fleet.services("c")
                let networks = try await fleet.docker("network", "ls", "--format", "{{.Name}}")
                return services.isEmpty && !networks.contains("\(fleet.name("c"))_default")
            }
            #expect(try await fleet.hecate("plan").code == 0)
        }
        try await fleet.clean("a", "b", "c", "d")
    }

    @Test(.timeLimit(.minutes(3))) func tagsBecomeDigestsOnceForEachChange() async throws {
        let fleet = try await Fleet()
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": sleeper(image: "localhost:5000/web:1.0.0", services: ["one", "two"])]
        )
        @Sendable func images() async throws -> Set<String> {
            Set(
                try await fleet.services("a").values.compactMap {
                    $0["Spec"]?["TaskTemplate"]?["ContainerSpec"]?["Image"]?.string
                }
            )
        }
        try await fleet.running {
            try await fleet.settled("a")
            let first = try await images()
            #expect(first.count == 1 && first.first?.hasPrefix("localhost:5000/web:1.0.0@sha256:") == true)
            try await fleet.commit(["a.yml": sleeper(image: "localhost:5000/web:1.1.0", services: ["one", "two"])])
            try await fleet.settled("a")
            #expect(try await images().first?.hasPrefix("localhost:5000/web:1.1.0@sha256:") == true)
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(3))) func aPrivateRegistryIsAskedWithItsCredentials() async throws {
        let registries = "registries: [{server: 'localhost:5001', username: bot, password_env: REGISTRY_PASSWORD}]"
        let stranger = try await Fleet()
        let known = try await Fleet(extra: registries)
        for fleet in [stranger, known] {
            try await fleet.commit(
                stacks: ["{name: PREFIXa, compose_file: a.yml}"],
                ["a.yml": sleeper(image: "localhost:5001/web:1.0.0")]
            )
        }
        let refused = try await stranger.hecate("plan")
        #expect(refused.code == 1)
        #expect(refused.errorText.contains("the image 'localhost:5001/web:1.0.0' cannot be resolved"))
        let environment = ["REGISTRY_PASSWORD": "hush"]
        let once = try await execute([known.binary, "run", known.config, "--once"], environment: environment)
        #expect(once.code == 0, "\(once.errorText)")
        #expect(!once.errorText.contains("hush"))
        let image = try await known.services("a")["one"]?["Spec"]?["TaskTemplate"]?["ContainerSpec"]?["Image"]?.string
        #expect(image?.hasPrefix("localhost:5001/web:1.0.0@sha256:") == true)
        try await known.clean("a")
    }

    @Test(.timeLimit(.minutes(3))) func driftComesBack() async throws {
        let fleet = try await Fleet()
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": sleeper(services: ["one", "two", "three"])]
        )
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.docker("service", "scale", "-d", "\(fleet.name("a"))_one=3")
            try await fleet.docker("service", "update", "-d", "--env-add", "B=2", "\(fleet.name("a"))_two")
            try await fleet.docker("service", "rm", "\(fleet.name("a"))_three")
            try await fleet.eventually("the drift is repaired") {
                let services = try await fleet.services("a")
                let replicas = services["one"]?["Spec"]?["Mode"]?["Replicated"]?["Replicas"]?.int
                let variables = try await fleet.environment("a")
                return replicas == 1 && variables["two"] == "A=1" && services["three"] != nil
            }
            try await fleet.settled("a")
            let events = try await fleet.hecate("list", "events").outputText
            #expect(events.contains("DriftDetected") && events.contains("deploy.replicas: 3 replicas -> 1 replica"))
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(3))) func configsRotateAndCanBeRolledBack() async throws {
        let fleet = try await Fleet()
        let compose = sleeper(
            more: "    configs: [page]\n    secrets: [token]",
            tail: "configs: {page: {file: page.txt}}\nsecrets: {token: {file: token.txt}}\n"
        )
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": compose, "page.txt": "one", "token.txt": "s1"]
        )
        @Sendable func used() async throws -> [String] {
            let container = try await fleet.services("a")["one"]?["Spec"]?["TaskTemplate"]?["ContainerSpec"]
            let configs = container?["Configs"]?.array?.compactMap { $0["ConfigName"]?.string } ?? []
            return configs + (container?["Secrets"]?.array?.compactMap { $0["SecretName"]?.string } ?? [])
        }
        try await fleet.running {
            try await fleet.settled("a")
            let first = try await used()
            #expect(first == ["\(fleet.name("a"))_page", "\(fleet.name("a"))_token"])
            try await fleet.commit(["page.txt": "two", "token.txt": "s2"], "Rotate")
            try await fleet.settled("a")
            let second = try await used()
            #expect(second[0].hasPrefix("\(first[0])-") && second[1].hasPrefix("\(first[1])-"))
            // What Swarm itself would roll back to is still there, and so is what the journal keeps.
            try await fleet.docker("config", "inspect", first[0])
            try await fleet.docker("secret", "inspect", first[1])
            // A broken revision on top rolls back to the second one.
            try await fleet.commit(
                [
                    "page.txt": "three",
                    "a.yml": compose.replacing("command: sh -c 'trap", with: "command: sh -c 'exit 1; trap"),
                ],
                "Break"
            )
            try await fleet.eventually("it is rolled back") {
                let rejected = try await fleet.app("a")["rejected"] != nil
                let now = try await used()
                return rejected && now == second
            }
            // Going back by commit finds the first objects again.
            try await fleet.commit(["page.txt": "one", "token.txt": "s1", "a.yml": compose], "Back")
            try await fleet.settled("a")
            #expect(try await used() == first)
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(4))) func configsThatNoKeptRevisionNeedsAreRemoved() async throws {
        let fleet = try await Fleet(verify: "0s")
        @Sendable func compose(_ content: Int) -> String {
            sleeper(more: "    configs: [c]", tail: "configs: {c: {content: 'v\(content)'}}")
        }
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": compose(0)])
        try await fleet.running {
            try await fleet.settled("a")
            for round in 1...7 {
                try await fleet.commit(["a.yml": compose(round)])
                try await fleet.settled("a")
            }
            let label = "label=com.docker.stack.namespace=\(fleet.name("a"))"
            // The five kept revisions, and nothing of the three before them.
            try await fleet.eventually("five configs are left") {
                try await fleet.docker("config", "ls", "-q", "--filter", label).split(separator: "\n").count == 5
            }
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(3))) func aChangedNetworkIsReplacedAndTheServicesMove() async throws {
        let fleet = try await Fleet()
        @Sendable func files(_ attachable: Bool) -> [String: String] {
            ["a.yml": sleeper(services: ["one", "two"], tail: "networks: {default: {attachable: \(attachable)}}\n")]
        }
        @Sendable func networks() async throws -> [String] {
            let filter = "label=com.docker.stack.namespace=\(fleet.name("a"))"
            return try await fleet.docker("network", "ls", "--filter", filter, "--format", "{{.Name}}").split(
                separator: "\n"
            ).map(String.init)
        }
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], files(false))
        try await fleet.running {
            try await fleet.settled("a")
            #expect(try await networks() == ["\(fleet.name("a"))_default"])
            try await fleet.commit(files(true))
            try await fleet.settled("a")
            try await fleet.eventually("only the new network is left") {
                let left = try await networks()
                return left.count == 1 && left[0].hasPrefix("\(fleet.name("a"))_default-")
            }
            #expect(try await fleet.hecate("plan").code == 0)
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(3))) func holdsKeepAnAppAsItIs() async throws {
        let fleet = try await Fleet()
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        try await fleet.running {
            try await fleet.settled("a")
            #expect(try await fleet.hecate("suspend", fleet.name("a")).code == 64)
            #expect(try await fleet.hecate("suspend", fleet.name("a"), "--reason", "migration").code == 0)
            try await fleet.commit(["a.yml": sleeper("A: 2")])
            try await Task.sleep(for: .seconds(2))
            #expect(try await fleet.environment("a") == ["one": "A=1"])
            #expect(try await fleet.hecate("list", "apps").outputText.contains("suspended"))
            #expect(try await fleet.hecate("resume", fleet.name("a")).code == 0)
            try await fleet.settled("a")
            #expect(try await fleet.environment("a") == ["one": "A=2"])
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(3))) func aCommitThatRemovesTooMuchWaitsForApproval() async throws {
        let fleet = try await Fleet()
        let names = ["a", "b", "c", "d"]
        let zero = sleeper(more: "    deploy: {replicas: 0}")
        try await fleet.commit(stacks: names.map { "{name: PREFIX\($0), compose_file: a.yml}" }, ["a.yml": zero])
        try await fleet.running {
            try await fleet.settled("a", "b", "c", "d")
            try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"])
            try await fleet.eventually("it waits") { fleet.log.contains("removes 3 of 4 apps") }
            try await Task.sleep(for: .seconds(1))
            #expect(try await fleet.services("d").count == 1)
            #expect(try await fleet.hecate("approve", "fleet").code == 0)
            try await fleet.eventually("they are gone") {
                for name in ["b", "c", "d"] where try await !fleet.services(name).isEmpty { return false }
                return true
            }
            // A file that cannot be read removes nothing.
            try await fleet.commit(["stacks.yml": "stacks: ["])
            try await fleet.eventually("it is refused") {
                fleet.log.contains("stacks.yml:1:10: not valid YAML")
                    || fleet.log.contains("stacks.yml:2:1: not valid YAML")
            }
            #expect(try await fleet.services("a").count == 1)
            // It stays an error through the polls that follow, and a good commit ends it.
            try await Task.sleep(for: .seconds(1))
            #expect(try await fleet.hecate("status").outputText.contains("source fleet: stacks.yml:"))
            try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"])
            try await fleet.settled("a")
            try await fleet.eventually("all is well") { try await fleet.hecate("status").code == 0 }
        }
        try await fleet.clean("a", "b", "c", "d")
    }
}
