import JSON
import Subprocess
import TestSupport
import Testing

/// Engines that come and go, and Engines that cannot be worked with.
///
/// Each has one of its own.
@Suite struct EngineTests {
    private func rig(_ command: String, _ folder: String) async throws -> String {
        trimmedLine(
            try await shell(["\(checkout)/Rigs/swarm.sh", command, folder], environment: ["RIG_LIFETIME": "600"])
        )
    }

    private func withRig(_ command: String, _ body: (String, String) async throws -> Void) async throws {
        let scratch = try Scratch()
        let folder = "\(scratch.path)/rig"
        let engine = try await rig(command, folder)
        do {
            try await body(folder, engine)
        } catch {
            _ = try? await rig("stop", folder)
            throw error
        }
        _ = try await rig("stop", folder)
    }

    @Test(.timeLimit(.minutes(4))) func theEngineIsStoppedAndStartedAgain() async throws {
        try await withRig("start") { folder, engine in
            let fleet = try await Fleet(engine: engine)
            try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
            try await fleet.running {
                try await fleet.settled("a")
                _ = try await rig("kill", folder)
                try await fleet.commit(["a.yml": sleeper("A: 2")])
                try await fleet.eventually("its absence is told") { fleet.log.contains("cannot be reached") }
                _ = try await rig("restart", folder)
                try await fleet.settled("a", within: .seconds(90))
                #expect(try await fleet.environment("a") == ["one": "A=2"])
            }
        }
    }

