internal import Crypto
internal import Diagnostics
internal import JSON

/// Makes units of one workload's pod template.
///
/// Source: Kubernetes API v1, PodSpec.
struct PodTranslation {
    let migration: Migration
    let workload: Workload
    let name: String
    var app: MigratedApp
    /// How each of the pod's volumes is mounted.
    private var mounts: [String: VolumeSource] = [:]
    /// What every container of the pod gets besides its own keys.
    private(set) var common: [(section: String, key: String, value: String)] = []

    static let network = "k3s"

    /// What stands behind a name in `volumes`.
    enum VolumeSource {
        /// A folder or file of the machine.
        case path(String, readOnly: Bool)
        case volume(String)
        case temporary(inMemory: Bool)
        case unknown
    }

    init(migration: Migration, workload: Workload, name: String, app: MigratedApp) {
        self.migration = migration
        self.workload = workload
        self.name = name
        self.app = app
    }

    var inventory: Inventory { migration.inventory }
    var namespace: String { workload.object.namespace }
    private var spec: JSON { workload.podSpec }
    private var containers: [JSON] { spec["containers"]?.array ?? [] }
    private var isPod: Bool { containers.count + sidecars.count > 1 }
    private var sidecars: [JSON] {
        (spec["initContainers"]?.array ?? []).filter { $0["restartPolicy"]?.string == "Always" }
    }

    mutating func translate() {
        if workload.replicas > 1 {
            warn("spec.replicas", "had \(workload.replicas) replicas; this node runs one", "run it on more nodes")
        }
        findStrangers(in: spec, at: "spec.template.spec", known: Self.knownPodFields)
        registryCredentials()
        for volume in spec["volumes"]?.array ?? [] { prepare(volume) }
        for template in workload.templateClaims { claim(workload.claim(ofTemplate: template), as: template) }
        if isPod { writePod() } else { common += placement(section: "Container") }
        let first = (spec["initContainers"]?.array ?? []).filter { $0["restartPolicy"]?.string != "Always" }
        var before: [String] = []
        for container in first {
            let unit = "\(name)-init-\(container["name"]?.string ?? "")"
            write(container, as: unit, isInit: true, after: before)
            before = ["\(unit).service"]
        }
        for container in sidecars + containers {
            let unit = isPod ? "\(name)-\(container["name"]?.string ?? "")" : name
            write(container, as: unit, isInit: false, after: before)
        }
    }

    // MARK: The pod

    private static let knownPodFields: Set<String> = [
        "containers", "initContainers", "volumes", "restartPolicy", "terminationGracePeriodSeconds", "dnsPolicy",
        "schedulerName", "securityContext", "serviceAccountName", "serviceAccount", "hostNetwork", "hostAliases",
        "imagePullSecrets", "nodeSelector", "nodeName", "hostname", "automountServiceAccountToken",
        "enableServiceLinks", "tolerations", "hostPID",
    ]

    private mutating func writePod() {
        var text = UnitText()
        text.add("Unit", "Description", "\(name), moved from \(workload.object.title)")
        text.add("Pod", "PodName", name)
        for entry in placement(section: "Pod") { text.add(entry.section, entry.key, entry.value) }
        text.add("Install", "WantedBy", "default.target")
        app.units["\(name).pod"] = text.text
        common.append(("Container", "Pod", "\(name).pod"))
    }

    /// Network, names and ports: of the pod, or of its only container.
    private mutating func placement(section: String) -> [(section: String, key: String, value: String)] {
        var result: [(section: String, key: String, value: String)] = []
        for alias in spec["hostAliases"]?.array ?? [] {
            for host in alias["hostnames"]?.array ?? [] {
                result.append((section, "AddHost", "\(host.string ?? ""):\(alias["ip"]?.string ?? "")"))
            }
        }
        if spec["hostPID"]?.bool ?? false { result.append((section, "PodmanArgs", "--pid=host")) }
        if let account = spec["serviceAccountName"]?.string, account != "default" {
            warn("serviceAccountName", "there is no Kubernetes API for '\(account)' any more", "check what it asks")
        }
        if spec["hostNetwork"]?.bool ?? false {
            result.append((section, "Network", "host"))
            return result
        }
        app.units["\(Self.network).network"] = "[Network]\nNetworkName=\(Self.network)\n"
        result.append((section, "Network", "\(Self.network).network"))
        if workload.object.kind == "StatefulSet" {
            result.append((section, section == "Pod" ? "PodmanArgs" : "HostName", hostname(section)))
        }
        for service in services {
            for alias in [
                service.name, "\(service.name).\(namespace)", "\(service.name).\(namespace).svc",
                "\(service.name).\(namespace).svc.cluster.local",
            ] {
                result.append((section, "PodmanArgs", "--network-alias=\(alias)"))
            }
            for port in service.value("spec", "ports")?.array ?? [] {
                publish(port, of: service).map { result.append((section, "PublishPort", $0)) }
            }
        }
        for container in containers {
            for port in container["ports"]?.array ?? [] {
                guard let host = port["hostPort"]?.int, let inner = port["containerPort"]?.int else { continue }
                let address = port["hostIP"]?.string.map { "\($0):" } ?? ""
                result.append((section, "PublishPort", "\(address)\(host):\(inner)\(suffix(port))"))
            }
        }
        return result
    }

