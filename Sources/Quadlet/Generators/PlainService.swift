internal import Diagnostics
internal import Files
internal import Text
internal import YAML

/// One unit as a plain service: what Quadlet would generate, in the words an older Podman understands.
///
/// Source: podman-systemd.unit(5) for what each key means; podman-run(1) of Podman 3.0 for what can be said.
struct PlainService {
    let unit: UnitDeclaration
    let layout: NodeLayout
    let version: [Int]
    /// The units that references may lead to.
    let known: [String: UnitDeclaration]
    /// Whether a reference to another unit is an error.
    let refusesStrangers: Bool

    private var section: String { unit.name.kind.section }
    private var file: UnitFile { unit.unit }

    /// The service file.
    /// - Throws: `Invalid` with every key that cannot be kept.
    func text() throws(Invalid) -> String {
        var diagnostics = Diagnostics()
        var builder = ServiceBuilder(unit: unit)
        // What ran before it was refused may run again.
        if !unit.isKept { refuseWhatIsWrong(&diagnostics) }
        for entry in file.entries where entry.section == section {
            refuseWhatCannotBeKept(entry, &diagnostics)
        }
        references(&builder, &diagnostics)
        switch unit.name.kind {
        case .container: container(&builder)
        case .volume: volume(&builder)
        case .network: network(&builder)
        case .pod: pod(&builder)
        case .image: image(&builder)
        case .build: build(&builder)
        case .kube: kube(&builder)
        default: break
        }
        try diagnostics.throwIfErrors()
        return builder.text
    }

    // MARK: What cannot be said

    /// What no Podman takes is refused as its generator would, and what only newer ones take more than once.
    private func refuseWhatIsWrong(_ diagnostics: inout Diagnostics) {
        let rules = QuadletRules(version: .newest, names: nil)
        let subject = QuadletRules.Subject(name: unit.name, path: unit.path, unit: file)
        diagnostics.append(contentsOf: rules.diagnostics(of: subject).all)
        for key in PlainKeys.single[section] ?? [] {
            guard let second = file.all(section, key).dropFirst().first else { continue }
            diagnostics.error(
                at: second.place,
                "Podman \(version.map(String.init).joined(separator: ".")) takes one \(key)",
                cure: "leave one of them, or upgrade Podman"
            )
        }
    }

    private func refuseWhatCannotBeKept(_ entry: UnitFile.Entry, _ diagnostics: inout Diagnostics) {
        let since = PlainKeys.since[section]?[entry.key]
        // What is unknown was refused already.
        guard QuadletKeys.all[section]?.contains(entry.key) ?? false else { return }
        if let since, version.lexicographicallyPrecedes(since) {
            diagnostics.error(
                at: entry.place,
                "'\(entry.key)' needs Podman \(since.map(String.init).joined(separator: ".")), and this node has "
                    + version.map(String.init).joined(separator: "."),
                cure: "remove the key or upgrade Podman"
            )
        } else if PlainKeys.table[section]?[entry.key] == nil,
            !(PlainKeys.handled[section]?.contains(entry.key) ?? false)
        {
            diagnostics.error(
                at: entry.place,
                "'\(entry.key)' cannot be kept by a plain service",
                cure: "remove the key or upgrade Podman to 4.4"
            )
        }
    }

    // MARK: Other units

    /// Requires what the unit refers to and puts it first.
    private func references(_ builder: inout ServiceBuilder, _ diagnostics: inout Diagnostics) {
        for entry in file.entries where entry.section == section {
            for word in entry.value.split(whereSeparator: { ":,=".contains($0) }) {
                guard let name = UnitName(String(word)), name != unit.name else { continue }
                if refusesStrangers, known[name.description] == nil {
                    diagnostics.error(
                        at: entry.place,
                        "'\(name)' is not among the units",
                        cure: "add the file, or mend the name"
                    )
                }
                let service = known[name.description]?.service ?? name.service
                if !builder.required.contains(service) { builder.required.append(service) }
            }
        }
    }

