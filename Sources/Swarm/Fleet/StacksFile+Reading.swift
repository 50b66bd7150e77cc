internal import Compose
internal import Delivery
internal import Diagnostics
internal import YAML

extension StacksFile {
    /// What has been read of a stacks file so far.
    ///
    /// First every entry by itself, then what the entries say of each other.
    struct Reading {
        let targets: [String]
        var stacks: [StackDeclaration] = []
        var retired: [AppID] = []
        var unreadable: [AppID: Failure] = [:]
        var unattributed: [Diagnostic] = []
        var diagnostics: [Diagnostic] = []

        private var entries: [AppID: StackEntry] = [:]
        /// Where each app is declared first, whatever the entry is worth.
        private var places: [AppID: Place] = [:]
        private var disabled: Set<AppID> = []
        private var retiredPlaces: [AppID: Place] = [:]

        init(targets: [String]) { self.targets = targets }

        private var defaultTarget: String { targets.first ?? "default" }

        /// Reads one entry of `stacks`.
        mutating func read(_ node: Node) {
            let sink = Fields.Sink()
            let entry = StackEntry.read(node, targets: targets.isEmpty ? [defaultTarget] : targets, sink: sink)
            let stack = entry.stack
            guard entry.isAttributed else {
                diagnostics += sink.diagnostics.all
                unattributed += sink.diagnostics.errors
                return
            }
            let id = stack.id
            if let first = places[id] {
                sink.diagnostics.error(
                    at: stack.place,
                    "the stack '\(stack.name)' stands twice, first at line \(first.line)",
                    cure: "rename or remove one of them"
                )
            }
            places[id] = places[id] ?? stack.place
            diagnostics += sink.diagnostics.all
            if sink.diagnostics.hasErrors {
                let details = sink.diagnostics.errors.map(\.description)
                unreadable[id] = Failure(.invalid, details[0], next: .needsChange, details: details)
            } else if stack.isEnabled {
                stacks.append(stack)
                entries[id] = entry
            } else {
                disabled.insert(id)
                retired.append(id)
            }
        }

        /// Reads `retired_stacks`.
        mutating func retire(_ node: Node?) {
            guard let node else { return }
            for item in node.sequence ?? [node] {
                var wrong: [Diagnostic] = []
                let name = StackName.name(item, "retired_stacks", true) { place, message, cure in
                    wrong.append(Diagnostic(.error, at: place, message, cure: cure))
                }
                if let name, let target = name.target, !targets.contains(target) {
                    wrong.append(unknownTarget(target, at: name.place))
                }
                guard let name, wrong.isEmpty else {
                    diagnostics += wrong
                    unattributed += wrong
                    continue
                }
                let id = AppID(target: name.target ?? defaultTarget, name: name.text)
                retired.append(id)
                retiredPlaces[id] = retiredPlaces[id] ?? name.place
            }
        }

        /// Checks what the entries say of each other.
        mutating func finish() {
            for stack in stacks { checkRetirement(of: stack) }
            for stack in stacks { checkReplacements(of: stack) }
            for index in stacks.indices { resolveDependencies(at: index) }
            checkCircles()
            let refused = unreadable
            stacks.removeAll { refused[$0.id] != nil }
            retired.removeAll { refused[$0] != nil }
        }

        // MARK: Against each other

        private mutating func checkRetirement(of stack: StackDeclaration) {
            guard let place = retiredPlaces[stack.id] else { return }
            reject(
                stack,
                at: place,
                "the stack '\(stack.name)' is retired here and declared at \(stack.place)",
                cure: "remove it from 'retired_stacks' to keep it, or its entry to remove it"
            )
        }

        private mutating func checkReplacements(of stack: StackDeclaration) {
            for name in entries[stack.id]?.replaces ?? [] {
                let id = AppID(target: stack.target, name: name.text)
                guard let place = places[id] else { continue }
                if disabled.contains(id) {
                    diagnostics.append(
                        Diagnostic(
                            .warning,
                            at: name.place,
                            "the stack '\(name.text)' is disabled at \(place), so it is removed at once and not only when "
                                + "'\(stack.name)' is ready",
                            cure: "remove its entry"
                        )
                    )
                } else {
                    reject(
                        stack,
                        at: name.place,
                        "the stack '\(stack.name)' replaces '\(name.text)', which is declared at \(place)",
                        cure: "remove the entry of '\(name.text)', or the name from 'replaces'"
                    )
                }
            }
        }

