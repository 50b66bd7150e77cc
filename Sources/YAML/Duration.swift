/// Reads a duration as Go and Compose write it, such as `1h30m`, `10s`, `1.5s` or `500ms`; nil when it is none.
package func parseDuration(_ text: String) -> Duration? {
    if text == "0" { return .zero }
    let units: [(String, Int64)] = [
        ("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000), ("d", 86_400_000_000_000), ("w", 604_800_000_000_000),
    ]
    var rest = Substring(text)
    guard !rest.isEmpty else { return nil }
    var nanoseconds = 0.0
    while !rest.isEmpty {
        let digits = rest.prefix { $0.isNumber || $0 == "." }
        rest = rest.dropFirst(digits.count)
        let unit = rest.prefix { $0.isLetter }
        rest = rest.dropFirst(unit.count)
        guard let amount = Double(digits), let scale = units.first(where: { $0.0 == unit })?.1 else { return nil }
        nanoseconds += amount * Double(scale)
    }
    guard nanoseconds < 9e18 else { return nil }
    return .nanoseconds(Int64(nanoseconds.rounded()))
}

extension Fields {
    /// A duration with its unit (`10s`), or a bare number of seconds.
    package func duration(_ key: String) -> Duration? {
        guard let node = node(key) else { return nil }
        if let scalar = node.scalar {
            if let seconds = scalar.double, seconds >= 0 { return .milliseconds(Int64(seconds * 1000)) }
            if let duration = parseDuration(scalar.text) { return duration }
        }
        wrongType(node, key, expected: "a duration such as '30s' or '5m'")
        return nil
    }
}
