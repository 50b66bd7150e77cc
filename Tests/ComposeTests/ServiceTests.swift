import Compose
import Testing

@Suite struct ServiceTests {
    @Test func bothFormsOfEnvironmentAndLabels() async throws {
        let list = try await service(
            "services: {a: {image: x, environment: [A=1, B, C=], labels: [l=1, m]}}",
            variables: ["B": "b"]
        )
        #expect(list.environment == ["A": "1", "B": "b", "C": ""])
        #expect(list.labels == ["l": "1", "m": ""])
        let mapping = try await service(
            "services: {a: {image: x, environment: {A: 1, B: , F: 1.10, T: true, O: 0o17}}}"
        )
        #expect(mapping.environment == ["A": "1", "B": nil, "F": "1.1", "T": "true", "O": "15"])
    }

    @Test func shortPorts() async throws {
        let ports = try await service(
            "services: {a: {image: x, ports: [3000, '8000:80', '9090-9091:8080-8081/udp', '3001-3002']}}"
        ).ports
        #expect(ports.map(\.target) == [3000, 80, 8080, 8081, 3001, 3002])
        #expect(ports.map(\.published) == [0, 8000, 9090, 9091, 0, 0])
        #expect(ports.map(\.transport) == ["tcp", "tcp", "udp", "udp", "tcp", "tcp"])
    }

    @Test func longPorts() async throws {
        let port = try await service(
            "services: {a: {image: x, ports: [{target: 80, published: '8080', mode: host, protocol: udp}]}}"
        ).ports[0]
        #expect(port.target == 80 && port.published == 8080 && port.mode == "host" && port.transport == "udp")
    }

    @Test func mounts() async throws {
        let text = """
            services:
              a:
                image: x
                volumes: ["/anon", "data:/d:ro", "/abs:/b", "./rel:/r", {type: tmpfs, target: /t, tmpfs: {size: 1m}}]
            volumes: {data: }
            """
        let mounts = try await service(text).mounts
        #expect(mounts.map(\.type) == ["volume", "volume", "bind", "bind", "tmpfs"])
        #expect(mounts.map(\.source) == ["", "data", "/abs", "/files/rel", ""])
        #expect(mounts[1].readOnly)
        #expect(mounts[4].tmpfsSize == 1_048_576)
    }

    @Test func commandsAreSplitAsAShellWould() {
        #expect(splitCommand("a 'b c' \"d e\" f\\ g # h") == ["a", "b c", "d e", "f g"])
        #expect(splitCommand("sh -c \"echo \\\"x\\\"\"") == ["sh", "-c", "echo \"x\""])
        #expect(splitCommand("a 'b") == nil)
    }

    @Test func sizesAndProcessors() {
        #expect(parseSize("50M") == 52_428_800)
        #expect(parseSize("1.5gb") == 1_610_612_736)
        #expect(parseSize("64KiB") == 65_536)
        #expect(parseSize("x") == nil)
        #expect(parseCPUs("0.001") == 1_000_000)
        #expect(parseCPUs("-1") == nil)
    }

    @Test func deploySection() async throws {
        let deploy = try await service(
            """
            services:
              a:
                image: x
                deploy:
                  replicas: 3
                  update_config: {parallelism: 2, delay: 10s, failure_action: rollback, order: start-first}
                  resources: {limits: {cpus: '0.5', memory: 50M, pids: 9}}
                  restart_policy: {condition: on-failure, max_attempts: 3}
                  placement: {constraints: [node.role == manager], preferences: [{spread: node.labels.az}]}
            """
        ).deploy
        #expect(deploy.replicas == 3)
        #expect(deploy.updateConfig?.order == "start-first")
        #expect(deploy.limits?.nanoCPUs == 500_000_000)
        #expect(deploy.restartPolicy?.maxAttempts == 3)
        #expect(deploy.preferences == ["node.labels.az"])
    }

    @Test func profilesDecideWhoTakesPart() async throws {
        let text = "services: {a: {image: x}, b: {image: x, profiles: [debug]}}"
        #expect(try await project(["compose.yml": text]).services.map(\.name) == ["a"])
        #expect(try await project(["compose.yml": text], profiles: ["debug"]).services.map(\.name) == ["a", "b"])
    }

    @Test func envFiles() async throws {
        let files = [
            "compose.yml":
                "services: {a: {image: x, env_file: [./a.env, {path: b.env, required: false}], environment: {A: own}}}",
            "a.env": "A=1\nB='q'\n",
        ]
        #expect(try await project(files).services[0].environment == ["A": "own", "B": "q"])
    }
}
