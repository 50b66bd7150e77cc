internal import Crypto

/// Names that the Engine takes.
package enum ObjectName {
    /// How many characters the name of a config or a secret may have.
    package static let limit = 64
    /// How many characters the name of a service or a network may have.
    package static let networkLimit = 63
    private static let digits = 12

    /// A name as it is when it fits, otherwise its beginning and a hash of the whole of it, so that two names stay two.
    ///
    /// The same name gives the same result for ever.
    package static func shortened(_ name: String, to limit: Int) -> String {
        guard name.utf8.count > limit else { return name }
        let kept = String(decoding: name.utf8.prefix(max(0, limit - digits - 1)), as: UTF8.self)
        return "\(kept)-\(sha256(name).prefix(digits))"
    }

    /// The name of another version of an object: `NAME-VERSION`, within the limit.
    static func versioned(_ name: String, _ version: some StringProtocol, to limit: Int) -> String {
        "\(shortened(name, to: limit - version.utf8.count - 1))-\(version)"
    }

    /// Whether a name is that of a version of an object, whatever its content, with so many hexadecimal digits.
    static func isVersion(_ candidate: String, of name: String, digits: Int, limit: Int) -> Bool {
        let base = "\(shortened(name, to: limit - digits - 1))-"
        guard candidate.hasPrefix(base) else { return false }
        let version = candidate.utf8.dropFirst(base.utf8.count)
        return version.count == digits
            && version.allSatisfy {
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0
            }
    }
}
