/// What a Quadlet file describes (podman-systemd.unit(5)).
package enum UnitKind: String, Sendable, CaseIterable {
    case container, volume, network, pod, kube, image, build

    /// The section that makes it what it is, such as `Container`.
    package var section: String { rawValue.prefix(1).uppercased() + rawValue.dropFirst() }

    /// What the generated service's name ends with.
    var serviceSuffix: String {
        switch self {
        case .container, .kube: ""
        case .volume, .network, .pod, .image, .build: "-\(rawValue)"
        }
    }
}

/// A Quadlet file's name taken apart.
package struct UnitName: Sendable, Hashable, CustomStringConvertible {
    package var description: String
    package var kind: UnitKind
    /// The name without its extension.
    package var stem: String

    /// Nil when the name is not that of a Quadlet file.
    package init?(_ name: String) {
        let bytes = name.utf8
        guard let dot = bytes.lastIndex(of: UInt8(ascii: ".")), bytes.first != UInt8(ascii: "."),
            let kind = UnitKind(rawValue: String(name[bytes.index(after: dot)...]))
        else { return nil }
        description = name
        self.kind = kind
        stem = String(name[..<dot])
    }

    /// The stem before the `@`, when there is one.
    var prefix: String? { stem.firstIndex(of: "@").map { String(stem[..<$0]) } }
    /// What stands after the `@`; empty for a template.
    var instance: String? { stem.firstIndex(of: "@").map { String(stem[stem.index(after: $0)...]) } }

    /// Whether it is a pattern for instances and nothing that could be started.
    package var isTemplate: Bool { instance == "" }

    /// The service that Quadlet makes of it when the unit names no other.
    package var service: String {
        guard let prefix, let instance else { return "\(stem)\(kind.serviceSuffix).service" }
        return "\(prefix)\(kind.serviceSuffix)@\(instance).service"
    }

    /// The folders of drop-ins that apply to it, the more general first.
    package var dropInFolders: [String] {
        var result = ["\(kind.rawValue).d"]
        var dashes: [String] = []
        for index in stem.indices where stem[index] == "-" {
            dashes.append("\(stem[...index]).\(kind.rawValue).d")
        }
        result += dashes
        if let prefix, instance != "" { result.append("\(prefix)@.\(kind.rawValue).d") }
        result.append("\(description).d")
        return result
    }
}

/// What systemd's specifiers stand for on this node (systemd.unit(5), "Specifiers").
package struct Specifiers: Sendable {
    /// The values by letter.
    package var values: [Character: String]

    package init(_ values: [Character: String]) { self.values = values }

    /// The text with every specifier replaced that is known; `%%` becomes `%`.
    package func expand(_ text: String, for name: UnitName? = nil) -> String {
        guard text.contains("%") else { return text }
        var result = ""
        var rest = Substring(text)
        while let character = rest.popFirst() {
            guard character == "%", let letter = rest.popFirst() else {
                result.append(character)
                continue
            }
            if letter == "%" {
                result.append("%")
            } else if let own = name.flatMap({ own(letter, $0) }) ?? values[letter] {
                result += own
            } else {
                result += "%\(letter)"
            }
        }
        return result
    }

    private func own(_ letter: Character, _ name: UnitName) -> String? {
        let service = name.service.dropLast(".service".count)
        switch letter {
        case "n": return name.service
        case "N": return String(service)
        case "p": return service.split(separator: "@").first.map(String.init) ?? String(service)
        case "i", "I": return name.instance ?? ""
        default: return nil
        }
    }
}