    /// The last value of a key, without the quotes around it, as Podman's generator takes it.
    private func last(_ key: String) -> String? {
        file.last(section, key).map { value in
            let isQuoted = value.count > 1 && value.hasPrefix("\"") && value.hasSuffix("\"")
            return isQuoted ? String(value.dropFirst().dropLast()) : value
        }
    }

    /// Every value of a key as it is to be said: paths from the unit's own folder, and devices that may be missing.
    private func said(_ key: String) -> [String] {
        file.values(section, key).compactMap { value in
            switch key {
            case "Volume": return resolved(value.hasPrefix(".") ? "\(unitFolder)/\(value)" : value)
            case "EnvironmentFile":
                return value.hasPrefix("/") || value.hasPrefix("%") ? value : "\(unitFolder)/\(value)"
            case "Mount": return mounted(value)
            case "Network": return resolved(value)
            default: return value
            }
        }
    }

    /// A mount whose source may be another unit, or lie beside this one.
    private func mounted(_ value: String) -> String {
        value.split(separator: ",", omittingEmptySubsequences: false).map { part in
            for key in ["source=", "src="] where part.hasPrefix(key) {
                let source = String(part.dropFirst(key.count))
                return key + (source.hasPrefix(".") ? "\(unitFolder)/\(source)" : resolved(source))
            }
            return String(part)
        }.joined(separator: ",")
    }

    /// A device that the machine has; one after a dash may be missing.
    private func device(_ word: String) -> String? {
        guard word.hasPrefix("-") else { return word }
        let device = String(word.dropFirst())
        return pathExists(String(device.split(separator: ":").first ?? "")) ? device : nil
    }

    /// A value with references to other units replaced by the names Podman knows those by.
    private func resolved(_ value: String) -> String {
        guard let head = value.split(separator: ":", maxSplits: 1).first, let name = UnitName(String(head)) else {
            return value
        }
        let rest = value.dropFirst(head.count)
        let own: String
        switch name.kind {
        case .volume: own = known[name.description]?.unit.last("Volume", "VolumeName") ?? "systemd-\(name.stem)"
        case .network: own = known[name.description]?.unit.last("Network", "NetworkName") ?? "systemd-\(name.stem)"
        case .pod: own = known[name.description]?.unit.last("Pod", "PodName") ?? "systemd-\(name.stem)"
        case .image: own = known[name.description]?.unit.last("Image", "Image") ?? value
        case .build: own = known[name.description]?.unit.last("Build", "ImageTag") ?? value
        case .container:
            own =
                "container:"
                + (known[name.description]?.unit.last("Container", "ContainerName") ?? "systemd-\(name.stem)")
        default: own = value
        }
        return own + rest
    }

    // MARK: Kinds

    private func flags(_ section: String) -> [String] {
        var result: [String] = []
        for (key, form) in (PlainKeys.table[section] ?? [:]).sorted(by: { $0.key < $1.key }) {
            switch form {
            case .value(let flag):
                if let value = last(key) { result += [flag, key == "Pod" ? resolved(value) : value] }
            case .repeated(let flag):
                for value in said(key) { result += [flag, value] }
            case .words(let flag):
                for word in file.values(section, key).flatMap(words) {
                    guard key == "AddDevice" else {
                        result += [flag, word]
                        continue
                    }
                    if let device = device(word) { result += [flag, device] }
                }
            case .lowered(let flag):
                for value in file.values(section, key) {
                    for word in words(value) { result += [flag, word.lowercased()] }
                }
            case .security(let option):
                if let value = last(key) { result += ["--security-opt", "\(option)\(value)"] }
            case .securities(let option):
                for word in file.values(section, key).flatMap(words) {
                    result += ["--security-opt", "\(option)\(word)"]
                }
            case .option(let words):
                if file.isTrue(section, key) == true { result += words }
            case .size(let flag):
                if let value = last(key) { result += [flag, bytes(value)] }
            case .choice(let flag):
                if let value = file.isTrue(section, key) { result.append("\(flag)=\(value)") }
            }
        }
        return result + file.values(section, "PodmanArgs").flatMap(words)
    }

