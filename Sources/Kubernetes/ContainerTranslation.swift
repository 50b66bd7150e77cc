internal import JSON

/// Makes one `.container` file of one container.
///
/// Source: Kubernetes API v1, Container; podman-systemd.unit(5).
struct ContainerTranslation {
    var pod: PodTranslation
    let container: JSON
    let unit: String
    let isInit: Bool
    private(set) var text = UnitText()
    private var environment: [(name: String, value: String, isSecret: Bool)] = []

    init(pod: PodTranslation, container: JSON, unit: String, isInit: Bool) {
        self.pod = pod
        self.container = container
        self.unit = unit
        self.isInit = isInit
    }

    private var path: String { "containers.\(container["name"]?.string ?? "")" }

    private static let known: Set<String> = [
        "name", "image", "command", "args", "workingDir", "ports", "env", "envFrom", "resources", "volumeMounts",
        "livenessProbe", "readinessProbe", "startupProbe", "imagePullPolicy", "securityContext", "restartPolicy",
        "terminationMessagePath", "terminationMessagePolicy", "stdin", "tty",
    ]

    mutating func translate(after: [String]) {
        let title = pod.workload.object.title
        text.add("Unit", "Description", UnitText.literal("\(unit), moved from \(title)"))
        for service in after {
            text.add("Unit", "Requires", service)
            text.add("Unit", "After", service)
        }
        pod.findStrangers(in: container, at: path, known: Self.known)
        guard let image = container["image"]?.string, !image.isEmpty else {
            pod.refuse(path, "has no image", "name one")
            return
        }
        pod.app.images.append(image)
        add("Image", UnitText.literal(image))
        add("ContainerName", unit)
        add("Label", UnitText.word("io.hecate.moved-from=\(title)"))
        for entry in pod.common { text.add(entry.section, entry.key, entry.value) }
        words()
        collectEnvironment()
        writeEnvironment()
        mounts()
        security()
        resources()
        if isInit {
            text.add("Service", "Type", "oneshot")
            text.add("Service", "RemainAfterExit", "yes")
        } else {
            health()
            text.add("Service", "Restart", "always")
            text.add("Service", "RestartSec", "5s")
        }
        text.add("Service", "TimeoutStartSec", "300s")
        if let grace = pod.workload.podSpec["terminationGracePeriodSeconds"]?.int, grace != 30 {
            add("PodmanArgs", "--stop-timeout=\(grace)")
            text.add("Service", "TimeoutStopSec", "\(grace + 10)s")
        }
        text.add("Install", "WantedBy", "default.target")
    }

    private mutating func add(_ key: String, _ value: String) { text.add("Container", key, value) }

    // MARK: Command

    /// Kubernetes' command is the entry point; what follows its first word goes before the arguments, as one list.
    private mutating func words() {
        var words = (container["args"]?.array ?? []).compactMap(\.string).map { expand($0, path: "\(path).args") }
        let command = (container["command"]?.array ?? []).compactMap(\.string)
            .map { expand($0, path: "\(path).command") }
        if let program = command.first {
            add("Entrypoint", UnitText.word(program))
            words = command.dropFirst() + words
        }
        if !words.isEmpty { add("Exec", words.map { UnitText.word($0) }.joined(separator: " ")) }
        if let folder = container["workingDir"]?.string { add("WorkingDir", UnitText.literal(folder)) }
        if container["tty"]?.bool ?? false { add("PodmanArgs", "--tty") }
        if container["imagePullPolicy"]?.string == "Always", !isInit { add("PodmanArgs", "--pull=newer") }
    }

