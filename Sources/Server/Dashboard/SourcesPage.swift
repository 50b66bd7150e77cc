internal import Delivery
internal import HTTPServer
internal import Journal
internal import Text

extension Site {
    /// Where desired state comes from and where it goes, and whether both answer.
    func sourcesPage(_ call: Call) async throws -> Response {
        let sources = try await store.sources().filter { call.visitor.sees(source: $0.name) }.map { source in
            row(source.name, source.url, source.lastSuccess, source.error) { commit(source.commit) }
        }
        let targets = try await store.targets().map { target in
            row(target.name, target.endpoint, target.lastSuccess, target.error) { target.version }
        }
        return page("Sources", "/sources", visitor: call.visitor, call.request) {
            Tag.h1 { "Sources" }
            table(["Name", "Where", "Commit", "Last answer", "Error"], sources)
            Tag.h2 { "Targets" }
            table(["Name", "Where", "Version", "Last answer", "Error"], targets)
        }
    }

    private func row(
        _ name: String,
        _ place: String,
        _ last: Timestamp?,
        _ error: String?,
        @HTMLBuilder _ what: () -> HTML
    ) -> HTML {
        row(name) {
            Tag.td(.class("name")) { name }
            Tag.td { place }
            Tag.td(content: what)
            Tag.td(.class("dim")) { time(last) }
            Tag.td(.class("bad")) { error ?? "" }
        }
    }
}
