internal import Diagnostics
internal import YAML

/// Joins Compose files by the rules of the specification (section "Merge"): mappings key by key, lists one after the
/// other, single values replaced; with the exceptions that the specification names.
enum Merge {
    /// The base with what the override says laid over it.
    static func merge(_ base: Node, _ override: Node, path: [String] = []) -> Node {
        if override.tag == "!override" { return untagged(override) }
        switch rule(for: path) {
        case .replace: return override
        case .keyed(let keyed): return mergeKeyed(base, override, as: keyed)
        case .logging where drivers(base, override): return override
        case .logging, .ordinary: break
        }
        switch (base.content, override.content) {
        case (.mapping(let left), .mapping(let right)):
            return Node(.mapping(mergeMappings(left, right, path: path)), at: override.place)
        case (.sequence(let left), .sequence(let right)):
            // What both say is said once.
            let known = Set(left.map(\.meaning))
            let new = right.filter { !known.contains($0.meaning) }
            return Node(.sequence(left + new), at: override.place)
        default:
            // A null override leaves the base as it is, a single value replaces it.
            return override.isNull ? base : override
        }
    }

    private static func mergeMappings(_ left: Mapping, _ right: Mapping, path: [String]) -> Mapping {
        var result = left
        for entry in right.entries {
            if entry.value.tag == "!reset" {
                result[entry.key] = nil
            } else if let existing = result[entry.key], !entry.key.hasPrefix("x-") {
                result[entry.key] = merge(existing, entry.value, path: path + [entry.key])
            } else {
                result[entry.key] = entry.value
                if let last = result.entries.indices.last, result.entries[last].key == entry.key {
                    result.entries[last].keyPlace = entry.keyPlace
                }
            }
        }
        return result
    }

    /// A tree in which `!reset` entries are gone and `!override` is no longer marked: how the last file is read.
    static func settle(_ node: Node) -> Node {
        switch node.content {
        case .scalar: return untagged(node)
        case .sequence(let items):
            return Node(.sequence(items.filter { $0.tag != "!reset" }.map(settle)), at: node.place)
        case .mapping(let mapping):
            let entries = mapping.entries.filter { $0.value.tag != "!reset" }.map { entry in
                Mapping.Entry(key: entry.key, keyPlace: entry.keyPlace, value: settle(entry.value))
            }
            return Node(.mapping(Mapping(entries)), at: node.place)
        }
    }

    private static func untagged(_ node: Node) -> Node {
        var node = node
        if node.tag == "!override" { node.tag = nil }
        return node
    }

    // MARK: The exceptions

    private enum Rule {
        case ordinary, replace, logging
        case keyed(Keyed)
    }

    /// Lists that are really sets: an entry of the override takes the place of the base's entry of the same key.
    enum Keyed {
        case assignments, mounts, ports, references(String), words, networks, hosts
        var isHosts: Bool { if case .hosts = self { true } else { false } }
    }

    private static func rule(for path: [String]) -> Rule {
        guard path.count >= 3, path[0] == "services" else {
            return path.count == 3 && path.last == "labels" ? .keyed(.assignments) : .ordinary
        }
        switch path.dropFirst(2).joined(separator: ".") {
        case "command", "entrypoint", "healthcheck.test": return .replace
        case "logging": return .logging
        case "environment", "labels", "deploy.labels", "sysctls", "annotations", "build.args":
            return .keyed(.assignments)
        case "volumes", "devices": return .keyed(.mounts)
        case "ports": return .keyed(.ports)
        case "configs": return .keyed(.references(""))
        case "secrets": return .keyed(.references("/run/secrets"))
        case "expose", "cap_add", "cap_drop", "dns", "dns_opt", "dns_search", "tmpfs", "env_file", "security_opt",
            "group_add", "profiles", "depends_on", "external_links", "links":
            return .keyed(.words)
        case "networks": return .keyed(.networks)
        case "extra_hosts": return .keyed(.hosts)
        default:
            if path.count == 5, path[2] == "networks", path[4] == "aliases" { return .keyed(.words) }
            return path.count == 4 && path[2] == "ulimits" ? .replace : .ordinary
        }
    }

    /// Whether two logging sections name different drivers: options of one mean nothing to the other.
    private static func drivers(_ base: Node, _ override: Node) -> Bool {
        guard let left = base.mapping?["driver"]?.scalar, let right = override.mapping?["driver"]?.scalar else {
            return false
        }
        return left.text != right.text
    }

