import Crypto
import Delivery
import JSON
import Testing

@testable import Swarm

func base64Text(_ bytes: [UInt8]) -> String { base64(bytes) }

@Suite struct PlannerTests {
    private let text = """
        services:
          web:
            image: web:1.0.0
            environment: {A: 1, PASSWORD: hush}
            configs: [page]
            secrets: [token]
            ports: ["8080:80"]
            depends_on: [db]
            deploy: {replicas: 2}
          db:
            image: db:1
            volumes: ["data:/data"]
        configs: {page: {file: page.txt}}
        secrets: {token: {file: token.txt}}
        volumes: {data: }
        """
    private let files = ["page.txt": "hello", "token.txt": "secret"]

    /// The law: a plan applied leaves nothing to plan.
    @Test func planThenApplyThenPlanIsEmpty() async throws {
        let desired = try await stack(text, files: files)
        let first = planned(desired)
        #expect(first.plan.changes.count == 5)
        let again = planned(desired, observation(of: desired, first), hashes: ["s_token": sha256("secret")])
        #expect(again.plan.isEmpty, "\(again.plan)")
    }

    /// The same law for stacks drawn at random: whatever is declared, what a plan makes is what the next one expects;
    /// and going from one stack to another and back again ends where it began.
    @Test func planThenApplyThenPlanIsEmptyForRandomStacks() async throws {
        var generator = SystemRandomNumberGenerator()
        func some<Value>(_ values: [Value]) -> Value {
            values.randomElement(using: &generator) ?? values[0]
        }
        func randomStack() -> String {
            var text = "services:\n"
            let count = Int.random(in: 1...4, using: &generator)
            for number in 0..<count {
                text += "  s\(number):\n    image: \(some(["web:1", "web", "reg.io/a/b:2", "x@sha256:ab"]))\n"
                text += some(["", "    environment: {B: 2, A: 1, C: }\n", "    environment: [A=1, B=x=y, 'D=']\n"])
                text += some([
                    "", "    command: run --fast 'a b'\n", "    entrypoint: [a, b]\n", "    init: false\n",
                    "    init: true\n",
                ])
                text += some([
                    "", "    ports: ['80', '8080-8082:80-82/udp']\n",
                    "    ports: [{target: 1, published: 2, mode: host}]\n",
                ])
                text += some([
                    "", "    volumes: ['v:/v', '/a', '/b:/c:ro']\n",
                    "    volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1k}}]\n",
                ])
                text += some(["", "    networks: [n]\n", "    networks: {n: {aliases: [z, a]}, default: }\n"])
                text += some([
                    "", "    configs: [c]\n",
                    "    configs: [{source: c, target: /x, mode: 0400}, {source: c, target: /y}]\n",
                ])
                text += some(["", "    healthcheck: {test: a, interval: 1s}\n", "    healthcheck: {disable: true}\n"])
                text += some([
                    "", "    cap_add: [all]\n", "    ulimits: {nofile: 5, nproc: {soft: 1, hard: 2}}\n",
                    "    extra_hosts: {b: 1.1.1.1, a: 2.2.2.2}\n",
                ])
                text += some([
                    "", "    deploy: {replicas: 0}\n", "    deploy: {mode: global}\n",
                    "    deploy: {mode: replicated-job}\n",
                    "    deploy: {update_config: {parallelism: 0, order: start-first}, restart_policy: {condition: any, delay: 0s}}\n",
                    "    deploy: {resources: {limits: {cpus: 0.5}}, placement: {constraints: [a == b]}, labels: [x=y]}\n",
                ])
                if number > 0 { text += some(["", "    depends_on: [s\(number - 1)]\n"]) }
            }
            return text
                + "networks: {n: {driver_opts: {a: 1}}, default: {attachable: true}}\nvolumes: {v: {driver: d}}\nconfigs: {c: {content: hello}}\n"
        }
        for _ in 0..<150 {
            let text = randomStack()
            let desired = try await stack(text)
            let made = observation(of: desired, planned(desired))
            let again = planned(desired, made)
            #expect(again.plan.isEmpty, "\(again.plan) for\n\(text)")
            let other = try await stack(randomStack())
            let there = planned(other, made)
            for change in there.plan.changes where change.action == .update {
                #expect(!change.fields.isEmpty)
            }
        }
    }

    @Test func servicesAreMadeInDependencyOrder() async throws {
        let plan = planned(try await stack(text, files: files))
        let services = plan.plan.changes.filter { $0.kind == "service" }.map(\.name)
        #expect(services == ["s_db", "s_web"])
        #expect(plan.plan.changes.first?.kind == "network")
    }