        private mutating func resolveDependencies(at index: Int) {
            let stack = stacks[index]
            var resolved: [AppID] = []
            for name in entries[stack.id]?.dependencies ?? [] {
                if let id = resolve(name, of: stack) { resolved.append(id) }
            }
            stacks[index].dependsOn = resolved
        }

        private mutating func resolve(_ name: StackName, of stack: StackDeclaration) -> AppID? {
            if let target = name.target, !targets.contains(target) {
                reject(stack, unknownTarget(target, at: name.place))
                return nil
            }
            // A dependency that cannot be read is there, and is waited for.
            let declared = places.keys.filter { $0.name == name.text && !disabled.contains($0) }.sorted()
            let written = name.target.map { "\($0)/\(name.text)" } ?? name.text
            if let id = declared.first(where: { $0.target == name.target ?? stack.target }) { return id }
            if name.target == nil {
                if declared.count == 1 { return declared[0] }
                if declared.count > 1 {
                    reject(
                        stack,
                        at: name.place,
                        "the stack '\(stack.name)' depends on '\(written)', which is declared on "
                            + declared.map { "'\($0.target)'" }.joined(separator: " and "),
                        cure: "write which one: " + declared.map { "'\($0)'" }.joined(separator: " or ")
                    )
                    return nil
                }
            }
            let id = AppID(target: name.target ?? stack.target, name: name.text)
            let what: String
            let cure: String?
            if disabled.contains(where: { $0 == id || name.target == nil && $0.name == name.text }) {
                what = "disabled"
                cure = "enable '\(written)', or remove it from 'depends_on'"
            } else if retiredPlaces[id] != nil {
                what = "retired"
                cure = "remove it from 'depends_on'"
            } else {
                what = "not in this file"
                let others = declared.map(\.description) + stacks.filter { $0.id != stack.id }.map(\.name)
                cure = suggestion(for: written, among: Set(others)) ?? "declare it, or remove it from 'depends_on'"
            }
            reject(
                stack,
                at: name.place,
                "the stack '\(stack.name)' depends on '\(written)', which is \(what)",
                cure: cure
            )
            return nil
        }

        private mutating func checkCircles() {
            let graph = Dictionary(stacks.map { ($0.id.description, $0.dependsOn.map(\.description)) }) { first, _ in
                first
            }
            guard let circle = findCircle(graph) else { return }
            let members = Set(circle)
            let involved = stacks.filter { members.contains($0.id.description) }
            let isOneTarget = Set(involved.map(\.target)).count == 1
            let names = Dictionary(involved.map { ($0.id.description, $0.name) }) { first, _ in first }
            let path = circle.map { isOneTarget ? names[$0] ?? $0 : $0 }.joined(separator: " -> ")
            for stack in involved {
                reject(stack, at: stack.place, "stacks depend on each other: \(path)", cure: "remove one 'depends_on'")
            }
        }

        // MARK: Refusals

        private mutating func reject(_ stack: StackDeclaration, at place: Place, _ message: String, cure: String?) {
            reject(stack, Diagnostic(.error, at: place, message, cure: cure))
        }

        private mutating func reject(_ stack: StackDeclaration, _ diagnostic: Diagnostic) {
            diagnostics.append(diagnostic)
            let text = diagnostic.description
            let details = (unreadable[stack.id]?.details ?? []) + [text]
            unreadable[stack.id] = Failure(.invalid, details[0], next: .needsChange, details: details)
        }

        private func unknownTarget(_ target: String, at place: Place) -> Diagnostic {
            Diagnostic(
                .error,
                at: place,
                "there is no target '\(target)' in the configuration",
                cure: suggestion(for: target, among: targets)
            )
        }
    }
}
