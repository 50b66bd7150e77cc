import Delivery
import Documents
import JSON
import Journal
import Testing

/// What is written for programs reads back as it was.
@Suite struct DocumentTests {
    @Test func anAppComesBack() throws {
        var record = AppRecord(id: AppID(target: "default", name: "web"), source: "fleet")
        record.commit = "abc"
        record.deployedCommit = "abd"
        record.deployedAt = Timestamp(1_795_248_000.25)
        record.conditions = [
            Condition(.ready, false, .timedOut, "late", since: Timestamp(5)),
            Condition(.stalled, true, .rolledBack, "waits", since: Timestamp(6.125)),
        ]
        record.details = ["a", "b"]
        record.quarantine = Quarantine(
            fingerprint: "",
            commit: "x",
            since: Timestamp(4),
            failure: "why",
            details: ["log"]
        )
        let hold = Hold(app: record.id, author: "anna", reason: "disks", since: Timestamp(7))
        let written = document(record, hold: hold)
        let read = try JSON(parsing: written.text())
        #expect(AppRecord(document: read) == record)
        #expect(Hold(of: record.id, document: read) == hold)
        #expect(Hold(of: record.id, document: document(record, hold: nil)) == nil)
    }

    @Test func everythingElseComesBack() throws {
        var event = Event(
            time: Timestamp(1_795_248_000.5),
            severity: .error,
            reason: .healthCheckFailed,
            subject: "default/web",
            commit: "c",
            message: "\"m\"",
            details: ["d"],
            correlation: "x"
        )
        event.number = 7
        #expect(Event(document: document(event)) == event)
        let fields = [FieldChange("image", from: "a", to: nil), FieldChange("b", from: nil, to: "c")]
        let plan = Plan([Change(.replace, "config", "motd", fields: fields), Change(.remove, "service", "web")])
        #expect(Plan(document: document(AppID(target: "t", name: "n"), plan)) == plan)
        let source = SourceRecord(name: "s", url: "u", commit: "c", lastSuccess: Timestamp(1), error: "e")
        #expect(SourceRecord(document: document(source)) == source)
        let target = TargetRecord(name: "t", endpoint: "e", version: "v", lastSuccess: nil, error: nil)
        #expect(TargetRecord(document: document(target)) == target)
        for number in 0..<500 {
            let text = Timestamp(1_795_248_000 + Double(number) * 0.0137).text
            #expect(Timestamp(text: text)?.text == text)
        }
        for text in ["", "2026-11-21", "2026-11-21T08:00:00", "yesterday"] { #expect(Timestamp(text: text) == nil) }
    }
}
