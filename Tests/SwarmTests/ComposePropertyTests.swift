import Compose
import Diagnostics
import JSON
import TestSupport
import Testing

@testable import Swarm

/// What holds for every Compose file: those of the fixtures, and others drawn at random.
@Suite struct ComposePropertyTests {
    private func rendered(_ files: [String: String], _ main: [String]) async throws -> DesiredStack {
        let options = LoadOptions(variables: ["TAG": "1"], profiles: ["*"], bindRoot: "/files")
        let project = try await loadProject(files: main, options: options) { path in
            guard let text = files[path] else { throw Invalid(at: nil, "there is no file '\(path)'") }
            return Array(text.utf8)
        }
        return StackRenderer(stack: "s", project: project).render()
    }

    private func fixtures() async throws -> [[String: String]] {
        let root = "\(checkout)/Tests/Fixtures/compose"
        let found = try await shell(["find", root, "-type", "f"]).split(separator: "\n").map(String.init)
        return found.filter { $0.hasSuffix("/compose.yml") }.map { main in
            let folder = main.dropLast("compose.yml".count)
            let names = found.filter { $0.hasPrefix(folder) }.map { String($0.dropFirst(folder.count)) }
            return Dictionary(uniqueKeysWithValues: names.map { ($0, fileText(folder + $0) ?? "") })
        }
    }

    /// A project of several services with fields in all their forms.
    private func random(_ generator: inout SystemRandomNumberGenerator) -> [String: String] {
        let forms = [
            ["environment: {A: 1, B: '${TAG}', C: }", "environment: [A=1, 'B=${TAG}', C]"],
            ["labels: {a: b}", "labels: [a=b, c]"], ["command: run 'a b'", "command: [run, a]"],
            ["ports: ['80', '8000-8002:80', '90-91:90-91/udp']", "ports: [{target: 1, published: 2, mode: host}, 81]"],
            ["volumes: ['v:/v', '/a', '/b:/c:ro', 'C:\\x:/y']", "volumes: [{type: tmpfs, target: /t}, './r:/r']"],
            ["networks: [n, default]", "networks: {n: {aliases: [z, a]}, default: }"],
            ["configs: [c]", "configs: [{source: c, target: /x}, {source: c, target: y, mode: 0400}]"],
            ["secrets: [s]", "secrets: [{source: s, target: /run/secrets/s}, {source: s, target: t}]"],
            ["extra_hosts: {b: [1.1.1.1, 2.2.2.2], a-b: '::1'}", "extra_hosts: ['b:1.1.1.1', 'a=2.2.2.2']"],
            ["dns: 1.1.1.1", "dns: [1.1.1.1, 2.2.2.2]"], ["dns_opt: [a, b]", "dns_search: x.org"],
            ["cap_add: [all]", "cap_drop: [x, y]"], ["group_add: [1, video]", "tmpfs: [/x]"],
            ["ulimits: {nofile: 5, nproc: {soft: 1, hard: 2}}", "sysctls: [a=1]"],
            ["healthcheck: {test: a, interval: 0s}", "healthcheck: {test: [CMD, a, a], retries: 3}"],
            ["logging: {driver: json-file, options: {a: b}}", "stop_grace_period: 0s"],
            [
                "deploy: {placement: {constraints: [a == b, a == b], preferences: [{spread: x}]}, labels: [x=y]}",
                "deploy: {resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: g, value: 2}}]}}}",
            ],
            ["depends_on: {none: {condition: service_started, required: false}}", "init: false"],
            ["env_file: one.env", "env_file: [one.env, {path: none.env, required: false}]"],
            ["profiles: [on]", "restart: always"],
        ]
        var text = "services:\n"
        for number in 0..<Int.random(in: 1...3, using: &generator) {
            text += "  s\(number):\n    image: x:1\n"
            for form in forms {
                guard Bool.random(using: &generator), let field = form.randomElement(using: &generator) else {
                    continue
                }
                text += "    \(field)\n"
            }
        }
        text += "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}\nvolumes: {v: {driver_opts: {a: b}}}\n"
        text += "configs: {c: {file: one.env}}\nsecrets: {s: {file: one.env, labels: [a=b]}}\n"
        return ["compose.yml": text, "one.env": "X=1\n"]
    }

    private func projects() async throws -> [[String: String]] {
        var generator = SystemRandomNumberGenerator()
        return try await fixtures() + (0..<200).map { _ in random(&generator) }
    }

    @Test func mergingAFileWithItselfChangesNothing() async throws {
        for files in try await projects() {
            let once = try await rendered(files, ["compose.yml"])
            let twice = try await rendered(files, ["compose.yml", "compose.yml"])
            #expect(once.fingerprint == twice.fingerprint, "\(files["compose.yml"] ?? "")")
            #expect(once.services.map(\.spec) == twice.services.map(\.spec), "\(files["compose.yml"] ?? "")")
        }
    }

    @Test func readingTwiceRendersTheSameBytes() async throws {
        for files in try await projects() {
            let payloads = try await [rendered(files, ["compose.yml"]), rendered(files, ["compose.yml"])].map {
                $0.payload(fileNames: [:], images: [:])
            }
            #expect(payloads[0] == payloads[1], "\(files["compose.yml"] ?? "")")
        }
    }
}