    private func podman(_ words: [String]) -> [String] {
        ["/usr/bin/podman"] + file.values(section, "GlobalArgs").flatMap(Quadlet.words) + words
    }

    /// A size such as `64m` in bytes, with units of 1024; as it is when it is none.
    private func bytes(_ text: String) -> String {
        let digits = text.prefix { $0.isNumber }
        let factors = [
            "": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30,
        ]
        guard let number = Int(digits), let factor = factors[text.dropFirst(digits.count).lowercased()] else {
            return text
        }
        return "\(number * factor)"
    }

    private func container(_ builder: inout ServiceBuilder) {
        let name =
            file.last("Container", "ContainerName") ?? (unit.name.instance == nil ? "systemd-%N" : "systemd-%p_%i")
        let isOneshot = file.last("Service", "Type") == "oneshot"
        let notify = file.last("Container", "Notify")?.lowercased() ?? ""
        var run = ["run", "--name", name, "--cidfile=%t/%N.cid", "--replace", "--rm"]
        if isOneshot {
            builder.service.append(("Type", "oneshot"))
        } else if file.isTrue("Container", "Notify") == true {
            builder.service += [("Type", "notify"), ("NotifyAccess", "all")]
            run += ["--sdnotify=container", "-d"]
        } else {
            // Podman before 4 does not tell systemd reliably that a detached container runs; an attached one is the
            // service's own process.
            builder.service.append(("Type", "simple"))
        }
        if let mode = file.last("Container", "CgroupsMode") { run.append("--cgroups=\(mode)") }
        if let user = file.last("Container", "User") {
            run += ["--user", user + (file.last("Container", "Group").map { ":\($0)" } ?? "")]
        }
        if let policy = file.last("Container", "AutoUpdate") {
            // Podman before 3.1 knows the policy as 'image'.
            let own = policy == "registry" && version.lexicographicallyPrecedes([3, 1]) ? "image" : policy
            run += ["--label", "io.containers.autoupdate=\(own)"]
        }
        run += flags("Container")
        if let rootfs = file.last("Container", "Rootfs") {
            run += ["--rootfs", rootfs]
        } else {
            run.append(resolved(last("Image") ?? ""))
        }
        run += file.values("Container", "Exec").last.map(words) ?? []
        builder.service += [
            ("Environment", "PODMAN_SYSTEMD_UNIT=%n"), ("KillMode", "mixed"), ("Delegate", "yes"),
            ("SyslogIdentifier", "%N"), ("ExecStartPre", "-/bin/rm -f %t/%N.cid %t/%N.pid"),
        ]
        builder.command("ExecStart", podman(run))
        if !isOneshot {
            // The start is over when the container runs, or, as Notify=healthy of newer ones has it, when its health
            // command succeeds.
            let test =
                notify == "healthy"
                ? "/usr/bin/podman healthcheck run \(name) >/dev/null 2>&1"
                : "[ \"`/usr/bin/podman container inspect -f {{.State.Running}} \(name) 2>/dev/null`\" = true ]"
            let wait = "until \(test); do sleep 0.3; done"
            builder.service.append(("ExecStartPost", "/bin/sh -c \(ServiceBuilder.quoted(wait))"))
        }
        let stop = podman(["rm", "-f", "-i", "--cidfile=%t/%N.cid"])
        builder.service.append(("ExecStop", ServiceBuilder.line(stop)))
        builder.service.append(("ExecStopPost", "-\(ServiceBuilder.line(stop))"))
    }

