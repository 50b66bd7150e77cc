internal import Compose
package import Delivery
package import Diagnostics
internal import Crypto
internal import JSON
internal import YAML

/// One entry of `stacks.yml`.
package struct StackDeclaration: Sendable {
    package var name: String
    package var place: Place
    var target: String
    var composeFiles: [String] = []
    var isEnabled = true
    var envFile: (path: String, place: Place)?
    var replaces: [String] = []
    var dependsOn: [String] = []
    var profiles: [String] = []
    var prunes = true
    var timeout: Duration?
    var interval: Duration?
    var verifyWindow: Duration?
    var sendsRegistryAuth = true
    var resolvesImages = true
    var ignored: [(service: String, field: String)] = []
    var bindRoot: String?

    init(name: String, place: Place, target: String) {
        self.name = name
        self.place = place
        self.target = target
    }
}

/// `stacks.yml`: which stacks a source wants, in HiveMind's form and with what Hecate adds to it.
package struct StacksFile: Sendable {
    package var stacks: [StackDeclaration] = []
    package var retired: [AppID] = []
    /// Entries that cannot be read, by the app they name; they are left as they are.
    package var unreadable: [AppID: Failure] = [:]
    package var diagnostics: [Diagnostic] = []

    /// Reads the file.
    ///
    /// `targets`: The names of the Swarm targets, the default first.
    /// - Throws: `Invalid` when the file as a whole cannot be read; entries that cannot are kept apart.
    package init(_ bytes: [UInt8], file: String, targets: [String]) throws(Invalid) {
        let root = try parse(bytes, file: file)
        guard root.mapping != nil || root.isNull else {
            throw Invalid(at: root.place, "a stacks file is a mapping with 'stacks:', found \(root.kind)")
        }
        let top = Fields.Sink()
        let fields = Fields(root, into: top)
        let entries = fields.list("stacks") ?? []
        let target = targets.first ?? "default"
        for name in fields.strings("retired_stacks") ?? [] { retired.append(AppID(target: target, name: name)) }
        fields.finish()
        try top.diagnostics.throwIfErrors()

        var seen: [AppID: Place] = [:]
        for entry in entries {
            let sink = Fields.Sink()
            let declaration = Self.declaration(entry, targets: targets, sink: sink)
            let id = AppID(target: declaration.target, name: declaration.name)
            if let first = seen[id], !declaration.name.isEmpty {
                sink.diagnostics.error(
                    at: declaration.place,
                    "the stack '\(declaration.name)' stands twice, first at line \(first.line)",
                    cure: "rename or remove one of them"
                )
            }
            seen[id] = seen[id] ?? declaration.place
            diagnostics += sink.diagnostics.all
            if sink.diagnostics.hasErrors {
                let details = sink.diagnostics.errors.map(\.description)
                unreadable[id] = Failure(.invalid, details[0], next: .needsChange, details: details)
            } else if declaration.isEnabled {
                stacks.append(declaration)
            } else {
                retired.append(id)
            }
        }
        checkDependencies()
        for id in unreadable.keys { stacks.removeAll { AppID(target: $0.target, name: $0.name) == id } }
    }

    private mutating func checkDependencies() {
        let names = Set(stacks.map(\.name))
        let disabled = Set(retired.map(\.name))
        for stack in stacks {
            for other in stack.dependsOn where !names.contains(other) {
                let isOff = disabled.contains(other)
                reject(
                    stack,
                    "the stack '\(stack.name)' depends on '\(other)', which is \(isOff ? "disabled" : "not in this file")",
                    cure: isOff ? "enable '\(other)'" : suggestion(for: other, among: names.subtracting([stack.name]))
                )
            }
        }
        let graph = Dictionary(stacks.map { ($0.name, $0.dependsOn) }) { first, _ in first }
        if let circle = findCircle(graph) {
            for name in Set(circle) {
                guard let stack = stacks.first(where: { $0.name == name }) else { continue }
                reject(
                    stack,
                    "stacks depend on each other: \(circle.joined(separator: " -> "))",
                    cure: "remove one 'depends_on'"
                )
            }
        }
    }

    private mutating func reject(_ stack: StackDeclaration, _ message: String, cure: String?) {
        let diagnostic = Diagnostic(.error, at: stack.place, message, cure: cure)
        diagnostics.append(diagnostic)
        let id = AppID(target: stack.target, name: stack.name)
        unreadable[id] = Failure(.invalid, diagnostic.description, next: .needsChange)
    }

    private static func declaration(_ entry: Node, targets: [String], sink: Fields.Sink) -> StackDeclaration {
        let named = entry.mapping?["name"]?.scalar?.text
        let fields = Fields(entry, context: named.map { "stack '\($0)'" } ?? "a stack", into: sink)
        let place = named == nil ? entry.place : fields.keyPlace("name")
        var stack = StackDeclaration(
            name: fields.requiredString("name"),
            place: place,
            target: targets.first ?? "default"
        )
        if !stack.name.isEmpty, !isName(stack.name) {
            fields.error(
                at: fields.node("name")?.place,
                "'\(stack.name)' cannot name a stack",
                cure: "use letters, digits, '_' and '-', beginning with a letter or a digit"
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
        stack.replaces = fields.strings("replaces") ?? []
        stack.dependsOn = fields.strings("depends_on") ?? []
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
        return stack
    }

    private static func isName(_ name: String) -> Bool {
        guard let first = name.first, first.isASCII, first.isLetter || first.isNumber else { return false }
        return name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") }
    }
}

extension StackDeclaration {
    /// Everything here that the stack's files do not show.
    var settings: String {
        let document: JSON = .compact([
            "compose": JSON(composeFiles), "env": envFile.map { .string($0.path) }, "depends": JSON(dependsOn),
            "profiles": JSON(profiles), "prune": .bool(prunes), "auth": .bool(sendsRegistryAuth),
            "resolve": .bool(resolvesImages), "ignored": JSON(ignored.map { "\($0.service).\($0.field)" }),
            "bindRoot": bindRoot.map { .string($0) }, "replaces": JSON(replaces),
        ])
        return document.text()
    }
}
