/// What a unit file describes: something of Podman's (podman-systemd.unit(5)), or of systemd's own (systemd.unit(5)).
package enum UnitKind: String, Sendable, CaseIterable {
    case container, volume, network, pod, kube, image, build
    case service, timer, socket, path, target, mount, automount, swap, slice

    /// Whether systemd reads such a file itself; of the others Podman makes services.
    package var isOfSystemd: Bool {
        switch self {
        case .container, .volume, .network, .pod, .kube, .image, .build: false
        default: true
        }
    }

    /// The section that makes it what it is, such as `Container`.
    package var section: String { rawValue.prefix(1).uppercased() + rawValue.dropFirst() }

    /// Whether something has to be said of it; of the others an empty file says enough.
    var needsSection: Bool {
        switch self {
        case .volume, .network, .pod, .target, .slice: false
        default: true
        }
    }

    /// Whether a change reaches it without a restart, which would restart all that belongs to it.
    var isReadAnew: Bool { self == .target || self == .slice }

    /// What the generated service's name ends with.
    var serviceSuffix: String {
        switch self {
        case .volume, .network, .pod, .image, .build: "-\(rawValue)"
        default: ""
        }
    }
}

/// A unit file's name taken apart.
package struct UnitName: Sendable, Hashable, CustomStringConvertible {
    package var description: String
    package var kind: UnitKind
    /// The name without its extension.
    package var stem: String

    /// Nil when the name is not that of a unit file.
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

    /// What systemd knows it by: itself, or the service that Quadlet makes of it when the unit names no other.
    package var service: String {
        if kind.isOfSystemd { return description }
        guard let prefix, let instance else { return "\(stem)\(kind.serviceSuffix).service" }
        return "\(prefix)\(kind.serviceSuffix)@\(instance).service"
    }

    /// Why systemd could have no service of this name, in words; nil when it could (systemd.unit(5), "Description").
    ///
    /// Links and copies of the file have longer names than itself, within the 255 bytes a name may have.
    var fault: String? {
        let marks = Set(":-_.\\@".utf8)
        let isAllowed = description.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || marks.contains(byte)
        }
        if !isAllowed { return "systemd takes letters, digits and ':-_.\\@' in a unit's name, and nothing else" }
        if stem.hasPrefix("@") { return "nothing stands before the '@'" }
        let length = max(description.utf8.count, service.utf8.count)
        return length > Self.longest ? "the name is longer than the \(Self.longest) bytes that a unit's may have" : nil
    }

    private static let longest = 230

    /// The folders of drop-ins that apply to it, the more general first.
    ///
    /// Those that systemd lays over all its services, or all whose names begin alike, are not among them: they would change units
    /// that are not declared here.
    package var dropInFolders: [String] {
        var result: [String] = []
        if !kind.isOfSystemd {
            result.append("\(kind.rawValue).d")
            for index in stem.indices where stem[index] == "-" {
                result.append("\(stem[...index]).\(kind.rawValue).d")
            }
        }
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
