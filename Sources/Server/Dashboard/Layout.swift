internal import Delivery
internal import Documents
internal import HTTPServer
internal import Text

// What all pages have in common.

extension Site {
    /// A page around its content.
    ///
    /// `current`: The path of the link at the top that leads here; nil when none does.
    func page(
        _ title: String,
        _ current: String?,
        visitor: Visitor?,
        _ request: Request,
        status: Int = 200,
        @HTMLBuilder _ content: () -> HTML
    ) -> Response {
        // Whoever may see something sees it change.
        let reasons = visitor == nil ? "" : Reason.allCases.map(\.rawValue).joined(separator: " ")
        let root = Tag.html(Attribute("lang", "en")) {
            head(title, isLive: visitor != nil)
            Tag.body(Attribute("data-reasons", reasons)) {
                Tag.a(.class("skip"), .href("#content")) { "To the content" }
                header(current, visitor, request)
                Tag.main(Attribute("id", "content"), Attribute("tabindex", "-1"), content: content)
            }
        }
        return Response(status, type: "text/html; charset=utf-8", root.document)
    }

    private func head(_ title: String, isLive: Bool) -> HTML {
        Tag.head {
            Tag.meta(Attribute("charset", "utf-8"))
            Tag.meta(Attribute("name", "viewport"), Attribute("content", "width=device-width,initial-scale=1"))
            Tag.title { "\(title) - Hecate" }
            Tag.link(Attribute("rel", "stylesheet"), .href("/assets/style.css"))
            Tag.link(Attribute("rel", "icon"), Attribute("href", "data:,"))
            if isLive { Tag.script(Attribute("src", "/assets/live.js"), Attribute("defer")) }
        }
    }

    private func header(_ current: String?, _ visitor: Visitor?, _ request: Request) -> HTML {
        let links: [(path: SitePath, name: String)] = [("/", "Apps"), ("/events", "Events"), ("/sources", "Sources")]
        return Tag.header {
            Tag.b { "Hecate" }
            Tag.nav(Attribute("aria-label", "Pages")) {
                if visitor != nil {
                    for link in links {
                        let isHere = link.path.text == current
                        Tag.a(.href(link.path), isHere ? Attribute("aria-current", "page") : nil) { link.name }
                    }
                }
            }
            if let visitor {
                Tag.span(.class("who")) {
                    "\(visitor.name) (\(visitor.role.rawValue)) "
                    Tag.span(Attribute("id", "live"))
                    " "
                    signing(request)
                }
            }
        }
    }

    /// The way in or out.
    private func signing(_ request: Request) -> HTML {
        if let token = formToken(request) { return form("/logout", token) { Tag.button { "Sign out" } } }
        return request.headers["authorization"] == nil ? Tag.a(.href("/login")) { "Sign in" } : HTML()
    }

    /// What the forms of a signed-in browser carry; nil for everybody else.
    func formToken(_ request: Request) -> String? {
        request.cookie(Sessions.cookie).flatMap { sessions.find($0, now: now.seconds) }?.formToken
    }

    /// A form that changes something.
    func form(_ action: SitePath, _ token: String, @HTMLBuilder _ content: () -> HTML) -> HTML {
        Tag.form(Attribute("method", "post"), .action(action)) {
            Tag.input(Attribute("type", "hidden"), Attribute("name", "csrf"), Attribute("value", token))
            content()
        }
    }

    // MARK: Parts

    /// Something that is wrong, said at once to whoever listens to the page.
    func alert(_ text: String) -> HTML { Tag.p(.class("bad"), Attribute("role", "alert")) { text } }

    func list(_ lines: [String]) -> HTML {
        lines.isEmpty ? HTML() : Tag.ul { for line in lines { Tag.li { line } } }
    }

    /// A table; one that may be stacked on a narrow screen when `isStacked`.
    func table(_ columns: [String], _ rows: [HTML], isStacked: Bool = true) -> HTML {
        Tag.div(.class("wide")) {
            Tag.table(isStacked ? .class("stack") : nil) {
                Tag.thead {
                    Tag.tr { for column in columns { Tag.th(Attribute("scope", "col")) { column } } }
                }
                Tag.tbody { rows }
            }
        }
    }

    /// A row that is marked when it has changed since it was shown last; found again by its key.
    func row(_ key: String, @HTMLBuilder _ cells: () -> HTML) -> HTML {
        Tag.tr(Attribute("data-key", key), content: cells)
    }

    /// The first signs of a commit, as people name it.
    func commit(_ text: String) -> HTML { Tag.code { String(text.prefix(12)) } }

    func time(_ time: Timestamp) -> HTML {
        Tag.time(Attribute("datetime", time.text), Attribute("title", time.text)) { "\(time.age(at: now)) ago" }
    }

    func time(_ time: Timestamp?) -> HTML { time.map { self.time($0) } ?? HTML("never") }

    /// Never by colour alone.
    func state(_ record: AppRecord, isHeld: Bool) -> HTML {
        let (colour, text) =
            if isHeld {
                ("warn", "\u{2016} suspended")
            } else if record.isSettled {
                ("good", "\u{2713} ready")
            } else if record.conditions.contains(where: { $0.kind == .reconciling }) {
                ("warn", "\u{21BB} changing")
            } else if record.isReady {
                ("warn", "\u{2026} waiting")
            } else {
                ("bad", "\u{2717} not ready")
            }
        return Tag.span(.class("state \(colour)")) { text }
    }

    /// Where an app's page is.
    func path(of id: AppID) -> SitePath { SitePath("/apps").appending(id.target).appending(id.name) }
}
