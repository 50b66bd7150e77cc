internal import Crypto
package import Diagnostics
package import JSON

/// One object of a cluster, as `kubectl get -o json` writes it.
package struct KubernetesObject: Sendable, Hashable {
    package var kind: String
    package var namespace: String
    package var name: String
    package var json: JSON

    /// Such as `Deployment default/web`.
    package var title: String { "\(kind) \(namespace.isEmpty ? "" : "\(namespace)/")\(name)" }
    package var place: Place { Place(file: title) }

    init?(_ json: JSON) {
        guard let kind = json["kind"]?.string, let name = json["metadata"]?["name"]?.string else { return nil }
        self.kind = kind
        self.name = name
        self.json = json
        namespace = json["metadata"]?["namespace"]?.string ?? ""
    }

    /// What lies at a path of member names.
    package func value(_ path: String...) -> JSON? {
        path.reduce(json as JSON?) { value, name in value?[name] }
    }

    /// Whether another object made this one.
    package var isOwned: Bool { !(value("metadata", "ownerReferences")?.array ?? []).isEmpty }
}

/// What is in a cluster.
package struct Inventory: Sendable {
    package private(set) var objects: [KubernetesObject] = []

    /// The namespaces of k3s itself.
    package static let ownNamespaces: Set<String> = ["kube-system", "kube-public", "kube-node-lease"]
    /// The kinds that are asked for; the rest says nothing about what runs.
    package static let kinds = [
        "deployments", "statefulsets", "daemonsets", "cronjobs", "jobs", "pods", "configmaps", "secrets",
        "persistentvolumeclaims", "persistentvolumes", "services", "ingresses", "nodes",
    ]

    package init() {}

    /// Takes in the output of `kubectl get -o json`, a list or one object.
    /// - Throws: `Invalid` when the text is not that.
    package mutating func add(_ bytes: [UInt8], file: String) throws(Invalid) {
        let json: JSON
        do { json = try JSON(parsing: bytes) } catch {
            throw Invalid(at: Place(file: file), "\(error)", cure: "write it with: kubectl get -A -o json KINDS")
        }
        let items = json["items"]?.array ?? [json]
        for item in items {
            guard let object = KubernetesObject(item) else {
                throw Invalid(
                    at: Place(file: file),
                    "an item has no kind or no name",
                    cure: "write the file with: kubectl get -A -o json \(Self.kinds.joined(separator: ","))"
                )
            }
            objects.append(object)
        }
    }

    /// The objects of a kind outside k3s's own namespaces, in order of namespace and name.
    package func all(_ kind: String) -> [KubernetesObject] {
        objects.filter { $0.kind == kind && !Self.ownNamespaces.contains($0.namespace) }
            .sorted { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
    }

    package func object(_ kind: String, _ namespace: String, _ name: String) -> KubernetesObject? {
        objects.first { $0.kind == kind && $0.name == name && $0.namespace == namespace }
    }

    /// The content of a ConfigMap or Secret by key.
    package func data(of object: KubernetesObject) -> [String: [UInt8]] {
        let isSecret = object.kind == "Secret"
        let encoded = object.value(isSecret ? "data" : "binaryData")?.strings ?? [:]
        let plain = object.value(isSecret ? "stringData" : "data")?.strings ?? [:]
        return encoded.compactMapValues { decodeBase64($0) }.merging(plain.mapValues { Array($0.utf8) }) { $1 }
    }

    /// What keeps pods running, and can be moved.
    package var workloads: [Workload] {
        ["Deployment", "StatefulSet", "DaemonSet"].flatMap { all($0) }.filter { !$0.isOwned }.map { Workload($0) }
    }

    /// What is not carried over as a whole, with what to do about it.
    package var leftovers: [Diagnostic] {
        let cures = [
            ("CronJob", "make a systemd timer for it"), ("Ingress", "its routes belong to the edge, Caddy"),
            ("Pod", "it belongs to no Deployment; write a unit for it by hand"),
            ("Job", "run it by hand if it is still needed"),
        ]
        return cures.flatMap { kind, cure in
            all(kind).filter { !$0.isOwned }.map {
                Diagnostic(.warning, at: $0.place, "is not carried over", cure: cure)
            }
        }
    }

    /// The pods that still run or wait to run, outside k3s's own namespaces.
    package var runningPods: [KubernetesObject] {
        all("Pod").filter { !["Succeeded", "Failed"].contains($0.value("status", "phase")?.string ?? "") }
    }

    /// The names of the cluster's machines.
    package var nodes: [String] { all("Node").map(\.name) }
}

/// A Deployment, StatefulSet or DaemonSet.
package struct Workload: Sendable, Hashable {
    package var object: KubernetesObject

    init(_ object: KubernetesObject) { self.object = object }

    package var template: JSON { object.value("spec", "template") ?? .null }
    package var podSpec: JSON { template["spec"] ?? .null }
    package var labels: [String: String] { template["metadata"]?["labels"]?.strings ?? [:] }
    /// How many pods there should be; a DaemonSet has one on each machine.
    package var replicas: Int { Int(object.value("spec", "replicas")?.int ?? 1) }
    package var images: [String] { (podSpec["containers"]?.array ?? []).compactMap { $0["image"]?.string } }

    /// The volume claims its pod uses, those of a StatefulSet's templates for its first pod.
    package var claims: [String] {
        let named = (podSpec["volumes"]?.array ?? []).compactMap {
            $0["persistentVolumeClaim"]?["claimName"]?.string
        }
        return named + templateClaims.map { claim(ofTemplate: $0) }
    }

    var templateClaims: [String] {
        guard object.kind == "StatefulSet" else { return [] }
        return (object.value("spec", "volumeClaimTemplates")?.array ?? []).compactMap {
            $0["metadata"]?["name"]?.string
        }
    }

    func claim(ofTemplate template: String) -> String { "\(template)-\(object.name)-0" }

    /// Whether a label selector of equalities finds this workload's pods.
    package func isSelected(by selector: [String: String]) -> Bool {
        !selector.isEmpty && selector.allSatisfy { labels[$0.key] == $0.value }
    }

    /// Whether a pod is one of this workload's.
    package func owns(_ pod: KubernetesObject) -> Bool {
        let selector = object.value("spec", "selector", "matchLabels")?.strings ?? [:]
        let labels = pod.value("metadata", "labels")?.strings ?? [:]
        return pod.namespace == object.namespace && !selector.isEmpty
            && selector.allSatisfy { labels[$0.key] == $0.value }
    }
}
