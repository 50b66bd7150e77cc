package import Diagnostics

/// Reads the fields of one mapping and says what is wrong with all of them at once.
///
/// A reader asks for each field it knows, then calls `finish()`, which reports every key nobody asked for, with the
/// nearest name that somebody did ask for.
package final class Fields {
    package let place: Place
    /// How messages name the mapping, such as `service 'web'`; empty at the top.
    package let context: String
    private let mapping: Mapping
    private var known: [String] = []
    private let sink: Sink

    /// Where the diagnostics of one reading are gathered.
    package final class Sink {
        package var diagnostics = Diagnostics()
        package init() {}
    }

    package init(_ mapping: Mapping, at place: Place, context: String = "", into sink: Sink) {
        self.mapping = mapping
        self.place = place
        self.context = context
        self.sink = sink
    }

    /// Fields of a node that must be a mapping; anything else is reported and reads as empty.
    package convenience init(_ node: Node, context: String = "", into sink: Sink) {
        if node.mapping == nil, !node.isNull {
            sink.diagnostics.error(
                at: node.place,
                "\(context.isEmpty ? "the file" : context) must be a mapping, found \(node.kind)"
            )
        }
        self.init(node.mapping ?? Mapping(), at: node.place, context: context, into: sink)
    }

    package var diagnostics: Sink { sink }
    package var keys: [String] { mapping.keys }
    package var entries: [Mapping.Entry] { mapping.entries }

    /// The node at a key; nil when it is absent or null.
    package func node(_ key: String) -> Node? {
        known.append(key)
        guard let node = mapping[key], !node.isNull else { return nil }
        return node
    }

    /// Whether the key stands in the mapping, whatever its value.
    package func has(_ key: String) -> Bool {
        known.append(key)
        return mapping[key] != nil
    }

    /// Where the key stands, for messages about it.
    package func keyPlace(_ key: String) -> Place {
        mapping.entries.first { $0.key == key }?.keyPlace ?? place
    }

    package func string(_ key: String) -> String? {
        guard let node = node(key) else { return nil }
        guard let scalar = node.scalar else {
            wrongType(node, key, expected: "text")
            return nil
        }
        return scalar.text
    }

    package func requiredString(_ key: String) -> String {
        if let value = string(key) {
            if value.isEmpty { error(at: keyPlace(key), "\(name(key)) is empty") }
            return value
        }
        if mapping[key] == nil || mapping[key]?.isNull == true {
            error(at: place, "\(context.isEmpty ? "the file" : context) needs '\(key)'")
        }
        return ""
    }

    package func integer(_ key: String, in range: ClosedRange<Int> = Int.min...Int.max) -> Int? {
        guard let node = node(key) else { return nil }
        guard let value = node.scalar?.integer else {
            wrongType(node, key, expected: "a whole number")
            return nil
        }
        guard range.contains(value) else {
            error(at: node.place, "\(name(key)) must be \(describe(range)), found \(value)")
            return nil
        }
        return value
    }

    package func number(_ key: String) -> Double? {
        guard let node = node(key) else { return nil }
        guard let value = node.scalar?.double else {
            wrongType(node, key, expected: "a number")
            return nil
        }
        return value
    }

    package func bool(_ key: String) -> Bool? {
        guard let node = node(key) else { return nil }
        guard let value = node.scalar?.bool else {
            wrongType(node, key, expected: "true or false")
            return nil
        }
        return value
    }

    /// A list of words; one word alone stands for a list of one.
    package func strings(_ key: String) -> [String]? {
        guard let node = node(key) else { return nil }
        if let scalar = node.scalar { return [scalar.text] }
        guard let items = node.sequence else {
            wrongType(node, key, expected: "a list")
            return nil
        }
        return items.compactMap { item in
            if let scalar = item.scalar { return scalar.text }
            error(at: item.place, "\(name(key)) holds words, found \(item.kind)")
            return nil
        }
    }

    /// The items of a list.
    package func list(_ key: String) -> [Node]? {
        guard let node = node(key) else { return nil }
        guard let items = node.sequence else {
            wrongType(node, key, expected: "a list")
            return nil
        }
        return items
    }

    /// The fields of a mapping below this one.
    package func fields(_ key: String, context: String? = nil) -> Fields? {
        guard let node = node(key) else { return nil }
        guard let mapping = node.mapping else {
            wrongType(node, key, expected: "a mapping")
            return nil
        }
        return Fields(mapping, at: node.place, context: context ?? name(key), into: sink)
    }

    /// One of a few words.
    package func choice(_ key: String, _ choices: [String]) -> String? {
        guard let value = string(key) else { return nil }
        guard choices.contains(value) else {
            error(at: node(key)?.place, "\(name(key)) is '\(value)'", cure: suggestion(for: value, among: choices))
            return nil
        }
        return value
    }

    /// Reports every key nobody asked for; extension keys (`x-`) are free.
    package func finish() {
        for entry in mapping.entries where !known.contains(entry.key) && !entry.key.hasPrefix("x-") {
            let location = context.isEmpty ? "" : " in \(context)"
            error(
                at: entry.keyPlace,
                "unknown key '\(entry.key)'\(location)",
                cure: suggestion(for: entry.key, among: Set(known))
            )
        }
    }

    package func error(at place: Place?, _ message: String, cure: String? = nil) {
        sink.diagnostics.error(at: place ?? self.place, message, cure: cure)
    }

    package func warning(at place: Place?, _ message: String, cure: String? = nil) {
        sink.diagnostics.warning(at: place ?? self.place, message, cure: cure)
    }

    package func wrongType(_ node: Node, _ key: String, expected: String) {
        error(at: node.place, "\(name(key)) must be \(expected), found \(node.kind)")
    }

    private func name(_ key: String) -> String { context.isEmpty ? "'\(key)'" : "'\(key)' in \(context)" }

    private func describe(_ range: ClosedRange<Int>) -> String {
        range.upperBound == Int.max ? "\(range.lowerBound) or more" : "\(range.lowerBound) to \(range.upperBound)"
    }
}
