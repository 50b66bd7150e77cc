import Delivery
import Documents
import JSON
import Journal
import Testing

/// What is written for programs reads back as it was.
@Suite struct DocumentTests {
    @Test func anAppComesBack() throws {
        let hold = Hold(
            app: AppID(target: "default", name: "web"),
            author: "anna",
            reason: "disks",
            since: Timestamp(7)
        )
        for record in records {
            let written = document(record, hold: hold)
            let read = try #require(AppRecord(document: try JSON(parsing: written.text())))
            #expect(document(read, hold: hold).text() == written.text())
            #expect(read.conditions == record.conditions)
            #expect(Hold(of: record.id, document: written) == hold)
            #expect(Hold(of: record.id, document: document(record, hold: nil)) == nil)
        }
    }

    /// Records in the states that an app can be in.
    private var records: [AppRecord] {
        var ready = AppRecord(id: AppID(target: "default", name: "web"), source: "fleet")
        ready.commit = "abc"
        ready.deployed = "f"
        ready.deployedCommit = "abd"
        ready.deployedAt = Timestamp(1_795_248_000.25)
        ready.result = .init(.deployed, "deployed in 3s at abd", since: Timestamp(5))
        var waiting = ready
        waiting.waiting = Waiting(.dependencyNotReady, "waiting for db", since: Timestamp(6))
        var verifying = ready
        verifying.attempt = Attempt(
            fingerprint: "g",
            commit: "abc",
            purpose: .deploy,
            since: Timestamp(6),
            mark: "",
            phase: .verifying,
            message: "1 of 2"
        )
        var failing = verifying
        let failure = Failure(.timedOut, "late", next: .needsChange, details: ["a", "b"])
        failing.problem = Problem(failure, since: Timestamp(8))
        var rejected = ready
        rejected.quarantine = Quarantine(
            fingerprint: "",
            commit: "x",
            since: Timestamp(4),
            reason: .timedOut,
            failure: "why",
            details: ["log"]
        )
        var rolledBack = rejected
        rolledBack.quarantine?.isRolledBack = true
        var removed = ready
        removed.removal = Removal(why: "it is no longer in fleet", since: Timestamp(9))
        var drifted = ready
        drifted.drift = Drift(message: "1 to update", isFight: true, since: Timestamp(9))
        drifted.hold = Hold(app: ready.id, author: "otto", reason: "looks: closely", since: Timestamp(9))
        var silent = ready
        silent.waiting = Waiting(.unavailable, "no answer", since: Timestamp(10))
        return [
            AppRecord(id: ready.id, source: "fleet"), ready, waiting, verifying, failing, rejected, rolledBack, removed,
            drifted, silent,
        ]
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
