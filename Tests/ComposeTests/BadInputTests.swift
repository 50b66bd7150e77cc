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
            "compose.yml:1:23: '$' stands alone in 'a$'; write '$$' for a dollar sign, or '${NAME}' for a variable"
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
            "compose.yml: files include each other: compose.yml -> compose.yml; break the circle"
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

    @Test func everythingWrongIsToldAtOnce() async {
        let found = await complaints("services: {a: {imag: x}, b: {image: y, deploy: {replicas: z}}}\nnetwork: {}\n")
        #expect(found.count == 4)
    }
}
