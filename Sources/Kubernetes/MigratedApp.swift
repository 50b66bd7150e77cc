package import Diagnostics

/// What an app of the cluster becomes on a node.
package struct MigratedApp: Sendable {
    /// The name of its folder below `gitops/apps`.
    package var name: String
    /// What it was; more than one when they share a volume.
    package var workloads: [Workload]
    /// Unit files by name.
    package var units: [String: String] = [:]
    /// What the units read besides.
    package var files: [MigratedFile] = []
    package var volumes: [MigratedVolume] = []
    package var images: [String] = []
    /// The file of the registry's credentials, when the cluster had some.
    package var authentication: String?
    /// What could not be carried over; an error means that the app must not be moved.
    package var findings = Diagnostics()
}

/// A file made from a ConfigMap or a Secret.
package struct MigratedFile: Sendable, Hashable {
    /// Below the node's own folder, such as `config/k3s/web/pages/index.html`.
    package var path: String
    package var bytes: [UInt8]
    /// Whether only its owner may read it; the containers' own users read the others.
    package var isPrivate: Bool
}

/// A claim's data and the volume it goes to.
package struct MigratedVolume: Sendable, Hashable {
    package var claim: String
    /// The volume's name for Podman.
    package var name: String
    /// Where the data lies on the machine the cluster kept it on.
    package var source: String
}

/// Makes units of everything in a cluster.
package struct Migration: Sendable {
    package var inventory: Inventory
    /// The node's own folder as units name it, such as `%h/.hecate`.
    package var root: String
    package var host: String

    package init(inventory: Inventory, root: String, host: String) {
        self.inventory = inventory
        self.root = root
        self.host = host
    }

    /// The apps in the order they are moved: namespaces and names, as the inventory has them.
    package func apps() -> [MigratedApp] {
        let workloads = inventory.workloads
        let names = names(of: workloads)
        return groups(workloads).map { group in
            var app = MigratedApp(name: names[group[0]] ?? group[0].object.name, workloads: group)
            for workload in group {
                var translation = PodTranslation(
                    migration: self,
                    workload: workload,
                    name: names[workload] ?? workload.object.name,
                    app: app
                )
                translation.translate()
                app = translation.app
            }
            return app
        }
    }

    /// A workload's own name, with its namespace and kind before it where two would be called the same.
    private func names(of workloads: [Workload]) -> [Workload: String] {
        var result: [Workload: String] = [:]
        for workload in workloads {
            let alike = workloads.filter { $0.object.name == workload.object.name }
            let sameSpace = alike.filter { $0.object.namespace == workload.object.namespace }
            var name = workload.object.name
            if alike.count > 1 { name = "\(workload.object.namespace)-\(name)" }
            if sameSpace.count > 1 { name += "-\(workload.object.kind.lowercased())" }
            result[workload] = name
        }
        return result
    }

    /// Workloads that use the same claim move together: its data can only be copied while none of them runs.
    private func groups(_ workloads: [Workload]) -> [[Workload]] {
        var groups: [[Workload]] = []
        for workload in workloads {
            let claims = Set(workload.claims)
            let related = groups.indices.filter { index in
                groups[index].contains {
                    $0.object.namespace == workload.object.namespace && !claims.isDisjoint(with: $0.claims)
                }
            }
            let merged = related.flatMap { groups[$0] } + [workload]
            for index in related.reversed() { groups.remove(at: index) }
            groups.append(merged)
        }
        return groups
    }
}
