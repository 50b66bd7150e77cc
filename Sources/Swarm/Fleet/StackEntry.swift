internal import Compose
internal import Delivery
internal import Diagnostics
internal import YAML

/// One entry of `stacks.yml` as it was read, before the others are known.
struct StackEntry {
    var stack: StackDeclaration
    /// Whether it can be said which app the entry is about.
    var isAttributed: Bool
    var replaces: [StackName]
    var dependencies: [StackName]

    /// Reads one entry as far as it can be; what is wrong with it stands in the sink.
    static func read(_ entry: Node, targets: [String], sink: Fields.Sink) -> StackEntry {
        let named = entry.mapping?["name"]?.scalar?.text
        let fields = Fields(entry, context: named.map { "stack '\($0)'" } ?? "a stack", into: sink)
        let place = named == nil ? entry.place : fields.keyPlace("name")
        var stack = StackDeclaration(
            name: fields.requiredString("name"),
            place: place,
            target: targets.first ?? "default"
        )
        if !stack.name.isEmpty, !isStackName(stack.name) {
            fields.error(
                at: fields.node("name")?.place,
                "'\(stack.name)' cannot name a stack",
                cure: StackName.cure(for: stack.name)
            )
        }
        if let target = fields.string("target") {
            if !targets.contains(target) {
                fields.error(
                    at: fields.node("target")?.place,
                    "there is no target '\(target)' in the configuration",
                    cure: suggestion(for: target, among: targets)
                )
            }
            stack.target = target
        }
        if let file = fields.string("compose_file") { stack.composeFiles = [file] }
        if let files = fields.strings("compose_files") {
            if !stack.composeFiles.isEmpty {
                fields.error(
                    at: fields.keyPlace("compose_files"),
                    "\(fields.context) has both 'compose_file' and 'compose_files'",
                    cure: "keep one of them"
                )
            }
            stack.composeFiles = files
        }
        stack.isEnabled = fields.bool("enabled") ?? true
        if stack.composeFiles.isEmpty, stack.isEnabled {
            fields.error(at: place, "\(fields.context) needs 'compose_file' or 'compose_files'")
        }
        for path in stack.composeFiles where resolvePath(path, in: "") == nil {
            fields.error(
                at: fields.node("compose_file")?.place ?? fields.node("compose_files")?.place,
                "'\(path)' lies outside the repository",
                cure: "name a file of the repository, from its root"
            )
        }
        if let path = fields.string("env_file"), let node = fields.node("env_file") {
            stack.envFile = (path, node.place)
            if resolvePath(path, in: "") == nil {
                fields.error(at: node.place, "'\(path)' lies outside the repository")
            }
        }
        let replaces = StackName.list("replaces", fields)
        stack.replaces = replaces.map(\.text)
        let dependencies = StackName.list("depends_on", fields, allowsTarget: true)
        stack.profiles = fields.strings("profiles") ?? []
        stack.prunes = fields.bool("prune") ?? true
        stack.timeout = fields.duration("timeout")
        stack.interval = fields.duration("interval")
        stack.verifyWindow = fields.duration("verify_window")
        stack.sendsRegistryAuth = fields.bool("registry_auth") ?? true
        stack.resolvesImages = fields.choice("resolve_image", ["changed", "never"]) != "never"
        stack.bindRoot = fields.string("bind_root")
        for item in fields.list("ignore_differences") ?? [] {
            guard let text = item.scalar?.text else {
                fields.error(at: item.place, "'ignore_differences' holds SERVICE.FIELD, found \(item.kind)")
                continue
            }
            let parts = text.split(separator: ".", maxSplits: 1).map(String.init)
            let service = parts.count == 2 ? parts[0] : "*"
            let field = parts.last ?? ""
            if FieldNames.enginePath(field) == nil {
                fields.error(
                    at: item.place,
                    "'\(field)' is no field that can be ignored",
                    cure: suggestion(for: field, among: FieldNames.known)
                        ?? "the fields are \(FieldNames.known.joined(separator: ", "))"
                )
            }
            stack.ignored.append((service, field))
        }
        fields.finish()
        return StackEntry(
            stack: stack,
            isAttributed: isStackName(stack.name) && targets.contains(stack.target),
            replaces: replaces,
            dependencies: dependencies
        )
    }
}
