package import Diagnostics
package import YAML

/// Replaces `$NAME` and `${NAME…}` in text, by the rules of the Compose Specification (section "Interpolation") and, where
/// that and `docker stack deploy` differ, by the latter's: a default or a message without `${` stands for itself, dollar
/// signs and all, so that a password's hash can be a default.
///
/// No message shows the text it is about, which may hold a password; its place says where to look.
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

    /// What came of one text.
    package struct Substitution {
        package var text: String
        /// The names that nobody defines and no default covers.
        package var unset: [String] = []
        /// The names whose default was taken as it stands although a reader of the specification could take a `$$` or a
        /// `$NAME` in it for more.
        package var literal: [String] = []
    }

    /// How deep defaults may stand in defaults.
    private static let depth = 32

    /// The text with every variable replaced.
    package func substitute(_ text: String) throws(Failure) -> Substitution { try substitute(text, depth: 0) }

    private func substitute(_ text: String, depth: Int) throws(Failure) -> Substitution {
        guard depth <= Self.depth else {
            throw Failure(
                message: "variables are nested more than \(Self.depth) deep",
                cure: "give the inner ones names of their own"
            )
        }
        var result = Substitution(text: text)
        guard text.utf8.contains(UInt8(ascii: "$")) else { return result }
        var output = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            output += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            if rest.first == "$" {
                output += "$"
                rest = rest.dropFirst()
            } else if rest.first == "{" {
                let body = try braced(&rest)
                output += try expand(body, &result, depth)
            } else if let first = rest.first, first == "_" || first.isASCII && first.isLetter {
                let name = String(rest.prefix { $0 == "_" || $0.isASCII && ($0.isLetter || $0.isNumber) })
                rest = rest.dropFirst(name.count)
                if variables[name] == nil, keepsUnknownBareNames {
                    output += "$" + name
                } else {
                    output += value(of: name, &result)
                }
            } else if keepsUnknownBareNames {
                output += "$"
            } else {
                throw Failure(
                    message: "'$' stands alone",
                    cure: "write '$$' for a dollar sign, or '${NAME}' for a variable"
                )
            }
        }
        result.text = output + rest
        return result
    }

    /// The text between the braces that just opened; nested braces count.
    private func braced(_ rest: inout Substring) throws(Failure) -> Substring {
        var depth = 0
        for index in rest.utf8.indices {
            if rest.utf8[index] == UInt8(ascii: "{") { depth += 1 }
            if rest.utf8[index] == UInt8(ascii: "}") { depth -= 1 }
            if depth == 0 {
                let body = rest[rest.utf8.index(after: rest.startIndex)..<index]
                rest = rest[rest.utf8.index(after: index)...]
                return body
            }
        }
        throw Failure(message: "'${' is never closed", cure: "add '}'")
    }

    private func expand(_ body: Substring, _ result: inout Substitution, _ depth: Int) throws(Failure) -> String {
        let name = String(body.prefix { $0 == "_" || $0 == "." || $0.isASCII && ($0.isLetter || $0.isNumber) })
        let rest = body.dropFirst(name.count)
        guard let first = name.first, !first.isNumber else {
            throw Failure(
                message: "'${' is followed by no variable's name",
                cure: "a name begins with a letter or '_'; write '$$' for a dollar sign"
            )
        }
        let value = variables[name]
        if rest.isEmpty { return self.value(of: name, &result) }
        let operators: [(String, Bool)] = [
            (":-", true), ("-", false), (":?", true), ("?", false), (":+", true), ("+", false),
        ]
        guard let (found, needsText) = operators.first(where: { rest.hasPrefix($0.0) }) else {
            throw Failure(
                message: "what follows '${\(name)' is not understood",
                cure:
                    "the forms are ${A}, ${A:-default}, ${A-default}, ${A:?message}, ${A?message}, ${A:+text}, ${A+text}"
            )
        }
        let word = String(rest.dropFirst(found.count))
        let counts = value.map { !needsText || !$0.isEmpty } ?? false
        switch found.last {
        case "-": return counts ? value ?? "" : try fallback(word, of: name, &result, depth)
        case "+": return counts ? try nested(word, &result, depth) : ""
        default:
            if counts { return value ?? "" }
            throw Failure(
                message: "required variable '\(name)' is not set\(word.isEmpty ? "" : ": \(word)")",
                cure: "set it in the stack's env_file or in 'variables' of the configuration"
            )
        }
    }

    /// What a default stands for.
    ///
    /// `docker stack deploy` takes every default as it stands and ends it at the first `}`,
    /// which makes nothing of a variable in it; there the specification is followed.
    private func fallback(
        _ word: String,
        of name: String,
        _ result: inout Substitution,
        _ depth: Int
    ) throws(Failure) -> String {
        guard !keepsUnknownBareNames, !word.contains("${") else { return try nested(word, &result, depth) }
        if let read = try? substitute(word), read.text != word, read.unset.isEmpty { result.literal.append(name) }
        return word
    }

    private func nested(_ word: String, _ result: inout Substitution, _ depth: Int) throws(Failure) -> String {
        let inner = try substitute(word, depth: depth + 1)
        result.unset += inner.unset
        result.literal += inner.literal
        return inner.text
    }

    private func value(of name: String, _ result: inout Substitution) -> String {
        guard let value = variables[name] else {
            result.unset.append(name)
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
                let substitution = try substitute(scalar.text)
                for name in substitution.unset {
                    diagnostics.warning(
                        at: node.place,
                        "variable '\(name)' is not set and becomes empty",
                        cure: "set it in the stack's env_file, or give a default: ${\(name):-}"
                    )
                }
                for name in substitution.literal {
                    diagnostics.warning(
                        at: node.place,
                        "the default of '${\(name)}' is taken as it stands, with its dollar signs, as 'docker stack deploy' does",
                        cure: "write a variable in it as '${NAME}', and one '$' for one dollar sign"
                    )
                }
                var result = node
                // What came out of a variable is text where text is wanted, and is read as a number where one is.
                result.content = .scalar(
                    Scalar(text: substitution.text, isPlain: false, written: scalar.text)
                )
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