    @Test(.timeLimit(.minutes(2))) func anEngineThatIsInNoSwarmSaysWhatToDo() async throws {
        try await withRig("engine") { _, engine in
            let fleet = try await Fleet(engine: engine)
            try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
            let result = try await fleet.hecate("plan")
            #expect(result.code == 1)
            #expect(
                result.errorText.contains(
                    "is not a Swarm manager now; when it stays so, run 'docker swarm init' there"
                ),
                "\(result.errorText)"
            )
        }
    }

    @Test(.timeLimit(.minutes(3))) func aWorkersEngineSaysThatAManagerIsNeeded() async throws {
        let engine = try sharedEngine()
        guard let worker = variable("HECATE_TEST_WORKER") else { throw Unmet("script/test starts a worker") }
        #expect(engine != worker)
        let fleet = try await Fleet(engine: worker)
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        let result = try await fleet.hecate("plan")
        #expect(result.code == 1)
        #expect(
            result.errorText.contains("it is a worker node; name a manager's Engine in 'targets'"),
            "\(result.errorText)"
        )
    }

    @Test(.timeLimit(.minutes(4))) func tasksOnAnotherNodeAreWatchedThroughTheManager() async throws {
        try await withWorker { engine, _ in try await deployElsewhere(engine) }
    }

    /// Runs a Swarm of a manager and a worker.
    private func withWorker(_ body: (_ engine: String, _ worker: String) async throws -> Void) async throws {
        try await withRig("start") { manager, engine in
            let folder = "\(manager)-worker"
            try await shell(
                ["\(checkout)/Rigs/swarm.sh", "worker", folder, manager],
                environment: ["RIG_LIFETIME": "600", "RIG_AVAILABILITY": "active"]
            )
            do {
                try await body(engine, folder)
            } catch {
                _ = try? await rig("stop", folder)
                throw error
            }
            _ = try await rig("stop", folder)
        }
    }

    private func deployElsewhere(_ engine: String) async throws {
        let fleet = try await Fleet(engine: engine)
        let placed = "    deploy: {placement: {constraints: [node.role == worker]}}"
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": sleeper(more: placed)]
        )
        try await fleet.running {
            try await fleet.settled("a")
            let started = try await fleet.tasks("a")
            // A worker's containers send the manager no events; what becomes of them is seen all the same.
            let broken = sleeper("A: 2", more: placed).replacing(
                "trap exit TERM; while",
                with: "echo boom; exit 3; while"
            )
            try await fleet.commit(["a.yml": broken])
            try await fleet.eventually("it is rolled back with the reason") {
                fleet.log.contains("boom") && fleet.log.contains("on node")
            }
            try await fleet.eventually("the last good revision runs again") {
                guard try await fleet.environment("a") == ["one": "A=1"] else { return false }
                return try await fleet.tasks("a").count == 1
            }
            try await fleet.commit(["a.yml": sleeper("A: 3", more: placed)])
            try await fleet.settled("a")
            #expect(try await fleet.environment("a") == ["one": "A=3"])
            #expect(try await fleet.tasks("a").isDisjoint(with: started))
        }
    }

    /// The manager answers all the time, so that nothing says that the Engine of the worker ended.
    @Test(.timeLimit(.minutes(5))) func aWorkerWhoseEngineIsKilledAmidAnUpdateRejectsNothing() async throws {
        try await withWorker { engine, worker in try await updateElsewhere(engine, worker) }
    }

    private func updateElsewhere(_ engine: String, _ worker: String) async throws {
        let fleet = try await Fleet(engine: engine, verify: "5s", timeout: "120s")
        let placed =
            "    networks: [outside]\n    deploy: {replicas: 6, placement: {constraints: [node.role == worker]}}"
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": sleeper(more: placed, tail: outsideNetwork)]
        )
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.commit(["a.yml": sleeper("A: 2", more: placed, tail: outsideNetwork)])
            try await fleet.eventually("it is under way") { try await fleet.environment("a") == ["one": "A=2"] }
            try await Task.sleep(for: .seconds(3))
            _ = try await rig("kill", worker)
            // In the manager's network namespace again.
            let manager = trimmedLine(try await rig("pid", String(worker.dropLast("-worker".count))))
            try await shell(
                ["\(checkout)/Rigs/swarm.sh", "restart", worker],
                environment: ["RIG_LIFETIME": "600", "RIG_NETWORK": "/proc/\(manager)/ns/net"]
            )
            #expect(try await fleet.decided("a", within: .seconds(150))["rejected"] == nil, "\(fleet.log)")
        }
    }

    @Test(.timeLimit(.minutes(3))) func anEngineIsReachedOverTCPWithMutualTLS() async throws {
        let scratch = try Scratch()
        let pem = scratch.path
        let script = """
            set -e; cd \(pem)
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca-key.pem -out ca.pem
            for name in server client; do
                openssl req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $name-key.pem -out $name.csr
                printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%sAuth\n' $name >$name.ext
                openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile $name.ext -out $name.pem
            done
            """
        try await shell(["bash", "-c", "{ \(script)\n} 2>/dev/null"])
        let folder = "\(pem)/rig"
        let options =
            "-H tcp://127.0.0.1:2376 --tlsverify --tlscacert \(pem)/ca.pem --tlscert \(pem)/server.pem --tlskey \(pem)/server-key.pem"
        try await shell(
            ["\(checkout)/Rigs/swarm.sh", "start", folder],
            environment: ["RIG_OPTIONS": options, "RIG_LIFETIME": "300"]
        )
        let fleet = try await Fleet(engine: "tcp://127.0.0.1:2376")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        let plain = try await shell([
            "sed",
            "s|targets:.*|targets: [{name: default, endpoint: 'tcp://127.0.0.1:2376', tls: {ca: \(pem)/ca.pem, cert: \(pem)/client.pem, key: \(pem)/client-key.pem}}]|",
            fleet.config,
        ])
        let anonymous = try await inside(folder, fleet)
        try writeFile(plain, to: fleet.config)
        let known = try await inside(folder, fleet)
        _ = try await rig("stop", folder)
        #expect(known.code == 2 && known.outputText.contains("+ create service"), "\(known.errorText)")
        #expect(anonymous.code == 1, "a client without a certificate was let in")
    }

    /// Plans from inside the rig's network namespace, where its loopback is.
    private func inside(_ folder: String, _ fleet: Fleet) async throws -> Completion {
        let pid = trimmedLine(try await shell(["\(checkout)/Rigs/swarm.sh", "pid", folder]))
        return try await execute([
            "nsenter", "--net=/proc/\(pid)/ns/net", fleet.binary, "plan", "--config", fleet.config,
        ])
    }

    @Test func anEngineThatIsNotThereIsNamed() async throws {
        let fleet = try await Fleet(engine: "unix:///nonexistent/docker.sock")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        let result = try await fleet.hecate("plan")
        #expect(result.code == 1)
        #expect(
            result.errorText.contains("the Docker Engine at unix:///nonexistent/docker.sock cannot be reached"),
            "\(result.errorText)"
        )
    }
}
