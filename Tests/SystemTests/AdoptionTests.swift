import JSON
import Subprocess
import TestSupport
import Testing

/// Stacks that others deployed are taken over as they are, and handed back.
@Suite struct AdoptionTests {
    @Test(.timeLimit(.minutes(3))) func adoptionRestartsNothingInEitherDirection() async throws {
        let fleet = try await Fleet()
        let compose =
            "version: \"3.9\"\n"
            + sleeper(
                services: ["one", "two"],
                more: "    configs: [page]\n    secrets: [token]",
                tail: "configs: {page: {file: page.txt}}\nsecrets: {token: {file: token.txt}}\n"
            )
        let files = ["a.yml": compose, "page.txt": "p", "token.txt": "t"]
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], files)
        try await fleet.docker("stack", "deploy", "-c", "\(fleet.repository.path)/a.yml", fleet.name("a"))
        try await fleet.eventually("docker's stack runs") {
            try await fleet.docker("stack", "services", fleet.name("a"), "--format", "{{.Replicas}}") == "1/1\n1/1\n"
        }
        let tasks = try await fleet.tasks("a")
        let versions = try await fleet.services("a").mapValues { $0["Version"] }
        let plan = try await fleet.hecate("plan")
        #expect(plan.code == 0, "\(plan.outputText)")
        try await fleet.running { try await fleet.settled("a") }
        #expect(try await fleet.tasks("a") == tasks)
        #expect(try await fleet.services("a").mapValues { $0["Version"] } == versions)
        #expect(fleet.log.contains("Adopted"))
        try await fleet.docker("stack", "deploy", "-c", "\(fleet.repository.path)/a.yml", fleet.name("a"))
        try await Task.sleep(for: .seconds(2))
        #expect(try await fleet.tasks("a") == tasks)
        // docker stack rm goes on working.
        try await fleet.docker("stack", "rm", fleet.name("a"))
        #expect(try await fleet.services("a").isEmpty)
        try await fleet.clean("a")
    }

    /// HiveMind cannot be installed here; its steps are done by the real programs it calls: the file is rendered by
    /// `docker compose config` in the folder it lies in, a few fields are taken out (and nulls, which this client does not take), `docker stack deploy` gets the rest,
    /// and a config records the deployment.
    @Test(.timeLimit(.minutes(3))) func whatHiveMindDeployedIsAdoptedUnderItsNames() async throws {
        guard let newer = variable("HECATE_TEST_DOCKER") else { throw Unmet("script/test fetches a newer Docker") }
        let fleet = try await Fleet()
        let compose =
            sleeper(
                services: ["one", "two"],
                more: """
                        configs: [page]
                        secrets: [token, {source: other, target: elsewhere}]
                        networks: [back]
                        volumes: ["data:/data"]
                        healthcheck: {test: ["CMD", "true"], interval: 2s, retries: 2}
                        deploy: {replicas: 1, restart_policy: {condition: any, delay: 2s}}
                    """,
                tail: """
                    configs: {page: {file: page.txt}}
                    secrets: {token: {file: token.txt}, other: {file: token.txt}}
                    networks: {back: {}}
                    volumes: {data: {}}

                    """
            )
        // The folder is not named as the stack is.
        let folder = "Web.Site"
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: \(folder)/compose.yml}"],
            ["\(folder)/compose.yml": compose, "\(folder)/page.txt": "p", "\(folder)/token.txt": "t"]
        )
        let rendered = "\(fleet.scratch.path)/rendered.json"
        try await shell([
            "sh", "-c",
            """
            cd '\(fleet.repository.path)' &&
            \(newer)/usr/bin/docker-compose --file \(folder)/compose.yml config --format json |
            jq 'del(.name) | del(.services[] | .group_add, .depends_on, (.entrypoint | nulls), (.command | nulls))' >'\(rendered)'
            """,
        ])
        let client = ["\(newer)/usr/bin/docker", "-H", fleet.engine]
        try await shell(client + ["stack", "deploy", "--detach=true", "-c", rendered, fleet.name("a")])
        let state = "hivemind-state-\(fleet.name("a"))-0123456789ab-1"
        try await shell([
            "sh", "-c",
            """
            echo '{"service_images":{},"version":1}' | /usr/bin/docker -H \(fleet.engine) config create \
                -l io.nicholstech.hivemind.state=true -l io.nicholstech.hivemind.stack=\(fleet.name("a")) \
                -l io.nicholstech.hivemind.stack-hash=0123456789ab \(state) -
            """,
        ])
        try await fleet.eventually("HiveMind's stack runs") {
            try await fleet.docker("stack", "services", fleet.name("a"), "--format", "{{.Replicas}}") == "1/1\n1/1\n"
        }
        let tasks = try await fleet.tasks("a")
        let plan = try await fleet.hecate("plan")
        #expect(plan.code == 0, "\(plan.outputText)\(plan.errorText)")
        try await fleet.running {
            try await fleet.settled("a")
            #expect(try await fleet.tasks("a") == tasks)
            // HiveMind's mark is not needed any more; the volume keeps its name, and so its content.
            try await fleet.docker("config", "rm", state)
            try await fleet.commit(["\(folder)/page.txt": "q"])
            try await fleet.settled("a")
        }
        let container = try await fleet.services("a")["one"]?["Spec"]?["TaskTemplate"]?["ContainerSpec"]
        #expect(container?["Mounts"]?.array?.first?["Source"]?.string == "website_data")
        #expect(container?["Configs"]?.array?.first?["ConfigName"]?.string?.hasPrefix("website_page-") == true)
        #expect(try await fleet.hecate("plan").code == 0, "a new controller keeps the names as well")
        try await fleet.clean("a")
        _ = try? await fleet.docker("volume", "rm", "website_data")
    }
}