    /// Fills in `$(NAME)` as Kubernetes does; what is not known stays as it is.
    private mutating func expand(_ text: String, path: String) -> String {
        guard text.contains("$(") else { return text }
        if environment.isEmpty { collectEnvironment() }
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "$(") {
            if start.lowerBound > rest.startIndex, rest[rest.index(before: start.lowerBound)] == "$" {
                result += rest[..<start.lowerBound].dropLast() + "$("
                rest = rest[start.upperBound...]
                continue
            }
            result += rest[..<start.lowerBound]
            guard let end = rest[start.upperBound...].firstIndex(of: ")") else { break }
            let name = String(rest[start.upperBound..<end])
            rest = rest[rest.index(after: end)...]
            guard let known = environment.first(where: { $0.name == name }) else {
                result += "$(\(name))"
                continue
            }
            if known.isSecret {
                pod.refuse(path, "puts the secret '\(name)' into a command or a plain variable", "write it by hand")
            }
            result += known.isSecret ? "" : known.value
        }
        return result + rest
    }

    // MARK: Environment

    private mutating func collectEnvironment() {
        guard environment.isEmpty else { return }
        for entry in container["envFrom"]?.array ?? [] {
            let prefix = entry["prefix"]?.string ?? ""
            for (field, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
                guard let reference = entry[field], let name = reference["name"]?.string else { continue }
                guard let data = pod.data(of: kind, name) else {
                    guard !(reference["optional"]?.bool ?? false) else { continue }
                    pod.refuse("\(path).envFrom", "the \(kind) '\(name)' is not in the inventory", "add it")
                    continue
                }
                for (key, bytes) in data.sorted(by: { $0.key < $1.key }) {
                    set(prefix + key, String(decoding: bytes, as: UTF8.self), isSecret: kind == "Secret")
                }
            }
        }
        for entry in container["env"]?.array ?? [] {
            guard let name = entry["name"]?.string else { continue }
            if let source = entry["valueFrom"] {
                take(name, from: source)
            } else {
                set(name, expand(entry["value"]?.string ?? "", path: "\(path).env.\(name)"), isSecret: false)
            }
        }
    }

    private mutating func set(_ name: String, _ value: String, isSecret: Bool) {
        environment.removeAll { $0.name == name }
        environment.append((name, value, isSecret))
    }

    private mutating func take(_ name: String, from source: JSON) {
        for (field, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
            guard let reference = source[field] else { continue }
            let (object, key) = (reference["name"]?.string ?? "", reference["key"]?.string ?? "")
            if let bytes = pod.data(of: kind, object)?[key] {
                set(name, String(decoding: bytes, as: UTF8.self), isSecret: kind == "Secret")
            } else if !(reference["optional"]?.bool ?? false) {
                pod.refuse("\(path).env.\(name)", "the \(kind) '\(object)' has no key '\(key)'", "add it")
            }
            return
        }
        let field = source["fieldRef"]?["fieldPath"]?.string ?? source.object?.keys.first ?? ""
        let known = [
            "metadata.name": pod.workload.object.kind == "StatefulSet" ? "\(pod.workload.object.name)-0" : pod.name,
            "metadata.namespace": pod.namespace, "spec.nodeName": pod.migration.host,
        ]
        if let value = known[field] {
            set(name, value, isSecret: false)
        } else {
            pod.warn("\(path).env.\(name)", "takes '\(field)' from its pod, which there is none of", "set a value")
        }
    }

    private mutating func writeEnvironment() {
        for entry in environment where !entry.isSecret {
            add("Environment", UnitText.word("\(entry.name)=\(entry.value)"))
        }
        let secrets = environment.filter(\.isSecret)
        guard !secrets.isEmpty else { return }
        for entry in secrets where entry.value.contains("\n") {
            pod.refuse("\(path).env.\(entry.name)", "is a secret of several lines", "mount it as a file")
        }
        let file = "secrets/k3s/\(pod.name)/\(unit).env"
        let lines = secrets.map { "\($0.name)=\($0.value)\n" }.joined()
        pod.app.files.append(MigratedFile(path: file, bytes: Array(lines.utf8), isPrivate: true))
        add("EnvironmentFile", "\(pod.migration.root)/\(file)")
    }

    // MARK: Mounts

    private mutating func mounts() {
        for mount in container["volumeMounts"]?.array ?? [] {
            let label = mount["name"]?.string ?? ""
            let inside = UnitText.literal(mount["mountPath"]?.string ?? "")
            let readOnly = mount["readOnly"]?.bool ?? false
            let part = mount["subPath"]?.string
            if mount["subPathExpr"] != nil {
                pod.refuse("\(path).volumeMounts.\(label)", "subPathExpr cannot be carried over", "use subPath")
            }
            switch pod.source(label) {
            case .path(let outside, let only):
                let whole = part.map { "\(outside)/\(UnitText.literal($0))" } ?? outside
                add("Volume", "\(whole):\(inside)\(readOnly || only ? ":ro" : "")")
            case .volume(let volume):
                if let part {
                    pod.refuse(
                        "\(path).volumeMounts.\(label)",
                        "the part '\(part)' of a volume cannot be mounted alone",
                        "mount the whole volume"
                    )
                }
                add("Volume", "\(volume):\(inside)\(readOnly ? ":ro" : "")")
            case .temporary(inMemory: true): add("Tmpfs", inside)
            case .temporary(inMemory: false): add("Volume", inside)
            case .unknown:
                // What stands behind it was refused already, or the pod has no such volume.
                pod.refuse("\(path).volumeMounts.\(label)", "there is no volume '\(label)' to mount", "add it")
            }
        }
    }

    // MARK: Rights and limits

    private mutating func security() {
        let own = container["securityContext"] ?? .null
        let shared = pod.workload.podSpec["securityContext"] ?? .null
        pod.findStrangers(
            in: own,
            at: "\(path).securityContext",
            known: [
                "runAsUser", "runAsGroup", "runAsNonRoot", "privileged", "readOnlyRootFilesystem", "capabilities",
                "allowPrivilegeEscalation", "seccompProfile",
            ]
        )
        pod.findStrangers(
            in: shared,
            at: "securityContext",
            known: ["runAsUser", "runAsGroup", "runAsNonRoot", "fsGroup", "supplementalGroups", "fsGroupChangePolicy"]
        )
        let group = (own["runAsGroup"] ?? shared["runAsGroup"])?.int
        if let user = (own["runAsUser"] ?? shared["runAsUser"])?.int {
            add("User", "\(user)")
            if let group { add("Group", "\(group)") }
        } else if group != nil {
            pod.warn("\(path).securityContext.runAsGroup", "needs runAsUser as well", "set it")
        }
        let groups = [shared["fsGroup"]].compactMap { $0 } + (shared["supplementalGroups"]?.array ?? [])
        for group in groups.compactMap(\.int) { add("PodmanArgs", "--group-add=\(group)") }
        if own["privileged"]?.bool ?? false { add("PodmanArgs", "--privileged") }
        if own["readOnlyRootFilesystem"]?.bool ?? false { add("ReadOnly", "true") }
        if own["allowPrivilegeEscalation"]?.bool == false { add("NoNewPrivileges", "true") }
        let capabilities = own["capabilities"] ?? .null
        for (field, key) in [("add", "AddCapability"), ("drop", "DropCapability")] {
            for name in (capabilities[field]?.array ?? []).compactMap(\.string) {
                add(key, name == "ALL" ? "all" : "CAP_\(name)")
            }
        }
    }

    private mutating func resources() {
        let limits = container["resources"]?["limits"] ?? .null
        for (name, value) in (limits.object ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let quantity = Quantity(value) else {
                pod.warn(
                    "\(path).resources.limits.\(name)",
                    "'\(value.text())' is no quantity",
                    "set the limit by hand"
                )
                continue
            }
            switch name {
            case "memory": add("PodmanArgs", "--memory=\(quantity.whole)")
            case "cpu": add("PodmanArgs", "--cpus=\(quantity.thousandths)")
            default: pod.warn("\(path).resources.limits.\(name)", "is not carried over", "see whether it is needed")
            }
        }
    }

    // MARK: Health

    /// Podman has one health check: what said whether the pod is ready is preferred to what said that it is alive.
    private mutating func health() {
        let names = ["readinessProbe", "livenessProbe", "startupProbe"].filter { container[$0] != nil }
        guard let name = names.first, let probe = container[name] else { return }
        for other in names.dropFirst() where container[other] != probe {
            pod.warn("\(path).\(other)", "Podman has one health check, and \(name) is it", "see whether it is enough")
        }
        guard let command = command(of: probe, name) else { return }
        add("HealthCmd", command)
        add("HealthInterval", "\(probe["periodSeconds"]?.int ?? 10)s")
        add("HealthTimeout", "\(probe["timeoutSeconds"]?.int ?? 1)s")
        add("HealthRetries", "\(probe["failureThreshold"]?.int ?? 3)")
        add("HealthStartPeriod", "\(probe["initialDelaySeconds"]?.int ?? 0)s")
        add("Notify", "healthy")
    }

    private mutating func command(of probe: JSON, _ name: String) -> String? {
        if let words = probe["exec"]?["command"]?.array?.compactMap(\.string) {
            if words.count == 1 { return UnitText.literal(words[0]) }
            return UnitText.literal(JSON(words).text())
        }
        if let request = probe["httpGet"] {
            guard let port = port(request) else { return unknownPort(name) }
            let scheme = (request["scheme"]?.string ?? "HTTP").lowercased()
            let address = "\(scheme)://127.0.0.1:\(port)\(request["path"]?.string ?? "/")"
            let (wget, curl) =
                scheme == "https"
                ? ("wget -q --no-check-certificate -O /dev/null", "curl -kfsS -o /dev/null")
                : ("wget -q -O /dev/null", "curl -fsS -o /dev/null")
            pod.warn("\(path).\(name)", "asks with wget or curl inside the container", "check that the image has one")
            return UnitText.literal("\(wget) '\(address)' || \(curl) '\(address)' || exit 1")
        }
        if let socket = probe["tcpSocket"] {
            guard let port = port(socket) else { return unknownPort(name) }
            pod.warn("\(path).\(name)", "asks with nc inside the container", "check that the image has it")
            return "nc -z 127.0.0.1 \(port) || exit 1"
        }
        pod.warn("\(path).\(name)", "is not carried over", "add a HealthCmd")
        return nil
    }

    private mutating func unknownPort(_ name: String) -> String? {
        pod.warn("\(path).\(name)", "names a port that the container does not have", "add a HealthCmd")
        return nil
    }

    private func port(_ probe: JSON) -> Int64? {
        guard let name = probe["port"]?.string else { return probe["port"]?.int }
        return pod.namedPort(name, in: [container])
    }
}

/// An amount as Kubernetes writes it, such as `250m` or `64Mi`.
///
/// Source: Kubernetes API, resource.Quantity.
struct Quantity {
    private var value: Double

    private static let units: [String: Double] = [
        "": 1, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1024, "Mi": 1_048_576, "Gi": 1_073_741_824,
        "Ti": 1_099_511_627_776,
    ]

    init?(_ json: JSON) {
        if let number = json.double {
            value = number
            return
        }
        guard let text = json.string else { return nil }
        let digits = text.prefix { $0.isNumber || $0 == "." }
        guard let number = Double(digits), let unit = Self.units[String(text.dropFirst(digits.count))] else {
            return nil
        }
        value = number * unit
    }

    var whole: Int64 { Int64(value.rounded()) }
    /// With three places at most, and no more than needed.
    var thousandths: String {
        let parts = Int64((value * 1000).rounded())
        if parts % 1000 == 0 { return "\(parts / 1000)" }
        var fraction = "\(1000 + parts % 1000)".dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return "\(parts / 1000).\(fraction)"
    }
}