    /// A service that makes something once and stays: made again only when it is not there.
    private func make(_ builder: inout ServiceBuilder, unless test: [String]?, _ command: [String]) {
        builder.service += [("Type", "oneshot"), ("RemainAfterExit", "yes"), ("SyslogIdentifier", "%N")]
        guard let test else { return builder.command("ExecStart", podman(command)) }
        let script = (podman(test) + [">/dev/null", "2>&1", "||"]).joined(separator: " ")
        let shell = "\(script) \(podman(command).map(ServiceBuilder.shellQuoted).joined(separator: " "))"
        builder.service.append(("ExecStart", "/bin/sh -c \(ServiceBuilder.quoted(shell))"))
    }

    private func volume(_ builder: inout ServiceBuilder) {
        let name = file.last("Volume", "VolumeName") ?? "systemd-\(unit.name.stem)"
        var options: [String] = []
        if let device = file.last("Volume", "Device") { options += ["--opt", "device=\(device)"] }
        if let type = file.last("Volume", "Type") { options += ["--opt", "type=\(type)"] }
        var mount = file.last("Volume", "Options").map { [$0] } ?? []
        if let user = file.last("Volume", "User") { mount.append("uid=\(user)") }
        if let group = file.last("Volume", "Group") { mount.append("gid=\(group)") }
        if !mount.isEmpty { options += ["--opt", "o=\(mount.joined(separator: ","))"] }
        if file.isTrue("Volume", "Copy") == false { options += ["--opt", "nocopy"] }
        make(&builder, unless: ["volume", "inspect", name], ["volume", "create"] + options + flags("Volume") + [name])
    }

    private func network(_ builder: inout ServiceBuilder) {
        let name = file.last("Network", "NetworkName") ?? "systemd-\(unit.name.stem)"
        make(&builder, unless: ["network", "inspect", name], ["network", "create"] + flags("Network") + [name])
    }

    private func pod(_ builder: inout ServiceBuilder) {
        let name = file.last("Pod", "PodName") ?? "systemd-\(unit.name.stem)"
        builder.service += [
            ("Environment", "PODMAN_SYSTEMD_UNIT=%n"), ("Type", "simple"), ("Restart", "on-failure"),
            ("SyslogIdentifier", "%N"), ("ExecStartPre", "-/bin/rm -f %t/%N.pod-id"),
        ]
        let create = ["pod", "create", "--pod-id-file=%t/%N.pod-id", "--replace"]
        builder.command("ExecStartPre", podman(create + ["--name", name] + flags("Pod")))
        builder.command("ExecStartPre", podman(["pod", "start", "--pod-id-file=%t/%N.pod-id"]))
        // Its processes lie outside the service, where systemd takes no PID from; so the service waits for their end.
        let holder = "`/usr/bin/podman pod inspect -f {{.InfraContainerID}} \(name)`"
        let wait = "test \"`/usr/bin/podman wait \(holder.replacing("`", with: "\\`"))`\" = 0"
        builder.service.append(("ExecStart", "/bin/sh -c \(ServiceBuilder.quoted(wait))"))
        builder.command("ExecStop", podman(["pod", "stop", "--ignore", "--pod-id-file=%t/%N.pod-id", "-t", "10"]))
        builder.command("ExecStopPost", podman(["pod", "rm", "--ignore", "-f", "--pod-id-file=%t/%N.pod-id"]))
    }

    private func image(_ builder: inout ServiceBuilder) {
        make(&builder, unless: nil, ["pull"] + flags("Image") + [last("Image") ?? ""])
    }

    private func build(_ builder: inout ServiceBuilder) {
        let directory = file.last("Build", "SetWorkingDirectory") ?? "."
        let context = directory == "unit" || directory == "file" ? unitFolder : directory
        make(&builder, unless: nil, ["build"] + flags("Build") + [context])
    }

