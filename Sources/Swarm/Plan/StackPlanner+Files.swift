internal import Crypto
internal import Delivery
internal import JSON

/// Configs and secrets.
extension StackPlanner {
    /// How many digits of its content's hash another version of a config or a secret carries in its name.
    static let fileDigits = 12

    func planFiles(_ result: inout StackPlan) {
        for file in desired.files {
            let candidates = versions(of: file)
            let rotated = ObjectName.versioned(
                file.name,
                file.hash.prefix(Self.fileDigits),
                to: ObjectName.limit
            )
            let fits = candidates.filter { isSame($0, file, rotated: rotated) }
            let inUse = fits.first { object in references(to: object.name, file.kind) }
            if let existing = inUse ?? fits.first(where: { $0.name == file.deployedName }) ?? fits.first {
                result.fileNames["\(file.kind.rawValue) \(file.name)"] = existing.name
                continue
            }
            let isFirst = !candidates.contains { $0.name == file.name }
            let name =
                file.deployedName.flatMap { wanted in candidates.contains { $0.name == wanted } ? nil : wanted }
                ?? (isFirst ? file.name : rotated)
            result.fileNames["\(file.kind.rawValue) \(file.name)"] = name
            let change =
                isFirst
                ? Change(.create, file.kind.rawValue, name)
                : Change(
                    .replace,
                    file.kind.rawValue,
                    file.name,
                    fields: [FieldChange("object", from: candidates.map(\.name).max(), to: name)]
                )
            result.plan.changes.append(change)
            result.forward.append(.createFile(file, name: name))
        }
    }

    /// The objects that are this one or another version of it, itself first.
    private func versions(of file: DesiredFile) -> [ObservedObject] {
        let others = Set(desired.files.filter { $0.kind == file.kind }.map(\.name)).subtracting([file.name])
        let objects = file.kind == .config ? observed.configs : observed.secrets
        return objects.filter { $0.name == file.name }
            + objects.filter { other in
                guard other.name != file.name, !others.contains(other.name) else { return false }
                return other.name == file.deployedName
                    || ObjectName.isVersion(
                        other.name,
                        of: file.name,
                        digits: Self.fileDigits,
                        limit: ObjectName.limit
                    )
            }
    }

    /// Whether an object holds the declared content under the declared labels.
    private func isSame(_ object: ObservedObject, _ file: DesiredFile, rotated: String) -> Bool {
        if file.content == nil, file.kind == .secret { return object.name == file.deployedName }
        guard object.labels == file.labels else { return false }
        let templating = object.json["Spec"]?["Templating"]?["Name"]?.string ?? ""
        guard templating == file.templating?["Name"]?.string ?? "" else { return false }
        if let data = object.data { return data == base64(file.content ?? []) }
        if file.content?.isEmpty == true, file.kind == .config { return true }
        // A secret cannot be read back: its name carries the hash, or the journal or the Engine knew it.
        return object.name == rotated || context.secretHashes[object.name] == file.hash
    }

    private func references(to name: String, _ kind: DesiredFile.Kind) -> Bool {
        let (list, field) = kind == .config ? ("Configs", "ConfigName") : ("Secrets", "SecretName")
        return observed.services.contains { service in
            service.spec["TaskTemplate"]?["ContainerSpec"]?[list]?.array?.contains { $0[field]?.string == name }
                ?? false
        }
    }
}
