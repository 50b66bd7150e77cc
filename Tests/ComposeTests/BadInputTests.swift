import Compose
import Diagnostics
import Testing

/// Each kind of bad input with the message it earns.
@Suite struct BadInputTests {
    @Test(arguments: [
        (
            "services: {a: {imagee: x, image: y}}",
            "compose.yml:1:16: unknown key 'imagee' in service 'a'; did you mean 'image'?"
        ),
        ("services: {a: {}}", "compose.yml:1:12: service 'a' needs 'image'"),
        ("services: [a]", "compose.yml:1:11: 'services' must be a mapping, found a list"),
        ("- a", "compose.yml:1:1: a Compose file is a mapping, found a list"),
        (
            "services: {a: {image: x, deploy: {replicas: many}}}",
            "compose.yml:1:45: 'replicas' in deploy of service 'a' must be a whole number, found 'many'"
        ),
        (
            "services: {a: {image: x, deploy: {mode: globl}}}",
            "compose.yml:1:41: 'mode' in deploy of service 'a' is 'globl'; did you mean 'global'?"
        ),
        (
            "services: {a: {image: x, networks: [bak]}}\nnetworks: {back: }",
            "compose.yml:1:12: service 'a' refers to the network 'bak', which is not defined; did you mean 'back'?"
        ),
        (
            "services: {a: {image: x, volumes: ['data:/d']}}",
            "compose.yml:1:36: service 'a' refers to the volume 'data', which is not defined; define it under 'volumes:'"
        ),
        (
            "services: {a: {image: x, ports: ['70000:1']}}",
            "compose.yml:1:34: '70000' in '70000:1' is no port; ports are 1 to 65535"
        ),
        ("services: {a: {image: x, ports: ['1-3:1-2']}}", "compose.yml:1:34: '1-3:1-2' maps 3 ports to 2"),
        (
            "services: {a: {image: x, healthcheck: {interval: soon}}}",
            "compose.yml:1:50: 'interval' in healthcheck of service 'a' must be a duration such as '30s', found 'soon'"
        ),
        (
            "services: {a: {build: ., image: ''}}",
            "compose.yml:1:16: service 'a' is built, and Swarm does not build; build it elsewhere, push it, and name it with 'image'"
        ),
        (
            "services: {a: {image: x, mem_limit: 1g}}",
            "compose.yml:1:26: 'mem_limit' of service 'a' means nothing in Swarm, and without it the service is another one; use deploy.resources.limits.memory"
        ),
        (
            "services: {a: {image: x, configs: [c]}}\nconfigs: {c: {file: ../../c}}",
            "compose.yml:2:21: file '../../c' lies outside the repository; name a file of the repository, relative to this one"
        ),
        ("services: {a: {image: x, env_file: no.env}}", "compose.yml:1:36: there is no file 'no.env'"),
        (
            "services: {a: {image: '${X:?tag}'}}",
            "compose.yml:1:23: required variable 'X' is not set: tag; set it in the stack's env_file or in 'variables' of the configuration"
        ),
        (
            "services: {a: {image: 'a$'}}",
            "compose.yml:1:23: '$' stands alone; write '$$' for a dollar sign, or '${NAME}' for a variable"
        ),
        (
            "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}",
            "compose.yml:1:12: services depend on each other: a -> b -> a; remove one 'depends_on'"
        ),
        (
            "services: {a: {extends: b}, b: {extends: a}}",
            "compose.yml:1:25: services extend each other: compose.yml:b -> compose.yml:a -> compose.yml:b; break the circle"
        ),
        (
            "include: compose.yml\nservices: {a: {image: x}}",
            "compose.yml:1:10: files include each other: compose.yml -> compose.yml; remove one of these 'include'"
        ),
        (
            "services: {'a b': {image: x}}",
            "compose.yml:1:12: 'a b' cannot name a service; use letters, digits, '_', '.' and '-', beginning with a letter or a digit"
        ),
        (
            "services: {a: {image: x, command: \"a 'b\"}}",
            "compose.yml:1:35: 'command' opens a quote that is never closed; close it, or write a list"
        ),
        (
            "services: {a: {image: x, deploy: {mode: global, replicas: 2}}}",
            "compose.yml:1:49: 'replicas' cannot be given in mode 'global', which runs one task on each node; remove 'replicas' or change 'mode'"
        ),
        (
            "include: [{path: sub/none.yml}]\nservices: {a: {image: x}}",
            "compose.yml:1:18: there is no file 'sub/none.yml'"
        ),
        ("include: [{}]\nservices: {a: {image: x}}", "compose.yml:1:11: include names no file; add 'path'"),
        (
            "services: {a: {image: x, scale: ''}}",
            "compose.yml:1:33: 'scale' of service 'a' must be a whole number, found ''; use deploy.replicas"
        ),
        (
            "services: {a: {image: x, scale: }}",
            "compose.yml:1:26: 'scale' of service 'a' must be a whole number, found nothing; use deploy.replicas"
        ),
        (
            "services: {a: {image: x, ulimits: {nofile: {hard: 10}}}}",
            "compose.yml:1:45: ulimit 'nofile' has 'hard' and no 'soft'; give both, or one number that is both"
        ),
        (
            "services: {a: {image: x, ulimits: {nofile: {soft: 10}}}}",
            "compose.yml:1:45: ulimit 'nofile' has 'soft' and no 'hard'; give both, or one number that is both"
        ),
        (
            "services: {a: {image: x, ports: [{target: 80, published: 8000-8002}]}}",
            "compose.yml:1:58: 'published' is one port in Swarm, found '8000-8002'; write the short form '8000-8002:80' for one port after another"
        ),
        (
            "services: {a: {image: x, extra_hosts: [nowhere]}}",
            "compose.yml:1:40: 'nowhere' in extra_hosts is no name with an address; write name:address, or a mapping of names to addresses"
        ),
        (
            "services: {a: {image: x, depends_on: {b: {condition: service_started, required: true}}}}",
            "compose.yml:1:12: service 'a' refers to the service 'b', which is not defined; expected one of 'a'"
        ),
        (
            "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {}}",
            "compose.yml:2:11: secret 's' has no content; give it 'file', or 'external: true' when it is made elsewhere"
        ),
    ])
    func errors(sample: (text: String, message: String)) async {
        let found = await complaints(sample.text)
        #expect(found.contains(sample.message), "\(found)")
    }

