/// A JSON value (RFC 8259).
///
/// Whole numbers keep their 64 bits.
package enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(String)
    case array([JSON])
    case object(Members)
}

extension JSON {
    package subscript(key: String) -> JSON? {
        get { if case .object(let members) = self { members[key] } else { nil } }
        set {
            guard case .object(var members) = self else { return }
            // With two owners the members would be copied.
            self = .null
            members[key] = newValue
            self = .object(members)
        }
    }

    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    package var object: Members? { if case .object(let value) = self { value } else { nil } }
    package var int: Int64? {
        switch self {
        case .int(let value): value
        case .double(let value) where value == value.rounded() && abs(value) < 9e15: Int64(value)
        default: nil
        }
    }
    package var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// An object of text values, as label sets are.
    package var strings: [String: String] { object?.compactMapValues(\.string) ?? [:] }

    /// Whether the value says nothing: null, false, zero, or an empty text, list or object.
    package var isEmpty: Bool {
        switch self {
        case .null: true
        case .bool(let value): !value
        case .int(let value): value == 0
        case .double(let value): value == 0
        case .string(let value): value.isEmpty
        case .array(let items): items.isEmpty
        case .object(let members): members.isEmpty
        }
    }

    /// An object of the members that say something; absent and empty ones are left out, as Go's `omitempty` does.
    package static func compact(_ members: KeyValuePairs<String, JSON?>) -> JSON {
        .object(Members(members.lazy.compactMap { key, value in value.map { (key, $0) } }).compacted)
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .int(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(Members(elements.lazy.map { (key: $0, value: $1) }))
    }
    package init(nilLiteral: ()) { self = .null }

    package init(_ strings: [String: String]) { self = .object(Members(strings.lazy.map { ($0, .string($1)) })) }
    package init(_ strings: [String]) { self = .array(strings.map { .string($0) }) }
}
