/// A piece of an HTML page (WHATWG HTML).
///
/// Elements, attributes and text are values, and what is text is escaped when the page is written. There is no way to
/// put markup in as a string: names of elements are an enumeration's cases, names of attributes are literals of the program.
package struct HTML: Sendable {
    private indirect enum Content: Sendable {
        case text(String)
        case element(Tag, [Attribute], HTML)
        case group([HTML])
    }

    private let content: Content

    /// Nothing.
    package init() { content = .group([]) }

    package init(_ text: String) { content = .text(text) }

    package init(_ parts: [HTML]) { content = .group(parts) }

    fileprivate init(_ tag: Tag, _ attributes: [Attribute], _ content: HTML) {
        self.content = .element(tag, attributes, content)
    }

    /// The page of which this is the root element.
    ///
    /// The document type before it is the one thing that is written as it stands.
    package var document: [UInt8] {
        var output = Array("<!doctype html>\n".utf8)
        write(to: &output)
        output.append(UInt8(ascii: "\n"))
        return output
    }

    private func write(to output: inout [UInt8]) {
        switch content {
        case .text(let text): Self.write(text, quotes: false, to: &output)
        case .group(let parts): for part in parts { part.write(to: &output) }
        case .element(let tag, let attributes, let content):
            output.append(UInt8(ascii: "<"))
            output += tag.rawValue.utf8
            for attribute in attributes {
                output.append(UInt8(ascii: " "))
                output += attribute.name.utf8
                guard let value = attribute.value else { continue }
                output += "=\"".utf8
                Self.write(value, quotes: true, to: &output)
                output.append(UInt8(ascii: "\""))
            }
            output.append(UInt8(ascii: ">"))
            guard !tag.isVoid else { return }
            content.write(to: &output)
            output += "</".utf8
            output += tag.rawValue.utf8
            output.append(UInt8(ascii: ">"))
        }
    }

    private static func write(_ text: String, quotes: Bool, to output: inout [UInt8]) {
        output += markupEscaped(text, quotes: quotes).utf8
    }
}

/// An element, called with its attributes and its content: `Tag.p(.class("dim")) { "text" }`.
package enum Tag: String, Sendable {
    case a, b, body, button, code, del, details, div, form, h1, h2, head, header, html, input, ins, label, li, link,
        main,
        meta, nav, p, pre, script, span, summary, table, tbody, td, th, thead, time, title, tr, ul

    /// Whether it has neither content nor an end tag.
    fileprivate var isVoid: Bool { [.input, .link, .meta].contains(self) }

    /// Attributes that are nil are left out.
    package func callAsFunction(_ attributes: Attribute?..., @HTMLBuilder content: () -> HTML = { HTML() }) -> HTML {
        HTML(self, attributes.compactMap { $0 }, content())
    }
}

/// An attribute of an element.
package struct Attribute: Sendable {
    fileprivate let name: String
    fileprivate let value: String?

    /// One with a value; only a literal can be a name.
    package init(_ name: StaticString, _ value: String) { (self.name, self.value) = (name.description, value) }

    /// One without a value.
    package init(_ name: StaticString) { (self.name, value) = (name.description, nil) }

    package static func `class`(_ names: String) -> Attribute { Attribute("class", names) }

    /// A place of the same site; nothing else is linked to.
    package static func href(_ path: SitePath) -> Attribute { Attribute("href", path.text) }

    /// Where a form is sent.
    package static func action(_ path: SitePath) -> Attribute { Attribute("action", path.text) }
}

/// A path of the site itself, such as `/apps/default/web`.
package struct SitePath: Sendable, ExpressibleByStringLiteral {
    package let text: String

    package init(stringLiteral text: StaticString) { self.text = text.description }

    private init(_ text: String) { self.text = text }

    /// The path below this one; every sign of the part that could be read as anything else is encoded.
    package func appending(_ part: String) -> SitePath { SitePath("\(text)/\(percentEncoded(part))") }
}

/// Writes content as a list of what it consists of.
@resultBuilder package enum HTMLBuilder {
    package static func buildExpression(_ text: String) -> HTML { HTML(text) }
    package static func buildExpression(_ html: HTML) -> HTML { html }
    package static func buildExpression(_ parts: [HTML]) -> HTML { HTML(parts) }
    package static func buildBlock(_ parts: HTML...) -> HTML { HTML(parts) }
    package static func buildOptional(_ html: HTML?) -> HTML { html ?? HTML() }
    package static func buildEither(first html: HTML) -> HTML { html }
    package static func buildEither(second html: HTML) -> HTML { html }
    package static func buildArray(_ parts: [HTML]) -> HTML { HTML(parts) }
}
