import Crypto
import Delivery
import HTTP
import JSON
import SimulatedEngine

/// A service as it is on a target, in the words of its declaration.
struct ObservedDeclaration: Equatable, CustomStringConvertible {
    var stamp: String
    var replicas: Int
    var image: String
    var config: String?
    var secret: String?
    var isComplete: Bool

    var description: String {
        "stamp \(stamp), \(replicas) of \(image), config \(config ?? "-"), secret \(secret ?? "-")"
            + (isComplete ? "" : ", not all running")
    }
}

/// Looks at targets as nobody in the simulation can: at once, and without being disturbed.
struct Observation {
    let target: Target

    /// What runs of a stack, by the services' short names.
    func services(of stack: String) -> [String: ObservedDeclaration] {
        var result: [String: ObservedDeclaration] = [:]
        for service in Person(target: target).services(of: stack) {
            guard let name = service["Spec"]?["Name"]?.string else { continue }
            result[String(name.dropFirst(stack.count + 1))] = read(service)
        }
        return result
    }

    /// Whether Swarm gave up an update of a service of a stack that is to run on, and knows what was there before.
    func hasPausedUpdate(of stack: String) -> Bool {
        Person(target: target).services(of: stack).contains { service in
            let condition = service["Spec"]?["TaskTemplate"]?["RestartPolicy"]?["Condition"]?.string
            return service["UpdateStatus"]?["State"]?.string == "paused" && service["PreviousSpec"] != nil
                && service["PreviousSpec"] != service["Spec"] && !["none", "on-failure"].contains(condition)
        }
    }

    private func read(_ service: JSON) -> ObservedDeclaration {
        let task = service["Spec"]?["TaskTemplate"]
        let container = task?["ContainerSpec"]
        let stamp = container?["Env"]?.array?.compactMap(\.string).first { $0.hasPrefix("STAMP=") }?.dropFirst(6)
        let image = container?["Image"]?.string ?? ""
        let replicas = Int(service["Spec"]?["Mode"]?["Replicated"]?["Replicas"]?.int ?? 1)
        let status = service["ServiceStatus"]
        let isOneShot = task?["RestartPolicy"]?["Condition"]?.string == "none"
        return ObservedDeclaration(
            stamp: String(stamp ?? ""),
            replicas: replicas,
            image: String(image.prefix { $0 != "@" }),
            config: mounted(container?["Configs"], "Config").map(number),
            secret: mounted(container?["Secrets"], "Secret").map(number),
            isComplete: isOneShot || (status?["RunningTasks"]?.int ?? 0) >= Int64(replicas)
        )
    }

    private func mounted(_ list: JSON?, _ prefix: String) -> String? {
        list?.array?.first?["\(prefix)Name"]?.string
    }

    /// The number in a name such as `web_settings12` or `web_settings12_0123abcd`.
    private func number(in name: String) -> String {
        for word in ["settings", "password"] {
            if let range = name.firstRange(of: word) { return String(name[range.upperBound...].prefix { $0.isNumber }) }
        }
        return name
    }

    /// Whether exactly this runs, all of it.
    func runs(_ app: DeclaredApp) -> Bool { difference(from: app) == nil }

    /// What differs from a declaration, in words; nil when nothing does.
    ///
    /// `mayFail`: Whether it need not run.
    func difference(from app: DeclaredApp, mayFail: Bool = false) -> String? {
        let found = services(of: app.name)
        for service in app.services {
            guard let running = found[service.name] else { return "\(app.name)_\(service.name) is missing" }
            let wanted = ObservedDeclaration(
                stamp: "\(service.stamp)",
                replicas: app.ignoresReplicas ? running.replicas : service.replicas,
                image: SimulatedImages.image(service.nature),
                config: service.config.map { "\($0)" },
                secret: service.secret.map { "\($0)" },
                isComplete: mayFail ? running.isComplete : true
            )
            if running != wanted { return "\(app.name)_\(service.name) is \(running); declared is \(wanted)" }
        }
        let surplus = Set(found.keys).subtracting(app.services.map(\.name)).sorted()
        return surplus.first.map { "\(app.name)_\($0) is there and not declared" }
    }

    /// Whether the last task of one of an app's jobs was ended with its node, and neither by itself nor by an error.
    func hasJobEndedByNode(_ app: DeclaredApp) -> Bool {
        let jobs = Set(app.services.filter(\.nature.isJob).map { "\(app.name)_\($0.name)" })
        guard !jobs.isEmpty else { return false }
        return Person(target: target).services(of: app.name).contains { service in
            guard let id = service["ID"]?.string, jobs.contains(service["Spec"]?["Name"]?.string ?? "") else {
                return false
            }
            let tasks = target.engine.handle(.init("GET", "/v1.44/tasks"))
            let own = ((try? JSON(parsing: tasks.body))?.array ?? []).filter { $0["ServiceID"]?.string == id }
            let last = own.max { ($0["CreatedAt"]?.string ?? "") < ($1["CreatedAt"]?.string ?? "") }
            return last?["Status"]?["State"]?.string == "shutdown"
        }
    }

    /// The names of all configs and secrets, with their kind before them.
    func files() -> Set<String> {
        var names: Set<String> = []
        for kind in ["config", "secret"] {
            let answer = target.engine.handle(.init("GET", "/v1.44/\(kind)s"))
            for item in (try? JSON(parsing: answer.body))?.array ?? [] {
                if let name = item["Spec"]?["Name"]?.string { names.insert("\(kind) \(name)") }
            }
        }
        return names
    }
}
