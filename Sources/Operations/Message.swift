internal import Delivery
internal import Documents
internal import JSON

/// How one event is put into words: text with `{{name}}` where a part of the event belongs.
package struct Template: Sendable {
    /// What can be named.
    package static let names = [
        "subject", "target", "name", "severity", "reason", "message", "commit", "time", "details", "url",
    ]

    private enum Part: Sendable {
        case text(String)
        case name(String)
    }

    private let parts: [Part]

    /// - Throws: `TemplateError` that says what cannot be read.
    package init(_ text: String) throws(TemplateError) {
        var parts: [Part] = []
        var rest = text[...]
        while let open = rest.firstRange(of: "{{") {
            guard let close = rest[open.upperBound...].firstRange(of: "}}") else {
                throw TemplateError(description: "'{{' is not closed by '}}'")
            }
            let name = rest[open.upperBound..<close.lowerBound].split(separator: " ").joined()
            guard Self.names.contains(name) else {
                let known = Self.names.joined(separator: ", ")
                throw TemplateError(description: "'{{\(name)}}' is not known; known are \(known)")
            }
            parts += [.text(String(rest[..<open.lowerBound])), .name(name)]
            rest = rest[close.upperBound...]
        }
        self.parts = parts + [.text(String(rest))]
    }

    func text(_ values: [String: String]) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .name(let name): values[name] ?? ""
            }
        }.joined()
    }
}

/// What is wrong with a template.
package struct TemplateError: Error, Sendable {
    package var description: String
}

/// Some events as they are sent to somebody.
struct Message: Sendable {
    /// One event's own part.
    struct Line: Sendable {
        var text: String
        var details: [String]
        var url: String?
    }

    var id: String
    var events: [JSON]
    var severity: Event.Severity
    var title: String
    var lines: [Line]
    /// Where to look; nil when nobody said where the server is reached.
    var url: String?

    /// `base`: Where people reach the server.
    init(id: String, events: [JSON], template: Template?, base: String?) {
        self.id = id
        self.events = events
        func text(_ event: JSON, _ name: String) -> String { event[name]?.string ?? "" }
        func place(_ event: JSON) -> String? {
            let subject = text(event, "subject")
            return base.map { subject.contains("/") ? "\($0)/apps/\(subject)" : "\($0)/events" }
        }
        severity =
            events.compactMap { $0["severity"]?.string.flatMap(Event.Severity.init) }.max { $0.rank < $1.rank } ?? .info
        lines = events.map { event in
            let details = (event["details"]?.array ?? []).compactMap(\.string)
            guard let template else {
                let words = "\(text(event, "subject")) \(text(event, "reason")): \(text(event, "message"))"
                return Line(text: words, details: Array(details.prefix(8)), url: place(event))
            }
            let subject = text(event, "subject")
            let parts = subject.split(separator: "/", maxSplits: 1).map(String.init)
            var values = ["url": place(event) ?? "", "details": details.joined(separator: "\n")]
            for name in ["severity", "reason", "message", "time"] { values[name] = text(event, name) }
            values["commit"] = String(text(event, "commit").prefix(12))
            values["subject"] = subject
            values["target"] = parts.count == 2 ? parts[0] : ""
            values["name"] = parts.last ?? ""
            return Line(text: template.text(values), details: [], url: place(event))
        }
        let mark =
            switch severity {
            case .info: "✓"
            case .warning: "!"
            case .error: "✗"
            }
        if events.count == 1, let event = events.first {
            title = "\(mark) \(text(event, "subject")): \(text(event, "reason"))"
            url = place(event)
        } else {
            let subjects = Set(events.map { text($0, "subject") })
            title =
                "\(mark) \(events.count) events"
                + (subjects.count == 1 ? " of \(subjects.first ?? "")" : " of \(subjects.count) apps and sources")
            url = subjects.count == 1 ? events.first.flatMap(place) : base
        }
    }

    /// Everything as plain text.
    var text: String {
        lines.map { line in ([line.text] + line.details.map { "  \($0)" }).joined(separator: "\n") }
            .joined(separator: "\n")
    }
}

/// A text that is no longer than a receiver takes; cut between characters.
///
/// `counting`: What the receiver counts; UTF-16 units when nothing else is said.
func shortened(_ text: String, to limit: Int, counting size: (String) -> Int = { $0.utf16.count }) -> String {
    guard size(text) > limit else { return text }
    var (result, count) = ("", 0)
    for character in text {
        count += size(String(character))
        if count > limit - size("…") { break }
        result.append(character)
    }
    return result + "…"
}
