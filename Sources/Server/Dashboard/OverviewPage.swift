internal import Delivery
internal import HTTPServer
internal import Journal
internal import Text

extension Site {
    /// All apps, with what is not right first: a tired person reads from the top.
    func overviewPage(_ call: Call) async throws -> Response {
        let holds = Dictionary(try await store.holds().map { ($0.app, $0) }) { _, last in last }
        let all = try await store.records().filter { call.visitor.sees(source: $0.source) }
        let asked = call.request.query["q"] ?? ""
        let wrongOnly = call.request.query["state"] == "wrong"
        let shown = all.filter { record in
            (asked.isEmpty || record.id.description.contains(asked))
                && (!wrongOnly || !record.isSettled && holds[record.id] == nil)
        }
        let sorted = shown.sorted { left, right in
            (left.isReady ? 1 : 0, left.id) < (right.isReady ? 1 : 0, right.id)
        }
        let errors = try await errors(call.visitor)
        return page("Apps", "/", visitor: call.visitor, call.request) {
            Tag.h1 { "Apps" }
            figures(all, holds)
            for error in errors { alert(error) }
            search(asked)
            if all.isEmpty {
                Tag.p {
                    "No apps yet. They appear when a source declares one; see "
                    Tag.a(.href("/sources")) { "the sources" }
                    "."
                }
            } else {
                table(
                    ["App", "State", "Revision", "Deployed", "What it says"],
                    sorted.map { row($0, isHeld: holds[$0.id] != nil) }
                )
            }
        }
    }

    private func figures(_ all: [AppRecord], _ holds: [AppID: Hold]) -> HTML {
        let wrong = all.count { !$0.isReady && holds[$0.id] == nil }
        return Tag.ul(.class("cards")) {
            Tag.li {
                Tag.b { "\(all.count)" }
                "apps"
            }
            Tag.li {
                Tag.b(.class("good")) { "\(all.count { $0.isReady })" }
                "ready"
            }
            Tag.li {
                Tag.b(wrong > 0 ? .class("bad") : nil) { "\(wrong)" }
                Tag.a(.href("/?state=wrong")) { "not ready" }
            }
            Tag.li {
                Tag.b { "\(all.count { holds[$0.id] != nil })" }
                "suspended"
            }
        }
    }

    private func search(_ asked: String) -> HTML {
        Tag.form(.class("bar"), Attribute("method", "get"), .action("/"), Attribute("role", "search")) {
            Tag.label {
                "Name "
                Tag.input(Attribute("name", "q"), Attribute("value", asked), Attribute("type", "search"))
            }
            Tag.button { "Find" }
        }
    }

    private func errors(_ visitor: Visitor) async throws -> [String] {
        try await store.sources().filter { visitor.sees(source: $0.name) }
            .compactMap { source in source.error.map { "Source \(source.name): \($0)" } }
            + store.targets().compactMap { target in target.error.map { "Target \(target.name): \($0)" } }
    }

    private func row(_ record: AppRecord, isHeld: Bool) -> HTML {
        let id = record.id.description
        return row(id) {
            Tag.td(.class("name")) { Tag.a(.href(path(of: record.id)), Attribute("data-focus", id)) { id } }
            Tag.td { state(record, isHeld: isHeld) }
            Tag.td { commit(record.deployedCommit ?? "-") }
            Tag.td(.class("dim")) { time(record.deployedAt) }
            Tag.td { record.ready?.message ?? "not looked at yet" }
        }
    }
}