    private func hostname(_ section: String) -> String {
        section == "Pod" ? "--hostname=\(workload.object.name)-0" : "\(workload.object.name)-0"
    }

    private var services: [KubernetesObject] {
        inventory.all("Service").filter {
            $0.namespace == namespace && workload.isSelected(by: $0.value("spec", "selector")?.strings ?? [:])
        }
    }

    private func suffix(_ port: JSON) -> String { port["protocol"]?.string == "UDP" ? "/udp" : "" }

    /// The port a service opens to the outside, if it does.
    private mutating func publish(_ port: JSON, of service: KubernetesObject) -> String? {
        guard let outer = port["port"]?.int else { return nil }
        let inner = target(of: port) ?? outer
        switch service.value("spec", "type")?.string ?? "ClusterIP" {
        case "LoadBalancer": return "\(outer):\(inner)\(suffix(port))"
        case "NodePort": return "\(port["nodePort"]?.int ?? outer):\(inner)\(suffix(port))"
        default:
            if inner != outer {
                warn(
                    "Service \(service.name)",
                    "led port \(outer) to \(inner), and a container's name leads to every port unchanged",
                    "have its callers use \(inner)"
                )
            }
            return nil
        }
    }

    private func target(of port: JSON) -> Int64? {
        guard let name = port["targetPort"]?.string else { return port["targetPort"]?.int }
        return namedPort(name, in: containers)
    }

    func namedPort(_ name: String, in containers: [JSON]) -> Int64? {
        containers.flatMap { $0["ports"]?.array ?? [] }.first { $0["name"]?.string == name }?["containerPort"]?.int
    }

    private mutating func registryCredentials() {
        for reference in spec["imagePullSecrets"]?.array ?? [] {
            let secret = reference["name"]?.string ?? ""
            guard let data = inventory.object("Secret", namespace, secret)?.value("data", ".dockerconfigjson")?.string,
                let bytes = decodeBase64(data)
            else {
                refuse(
                    "imagePullSecrets",
                    "the secret '\(secret)' is not in the inventory",
                    "add it, or remove the name"
                )
                continue
            }
            let path = "secrets/k3s/\(name)/auth.json"
            app.files.append(MigratedFile(path: path, bytes: bytes, isPrivate: true))
            app.authentication = path
            common.append(("Container", "PodmanArgs", "--authfile=\(migration.root)/\(path)"))
        }
    }

    // MARK: Volumes

    func source(_ volume: String) -> VolumeSource { mounts[volume] ?? .unknown }

    private mutating func prepare(_ volume: JSON) {
        let label = volume["name"]?.string ?? ""
        if let claim = volume["persistentVolumeClaim"]?["claimName"]?.string {
            self.claim(claim, as: label)
        } else if let host = volume["hostPath"]?["path"]?.string {
            mounts[label] = .path(host, readOnly: false)
        } else if let empty = volume["emptyDir"] {
            if isPod {
                app.units["\(name)-\(label).volume"] = "[Volume]\n"
                mounts[label] = .volume("\(name)-\(label).volume")
            } else {
                mounts[label] = .temporary(inMemory: empty["medium"]?.string == "Memory")
            }
        } else if let reference = volume["configMap"] {
            folder("ConfigMap", reference, reference["name"]?.string ?? "", label)
        } else if let reference = volume["secret"] {
            folder("Secret", reference, reference["secretName"]?.string ?? "", label)
        } else {
            let kind = volume.object?.keys.first { $0 != "name" } ?? "nothing"
            refuse("volumes.\(label)", "a volume of kind '\(kind)' cannot be carried over", "mount it by hand")
        }
    }