    private static func mergeKeyed(_ base: Node, _ override: Node, as keyed: Keyed) -> Node {
        if override.isNull { return base }
        if keyed.isHosts { return mergeHosts(base, override) }
        // Two mappings merge as mappings; a list on either side makes both lists of the same shape.
        if let left = base.mapping, let right = override.mapping {
            var result = left
            for entry in right.entries {
                if entry.value.tag == "!reset" {
                    result[entry.key] = nil
                } else if case .networks = keyed, let existing = result[entry.key] {
                    result[entry.key] = merge(existing, entry.value, path: ["services", "", "networks", entry.key])
                } else {
                    result[entry.key] = entry.value
                }
            }
            return Node(.mapping(result), at: override.place)
        }
        var items: [Node] = []
        var positions: [String: Int] = [:]
        for item in list(base, as: keyed) + list(override, as: keyed) {
            let key = key(of: item, as: keyed)
            if let index = positions[key] {
                items[index] = item
            } else {
                positions[key] = items.count
                items.append(item)
            }
        }
        if case .networks = keyed { return networksMapping(base, override) }
        return Node(.sequence(items), at: override.place)
    }

    /// A name may have several addresses, so nothing replaces anything; what both sides say is said once.
    private static func mergeHosts(_ base: Node, _ override: Node) -> Node {
        var lines = hostLines(base)
        let reset = override.mapping?.entries.filter { $0.value.tag == "!reset" }.map(\.key) ?? []
        lines.removeAll { line in line.scalar.flatMap { splitHost($0.text) }.map { reset.contains($0.name) } ?? false }
        var known = Set(lines.compactMap(hostKey))
        for line in hostLines(override) where line.tag != "!reset" {
            guard let key = hostKey(line) else {
                lines.append(line)
                continue
            }
            if known.insert(key).inserted { lines.append(line) }
        }
        return Node(.sequence(lines), at: override.place)
    }

    private static func hostKey(_ line: Node) -> String? {
        line.scalar.flatMap { splitHost($0.text) }.map { "\($0.name)=\($0.address)" }
    }

    private static func networksMapping(_ base: Node, _ override: Node) -> Node {
        func mapping(_ node: Node) -> Mapping {
            if let mapping = node.mapping { return mapping }
            let entries = (node.sequence ?? []).compactMap { item -> Mapping.Entry? in
                guard let name = item.scalar?.text else { return nil }
                let nothing = Node(.scalar(Scalar(text: "", isPlain: true)), at: item.place)
                return Mapping.Entry(key: name, keyPlace: item.place, value: nothing)
            }
            return Mapping(entries)
        }
        return Node(
            .mapping(mergeMappings(mapping(base), mapping(override), path: ["services", "", "networks"])),
            at: override.place
        )
    }

    private static func list(_ node: Node, as keyed: Keyed) -> [Node] {
        switch node.content {
        case .sequence(let items): return items
        case .scalar: return node.isNull ? [] : [node]
        case .mapping(let mapping):
            return mapping.entries.map { entry in
                if case .words = keyed { return Node(string: entry.key, at: entry.keyPlace) }
                guard let scalar = entry.value.scalar, !scalar.isNull else {
                    return Node(string: entry.key, at: entry.keyPlace)
                }
                return Node(string: "\(entry.key)=\(scalar.text)", at: entry.value.place)
            }
        }
    }

    private static func key(of node: Node, as keyed: Keyed) -> String {
        let text = node.scalar?.text ?? ""
        switch keyed {
        case .assignments: return String(text.prefix { $0 != "=" })
        case .words: return node.mapping?["path"]?.scalar?.text ?? text
        case .networks, .hosts: return text
        case .mounts:
            if let target = node.mapping?["target"]?.scalar?.text { return target }
            let parts = mountParts(text)
            return parts.count > 1 ? parts[1] : parts[0]
        case .references(let directory):
            let mapping = node.mapping
            let target = mapping?["target"]?.scalar?.text ?? mapping?["source"]?.scalar?.text ?? text
            return target.hasPrefix("/") ? target : "\(directory)/\(target)"
        case .ports:
            guard let mapping = node.mapping else { return text }
            func part(_ name: String, _ fallback: String) -> String { mapping[name]?.scalar?.text ?? fallback }
            return
                "\(part("host_ip", "0.0.0.0")):\(part("published", "")):\(part("target", ""))/\(part("protocol", "tcp"))"
        }
    }
}

extension Node {
    /// What the node holds, wherever it stands and in whichever order its keys are: equal for two that say the same.
    var meaning: Node {
        let nowhere = Place(file: "")
        switch content {
        case .scalar(let scalar):
            return Node(.scalar(Scalar(text: scalar.text, isPlain: scalar.isPlain)), at: nowhere, tag: tag)
        case .sequence(let items): return Node(.sequence(items.map(\.meaning)), at: nowhere, tag: tag)
        case .mapping(let mapping):
            let entries = mapping.entries.sorted { $0.key < $1.key }.map { entry in
                Mapping.Entry(key: entry.key, keyPlace: nowhere, value: entry.value.meaning)
            }
            return Node(.mapping(Mapping(entries)), at: nowhere, tag: tag)
        }
    }
}
