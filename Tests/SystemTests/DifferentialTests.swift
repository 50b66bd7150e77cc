import JSON
import Subprocess
import TestSupport
import Testing

/// Where Hecate and `docker stack deploy` may leave different specifications, each with its reason.
///
/// Everything else that differs fails the test.
private let allowedDifferences: [(path: String, docker: DifferentialTests.Docker, reason: String)] = [
    (
        "Spec.TaskTemplate.RestartPolicy", .installed,
        "Docker clients before 25 pass over 'restart'; newer ones and Hecate read it as deploy.restart_policy"
    )
]

/// Every case is deployed by `docker stack deploy` and by Hecate on a real Swarm of its own, and what the Engine then
/// reports is compared field by field.
@Suite(.serialized) struct DifferentialTests {
    /// The Engine and the client that take part.
    enum Docker: String, CaseIterable, CustomTestStringConvertible {
        case installed, newer

        /// The folder it was unpacked in; nil for the system's own.
        var folder: String? {
            get throws {
                guard self == .newer else { return nil }
                guard let folder = variable("HECATE_TEST_DOCKER") else { throw Unmet("script/test fetches it") }
                return folder
            }
        }

        /// Cases that only the newer client can deploy.
        func takes(_ name: String) -> Bool { self == .newer || name != "jobs" }

        var testDescription: String { rawValue }
    }

    private static var cases: [String] {
        get async throws {
            var folders = ["\(checkout)/Tests/Fixtures/compose"]
            if let corpus = variable("HECATE_CORPUS") { folders.append("\(corpus)/compose") }
            let list = try await shell(["find"] + folders + ["-name", "compose.yml"])
            return list.split(separator: "\n").map { String($0.dropLast("/compose.yml".count)) }.sorted()
        }
    }

    @Test(.timeLimit(.minutes(10)), arguments: Docker.allCases)
    func theEngineReportsTheSame(_ docker: Docker) async throws {
        let scratch = try Scratch()
        let folder = "\(scratch.path)/rig"
        let rig = "\(checkout)/Rigs/swarm.sh"
        let engine = trimmedLine(
            try await shell(
                [rig, "start", folder],
                environment: ["RIG_LIFETIME": "900", "RIG_DOCKER": try docker.folder ?? ""]
            )
        )
        // An external volume of one of the cases.
        let client = "\(try docker.folder ?? "")/usr/bin/docker"
        try await shell([client, "-H", engine, "volume", "create", "outside"])
        var compared = 0
        do {
            for path in try await Self.cases {
                let name = path.split(separator: "/").last.map(String.init) ?? path
                // Refused by the Engine itself, half-way; what Hecate says of it is tested below.
                if name == "docker-cli-full-example" || !docker.takes(name) { continue }
                try await compare(path, name, engine, docker)
                compared += 1
            }
            try await refusesTheFullExample(engine)
        } catch {
            _ = try? await shell([rig, "stop", folder])
            throw error
        }
        try await shell([rig, "stop", folder])
        #expect(compared >= 3)
    }

