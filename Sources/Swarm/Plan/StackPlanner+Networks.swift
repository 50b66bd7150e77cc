internal import Crypto
internal import Delivery
internal import JSON

extension StackPlanner {
    /// How many digits of its body's hash another version of a network carries in its name.
    private static let networkDigits = 8

    func planNetworks(_ result: inout StackPlan) {
        for network in desired.networks {
            let candidates = versions(of: network)
            let same = candidates.filter { networkDifferences(network, $0).isEmpty }
            if let existing = same.first(where: { isUsed($0.id) }) ?? same.first {
                result.networkNames[network.name] = existing.name
                continue
            }
            var name = network.name
            if let old = candidates.first {
                let subnets = network.body["IPAM"]?["Config"]?.array?.compactMap { $0["Subnet"]?.string } ?? []
                let taken = old.json["IPAM"]?["Config"]?.array?.compactMap { $0["Subnet"]?.string } ?? []
                if let shared = subnets.first(where: taken.contains) {
                    result.refusal =
                        "the network '\(network.name)' changes and keeps its subnet \(shared), and a new one beside the old "
                        + "cannot have the same; change the subnet as well"
                }
                // A network cannot be changed; a new one takes its place beside it and the services move over.
                let version = sha256(network.body.text()).prefix(Self.networkDigits)
                name = ObjectName.versioned(network.name, version, to: ObjectName.networkLimit)
                result.plan.changes.append(
                    Change(.replace, "network", network.name, fields: networkDifferences(network, old))
                )
            } else {
                result.plan.changes.append(Change(.create, "network", network.name))
            }
            result.networkNames[network.name] = name
            result.forward.append(.createNetwork(name: name, body: network.body))
        }
    }

    /// The networks that are this one or another version of it, itself first.
    private func versions(of network: DesiredNetwork) -> [ObservedObject] {
        let others = Set(desired.networks.map(\.name)).subtracting([network.name])
        return observed.networks.filter { $0.name == network.name }
            + observed.networks.filter { other in
                !others.contains(other.name)
                    && ObjectName.isVersion(
                        other.name,
                        of: network.name,
                        digits: Self.networkDigits,
                        limit: ObjectName.networkLimit
                    )
            }
    }

    private func isUsed(_ id: String) -> Bool {
        observed.services.contains { service in
            service.spec["TaskTemplate"]?["Networks"]?.array?.contains { $0["Target"]?.string == id } ?? false
        }
    }

    private func networkDifferences(_ network: DesiredNetwork, _ existing: ObservedObject) -> [FieldChange] {
        let body = network.body
        let json = existing.json
        var changes: [FieldChange] = []
        func check(_ field: String, _ old: String, _ new: String) {
            if old != new {
                changes.append(FieldChange(field, from: old.isEmpty ? nil : old, to: new.isEmpty ? nil : new))
            }
        }
        check("driver", json["Driver"]?.string ?? "", body["Driver"]?.string ?? "")
        check("internal", "\(json["Internal"]?.bool ?? false)", "\(body["Internal"]?.bool ?? false)")
        check("attachable", "\(json["Attachable"]?.bool ?? false)", "\(body["Attachable"]?.bool ?? false)")
        let options = body["Options"]?.strings ?? [:]
        let present = json["Options"]?.strings ?? [:]
        // The Engine adds options of its own, such as the VXLAN identifier; only declared ones are compared.
        for (key, value) in options { check("driver_opts.\(key)", present[key] ?? "", value) }
        let runtime = ["com.docker.network.driver.overlay.vxlanid_list"]
        for key in present.keys
        where options[key] == nil && !runtime.contains(key) && json["Driver"]?.string == "overlay" {
            check("driver_opts.\(key)", present[key] ?? "", "")
        }
        for (key, value) in body["Labels"]?.strings ?? [:] { check("labels.\(key)", existing.labels[key] ?? "", value) }
        for key in existing.labels.keys where body["Labels"]?[key] == nil {
            check("labels.\(key)", existing.labels[key] ?? "", "")
        }
        let subnets = body["IPAM"]?["Config"]?.array?.compactMap { $0["Subnet"]?.string } ?? []
        if !subnets.isEmpty {
            let existingSubnets = json["IPAM"]?["Config"]?.array?.compactMap { $0["Subnet"]?.string } ?? []
            check("ipam.subnets", existingSubnets.joined(separator: ", "), subnets.joined(separator: ", "))
        }
        return changes
    }
}
