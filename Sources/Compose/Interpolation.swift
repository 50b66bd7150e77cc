package import Diagnostics
package import YAML

/// Replaces `$NAME` and `${NAME…}` in text, by the rules of the Compose Specification (section "Interpolation").
package struct Interpolation: Sendable {
    package let variables: [String: String]
    /// Whether a bare `$NAME` that nobody defines is left as it stands instead of becoming empty: passwords in
    /// environment files contain dollar signs.
    package var keepsUnknownBareNames = false

    package init(variables: [String: String]) { self.variables = variables }

    /// What a substitution may fail with; the caller knows the place.
    package struct Failure: Error {
        package var message: String
        package var cure: String?
    }

    /// The text with every variable replaced, and the names that nobody defines and no default covers.
    package func substitute(_ text: String) throws(Failure) -> (text: String, unset: [String]) {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return (text, []) }
        var output = ""
        var unset: [String] = []
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            output += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            if rest.first == "$" {
                output += "$"
                rest = rest.dropFirst()
            } else if rest.first == "{" {
                let body = try braced(&rest)
                output += try expand(body, unset: &unset)
            } else if let first = rest.first, first == "_" || first.isASCII && first.isLetter {
                let name = String(rest.prefix { $0 == "_" || $0.isASCII && ($0.isLetter || $0.isNumber) })
                rest = rest.dropFirst(name.count)
                if variables[name] == nil, keepsUnknownBareNames {
                    output += "$" + name
                } else {
                    output += value(of: name, unset: &unset)
                }
            } else if keepsUnknownBareNames {
                output += "$"
            } else {
                throw Failure(
                    message: "'$' stands alone in '\(text.prefix(60))'",
                    cure: "write '$$' for a dollar sign, or '${NAME}' for a variable"
                )
            }
        }
        return (output + rest, unset)
    }

    /// The text between the braces that just opened; nested braces count.
    private func braced(_ rest: inout Substring) throws(Failure) -> Substring {
        var depth = 0
        for index in rest.indices {
            if rest[index] == "{" { depth += 1 }
            if rest[index] == "}" { depth -= 1 }
            if depth == 0 {
                let body = rest[rest.index(after: rest.startIndex)..<index]
                rest = rest[rest.index(after: index)...]
                return body
            }
        }
        throw Failure(message: "'${' is never closed in '$\(rest.prefix(60))'", cure: "add '}'")
    }

    private func expand(_ body: Substring, unset: inout [String]) throws(Failure) -> String {
        let name = String(body.prefix { $0 == "_" || $0 == "." || $0.isASCII && ($0.isLetter || $0.isNumber) })
        let rest = body.dropFirst(name.count)
        guard let first = name.first, !first.isNumber else {
            throw Failure(
                message: "'${\(body)}' names no variable",
                cure: "a name begins with a letter or '_'; write '$$' for a dollar sign"
            )
        }
        let value = variables[name]
        if rest.isEmpty { return self.value(of: name, unset: &unset) }
        let operators: [(String, Bool)] = [
            (":-", true), ("-", false), (":?", true), ("?", false), (":+", true), ("+", false),
        ]
        guard let (found, needsText) = operators.first(where: { rest.hasPrefix($0.0) }) else {
            throw Failure(
                message: "'${\(body)}' is not understood",
                cure:
                    "the forms are ${A}, ${A:-default}, ${A-default}, ${A:?message}, ${A?message}, ${A:+text}, ${A+text}"
            )
        }
        let word = String(rest.dropFirst(found.count))
        let counts = value.map { !needsText || !$0.isEmpty } ?? false
        switch found.last {
        case "-": return counts ? value ?? "" : try nested(word, unset: &unset)
        case "+": return counts ? try nested(word, unset: &unset) : ""
        default:
            if counts { return value ?? "" }
            let message = try nested(word, unset: &unset)
            throw Failure(
                message: "required variable '\(name)' is not set\(message.isEmpty ? "" : ": \(message)")",
                cure: "set it in the stack's env_file or in 'variables' of the configuration"
            )
        }
    }

    private func nested(_ word: String, unset: inout [String]) throws(Failure) -> String {
        let (text, more) = try substitute(word)
        unset += more
        return text
    }

    private func value(of name: String, unset: inout [String]) -> String {
        guard let value = variables[name] else {
            unset.append(name)
            return ""
        }
        return value
    }
}

extension Interpolation {
    /// The node with the variables of every value replaced; keys are left alone.
    package func apply(to node: Node, diagnostics: inout Diagnostics) -> Node {
        switch node.content {
        case .scalar(let scalar):
            guard scalar.text.utf8.contains(UInt8(ascii: "$")) else { return node }
            do throws(Failure) {
                let (text, unset) = try substitute(scalar.text)
                for name in unset {
                    diagnostics.warning(
                        at: node.place,
                        "variable '\(name)' is not set and becomes empty",
                        cure: "set it in the stack's env_file, or give a default: ${\(name):-}"
                    )
                }
                var result = node
                // What came out of a variable is text where text is wanted, and is read as a number where one is.
                result.content = .scalar(Scalar(text: text, isPlain: false))
                return result
            } catch {
                diagnostics.error(at: node.place, error.message, cure: error.cure)
                return node
            }
        case .sequence(let items):
            var result = node
            result.content = .sequence(items.map { apply(to: $0, diagnostics: &diagnostics) })
            return result
        case .mapping(let mapping):
            var result = node
            result.content = .mapping(
                Mapping(
                    mapping.entries.map { entry in
                        var entry = entry
                        entry.value = apply(to: entry.value, diagnostics: &diagnostics)
                        return entry
                    }
                )
            )
            return result
        }
    }
}
