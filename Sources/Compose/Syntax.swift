internal import Diagnostics
internal import YAML

/// Splits a command line into words as a POSIX shell would: quotes, backslashes and `#` comments, nothing else.
/// - Returns: nil when a quote is never closed.
package func splitCommand(_ text: String) -> [String]? {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var characters = Substring(text)
    while let character = characters.popFirst() {
        if let open = quote {
            if character == open {
                quote = nil
            } else if character == "\\", open == "\"", let next = characters.popFirst() {
                word = (word ?? "") + (next == "\"" || next == "\\" ? "\(next)" : "\\\(next)")
            } else {
                word = (word ?? "") + String(character)
            }
        } else if character == "'" || character == "\"" {
            quote = character
            word = word ?? ""
        } else if character == "\\" {
            if let next = characters.popFirst() { word = (word ?? "") + String(next) }
        } else if character.isWhitespace {
            if let finished = word { words.append(finished) }
            word = nil
        } else if character == "#", word == nil {
            characters = characters.drop { $0 != "\n" }
        } else {
            word = (word ?? "") + String(character)
        }
    }
    if let finished = word { words.append(finished) }
    return quote == nil ? words : nil
}

/// Reads a size such as `50M`, `1.5gb` or `1024` in bytes; units are powers of 1024 as Docker reads them.
package func parseSize(_ text: String) -> Int? {
    let digits = text.prefix { $0.isNumber || $0 == "." }
    guard let amount = Double(digits) else { return nil }
    var unit = trimmed(text.dropFirst(digits.count)).lowercased()
    if unit.hasSuffix("b") { unit.removeLast() }
    if unit.hasSuffix("i") { unit.removeLast() }
    let scales = ["": 1.0, "k": 1024, "m": 1_048_576, "g": 1_073_741_824, "t": 1_099_511_627_776]
    guard let scale = scales[unit], amount * scale < 9e18 else { return nil }
    return Int(amount * scale)
}

/// Reads processors such as `0.5` in billionths; nil when finer than that or no number.
package func parseCPUs(_ text: String) -> Int? {
    guard let amount = Double(text), amount >= 0, amount < 1e6 else { return nil }
    let nano = (amount * 1e9).rounded()
    return abs(nano - amount * 1e9) < 1e-3 ? Int(nano) : nil
}

/// A repository path: `path` as seen from `directory`, without `.` and `..`; nil when it leaves the repository.
package func resolvePath(_ path: String, in directory: String) -> String? {
    var parts: [Substring] = path.hasPrefix("/") ? [] : directory.split(separator: "/").filter { $0 != "." }
    guard !path.hasPrefix("/") else { return nil }
    for part in path.split(separator: "/") where part != "." {
        if part == ".." {
            guard parts.popLast() != nil else { return nil }
        } else {
            parts.append(part)
        }
    }
    return parts.joined(separator: "/")
}

/// The directory part of a path; empty for a path without one.
package func directoryName(_ path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
}

/// What is wrong with a text written in Compose's short forms.
struct SyntaxError: Error {
    var message: String
}

/// Reads a port in the short form `[[ip:]published:]target[/protocol]`, each part possibly a range.
/// - Returns: One port for each of a range, in the order of the ranges, and the address that Swarm cannot bind to.
func parsePorts(_ text: String, at place: Place) throws(SyntaxError) -> (ports: [Port], address: String?) {
    let halves = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let transport = halves.count > 1 ? halves[1].lowercased() : "tcp"
    guard ["tcp", "udp", "sctp"].contains(transport) else {
        throw SyntaxError(message: "'\(transport)' is no protocol; expected tcp, udp or sctp")
    }
    var rest = String(halves[0])
    var address: String?
    if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
        address = String(rest[rest.index(after: rest.startIndex)..<end])
        rest = String(rest[end...].dropFirst(2))
    }
    var parts = rest.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard (1...3).contains(parts.count), let last = parts.popLast() else {
        throw SyntaxError(message: "'\(text)' is no port; expected [[ip:]published:]target[/protocol]")
    }
    let published = parts.popLast() ?? ""
    if let first = parts.popLast() { address = first }
    let targets = try portRange(last, in: text)
    let sources: ClosedRange<Int>? = published.isEmpty ? nil : try portRange(published, in: text)
    if let sources, sources.count != targets.count, targets.count != 1 || sources.count == 1 {
        throw SyntaxError(message: "'\(text)' maps \(sources.count) ports to \(targets.count)")
    }
    // One target behind several published ports is published at each of them.
    let count = max(targets.count, targets.count == 1 ? sources?.count ?? 1 : 1)
    let ports = (0..<count).map { index in
        Port(
            target: targets.count == 1 ? targets.lowerBound : targets.lowerBound + index,
            published: sources.map { $0.lowerBound + index } ?? 0,
            transport: transport,
            mode: "ingress",
            place: place
        )
    }
    return (ports, address)
}

