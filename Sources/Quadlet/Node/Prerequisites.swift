internal import Delivery
internal import Diagnostics
internal import Files
internal import JSON
internal import Subprocess
internal import Systemd

/// What a unit needs of its machine and no unit makes: named before anything is touched, with the command that makes it.
///
/// Whatever its own start may make, or something that is started for it, is not looked for.
struct Prerequisites {
    let unit: UnitDeclaration
    let platform: NodePlatform
    /// Whether a version of it that may run now uses the machine's own network, so that nothing says which ports are its own.
    var wasOnHost = false

    /// Refuses a unit that cannot start for want of something.
    /// - Throws: `Failure` with everything that is missing; it is tried again, because a person makes it.
    func require() async throws {
        guard !mayBeMadeByItsStart else { return }
        let missing = await secrets() + networks() + image() + paths() + ports()
        guard let first = missing.first else { return }
        throw Failure(
            .notFound,
            missing.count == 1 ? first.description : "\(missing.count) things are missing, the first: \(first)",
            details: missing.count == 1 ? [] : missing.map(\.description)
        )
    }

    /// Whether something of the unit's runs, or is started, before its container, and may make what is missing.
    private var mayBeMadeByItsStart: Bool {
        let makers: Set<String> = [
            "ExecStartPre", "ExecCondition", "RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory",
            "ConfigurationDirectory", "BindPaths", "BindReadOnlyPaths",
        ]
        let pullers: Set<String> = ["Requires", "Wants", "BindsTo", "Upholds", "Requisite"]
        return unit.unit.entries.contains { entry in
            switch entry.section {
            case "Service": return makers.contains(entry.key)
            case "Unit":
                if entry.key.hasSuffix("MountsFor") { return true }
                guard pullers.contains(entry.key) || entry.key == "After" else { return false }
                return words(entry.value).contains { name in
                    if name.hasSuffix(".mount") || name.hasSuffix(".automount") { return true }
                    return entry.key != "After" && !name.hasSuffix(".target")
                }
            default: return false
            }
        }
    }

    /// Whether what a value says is known only when systemd or Podman reads it.
    private func isOpen(_ text: some StringProtocol) -> Bool { text.contains("%") || text.contains("$") }

    private var section: String { unit.name.kind.section }
    private func entries(_ key: String) -> [UnitFile.Entry] { unit.unit.all(section, key) }
    private func expanded(_ text: some StringProtocol) -> String {
        platform.layout.specifiers.expand(String(text), for: unit.name)
    }

    private func missing(_ entry: UnitFile.Entry, _ what: String, _ cure: String) -> Diagnostic {
        Diagnostic(.error, at: entry.place, what, cure: cure)
    }

    /// The names that Podman lists; nil when it could not be asked.
    private func listed(_ kind: String) async -> Set<String>? {
        guard let answer = try? await platform.podman([kind, "ls", "--format", "{{.Name}}"]), answer.code == 0 else {
            return nil
        }
        return Set(answer.outputText.split(separator: "\n").map(String.init))
    }

    private func secrets() async -> [Diagnostic] {
        let wanted = unit.name.kind == .container ? entries("Secret") : []
        guard !wanted.isEmpty, let known = await listed("secret") else { return [] }
        return wanted.compactMap { entry in
            let name = expanded(entry.value.split(separator: ",").first ?? "")
            guard !name.isEmpty, !isOpen(name), !isIdentifier(name), !known.contains(name) else { return nil }
            return missing(entry, "there is no secret '\(name)'", "make it with: podman secret create \(name) FILE")
        }
    }

    /// What `Network=` may name besides networks (podman-run(1), `--network`).
    private static let modes: Set<String> = [
        "host", "none", "bridge", "private", "pasta", "slirp4netns", "container", "ns", "default", "podman",
    ]

    private func networks() async -> [Diagnostic] {
        let wanted = entries("Network").filter { entry in
            let name = entry.value.split(separator: ":").first.map(String.init) ?? ""
            return !name.isEmpty && !Self.modes.contains(name) && UnitName(name) == nil
        }
        guard [.container, .pod, .kube].contains(unit.name.kind), !wanted.isEmpty,
            let known = await listed("network")
        else { return [] }
        return wanted.compactMap { entry in
            let name = expanded(entry.value.split(separator: ":").first ?? "")
            // Names like those of .network units may be made by one of these in a moment.
            let mayCome = name.hasPrefix("systemd-") || name.contains(",") || isOpen(name) || isIdentifier(name)
            guard !mayCome, !known.contains(name) else { return nil }
            return missing(
                entry,
                "there is no network '\(name)'",
                "make it with: podman network create \(name), or declare a .network unit and name that"
            )
        }
    }

