internal import JSON

/// A request's path and query, taken apart.
struct Query {
    /// The parts of the path, without the version in front, decoded.
    var path: [String]
    /// The whole path without the version, decoded.
    var text: String
    var parameters: [String: String] = [:]
    /// The `filters` parameter; nil when it is not JSON.
    var filters: [String: [String]]? = [:]
    /// What `filters` asks of labels.
    var labels: [LabelFilter] = []

    init(_ target: String) {
        let halves = target.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1)
        var parts = halves.first?.split(separator: UInt8(ascii: "/")).map(Self.decoded) ?? []
        if let first = parts.first, first.hasPrefix("v1.") { parts.removeFirst() }
        path = parts
        text = parts.joined(separator: "/")
        guard halves.count > 1 else { return }
        for pair in halves[1].split(separator: UInt8(ascii: "&")) {
            let sides = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            parameters[Self.decoded(sides[0])] = sides.count > 1 ? Self.decoded(sides[1]) : ""
        }
        guard let text = parameters["filters"], !text.isEmpty else { return }
        guard let object = (try? JSON(parsing: text))?.object else {
            filters = nil
            return
        }
        // Either {"label": ["a"]} or, as older clients write it, {"label": {"a": true}}.
        filters = object.compactMapValues { value in
            value.array?.compactMap(\.string) ?? value.object?.keys.sorted() ?? []
        }
        labels = (filters?["label"] ?? []).map(LabelFilter.init)
    }

    private static func decoded(_ text: Substring.UTF8View) -> String {
        guard text.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
            return String(decoding: text, as: UTF8.self)
        }
        var bytes: [UInt8] = []
        var rest = Array(text)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), let value = UInt8(digits, radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A label that is asked for, such as `a`, `a=` or `a=1`.
struct LabelFilter {
    var key: String
    /// Nil when there is no `=`.
    var value: String?

    init(_ text: String) {
        let sides = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        key = sides.first ?? ""
        value = sides.count > 1 ? sides[1] : nil
    }
}

/// Whether labels carry what the filters ask for, as Swarm's managers compare them: an empty value stands for any.
///
/// Source: swarmkit, `manager/controlapi/common.go`, filterMatchLabels.
func matches(_ labels: [String: String], _ wanted: [LabelFilter]) -> Bool {
    wanted.allSatisfy { filter in
        guard let value = labels[filter.key] else { return false }
        let expected = filter.value ?? ""
        return expected.isEmpty || value == expected
    }
}

/// Whether labels carry what the filters ask for, as the Engine itself compares those of networks: an empty value is one.
///
/// Source: moby, `api/types/filters/parse.go`, MatchKVList.
func matchesExactly(_ labels: [String: String], _ wanted: [LabelFilter]) -> Bool {
    wanted.allSatisfy { filter in
        guard let value = labels[filter.key] else { return false }
        return filter.value == nil || filter.value == value
    }
}

/// Whether a text begins with one of several; true when none are asked for.
func hasPrefix(_ text: String, oneOf prefixes: [String]?) -> Bool {
    guard let prefixes, !prefixes.isEmpty else { return true }
    return prefixes.contains { text.hasPrefix($0) }
}
