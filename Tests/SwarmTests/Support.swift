import Compose
import Delivery
import Diagnostics
import JSON
import Synchronization

@testable import Swarm

/// The stack that a Compose file describes.
func stack(_ text: String, name: String = "s", files: [String: String] = [:]) async throws -> DesiredStack {
    let project = try await loadProject(files: ["compose.yml"], options: LoadOptions(bindRoot: "/files")) { path in
        guard let content = path == "compose.yml" ? text : files[path] else {
            throw Invalid(at: nil, "there is no file '\(path)'")
        }
        return Array(content.utf8)
    }
    return StackRenderer(stack: name, project: project).render()
}

/// A cluster that holds what a plan would have made of one, as the Engine would report it.
func observation(
    of desired: DesiredStack,
    _ plan: StackPlan,
    onto before: ObservedStack = ObservedStack()
) -> ObservedStack {
    var observed = before
    var number = before.services.count + before.networks.count + before.configs.count + before.secrets.count
    func id() -> String {
        number += 1
        return "id\(number)"
    }
    for step in plan.forward {
        switch step {
        case .createNetwork(let name, let body):
            var json = body
            json["Name"] = .string(name)
            json["Id"] = .string(id())
            if let network = ObservedObject(json) {
                observed.networks.append(network)
                observed.networkNames[network.id] = name
            }
        case .createFile(let file, let name):
            var spec: JSON = ["Name": .string(name), "Labels": JSON(file.labels)]
            if file.kind == .config { spec["Data"] = .string(base64Text(file.content ?? [])) }
            let json: JSON = ["ID": .string(id()), "Version": ["Index": 1], "Spec": spec]
            guard let object = ObservedObject(json) else { continue }
            if file.kind == .config { observed.configs.append(object) } else { observed.secrets.append(object) }
        case .createService(_, let spec):
            let json: JSON = [
                "ID": .string(id()), "Version": ["Index": 1], "UpdatedAt": "2026-01-01T00:00:00Z", "Spec": spec,
            ]
            if let service = ObservedService(json) { observed.services.append(service) }
        case .updateService(let id, _, _, let spec):
            for index in observed.services.indices where observed.services[index].id == id {
                observed.services[index].spec = spec
            }
        default: break
        }
    }
    return observed
}

func planned(
    _ desired: DesiredStack,
    _ observed: ObservedStack = ObservedStack(),
    hashes: [String: String] = [:]
) -> StackPlan {
    let context = PlanContext(apiVersion: APIVersion(1, 41), secretHashes: hashes)
    return StackPlanner(desired: desired, observed: observed, context: context).plan()
}

/// The files of a commit; counts how often one of them is read.
final class Files: Snapshot {
    let revision = Revision(source: "fleet", commit: "c")
    let files: Mutex<[String: String]>
    let reads = Mutex(0)

    init(_ files: [String: String]) { self.files = Mutex(files) }

    func read(_ path: String) async throws -> [UInt8] {
        reads.withLock { $0 += 1 }
        guard let text = files.withLock({ $0[path] }) else {
            throw Invalid(at: nil, "there is no file '\(path)'")
        }
        return Array(text.utf8)
    }

    func identifier(of path: String) async throws -> String? { files.withLock { $0[path] } }
}

/// What reads the stacks of one Swarm.
func fleetReader(of platform: SwarmPlatform) -> FleetReader {
    FleetReader(
        stacksFile: "stacks.yml",
        platforms: [platform],
        defaults: FleetDefaults(
            timeout: .seconds(60),
            verifyWindow: .seconds(2),
            interval: .seconds(300),
            variables: [:],
            bindRoot: "/srv"
        )
    )
}