    /// An image that is never pulled has to be there.
    private func image() async -> [Diagnostic] {
        guard unit.name.kind == .container, unit.unit.last(section, "Pull") == "never",
            let entry = entries("Image").last, UnitName(entry.value) == nil, !isOpen(entry.value),
            let answer = try? await platform.podman(["image", "exists", entry.value]), answer.code == 1
        else { return [] }
        return [
            missing(
                entry,
                "there is no image '\(entry.value)', and Pull=never keeps Podman from getting it",
                "get it with: podman pull \(entry.value)"
            )
        ]
    }

    /// Ports that somebody else listens on, or that are root's.
    private func ports() async -> [Diagnostic] {
        // Of the machine's own network nothing is published.
        guard [.container, .pod, .kube].contains(unit.name.kind),
            !entries("Network").contains(where: { $0.value == "host" })
        else { return [] }
        let wanted = entries("PublishPort").compactMap { entry in
            PublishedPorts(expanded(entry.value)).map { (entry: entry, ports: $0) }
        }
        guard !wanted.isEmpty else { return [] }
        let sockets = ListeningSocket.all()
        let isRoot = platform.layout.scope == .system
        let first = isRoot ? 0 : PublishedPorts.firstOfAnybody()
        var found: [Diagnostic] = []
        var holders: [PortHolder]?
        for (entry, ports) in wanted {
            let port = ports.ports.lowerBound
            if port < first {
                let cure =
                    "publish one from \(first) on, or set net.ipv4.ip_unprivileged_port_start=\(port) with sysctl"
                found.append(missing(entry, "port \(port) is root's", cure))
            } else if let taken = ports.taken(by: sockets) {
                if holders == nil { holders = await portHolders() }
                // Who holds it cannot be told.
                guard let holders else { continue }
                let holder = holders.first { $0.has(taken, isUDP: ports.isUDP) }
                // One container of systemd's may take over from another, and this one's own ends before the next starts.
                if holder?.service != nil || holder == nil && wasOnHost { continue }
                let who =
                    holder.map { "the container '\($0.name)', which somebody started by hand" } ?? "another program"
                let kind = ports.isUDP ? "u" : "t"
                let cure = "end that one, or publish another; see it with: ss -ln\(kind)p 'sport = :\(taken)'"
                found.append(missing(entry, "port \(taken) is in use by \(who)", cure))
            }
        }
        return found
    }

    /// The containers that run, with their ports; nil when Podman could not be asked.
    private func portHolders() async -> [PortHolder]? {
        guard let answer = try? await platform.podman(["ps", "--format", "json"]), answer.code == 0 else { return nil }
        return (try? JSON(parsing: answer.output)).map(PortHolder.all)
    }

    /// Folders and devices of the machine; what the unit itself makes or has mounted first is not looked for.
    private func paths() -> [Diagnostic] {
        guard [.container, .pod].contains(unit.name.kind) else { return [] }
        let remote = Mount.all().filter(\.isRemote).map(\.point)
        let volumes = entries("Volume").compactMap { entry -> (UnitFile.Entry, String)? in
            let parts = entry.value.split(separator: ":", omittingEmptySubsequences: false)
            return parts.count > 1 ? (entry, String(parts[0])) : nil
        }
        let devices = entries("AddDevice").flatMap { entry in
            words(entry.value).filter { $0.hasPrefix("/") }.map { (entry, String($0.split(separator: ":")[0])) }
        }
        let missingVolumes = volumes.compactMap { entry, written in
            absent(written, remote).map { path in
                missing(entry, "there is no folder or file '\(path)'", "make it, for a folder with: mkdir -p '\(path)'")
            }
        }
        let missingDevices = devices.compactMap { entry, written in
            absent(written, remote).map { path in
                let cure = "load its driver, or write AddDevice=-\(written) to go on without it"
                return missing(entry, "there is no device '\(path)'", cure)
            }
        }
        return missingVolumes + missingDevices
    }

    /// The whole path of something that is not there; nil when it is, or cannot be told.
    private func absent(_ written: String, _ remote: [String]) -> String? {
        var path = expanded(written)
        if path.hasPrefix("./") || path == "." { path = "\(folder(of: unit.path))/\(path)" }
        // All else is the name of a volume.
        guard path.hasPrefix("/"), !isOpen(path) else { return nil }
        path = normalizedPath(path)
        guard !remote.contains(where: { path == $0 || path.hasPrefix("\($0)/") }), !pathExists(path) else { return nil }
        // What only others may look into is not known to be missing.
        return lookError(path) == nil ? path : nil
    }

    /// Whether a name may be the beginning of an identifier, which Podman takes as well.
    private func isIdentifier(_ name: String) -> Bool { name.count >= 12 && name.allSatisfy(\.isHexDigit) }
}
