internal import Delivery
internal import JSON

/// Compares what was declared with what the Engine reports, with everything that the Engine fills in by itself taken
/// away on both sides.
enum SpecComparison {
    /// The fields in which a service differs, with paths in the words of a Compose file.
    static func differences(desired: JSON, observed: JSON, networkNames: [String: String]) -> [FieldChange] {
        var changes: [FieldChange] = []
        let left = normalise(observed, networkNames: networkNames)
        let right = normalise(desired, networkNames: networkNames)
        compare(left, right, path: [], into: &changes)
        // The label repeats the image; saying it twice helps nobody.
        if changes.contains(where: { $0.path == "image" }) { changes.removeAll { $0.path.hasSuffix(StackLabel.image) } }
        return changes
    }

    /// A specification without defaults, empty values and identifiers, with lists whose order means nothing sorted.
    static func normalise(_ spec: JSON, networkNames: [String: String]) -> JSON {
        var spec = spec
        spec["Mode"] = .string(mode(spec["Mode"]))
        if var task = spec["TaskTemplate"] {
            for ignored in ["ForceUpdate", "Runtime"] where task[ignored] != nil { task[ignored] = nil }
            if var container = task["ContainerSpec"] {
                container["Image"] = container["Image"]?.string.map { .string(ImageReference($0).tagged) }
                if container["Isolation"]?.string == "default" { container["Isolation"] = nil }
                container["Env"] = container["Env"]?.array.map(assignments)
                container["Configs"] = container["Configs"]?.array.map { references($0, "Config") }
                container["Secrets"] = container["Secrets"]?.array.map { references($0, "Secret") }
                container["Mounts"] = container["Mounts"]?.array.map { keyed($0) { $0["Target"]?.string ?? "" } }
                container["Ulimits"] = container["Ulimits"]?.array.map { keyed($0) { $0["Name"]?.string ?? "" } }
                if container["StopGracePeriod"]?.int == 0 { container["StopGracePeriod"] = "0s" }
                if let check = container["Init"], check.bool == false { container["Init"] = "false" }
                task["ContainerSpec"] = container
            }
            if var placement = task["Placement"] {
                placement["Platforms"] = nil
                task["Placement"] = placement
            }
            if var policy = task["RestartPolicy"] {
                if policy["Condition"]?.string == "any" { policy["Condition"] = nil }
                // A zero that is given is not the Engine's default.
                for key in ["Delay", "Window"] where policy[key]?.int == 0 { policy[key] = "0s" }
                task["RestartPolicy"] = policy
            }
            let networks = task["Networks"] ?? spec["Networks"]
            task["Networks"] = networks?.array.map { items in
                let named = items.map { item -> JSON in
                    var item = item
                    if let target = item["Target"]?.string, let name = networkNames[target] {
                        item["Target"] = .string(name)
                    }
                    if let aliases = item["Aliases"]?.array {
                        item["Aliases"] = JSON(aliases.compactMap(\.string).sorted())
                    }
                    return item
                }
                return keyed(named) { $0["Target"]?.string ?? "" }
            }
            spec["TaskTemplate"] = task
        }
        if spec["Networks"] != nil { spec["Networks"] = nil }
        for key in ["UpdateConfig", "RollbackConfig"] {
            guard var config = spec[key] else { continue }
            if config["FailureAction"]?.string == "pause" { config["FailureAction"] = nil }
            if config["Order"]?.string == "stop-first" { config["Order"] = nil }
            if config["Parallelism"]?.int == 1 {
                config["Parallelism"] = nil
            } else if config["Parallelism"]?.int == 0 {
                config["Parallelism"] = "all at once"
            }
            spec[key] = config
        }
        if var endpoint = spec["EndpointSpec"] {
            if endpoint["Mode"]?.string == "vip" { endpoint["Mode"] = nil }
            endpoint["Ports"] = endpoint["Ports"]?.array.map { ports in
                keyed(ports.map(defaultedPort)) { port in
                    "\(port["PublishedPort"]?.int ?? 0):\(port["TargetPort"]?.int ?? 0)/\(port["Protocol"]?.string ?? "tcp")"
                }
            }
            spec["EndpointSpec"] = endpoint
        }
        return pruned(spec)
    }

    // MARK: Normal forms

    private static func mode(_ mode: JSON?) -> String {
        guard let mode else { return "1 replica" }
        if mode["Global"] != nil { return "global" }
        if mode["GlobalJob"] != nil { return "global job" }
        if let job = mode["ReplicatedJob"] { return "job of \(job["TotalCompletions"]?.int ?? 1)" }
        let count = mode["Replicated"]?["Replicas"]?.int ?? 1
        return count == 1 ? "1 replica" : "\(count) replicas"
    }

    private static func defaultedPort(_ port: JSON) -> JSON {
        var port = port
        if port["Protocol"] == nil { port["Protocol"] = "tcp" }
        if port["PublishMode"] == nil { port["PublishMode"] = "ingress" }
        return port
    }

    private static func assignments(_ items: [JSON]) -> JSON {
        var result: JSON.Members = [:]
        for item in items {
            let parts = (item.string ?? "").split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            result[String(parts.first ?? "")] = .string(parts.count > 1 ? "=\(parts[1])" : "unset")
        }
        return .object(result)
    }

    private static func references(_ items: [JSON], _ kind: String) -> JSON {
        keyed(
            items.map { item in
                var item = item
                item["\(kind)ID"] = nil
                // `docker compose config` writes the folder of a secret out; a config's is the root.
                let folder = kind == "Secret" ? "/run/secrets/" : "/"
                if var file = item["File"], let name = file["Name"]?.string, name.hasPrefix(folder) {
                    file["Name"] = .string(String(name.dropFirst(folder.count)))
                    item["File"] = file
                }
                return item
            }
        ) { "\($0["File"]?["Name"]?.string ?? "")\($0["Runtime"] == nil ? "" : " (runtime)")" }
    }