    @Test func changesNameTheirFieldsInTheWordsOfTheFile() async throws {
        let before = try await stack(text, files: files)
        let observed = observation(of: before, planned(before))
        var other = text.replacing("A: 1", with: "A: 2").replacing("replicas: 2", with: "replicas: 5")
        other = other.replacing("web:1.0.0", with: "web:2.0.0").replacing("hush", with: "louder")
        let plan = planned(try await stack(other, files: files), observed, hashes: ["s_token": sha256("secret")]).plan
        #expect(plan.changes.count == 1)
        let fields = plan.changes[0].fields
        #expect(fields.contains(FieldChange("environment.A", from: "1", to: "2")))
        #expect(fields.contains(FieldChange("deploy.replicas", from: "2 replicas", to: "5 replicas")))
        #expect(fields.contains(FieldChange("image", from: "web:1.0.0", to: "web:2.0.0")))
        #expect(fields.contains(FieldChange("environment.PASSWORD", from: "[hidden]", to: "[hidden]")))
    }

    @Test func aChangedConfigBecomesANewObjectAndTheServiceMoves() async throws {
        let before = try await stack(text, files: files)
        let observed = observation(of: before, planned(before))
        let after = try await stack(text, files: ["page.txt": "changed", "token.txt": "secret"])
        let plan = planned(after, observed, hashes: ["s_token": sha256("secret")])
        let name = "s_page-" + sha256("changed").prefix(12)
        #expect(plan.fileNames["config s_page"] == name)
        #expect(plan.plan.changes.map(\.kind) == ["config", "service"])
        // Going back uses the object that is still there, under its old name.
        let back = planned(before, observed, hashes: ["s_token": sha256("secret")])
        #expect(back.fileNames["config s_page"] == "s_page")
    }

    @Test func aDigestStaysWhileTheTagDoes() async throws {
        let desired = try await stack("services: {a: {image: 'web:1', environment: [A=1]}}")
        var observed = observation(of: desired, planned(desired))
        setImage("web:1@sha256:abc", &observed.services[0].spec)
        #expect(planned(desired, observed).plan.isEmpty)
        let other = planned(try await stack("services: {a: {image: 'web:1', environment: [A=2]}}"), observed)
        #expect(other.unresolved.isEmpty)
        #expect(other.plan.changes[0].fields.map(\.path) == ["environment.A"])
        let newer = planned(try await stack("services: {a: {image: 'web:2', environment: [A=1]}}"), observed)
        #expect(newer.unresolved == ["s_a": "web:2"])
    }

    @Test func droppedServicesAndTheirNetworksGoLast() async throws {
        let before = try await stack("services: {a: {image: x}, b: {image: x, networks: [n]}}\nnetworks: {n: }")
        let observed = observation(of: before, planned(before))
        let plan = planned(try await stack("services: {a: {image: x}}"), observed)
        #expect(plan.forward.isEmpty)
        #expect(plan.plan.changes.map { "\($0.action.rawValue) \($0.name)" } == ["remove s_b", "remove s_n"])
    }

    @Test func aChangedNetworkIsReplacedBesideTheOld() async throws {
        let before = try await stack("services: {a: {image: x}}\nnetworks: {default: {attachable: false}}")
        let observed = observation(of: before, planned(before))
        let plan = planned(
            try await stack("services: {a: {image: x}}\nnetworks: {default: {attachable: true}}"),
            observed
        )
        let name = plan.networkNames["s_default"] ?? ""
        #expect(name.hasPrefix("s_default-"))
        #expect(plan.plan.forward.map(\.action) == [.replace, .update])
        #expect(plan.plan.removals.map(\.name) == ["s_default"])
    }

    @Test func aChangedNetworkThatKeepsItsSubnetIsRefused() async throws {
        func text(_ attachable: Bool) -> String {
            "services: {a: {image: x}}\nnetworks: {default: {attachable: \(attachable), ipam: {config: [{subnet: 10.9.0.0/24}]}}}"
        }
        let before = try await stack(text(false))
        let observed = observation(of: before, planned(before))
        #expect(planned(before, observed).refusal == nil)
        let refusal = planned(try await stack(text(true)), observed).refusal ?? ""
        #expect(refusal.contains("keeps its subnet 10.9.0.0/24"))
    }

