/// A version of Semantic Versioning 2.0.0; a leading `v` is allowed, build metadata is ignored.
package struct Version: Sendable, Hashable, Comparable {
    package var numbers: [Int]
    package var prerelease: [String]

    package init?(_ text: some StringProtocol) {
        let bare = text.hasPrefix("v") ? Substring(text).dropFirst() : Substring(text)
        let withoutBuild = bare.prefix { $0 != "+" }
        let parts = withoutBuild.split(separator: "-", maxSplits: 1)
        let numbers = parts.first?.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) } ?? []
        guard (1...3).contains(numbers.count), numbers.allSatisfy({ $0.map { $0 >= 0 } ?? false }) else { return nil }
        self.numbers = numbers.compactMap { $0 } + Array(repeating: 0, count: 3 - numbers.count)
        prerelease = parts.count > 1 ? parts[1].split(separator: ".").map(String.init) : []
    }

    package static func < (left: Version, right: Version) -> Bool {
        if left.numbers != right.numbers { return left.numbers.lexicographicallyPrecedes(right.numbers) }
        // A pre-release comes before its release (specification item 11).
        if left.prerelease.isEmpty || right.prerelease.isEmpty {
            return !left.prerelease.isEmpty && right.prerelease.isEmpty
        }
        for (one, other) in zip(left.prerelease, right.prerelease) where one != other {
            switch (Int(one), Int(other)) {
            case (let a?, let b?): return a < b
            case (.some, nil): return true
            case (nil, .some): return false
            default: return one < other
            }
        }
        return left.prerelease.count < right.prerelease.count
    }
}

/// A range of versions: comparisons that must all hold, alternatives by `||`; `^1.2`, `~1.2`, `1.x` and `*` as
/// usual.
///
/// Pre-releases match only when a comparison of the range names one.
package struct VersionRange: Sendable, Hashable, CustomStringConvertible {
    private struct Comparison: Sendable, Hashable {
        var symbol: String
        var version: Version
    }

    package let description: String
    private let alternatives: [[Comparison]]

    package init?(_ text: String) {
        description = text
        var alternatives: [[Comparison]] = []
        for alternative in text.replacing("||", with: "|").split(separator: "|", omittingEmptySubsequences: false) {
            var comparisons: [Comparison] = []
            for word in alternative.split(whereSeparator: { $0 == " " || $0 == "," }) {
                guard let parsed = Self.comparisons(word) else { return nil }
                comparisons += parsed
            }
            guard !alternative.allSatisfy(\.isWhitespace) else { return nil }
            alternatives.append(comparisons)
        }
        self.alternatives = alternatives
    }

    private static func comparisons(_ word: Substring) -> [Comparison]? {
        if word == "*" || word == "x" { return [] }
        let symbols = [">=", "<=", ">", "<", "=", "^", "~"]
        let symbol = symbols.first { word.hasPrefix($0) } ?? ""
        let text = word.dropFirst(symbol.count)
        let fixed = text.split(separator: ".").prefix { $0 != "x" && $0 != "*" }
        guard let version = Version(fixed.joined(separator: ".")) else { return nil }
        func upTo(_ index: Int) -> [Comparison] {
            var numbers = version.numbers
            numbers[index] += 1
            for later in numbers.indices where later > index { numbers[later] = 0 }
            guard let end = Version(numbers.map(String.init).joined(separator: ".") + "-0") else { return [] }
            return [Comparison(symbol: ">=", version: version), Comparison(symbol: "<", version: end)]
        }
        switch symbol {
        case "^": return upTo(version.numbers.firstIndex { $0 != 0 } ?? max(0, fixed.count - 1))
        case "~": return upTo(fixed.count > 1 ? 1 : 0)
        case "", "=": return fixed.count == 3 ? [Comparison(symbol: "=", version: version)] : upTo(fixed.count - 1)
        default: return [Comparison(symbol: symbol, version: version)]
        }
    }

    package func contains(_ version: Version) -> Bool {
        alternatives.contains { comparisons in
            let allowsPrerelease = comparisons.contains {
                $0.version.prerelease.count > 1 || $0.version.prerelease.first.map { $0 != "0" } ?? false
            }
            guard version.prerelease.isEmpty || allowsPrerelease else { return false }
            return comparisons.allSatisfy { comparison in
                switch comparison.symbol {
                case ">=": version >= comparison.version
                case "<=": version <= comparison.version
                case ">": version > comparison.version
                case "<": version < comparison.version
                default: version == comparison.version
                }
            }
        }
    }
}
