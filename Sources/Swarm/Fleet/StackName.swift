internal import Delivery
internal import Diagnostics
internal import YAML

/// Whether a text can name a stack: letters, digits, `_` and `-`, beginning with a letter or a digit, at most 63 bytes.
package func isStackName(_ text: String) -> Bool {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
    guard let first = text.utf8.first, isAlphanumeric(first), text.utf8.count <= 63 else { return false }
    return text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
}

/// A stack that an entry of `stacks.yml` refers to, and where.
struct StackName {
    /// The name alone.
    var text: String
    /// The target, where one stands before the name: `target/name`.
    var target: String?
    var place: Place

    /// How to make a name of a text that cannot be one.
    static func cure(for text: String) -> String {
        text.utf8.count > 63
            ? "use at most 63 characters" : "use letters, digits, '_' and '-', beginning with a letter or a digit"
    }

    /// The names in a list, or the one that stands there alone; what is none is reported.
    static func list(_ key: String, _ fields: Fields, allowsTarget: Bool = false) -> [StackName] {
        guard let node = fields.node(key) else { return [] }
        if node.mapping != nil {
            fields.wrongType(node, key, expected: "a list")
            return []
        }
        return (node.sequence ?? [node]).compactMap { item in
            name(item, key, allowsTarget) { fields.error(at: $0, $1, cure: $2) }
        }
    }

    /// The name that a node holds; nil when it holds none, which is reported.
    static func name(
        _ item: Node,
        _ key: String,
        _ allowsTarget: Bool,
        _ report: (Place, String, String?) -> Void
    ) -> StackName? {
        guard let scalar = item.scalar, !scalar.isNull, !scalar.text.isEmpty else {
            let found = item.scalar?.text.isEmpty == true ? "nothing" : item.kind
            report(item.place, "'\(key)' holds names of stacks, found \(found)", "write a name, or remove the item")
            return nil
        }
        let parts = scalar.text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let hasTarget = allowsTarget && parts.count == 2 && !parts[0].isEmpty
        let text = hasTarget ? parts[1] : scalar.text
        guard isStackName(text) else {
            report(item.place, "'\(scalar.text)' in '\(key)' cannot name a stack", cure(for: text))
            return nil
        }
        return StackName(text: text, target: hasTarget ? parts[0] : nil, place: item.place)
    }
}
