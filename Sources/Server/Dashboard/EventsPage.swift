internal import Delivery
internal import HTTPServer
internal import Journal
internal import Text

extension Site {
    /// What happened last, newest first.
    func eventsPage(_ call: Call) async throws -> Response {
        let subjects = call.visitor.projects == nil ? nil : try await visibleSubjects(call.visitor)
        let all = try await store.events(
            after: 0,
            subject: call.request.query["subject"],
            limit: subjects == nil ? 200 : 20_000
        )
        let events = Array(all.filter { subjects?.contains($0.subject) ?? true }.suffix(200))
        return page("Events", "/events", visitor: call.visitor, call.request) {
            Tag.h1 { "Events" }
            eventTable(events, withSubject: true)
        }
    }

    /// Events, oldest first, as a table with the newest on top.
    func eventTable(_ events: [Event], withSubject: Bool) -> HTML {
        guard !events.isEmpty else { return Tag.p { "Nothing yet." } }
        let rows = events.reversed().map { event in
            row("e\(event.number)") {
                Tag.td(.class("dim")) { time(event.time) }
                Tag.td { mark(event.severity) }
                if withSubject { Tag.td(.class("name")) { subjectLink(event.subject) } }
                Tag.td { event.reason.rawValue }
                Tag.td {
                    event.message
                    if !event.details.isEmpty {
                        Tag.details {
                            Tag.summary { "\(event.details.count) more" }
                            list(event.details)
                        }
                    }
                }
            }
        }
        return table(["When", "Weight"] + (withSubject ? ["About"] : []) + ["Reason", "What"], rows)
    }

    private func mark(_ severity: Event.Severity) -> HTML {
        switch severity {
        case .info: Tag.span(.class("mark good")) { "\u{2022} info" }
        case .warning: Tag.span(.class("mark warn")) { "! warning" }
        case .error: Tag.span(.class("mark bad")) { "\u{2717} error" }
        }
    }

    private func subjectLink(_ subject: String) -> HTML {
        let parts = subject.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return HTML(subject) }
        return Tag.a(.href(path(of: AppID(target: parts[0], name: parts[1])))) { subject }
    }
}
