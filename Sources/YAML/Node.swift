package import Diagnostics

/// One value of a YAML document with the place it was written at.
package struct Node: Sendable, Hashable {
    /// What a node holds.
    package enum Content: Sendable, Hashable {
        case scalar(Scalar)
        case sequence([Node])
        case mapping(Mapping)
    }

    package var content: Content
    package var place: Place
    /// An explicit tag such as `!reset`, or nil.
    package var tag: String?

    package init(_ content: Content, at place: Place, tag: String? = nil) {
        self.content = content
        self.place = place
        self.tag = tag
    }

    /// A string scalar, as if it had been written in quotes.
    package init(string: String, at place: Place) {
        self.init(.scalar(Scalar(text: string, isPlain: false)), at: place)
    }

    package var scalar: Scalar? {
        if case .scalar(let scalar) = content { scalar } else { nil }
    }
    package var sequence: [Node]? {
        if case .sequence(let items) = content { items } else { nil }
    }
    package var mapping: Mapping? {
        if case .mapping(let mapping) = content { mapping } else { nil }
    }
    package var isNull: Bool { scalar?.isNull ?? false }

    /// What the node is, in an operator's words.
    package var kind: String {
        switch content {
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .scalar(let scalar) where scalar.isNull: "nothing"
        case .scalar(let scalar): "'\((scalar.written ?? scalar.text).prefix(60))'"
        }
    }
}

/// A scalar and whether it was written plain; only a plain one may mean a number, a truth value or nothing.
package struct Scalar: Sendable, Hashable {
    package var text: String
    package var isPlain: Bool
    /// What stands in the file when the text was made from it with variables; messages show this, never the values.
    package var written: String?

    package init(text: String, isPlain: Bool, written: String? = nil) {
        self.text = text
        self.isPlain = isPlain
        self.written = written
    }

    /// Whether the scalar is YAML's null (`~`, `null` or nothing at all).
    package var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }

    /// The truth value the text spells (YAML 1.2 core schema, and the `yes`/`on` forms of 1.1).
    package var bool: Bool? {
        switch text {
        case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": true
        case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": false
        default: nil
        }
    }

    /// The integer the text spells: decimal, `0x`, `0o`, `0b`, or YAML 1.1's leading-zero octal; `_` may group digits.
    package var integer: Int? {
        var digits = text.replacing("_", with: "")
        var negative = false
        if let sign = digits.first, sign == "-" || sign == "+" {
            negative = sign == "-"
            digits.removeFirst()
        }
        guard let first = digits.first, first.isASCII, first.isNumber else { return nil }
        let magnitude: Int? =
            if digits.hasPrefix("0x") {
                Int(digits.dropFirst(2), radix: 16)
            } else if digits.hasPrefix("0o") {
                Int(digits.dropFirst(2), radix: 8)
            } else if digits.hasPrefix("0b") {
                Int(digits.dropFirst(2), radix: 2)
            } else if digits.count > 1, first == "0" {
                Int(digits, radix: 8)
            } else {
                Int(digits)
            }
        return magnitude.map { negative ? -$0 : $0 }
    }

    /// The number the text spells, or nil.
    package var double: Double? {
        if let integer { return Double(integer) }
        guard let first = text.first, first.isNumber || "+-.".contains(first) else { return nil }
        return Double(text.replacing("_", with: ""))
    }
}

/// The entries of a mapping in the order they were written.
package struct Mapping: Sendable, Hashable {
    /// One entry: its key, where the key stands, and its value.
    package struct Entry: Sendable, Hashable {
        package var key: String
        package var keyPlace: Place
        package var value: Node

        package init(key: String, keyPlace: Place, value: Node) {
            self.key = key
            self.keyPlace = keyPlace
            self.value = value
        }
    }

    package var entries: [Entry]

    package init(_ entries: [Entry] = []) { self.entries = entries }

    package var keys: [String] { entries.map(\.key) }

    package subscript(key: String) -> Node? {
        get { entries.first { $0.key == key }?.value }
        set {
            let index = entries.firstIndex { $0.key == key }
            switch (index, newValue) {
            case (let index?, let value?): entries[index].value = value
            case (let index?, nil): entries.remove(at: index)
            case (nil, let value?): entries.append(Entry(key: key, keyPlace: value.place, value: value))
            case (nil, nil): break
            }
        }
    }
}