    @Test func aModeThatCannotChangeIsMadeAnew() async throws {
        let before = try await stack("services: {a: {image: x}}")
        let observed = observation(of: before, planned(before))
        let plan = planned(try await stack("services: {a: {image: x, deploy: {mode: global}}}"), observed)
        #expect(plan.plan.changes.map(\.action) == [.replace])
        #expect(plan.forward.count == 2)
    }

    @Test func ignoredFieldsBelongToSomebodyElse() async throws {
        let desired = try await stack("services: {a: {image: x, deploy: {replicas: 2}}}")
        var observed = observation(of: desired, planned(desired))
        observed.services[0].spec["Mode"] = ["Replicated": ["Replicas": 7]]
        var context = PlanContext(apiVersion: APIVersion(1, 41))
        #expect(!StackPlanner(desired: desired, observed: observed, context: context).plan().plan.isEmpty)
        context.ignored = [("a", "replicas")]
        #expect(StackPlanner(desired: desired, observed: observed, context: context).plan().plan.isEmpty)
    }

    @Test func aKeptRevisionReadsBackAsItWas() async throws {
        let desired = try await stack(text, files: files)
        let plan = planned(desired)
        let payload = desired.payload(fileNames: plan.fileNames, images: ["s_web": "web:1.0.0@sha256:abc"])
        let restored = try #require(DesiredStack(name: "s", payload: payload))
        #expect(restored.fingerprint == desired.fingerprint)
        #expect(restored.services.count == 2)
        #expect(!String(decoding: payload, as: UTF8.self).contains(base64(Array("secret".utf8))))
        #expect(DesiredStack.fileNames(in: payload).map(\.name) == ["s_page", "s_token"])
    }
}

@Suite struct ComparisonTests {
    private func same(_ left: JSON, _ right: JSON) -> Bool {
        SpecComparison.differences(desired: left, observed: right, networkNames: ["n1": "net"]).isEmpty
    }

    @Test func whatTheEngineFillsInIsNoDifference() {
        let desired: JSON = [
            "Name": "a", "Mode": ["Replicated": [:]],
            "TaskTemplate": [
                "ContainerSpec": ["Image": "x:1", "Env": ["A=1", "B=2"]],
                "Networks": [["Target": "net", "Aliases": ["a", "b"]]],
            ],
            "EndpointSpec": [:], "UpdateConfig": ["Parallelism": 1],
        ]
        let observed: JSON = [
            "Name": "a", "Mode": ["Replicated": ["Replicas": 1]],
            "TaskTemplate": [
                "ContainerSpec": [
                    "Image": "x:1", "Env": ["B=2", "A=1"], "Isolation": "default",
                    "Privileges": ["CredentialSpec": nil], "DNSConfig": [:],
                ],
                "Networks": [["Target": "n1", "Aliases": ["b", "a"]]], "ForceUpdate": 3, "Runtime": "container",
                "RestartPolicy": ["Condition": "any", "MaxAttempts": 0], "Placement": ["Platforms": [["OS": "linux"]]],
                "Resources": [:],
            ],
            "EndpointSpec": ["Mode": "vip"],
            "UpdateConfig": ["Parallelism": 1, "FailureAction": "pause", "Order": "stop-first", "MaxFailureRatio": 0],
        ]
        #expect(same(desired, observed))
    }

    @Test(arguments: ["x:1", "x:2"])
    func imagesAreCompared(image: String) {
        let desired: JSON = ["TaskTemplate": ["ContainerSpec": ["Image": "x:1"]]]
        let observed: JSON = ["TaskTemplate": ["ContainerSpec": ["Image": .string(image)]]]
        #expect(same(desired, observed) == (image == "x:1"))
    }

    @Test func referencesAreRead() {
        #expect(ImageReference("nginx").tagged == "nginx:latest")
        #expect(ImageReference("docker.io/library/nginx:1").tagged == "nginx:1")
        #expect(ImageReference("localhost:5000/web").tagged == "localhost:5000/web:latest")
        #expect(ImageReference("a@sha256:1").tagged == "a@sha256:1")
        #expect(ImageReference("localhost:5000/web").server == "localhost:5000")
        #expect(ImageReference("library/nginx").server == "docker.io")
        #expect(ImageReference("ghcr.io/a/b:1").server == "ghcr.io")
    }

    @Test func timesOfTheEngineAreRead() {
        #expect(parseTime("1970-01-02T00:00:01.5Z") == 86_401.5)
        #expect(parseTime("2026-11-20T22:52:54.501242247Z") > parseTime("2026-11-20T22:52:54.5Z"))
        #expect(parseTime("") == 0)
    }
}