    private mutating func claim(_ claim: String, as label: String) {
        let clashing = inventory.all("PersistentVolumeClaim").filter { $0.name == claim }.count > 1
        let volume = clashing ? "\(namespace)-\(claim)" : claim
        mounts[label] = .volume("\(volume).volume")
        app.units["\(volume).volume"] = "[Volume]\nVolumeName=\(volume)\n"
        guard let object = inventory.object("PersistentVolumeClaim", namespace, claim) else {
            refuse(
                "volumes.\(label)",
                "the claim '\(claim)' is not in the inventory",
                "add persistentvolumeclaims to it"
            )
            return
        }
        guard let bound = object.value("spec", "volumeName")?.string,
            let persistent = inventory.object("PersistentVolume", "", bound)
        else {
            warn("volumes.\(label)", "the claim '\(claim)' is bound to no volume; it begins empty", "check its data")
            return
        }
        let kinds = ["hostPath", "local"].compactMap { persistent.value("spec", $0, "path")?.string }
        guard let path = kinds.first else {
            refuse(
                "volumes.\(label)",
                "the data of '\(claim)' does not lie in a folder of a machine",
                "copy it by hand"
            )
            return
        }
        if let other = otherHost(of: persistent) {
            refuse("volumes.\(label)", "the data of '\(claim)' lies on '\(other)'", "move this app there")
        }
        let moved = MigratedVolume(claim: "\(namespace)/\(claim)", name: volume, source: path)
        if !app.volumes.contains(moved) { app.volumes.append(moved) }
    }

    /// The machine a volume is tied to, when it is not this one.
    private func otherHost(of volume: KubernetesObject) -> String? {
        let terms = volume.value("spec", "nodeAffinity", "required", "nodeSelectorTerms")?.array ?? []
        let hosts = terms.flatMap { $0["matchExpressions"]?.array ?? [] }
            .filter { $0["key"]?.string == "kubernetes.io/hostname" }
            .flatMap { $0["values"]?.array ?? [] }.compactMap(\.string)
        return hosts.isEmpty || hosts.contains(migration.host) ? nil : hosts[0]
    }

    /// The files of a ConfigMap or Secret as a folder of the node.
    private mutating func folder(_ kind: String, _ reference: JSON, _ object: String, _ label: String) {
        let root = kind == "Secret" ? "secrets/k3s/\(name)/\(label)" : "config/k3s/\(name)/\(label)"
        mounts[label] = .path("\(migration.root)/\(root)", readOnly: true)
        guard let data = data(of: kind, object) else {
            guard !(reference["optional"]?.bool ?? false) else { return }
            refuse("volumes.\(label)", "the \(kind) '\(object)' is not in the inventory", "add it")
            return
        }
        let items = reference["items"]?.array ?? data.keys.sorted().map { ["key": .string($0), "path": .string($0)] }
        for item in items {
            guard let key = item["key"]?.string, let bytes = data[key] else {
                let missing = item["key"]?.string ?? ""
                refuse("volumes.\(label)", "the \(kind) '\(object)' has no key '\(missing)'", "add it")
                continue
            }
            let path = "\(root)/\(item["path"]?.string ?? key)"
            app.files.append(MigratedFile(path: path, bytes: bytes, isPrivate: false))
        }
    }

    /// The content of a ConfigMap or Secret by key, or nil when there is none of that name.
    func data(of kind: String, _ object: String) -> [String: [UInt8]]? {
        inventory.object(kind, namespace, object).map { inventory.data(of: $0) }
    }

    // MARK: Containers

    private mutating func write(_ container: JSON, as unit: String, isInit: Bool, after: [String]) {
        var translation = ContainerTranslation(pod: self, container: container, unit: unit, isInit: isInit)
        translation.translate(after: after)
        app = translation.pod.app
        app.units["\(unit).container"] = translation.text.text
    }

    // MARK: What is not carried over

    mutating func warn(_ path: String, _ message: String, _ cure: String) {
        app.findings.warning(at: workload.object.place, "\(path): \(message)", cure: cure)
    }

    mutating func refuse(_ path: String, _ message: String, _ cure: String) {
        app.findings.error(at: workload.object.place, "\(path): \(message)", cure: cure)
    }

    /// Names every field that says something and is not known here.
    mutating func findStrangers(in value: JSON, at path: String, known: Set<String>) {
        for (field, content) in (value.object ?? [:]).sorted(by: { $0.key < $1.key })
        where !known.contains(field) && !content.isEmpty {
            warn("\(path).\(field)", "is not carried over", "see whether it is needed")
        }
    }
}
