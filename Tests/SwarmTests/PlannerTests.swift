import Crypto
import Delivery
import JSON
import Testing

@testable import Swarm

func base64Text(_ bytes: [UInt8]) -> String { base64(bytes) }

@Suite struct PlannerTests {
    let text = """
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
    let files = ["page.txt": "hello", "token.txt": "secret"]

    /// The law: a plan applied leaves nothing to plan.
    @Test func planThenApplyThenPlanIsEmpty() async throws {
        let desired = try await stack(text, files: files)
        let first = planned(desired)
        #expect(first.plan.changes.count == 5)
        let again = planned(desired, observation(of: desired, first), hashes: ["s_token": sha256("secret")])
        #expect(again.plan.isEmpty, "\(again.plan)")
    }

    /// A program that ends with -1 ends with 255, as one does whose Engine was killed.
    ///
    /// Swarm's pause is what keeps the tasks of before.
    @Test func anUpdateThatEndsWith255ByItselfIsNotResumed() async throws {
        let desired = try await stack("services: {web: {image: 'x:2', deploy: {replicas: 2}}}")
        var observed = observation(of: desired, planned(desired))
        let service = try #require(observed.services.first)
        func task(_ id: String, _ state: String, image: String, _ exitCode: Int64, slot: Int64) throws -> ObservedTask {
            try #require(
                ObservedTask([
                    "ID": .string(id), "ServiceID": .string(service.id), "Version": ["Index": 20], "Slot": .int(slot),
                    "DesiredState": state == "failed" ? "shutdown" : "running",
                    "Status": [
                        "State": .string(state), "Err": "task: non-zero exit (255)",
                        "ContainerStatus": ["ExitCode": .int(exitCode)],
                    ],
                    "Spec": ["ContainerSpec": ["Image": .string(image)]],
                ])
            )
        }
        observed.services[0].updateStatus = ["State": "paused"]
        let container = try #require(service.spec["TaskTemplate"]?["ContainerSpec"])
        observed.tasks = [
            try task("old", "running", image: "x:1", 0, slot: 1), try task("bad", "failed", image: "x:2", 255, slot: 2),
        ]
        observed.tasks[1].spec["ContainerSpec"] = container
        #expect(planned(desired, observed).plan.isEmpty)
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

    // MARK: Names

    @Test func aNetworkWhoseNameBeginsAlikeIsAnother() async throws {
        let before = try await stack(
            "services: {a: {image: x, networks: [app-db, app-0123abcd]}}\nnetworks: {app-db: , app-0123abcd: }"
        )
        let observed = observation(of: before, planned(before))
        let after = try await stack(
            "services: {a: {image: x, networks: [app, app-db, app-0123abcd]}}\nnetworks: {app: , app-db: , app-0123abcd: }"
        )
        let plan = planned(after, observed)
        #expect(plan.networkNames["s_app"] == "s_app")
        #expect(
            plan.plan.changes.map { "\($0.action) \($0.kind) \($0.name)" } == [
                "create network s_app", "update service s_a",
            ]
        )
        #expect(plan.removals.isEmpty)
    }

    @Test func aReplacedNetworkIsRecognisedByItsSuffix() async throws {
        func text(_ attachable: Bool) -> String {
            "services: {a: {image: x}}\nnetworks: {default: {attachable: \(attachable)}}"
        }
        let before = try await stack(text(false))
        var observed = observation(of: before, planned(before))
        let other = try await stack(text(true))
        let there = planned(other, observed)
        // Both networks are there, and the services have moved.
        observed = observation(of: other, there, onto: observed)
        #expect(planned(other, observed).plan.forward.isEmpty)
        #expect(planned(other, observed).plan.removals.map(\.name) == ["s_default"])
    }

    @Test func aConfigWhoseNameBeginsAlikeIsAnother() async throws {
        let digits = "0123456789ab"
        let text = """
            services: {a: {image: x, configs: [page, page-x, page-\(digits)]}}
            configs: {page: {content: same}, page-x: {content: same}, page-\(digits): {content: same}}
            """
        let desired = try await stack(text)
        var observed = observation(of: desired, planned(desired))
        #expect(planned(desired, observed).plan.isEmpty)
        observed.configs.removeAll { $0.name == "s_page" }
        let plan = planned(desired, observed)
        #expect(plan.fileNames["config s_page"] == "s_page")
        #expect(plan.plan.changes.map(\.name) == ["s_page"])
    }

    @Test func longNamesOfConfigsCanChange() async throws {
        func text(_ content: String) -> String {
            let long = String(repeating: "n", count: 58)
            return """
                services: {a: {image: x, configs: [\(long)1, \(long)2]}}
                configs: {\(long)1: {content: \(content)}, \(long)2: {content: \(content)}}
                """
        }
        let before = try await stack(text("one"))
        var observed = observation(of: before, planned(before))
        let after = try await stack(text("two"))
        let plan = planned(after, observed)
        #expect(plan.refusal == nil)
        let names = Set(plan.fileNames.values)
        #expect(names.count == 2)
        for name in names { #expect(name.utf8.count == 64 && name.hasSuffix("-" + sha256("two").prefix(12))) }
        observed = observation(of: after, plan, onto: observed)
        #expect(planned(after, observed).plan.isEmpty)
        #expect(planned(after, observed).fileNames == plan.fileNames)
    }

    @Test func longNamesOfNetworksCanChange() async throws {
        func text(_ attachable: Bool) -> String {
            let long = String(repeating: "n", count: 60)
            return "services: {a: {image: x, networks: [\(long)]}}\nnetworks: {\(long): {attachable: \(attachable)}}"
        }
        let before = try await stack(text(false))
        var observed = observation(of: before, planned(before))
        let after = try await stack(text(true))
        let plan = planned(after, observed)
        for name in plan.networkNames.values { #expect(name.utf8.count == 63) }
        observed = observation(of: after, plan, onto: observed)
        #expect(planned(after, observed).plan.forward.isEmpty)
    }

    @Test func aNameThatIsTooLongForDockerIsSaidSo() async throws {
        let long = String(repeating: "n", count: 63)
        let desired = try await stack("services: {a: {image: x, configs: [\(long)]}}\nconfigs: {\(long): {content: c}}")
        #expect(
            planned(desired).refusal
                == "the name of the config 's_\(long)' has 65 characters, and Docker takes 64; give it a shorter 'name'"
        )
    }

    @Test func aServiceWhoseNameIsTooLongForDockerIsNamedWithItsPlace() async throws {
        let long = String(repeating: "n", count: 62)
        let refusal = planned(try await stack("services: {\(long): {image: x}}")).refusal ?? ""
        #expect(refusal.hasPrefix("compose.yml:1:12: the name of the service 's_nnn"))
        #expect(refusal.hasSuffix("has 64 characters, and Docker takes 63; shorten the service's name or the stack's"))
    }

    @Test func namesAreShortenedTheSameWayEveryTime() {
        #expect(ObjectName.shortened("hecate.web", to: 64) == "hecate.web")
        let long = "hecate." + String(repeating: "a", count: 62)
        let first = ObjectName.shortened(long + "1", to: 64)
        #expect(first.utf8.count == 64)
        #expect(first == ObjectName.shortened(long + "1", to: 64))
        #expect(first != ObjectName.shortened(long + "2", to: 64))
        #expect(first.hasPrefix("hecate.aaa"))
    }

    // MARK: Removal

    @Test func aStackThatDeclaresNothingAnyMoreIsNotRemoved() async throws {
        let before = try await stack(text, files: files)
        let observed = observation(of: before, planned(before))
        let empty = planned(DesiredStack(name: "s"), observed)
        #expect(
            empty.refusal
                == "the stack 's' declares no service any more, and 2 run; to remove the stack, disable it or take it out of the stacks file"
        )
        #expect(!empty.plan.changes.contains { $0.kind == "config" || $0.kind == "secret" })
        let removal = planned(DesiredStack(name: "s", isRemoval: true), observed)
        #expect(removal.refusal == nil)
        #expect(removal.plan.changes.map(\.kind) == ["service", "service", "network", "config", "secret"])
        #expect(planned(DesiredStack(name: "s")).refusal == nil)
    }

    @Test func aPlanSaysHowMuchOfTheStackItTakesAway() async throws {
        let before = try await stack("services: {a: {image: x}, b: {image: x}, c: {image: x}}")
        let observed = observation(of: before, planned(before))
        let plan = planned(try await stack("services: {a: {image: x}}"), observed)
        #expect(plan.currentServices == 3)
        #expect(plan.removedServices == 2)
        #expect(plan.plan.removedServices == ["s_b", "s_c"])
    }

    @Test func servicesThatAreNotYetAsDesiredArePending() async throws {
        let before = try await stack("services: {a: {image: x}, b: {image: x}, c: {image: x}}")
        let observed = observation(of: before, planned(before))
        let plan = planned(try await stack("services: {a: {image: y}, b: {image: x}, d: {image: x}}"), observed)
        #expect(plan.pendingServices == ["s_a", "s_d"])
    }

    /// The Engine takes the value of a label filter for the beginning of one in some versions.
    @Test func whatBelongsToAnotherStackIsDropped() async throws {
        let ours = try await stack(text, files: files)
        let theirs = try await stack(text, name: "s2", files: files)
        var observed = observation(of: ours, planned(ours))
        let others = observation(of: theirs, planned(theirs))
        let own = observed
        observed.services += others.services
        observed.networks += others.networks
        observed.configs += others.configs
        observed.secrets += others.secrets
        let kept = observed.keeping(only: "s")
        #expect(kept.services.map(\.name) == own.services.map(\.name))
        #expect(kept.networks.map(\.name) == ["s_default"])
        #expect(kept.configs.map(\.name) == ["s_page"])
        #expect(kept.secrets.map(\.name) == ["s_token"])
        #expect(observed.keeping(only: "S").isEmpty)
    }
}