    private func compare(_ path: String, _ name: String, _ engine: String, _ docker: Docker) async throws {
        let fleet = try await Fleet(engine: engine, verify: "0s", extra: "bind_root: \(path)")
        try await shell(["cp", "-rL", "\(path)/.", fleet.repository.path])
        try await fleet.commit(stacks: [
            "{name: \(name), compose_file: compose.yml, resolve_image: never, bind_root: \(path)}"
        ])

        // The older client wants a version; it says nothing that the newer one does not assume.
        let text = fileText("\(path)/compose.yml") ?? ""
        let versioned =
            docker == .newer || text.split(separator: "\n").contains { $0.hasPrefix("version:") }
            ? text : "version: \"3.9\"\n" + text
        try writeFile(versioned, to: "\(fleet.scratch.path)/docker/compose.yml")
        try await shell([
            "sh", "-c",
            "cd '\(path)' && for f in * .env; do [ \"$f\" = compose.yml ] || cp -rL \"$f\" '\(fleet.scratch.path)/docker/' 2>/dev/null || true; done",
        ])
        try await deployByDocker(fleet, name, docker)
        let theirs = try await report(fleet, name, bindRoot: "\(fleet.scratch.path)/docker", to: path)

        // Adoption: nothing to plan, and nothing restarted.
        let plan = try await fleet.hecate("plan")
        let relativeBinds = text.contains("- ./")
        let differs = relativeBinds || docker == .installed && text.contains("restart:")
        if !differs { #expect(plan.code == 0, "\(name): \(plan.outputText)\(plan.errorText)") }

        try await remove(fleet, name)
        let run = try await execute([fleet.binary, "plan", "--config", fleet.config])
        #expect(run.code == 2, "\(name): \(run.errorText)")
        try await deploy(fleet, name)
        let ours = try await report(fleet, name, bindRoot: path, to: path)
        for difference in differences(theirs, ours, path: "") {
            let isAllowed = allowedDifferences.contains { $0.docker == docker && difference.contains($0.path) }
            #expect(isAllowed, "\(name): \(difference)")
        }

        // The other way round: docker stack deploy over Hecate's stack changes nothing.
        if !differs {
            try await deployByDocker(fleet, name, docker)
            let after = try await report(fleet, name, bindRoot: "\(fleet.scratch.path)/docker", to: path)
            #expect(differences(ours, after, path: "").isEmpty, "\(name): docker stack deploy changed something")
        }
        try await remove(fleet, name)
    }

    private func deployByDocker(_ fleet: Fleet, _ name: String, _ docker: Docker) async throws {
        let client = "\(try docker.folder ?? "")/usr/bin/docker"
        let file = "\(fleet.scratch.path)/docker/compose.yml"
        let words = ["stack", "deploy", "--resolve-image", "never", "-c", file, name]
        try await shell([client, "-H", fleet.engine] + words + (docker == .newer ? ["--detach=true"] : []))
    }

    /// Runs the controller until the stack's services are there; images of the corpus exist nowhere, so they never turn
    /// healthy and are not waited for.
    private func deploy(_ fleet: Fleet, _ name: String) async throws {
        try await fleet.running {
            try await fleet.eventually("\(name) is applied", within: .seconds(20)) {
                try await fleet.hecate("plan").code == 0
            }
        }
    }

    private func remove(_ fleet: Fleet, _ name: String) async throws {
        _ = try? await fleet.docker("config", "rm", "hecate.\(name)")
        try await fleet.eventually("\(name) is gone", within: .seconds(60)) {
            // docker stack rm gives up on a network whose last task still stops; it has to be asked again.
            _ = try? await fleet.docker("stack", "rm", name)
            let networks = try await fleet.docker(
                "network",
                "ls",
                "-q",
                "--filter",
                "label=com.docker.stack.namespace=\(name)"
            )
            let containers = try await fleet.docker("ps", "-aq", "--filter", "label=com.docker.stack.namespace=\(name)")
            return networks.isEmpty && containers.isEmpty
        }
        // The name of a network stays taken for a moment after it is gone.
        try await Task.sleep(for: .seconds(1))
    }

    /// Everything the Engine reports of a stack, without identifiers, versions and times.
    private func report(_ fleet: Fleet, _ name: String, bindRoot: String, to path: String) async throws -> JSON {
        let networks = try await fleet.api("/networks").array ?? []
        var names: [String: JSON] = [:]
        for network in networks { names[network["Id"]?.string ?? ""] = network["Name"] }
        func own(_ kind: String) async throws -> [JSON] {
            let all = kind == "networks" ? networks : try await fleet.api("/\(kind)").array ?? []
            return all.filter { ($0["Spec"]?["Labels"] ?? $0["Labels"])?["com.docker.stack.namespace"]?.string == name }
        }
        var result: JSON.Members = [:]
        for kind in ["services", "configs", "secrets"] {
            for object in try await own(kind) {
                guard let spec = object["Spec"], let key = spec["Name"]?.string else { continue }
                var text = spec.text().replacing(bindRoot, with: path)
                for (id, network) in names { text = text.replacing("\"\(id)\"", with: network.text()) }
                result["\(kind) \(key)"] = ["Spec": withoutIdentifiers(try JSON(parsing: text))]
            }
        }
        for network in try await own("networks") {
            var spec: JSON = [:]
            for key in ["Driver", "Internal", "Attachable", "Labels", "Scope", "EnableIPv6", "Ingress"] {
                spec[key] = network[key]
            }
            var options = network["Options"]?.object ?? [:]
            options["com.docker.network.driver.overlay.vxlanid_list"] = nil
            spec["Options"] = .object(options)
            spec["IPAMDriver"] = network["IPAM"]?["Driver"]
            result["networks \(network["Name"]?.string ?? "")"] = ["Spec": spec]
        }
        return .object(result)
    }

    private func withoutIdentifiers(_ value: JSON) -> JSON {
        switch value {
        case .object(let members):
            return .object(members.filter { !["ConfigID", "SecretID"].contains($0.key) }.mapValues(withoutIdentifiers))
        case .array(let items): return .array(items.map(withoutIdentifiers))
        default: return value
        }
    }

    private func differences(_ left: JSON?, _ right: JSON?, path: String) -> [String] {
        guard left != right else { return [] }
        if case .object(let one)? = left, case .object(let other)? = right {
            return Set(one.keys).union(other.keys).sorted().flatMap {
                differences(one[$0], other[$0], path: "\(path).\($0)")
            }
        }
        if case .array(let one)? = left, case .array(let other)? = right, one.count == other.count {
            return one.indices.flatMap { differences(one[$0], other[$0], path: "\(path)[\($0)]") }
        }
        return ["\(path): docker \(left?.text() ?? "nothing"), hecate \(right?.text() ?? "nothing")"]
    }

    private func refusesTheFullExample(_ engine: String) async throws {
        guard let corpus = variable("HECATE_CORPUS") else { return }
        let fleet = try await Fleet(engine: engine)
        try await shell(["cp", "-rL", "\(corpus)/compose/docker-cli-full-example/.", fleet.repository.path])
        try await fleet.commit(stacks: ["{name: full, compose_file: compose.yml}"])
        let plan = try await fleet.hecate("plan")
        #expect(plan.code == 1)
        for expected in [
            "refers to the network 'other-other-network', which is not defined", "there is no file 'config_data'",
            "'privileged' of service 'foo' has no effect in Swarm",
        ] {
            #expect(plan.errorText.contains(expected), "\(plan.errorText)")
        }
        // With what the example leaves out put beside it, the Engine is asked before anything is made.
        var text = fileText("\(corpus)/compose/docker-cli-full-example/compose.yml") ?? ""
        text = text.replacing("\nnetworks:\n", with: "\nnetworks:\n  other-other-network:\n")
        try await fleet.commit(["compose.yml": text, "config_data": "c", "secret_data": "s"])
        let second = try await fleet.hecate("plan")
        #expect(second.code == 1)
        for kind in ["network", "config", "secret"] {
            let made = try await fleet.docker(kind, "ls", "-q", "--filter", "label=com.docker.stack.namespace=full")
            #expect(made.isEmpty, "\(kind)s \(made)")
        }
    }
}
