import Compose
import Testing

@Suite struct MergeTests {
    private func merged(_ base: String, _ override: String) async throws -> Service {
        try await project(
            ["compose.yml": "services: {a: {image: x, \(base)}}", "over.yml": "services: {a: {\(override)}}"],
            main: ["compose.yml", "over.yml"]
        ).services[0]
    }

    @Test func singleValuesAreReplacedAndMappingsMerged() async throws {
        let service = try await merged("environment: {A: 1, B: 2}, user: one", "environment: [B=3, C=4], user: two")
        #expect(service.environment == ["A": "1", "B": "3", "C": "4"])
        #expect(service.user == "two")
    }

    @Test func commandsAreReplaced() async throws {
        let service = try await merged("command: [a, b], entrypoint: [e]", "command: [c]")
        #expect(service.command == ["c"])
        #expect(service.entrypoint == ["e"])
    }

    @Test func mountsOfOneTargetReplaceEachOther() async throws {
        let service = try await merged("volumes: ['/a:/x', '/b:/y']", "volumes: ['/c:/x']")
        #expect(service.mounts.map(\.source) == ["/c", "/b"])
    }

    @Test func portsAddUpAndDoNotRepeat() async throws {
        let service = try await merged("ports: ['80:80', '81:81']", "ports: ['81:81', '82:82']")
        #expect(service.ports.map(\.published) == [80, 81, 82])
    }

    @Test func hostsAddUpAndDoNotRepeat() async throws {
        func hosts(_ base: String, _ override: String) async throws -> [String] {
            let service = try await merged("extra_hosts: \(base)", "extra_hosts: \(override)")
            return service.extraHosts.map { "\($0.name) \($0.address)" }
        }
        #expect(try await hosts("['a:1.1.1.1']", "{a: 1.1.1.1, b: 2.2.2.2}") == ["a 1.1.1.1", "b 2.2.2.2"])
        #expect(
            try await hosts("{a: [1.1.1.1, 2.2.2.2]}", "{a: [2.2.2.2, 3.3.3.3]}")
                == ["a 1.1.1.1", "a 2.2.2.2", "a 3.3.3.3"]
        )
        #expect(
            try await hosts("{a: [1.1.1.1, '::1']}", "['a=1.1.1.1', 'a:::1', 'a:[::1]']") == ["a 1.1.1.1", "a ::1"]
        )
        #expect(try await hosts("{a: 1.1.1.1, b: 2.2.2.2}", "{a: !reset null}") == ["b 2.2.2.2"])
    }

    @Test func aliasesAndOtherListsDoNotRepeat() async throws {
        let text = "networks: {default: {aliases: [x, y]}}, deploy: {placement: {constraints: [a == b]}}, dns_opt: [o]"
        let service = try await merged(text, text.replacing("[x, y]", with: "[y, z]"))
        #expect(service.networks.map(\.aliases) == [["x", "y", "z"]])
        #expect(service.deploy.constraints == ["a == b"])
        #expect(service.dnsOptions == ["o"])
    }

    @Test(.timeLimit(.minutes(1))) func longListsMergeInReasonableTime() async throws {
        let items = (0..<20_000).map { "'a == \($0)'" }.joined(separator: ", ")
        let text = "deploy: {placement: {constraints: [\(items)]}}"
        #expect(try await merged(text, text).deploy.constraints.count == 20_000)
    }

    @Test func referencesAndMountsAreKnownByTheirTarget() async throws {
        let files = [
            "compose.yml":
                "services: {a: {image: x, secrets: [s], volumes: ['C:\\one:/x']}}\nsecrets: {s: {external: true}}",
            "over.yml":
                "services: {a: {secrets: [{source: s, target: /run/secrets/s, mode: 0400}], volumes: ['C:\\two:/x']}}",
        ]
        let service = try await project(files, main: ["compose.yml", "over.yml"]).services[0]
        #expect(service.secrets.map(\.mode) == [0o400])
        #expect(service.mounts.map(\.source) == ["C:\\two"])
    }

    @Test func resetTakesAwayAndOverrideReplaces() async throws {
        let reset = try await merged(
            "ports: ['80:80'], environment: {A: 1, B: 2}",
            "ports: !reset [], environment: {A: !reset null}"
        )
        #expect(reset.ports.isEmpty)
        #expect(reset.environment == ["B": "2"])
        let replaced = try await merged("ports: ['80:80', '81:81']", "ports: !override ['82:82']")
        #expect(replaced.ports.map(\.published) == [82])
    }

    @Test func loggingOfAnotherDriverTakesNoOptionsAlong() async throws {
        let service = try await merged(
            "logging: {driver: syslog, options: {a: b}}",
            "logging: {driver: json-file, options: {c: d}}"
        )
        #expect(service.logging?.options == ["c": "d"])
    }

    @Test func extendsTakesFromAnotherFileWithItsOwnPaths() async throws {
        let files = [
            "app/compose.yml": "services: {a: {extends: {file: ../base/base.yml, service: b}, environment: {B: 2}}}",
            "base/base.yml": "services: {b: {image: x, env_file: one.env, environment: {A: 1, B: 1}}}",
            "base/one.env": "C=3\n",
        ]
        let service = try await project(files, main: ["app/compose.yml"]).services[0]
        #expect(service.environment == ["A": "1", "B": "2", "C": "3"])
    }

    @Test func includeBringsOtherFilesIn() async throws {
        let files = [
            "compose.yml": "include: [sub/more.yml]\nservices: {a: {image: x, depends_on: [b]}}",
            "sub/more.yml": "services: {b: {image: y, configs: [c]}}\nconfigs: {c: {file: c.txt}}",
            "sub/c.txt": "content",
        ]
        let project = try await project(files)
        #expect(Set(project.services.map(\.name)) == ["a", "b"])
        #expect(project.configs["c"]?.content == Array("content".utf8))
    }

    @Test func includedFilesHaveVariablesOfTheirOwn() async throws {
        let files = [
            "compose.yml": """
            include:
              - {path: sub/more.yml, env_file: [sub/more.env]}
            services: {a: {image: "x:${TAG-none}"}}
            """,
            "sub/more.yml": "services: {b: {image: 'y:${TAG}-${OUTER}', extends: {file: base.yml, service: base}}}",
            "sub/base.yml": "services: {base: {hostname: 'h-${TAG}'}}",
            "sub/more.env": "TAG=2\nOUTER=lost\n",
        ]
        let project = try await project(files, variables: ["OUTER": "wins"])
        let services = Dictionary(uniqueKeysWithValues: project.services.map { ($0.name, $0) })
        #expect(services["a"]?.image == "x:none")
        #expect(services["b"]?.image == "y:2-wins")
        #expect(services["b"]?.hostname == "h-2")
    }
}