    private static func keyed(_ items: [JSON], by key: (JSON) -> String) -> JSON {
        .object(JSON.Members(items.map { (key($0), $0) }))
    }

    private static func pruned(_ value: JSON) -> JSON {
        switch value {
        case .object(let members): return .object(members.mapValues(pruned).compacted)
        case .array(let items): return .array(items.map(pruned))
        case .double(let number) where number == number.rounded() && abs(number) < 1e15: return .int(Int64(number))
        default: return value
        }
    }

    // MARK: Differences

    private static func compare(_ old: JSON?, _ new: JSON?, path: [String], into changes: inout [FieldChange]) {
        guard old != new else { return }
        if case .object(let left)? = old ?? .object([:]), case .object(let right)? = new ?? .object([:]),
            !left.isEmpty || !right.isEmpty
        {
            for key in Set(left.keys).union(right.keys).sorted() {
                compare(left[key], right[key], path: path + [key], into: &changes)
            }
            return
        }
        let field = FieldNames.readable(path)
        let isHidden = FieldNames.isSecret(path)
        changes.append(
            FieldChange(field, from: old.map { show($0, isHidden, path) }, to: new.map { show($0, isHidden, path) })
        )
    }

    private static func show(_ value: JSON, _ isHidden: Bool, _ path: [String]) -> String {
        if isHidden { return "[hidden]" }
        guard let text = value.string else { return FieldNames.readableValue(value, path) }
        return path.contains("Env") && text.hasPrefix("=") ? String(text.dropFirst()) : text
    }
}

/// The Engine's field names in the words of a Compose file.
enum FieldNames {
    private static let prefixes: [([String], String)] = [
        (["TaskTemplate", "ContainerSpec", "Image"], "image"),
        (["TaskTemplate", "ContainerSpec", "Env"], "environment"),
        (["TaskTemplate", "ContainerSpec", "Args"], "command"),
        (["TaskTemplate", "ContainerSpec", "Command"], "entrypoint"),
        (["TaskTemplate", "ContainerSpec", "Labels"], "labels"),
        (["TaskTemplate", "ContainerSpec", "Mounts"], "volumes"),
        (["TaskTemplate", "ContainerSpec", "Configs"], "configs"),
        (["TaskTemplate", "ContainerSpec", "Secrets"], "secrets"),
        (["TaskTemplate", "ContainerSpec", "Healthcheck"], "healthcheck"),
        (["TaskTemplate", "ContainerSpec", "Hosts"], "extra_hosts"),
        (["TaskTemplate", "ContainerSpec", "Dir"], "working_dir"),
        (["TaskTemplate", "ContainerSpec"], ""),
        (["TaskTemplate", "Networks"], "networks"),
        (["TaskTemplate", "LogDriver"], "logging"),
        (["TaskTemplate", "Resources"], "deploy.resources"),
        (["TaskTemplate", "RestartPolicy"], "deploy.restart_policy"),
        (["TaskTemplate", "Placement"], "deploy.placement"),
        (["TaskTemplate"], ""),
        (["EndpointSpec", "Ports"], "ports"),
        (["EndpointSpec", "Mode"], "deploy.endpoint_mode"),
        (["UpdateConfig"], "deploy.update_config"),
        (["RollbackConfig"], "deploy.rollback_config"),
        (["Labels"], "deploy.labels"),
        (["Mode"], "deploy.replicas"),
    ]

    /// The path in a Compose file of a field of the Engine.
    static func readable(_ path: [String]) -> String {
        for (prefix, name) in prefixes where path.starts(with: prefix) {
            let rest = path.dropFirst(prefix.count).map(lowered)
            return ([name] + rest).filter { !$0.isEmpty }.joined(separator: ".")
        }
        return path.map(lowered).joined(separator: ".")
    }

    /// Where the Engine keeps a field of a Compose file, for `ignore_differences`; nil for an unknown one.
    static func enginePath(_ field: String) -> [String]? {
        if field == "replicas" { return ["Mode"] }
        return prefixes.first { $0.1 == field && !$0.1.isEmpty }?.0
    }

    /// The fields that can be named in `ignore_differences`.
    static var known: [String] { ["replicas"] + prefixes.map(\.1).filter { !$0.isEmpty } }

    /// Whether a value at the path may be a secret and is not to be shown.
    static func isSecret(_ path: [String]) -> Bool {
        guard path.contains("Env"), let name = path.last?.uppercased() else { return false }
        return ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "PRIVATE", "DSN", "AUTH"].contains { name.contains($0) }
            || name.hasSuffix("_URL") || name.hasSuffix("_URI")
    }

    static func readableValue(_ value: JSON, _ path: [String]) -> String {
        if let number = value.int,
            ["Interval", "Timeout", "StartPeriod", "Delay", "Monitor", "Window", "StopGracePeriod"]
                .contains(path.last ?? "")
        {
            return Duration.nanoseconds(number).readable
        }
        return value.text()
    }

    private static func lowered(_ name: String) -> String {
        // Keys that are data, such as a label or a variable, keep their spelling.
        guard let first = name.first, first.isUppercase, !name.contains("_"), name != name.uppercased() else {
            return name
        }
        var result = ""
        for character in name {
            if character.isUppercase, let last = result.last, last.isLowercase { result += "_" }
            result += character.lowercased()
        }
        return result
    }
}
