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

    /// As `docker stack deploy` publishes them.
    @Test func rangesOfPorts() async throws {
        func ports(_ text: String) async throws -> [[Int]] {
            try await service("services: {a: {image: x, ports: ['\(text)']}}").ports.map { [$0.published, $0.target] }
        }
        #expect(try await ports("8000-8010:80") == (8000...8010).map { [$0, 80] })
        #expect(try await ports("9000-9002:90-92") == [[9000, 90], [9001, 91], [9002, 92]])
        #expect(try await ports("70-72") == [[0, 70], [0, 71], [0, 72]])
        #expect(try await ports("127.0.0.1:60-61:60/udp") == [[60, 60], [61, 60]])
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

    @Test func pathsOfWindowsNodesAreLeftAlone() async throws {
        let text = #"""
            services:
              a:
                image: x
                volumes:
                  - 'C:\data:C:\app:ro'
                  - 'd:/data:/d'
                  - '\\server\share:/s'
                  - '//./pipe/docker:/p'
                  - {type: bind, source: 'C:\x', target: /x}
                  - {type: npipe, source: '\\.\pipe\docker_engine', target: '\\.\pipe\docker_engine'}
                  - 'v:/v'
                  - 'v:/w:ro'
            volumes: {v: }
            """#
        let mounts = try await service(text).mounts
        #expect(mounts.map(\.type) == ["bind", "bind", "bind", "bind", "bind", "npipe", "volume", "volume"])
        #expect(
            mounts.map(\.source) == [
                #"C:\data"#, "d:/data", #"\\server\share"#, "//./pipe/docker", #"C:\x"#, #"\\.\pipe\docker_engine"#,
                "v", "v",
            ]
        )
        #expect(mounts[0].target == #"C:\app"# && mounts[0].readOnly)
        #expect(try await project(["compose.yml": text]).warnings.isEmpty)
    }

    @Test func hostsOfAMappingKeepAllTheirAddresses() async throws {
        let hosts = try await service(
            "services: {a: {image: x, extra_hosts: {b: '::1', a-b: 1.1.1.1, a: [2.2.2.2, '[::2]']}}}"
        ).extraHosts
        #expect(hosts.map { "\($0.address) \($0.name)" } == ["1.1.1.1 a-b", "2.2.2.2 a", "::2 a", "::1 b"])
    }

    @Test func aHostWithoutAnAddressIsLeftOut() async {
        let found = await complaints("services: {a: {image: x, extra_hosts: {b: , c: 1.1.1.1}}}")
        #expect(found.count == 1 && found[0].contains("a name in extra_hosts has no address and is left out"))
    }

    @Test func optionsOfNamesAndGroups() async throws {
        let found = await complaints("services: {a: {image: x, dns_opt: ['ndots:2'], group_add: [1000, video]}}")
        #expect(found.isEmpty)
        let service = try await service("services: {a: {image: x, dns_opt: ['ndots:2'], group_add: [1000, video]}}")
        #expect(service.dnsOptions == ["ndots:2"] && service.groups == ["1000", "video"])
    }

    @Test func aDependencyThatNeedNotBeThereMayBeAbsent() async throws {
        let text = """
            services:
              a: {image: x, depends_on: {none: {condition: service_started, required: false}, b: {condition: service_started, required: false}, c: {condition: service_started, required: false}}}
              b: {image: x}
              c: {image: x, profiles: [off]}
            """
        #expect(try await service(text).dependsOn == ["b"])
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
        for active in ["debug", "*"] {
            #expect(try await project(["compose.yml": text], profiles: [active]).services.map(\.name) == ["a", "b"])
        }
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