private func portRange(_ text: String, in whole: String) throws(SyntaxError) -> ClosedRange<Int> {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil,
        (0...65535).contains(first), (first...65535).contains(last)
    else {
        throw SyntaxError(message: "'\(text)' in '\(whole)' is no port; ports are 1 to 65535")
    }
    return first...last
}

/// The parts of a mount between its colons; the colon after a drive's letter separates nothing.
func mountParts(_ text: String) -> [String] {
    var parts: [String] = [""]
    var rest = Substring(text)
    while let character = rest.popFirst() {
        let last = parts.count - 1
        if character == ":", !isDrive(parts[last], before: rest) {
            parts.append("")
        } else {
            parts[last].append(character)
        }
    }
    return parts
}

/// Whether a letter before a colon is a drive's.
///
/// `v:/v` mounts the volume 'v', so a drive with slashes is only known by
/// the path that follows its own.
private func isDrive(_ part: String, before rest: Substring) -> Bool {
    guard part.count == 1, part.allSatisfy({ $0.isASCII && $0.isLetter }) else { return false }
    if rest.first == "\\" { return true }
    guard rest.first == "/", let colon = rest.firstIndex(of: ":") else { return false }
    let next = rest[rest.index(after: colon)...]
    return next.first == "/" || isWindowsPath(String(next))
}

/// Whether a path is one of a Windows node: `C:\data`, `\\server\share` or `\\.\pipe\name`.
func isWindowsPath(_ path: String) -> Bool {
    if path.hasPrefix("\\\\") { return true }
    let start = path.prefix(2)
    return start.count == 2 && start.last == ":" && start.allSatisfy { $0 == ":" || $0.isASCII && $0.isLetter }
}

/// `extra_hosts` in the list form, whichever way it is written; what is neither stays as it is, to be refused.
func hostLines(_ node: Node) -> [Node] {
    guard let mapping = node.mapping else { return node.sequence ?? [node] }
    // The order of a mapping carries no meaning; Docker sorts it.
    return mapping.entries.sorted { "\($0.key):" < "\($1.key):" }.flatMap { entry in
        (entry.value.sequence ?? [entry.value]).map { address in
            guard let text = address.scalar?.text, !address.isNull else { return address }
            return Node(string: "\(entry.key)=\(text)", at: address.place)
        }
    }
}

/// The name and the address of `name:address` or `name=address`; an IPv6 address may stand in brackets.
func splitHost(_ text: String) -> (name: String, address: String)? {
    let separator: Character = text.contains("=") ? "=" : ":"
    let parts = text.split(separator: separator, maxSplits: 1).map(String.init)
    guard parts.count == 2 else { return nil }
    let address = parts[1]
    let isBracketed = address.hasPrefix("[") && address.hasSuffix("]")
    return (parts[0], isBracketed ? String(address.dropFirst().dropLast()) : address)
}

/// Reads a mount in the short form `[source:]target[:options]`.
func parseMount(_ text: String, at place: Place) throws(SyntaxError) -> Mount {
    let parts = mountParts(text)
    guard (1...3).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else {
        throw SyntaxError(message: "'\(text)' is no mount; expected [source:]target[:options]")
    }
    if parts.count == 1 { return Mount(type: "volume", source: "", target: parts[0], place: place) }
    let isPath = parts[0].first.map { "./~".contains($0) } ?? false || isWindowsPath(parts[0])
    var mount = Mount(type: isPath ? "bind" : "volume", source: parts[0], target: parts[1], place: place)
    for option in parts.dropFirst(2).joined().split(separator: ",") {
        switch option {
        case "ro": mount.readOnly = true
        case "rw", "z", "Z", "consistent", "cached", "delegated": break
        case "nocopy": mount.noCopy = true
        case "private", "rprivate", "shared", "rshared", "slave", "rslave":
            mount.propagation = String(option)
            mount.hasBindOptions = true
        default: throw SyntaxError(message: "unknown option '\(option)' in mount '\(text)'")
        }
    }
    return mount
}