    @Test(arguments: [
        (
            "privileged: true",
            "'privileged' of service 'a' has no effect in Swarm; use 'cap_add', or run it outside Swarm"
        ),
        (
            "container_name: b",
            "'container_name' of service 'a' has no effect in Swarm; Swarm names containers itself; remove it"
        ),
        ("build: .", "'build' of service 'a' has no effect in Swarm; build and push 'x' before the commit"),
        (
            "restart: always",
            "'restart' of service 'a' is read as 'deploy.restart_policy'; write 'deploy.restart_policy' to say it plainly"
        ),
        ("tmpfs: /run", "'tmpfs' of service 'a' has no effect in Swarm; write it under 'volumes' with 'type: tmpfs'"),
        (
            "ports: ['127.0.0.1:80:80']",
            "the address '127.0.0.1' of port '127.0.0.1:80:80' has no effect in Swarm; the port will be open on every address; protect it with a firewall"
        ),
        (
            "environment: ['A=$NOPE']",
            "variable 'NOPE' is not set and becomes empty; set it in the stack's env_file, or give a default: ${NOPE:-}"
        ),
    ])
    func warnings(sample: (field: String, message: String)) async {
        let found = await complaints("services: {a: {image: x, \(sample.field)}}")
        #expect(found.count == 1)
        #expect(found.first?.contains("warning: " + sample.message) == true, "\(found)")
    }

    @Test func conditionsOfDependenciesAreSaidToDoNothing() async {
        let found = await complaints(
            "services: {a: {image: x, depends_on: {b: {condition: service_healthy}}}, b: {image: x}}"
        )
        #expect(
            found.first?.contains("the condition 'service_healthy' has no effect in Swarm, which starts 'a' at once")
                == true
        )
    }

    private static let emptyCure = "add 'services:'; to remove a stack set 'enabled: false' in stacks.yml"
    private static let noneCure =
        "add one under 'services:'; to remove a stack set 'enabled: false' in stacks.yml"

    @Test(arguments: [
        ("", "compose.yml:1:1: the Compose file is empty; \(emptyCure)"),
        ("# nothing\n\n", "compose.yml:1:1: the Compose file is empty; \(emptyCure)"),
        ("version: '3.9'\nservices:\n", "compose.yml:2:1: the project has no services; \(noneCure)"),
        ("services: {}", "compose.yml:1:1: the project has no services; \(noneCure)"),
        ("networks: {a: }", "compose.yml:1:1: the project has no services; \(noneCure)"),
        (
            "services: {a: {image: x, profiles: [debug]}, b: {image: x, profiles: [dev, debug]}}",
            "compose.yml:1:1: every service is behind a profile that is not active (debug, dev); name one of these in 'profiles' of the stack; to remove a stack set 'enabled: false' in stacks.yml"
        ),
    ])
    func aProjectOfNothingIsRefused(sample: (text: String, message: String)) async {
        #expect(await complaints(sample.text) == [sample.message])
    }

    @Test func anEmptyFileAmongOthersIsRefused() async {
        let files = ["a.yml": "services: {a: {image: x}}", "b.yml": "# to be written\n"]
        await #expect(throws: Invalid.self) { try await project(files, main: ["a.yml", "b.yml"]) }
    }

    @Test func aCircleOfIncludesIsShownWhereItCloses() async {
        let files = [
            "compose.yml": "include:\n  - one/a.yml\nservices: {a: {image: x}}",
            "one/a.yml": "services: {b: {image: x}}\ninclude:\n  - path: [../two/b.yml]",
            "two/b.yml": "include: [../one/a.yml]",
        ]
        do {
            _ = try await project(files)
            Issue.record("the circle was not seen")
        } catch {
            #expect(
                "\(error)"
                    == "two/b.yml:1:11: files include each other: one/a.yml -> two/b.yml -> one/a.yml; remove one of these 'include'"
            )
        }
    }

    @Test func everythingWrongIsToldAtOnce() async {
        let found = await complaints("services: {a: {imag: x}, b: {image: y, deploy: {replicas: z}}}\nnetwork: {}\n")
        #expect(found.count == 4)
    }
}