    private func kube(_ builder: inout ServiceBuilder) {
        let yaml = unit.referencedFiles.first { $0.key == "Yaml" }?.path ?? file.last("Kube", "Yaml") ?? ""
        let pods = Self.podNames(in: (try? fileContent(yaml)) ?? [], file: yaml)
        builder.service += [("Type", "oneshot"), ("RemainAfterExit", "yes"), ("SyslogIdentifier", "%N")]
        // What an attempt that failed left behind is in the way: this Podman cannot replace a pod.
        for pod in pods {
            builder.service.append(("ExecStartPre", "-\(ServiceBuilder.line(podman(["pod", "rm", "-f", pod])))"))
        }
        builder.command("ExecStart", podman(["play", "kube"] + flags("Kube") + [yaml]))
        if !pods.isEmpty { builder.command("ExecStop", podman(["pod", "rm", "-f"] + pods)) }
    }

    /// The names Podman gives the pods of a Kubernetes file.
    ///
    /// Source: podman-play-kube(1) of Podman 3.0.
    private static func podNames(in bytes: [UInt8], file: String) -> [String] {
        let text = String(decoding: bytes, as: UTF8.self)
        return "\n\(text)".split(separator: "\n---").compactMap { document in
            guard let node = try? parse(Array(document.utf8), file: file).mapping,
                let name = node["metadata"]?.mapping?["name"]?.scalar?.text
            else { return nil }
            switch node["kind"]?.scalar?.text {
            case "Pod": return name
            case "Deployment": return "\(name)-pod-0"
            default: return nil
            }
        }
    }

    private var unitFolder: String {
        unit.path.lastIndex(of: "/").map { String(unit.path[..<$0]) } ?? "/"
    }
}

/// A service file in the making.
struct ServiceBuilder {
    let unit: UnitDeclaration
    /// Services that come first.
    var required: [String] = []
    /// Assignments of [Service] that the unit itself may overrule.
    var service: [(key: String, value: String)] = []

    mutating func command(_ key: String, _ words: [String]) { service.append((key, Self.line(words))) }

    var text: String {
        let own = unit.unit
        var lines = ["# Made by Hecate from \(unit.path); edit that.", "[Unit]"]
        lines += ["Wants=network-online.target", "After=network-online.target"]
        for entry in own.entries where entry.section == "Unit" { lines.append("\(entry.key)=\(entry.value)") }
        lines += ["SourcePath=\(unit.path)", "RequiresMountsFor=%t/containers"]
        for service in required { lines += ["Requires=\(service)", "After=\(service)"] }
        lines += ["", "[Service]"]
        let repeated: Set<String> = [
            "Environment", "ExecStart", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost",
        ]
        for (key, value) in service where repeated.contains(key) || own.last("Service", key) == nil {
            lines.append("\(key)=\(value)")
        }
        for entry in own.entries where entry.section == "Service" { lines.append("\(entry.key)=\(entry.value)") }
        for section in own.sections where !["Unit", "Service", unit.name.kind.section].contains(section) {
            lines += ["", "[\(section)]"]
            for entry in own.entries where entry.section == section { lines.append("\(entry.key)=\(entry.value)") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Words as one command line of systemd's.
    static func line(_ words: [String]) -> String { words.map(quoted).joined(separator: " ") }

    /// A word as systemd reads it back; specifiers stay specifiers.
    static func quoted(_ word: String) -> String {
        guard !isPlain(word) else { return word }
        let escaped = replacingBytes(in: word) { byte in
            switch byte {
            case UInt8(ascii: "\\"): "\\\\"
            case UInt8(ascii: "\""): "\\\""
            case UInt8(ascii: "\n"): "\\n"
            case UInt8(ascii: "\r"): "\\r"
            default: nil
            }
        }
        return "\"\(escaped)\""
    }

    /// A word as a shell reads it back.
    static func shellQuoted(_ word: String) -> String {
        isPlain(word) ? word : "'\(replacingBytes(in: word) { $0 == UInt8(ascii: "'") ? "'\\''" : nil })'"
    }

    /// Whether a word needs no quotes.
    private static func isPlain(_ word: String) -> Bool {
        !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "-_./:=,@%+".contains($0) }
    }
}
