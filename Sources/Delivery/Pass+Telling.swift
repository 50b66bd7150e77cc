/// How a pass tells what it found: records, conditions, events.
extension Pass {
    func fail(_ failure: Failure, _ start: Track) async -> Outcome {
        var track = start
        if let fresh = await reconciler.tracks[id] { track.record = fresh.record }
        let waits = failure.next == .needsChange
        let commit = track.record.commit
        if track.app != nil || track.unreadable != nil, let fleet = await reconciler.fleets[track.record.source] {
            track.record.commit = fleet.revision.commit
        }
        let isKnown =
            commit == track.record.commit
            && track.record.ready.map { $0.reason == failure.reason && $0.message == failure.message } ?? false
        set(&track.record, .ready, false, failure.reason, failure.message)
        if waits { set(&track.record, .stalled, true, failure.reason, "waits for a change") }
        track.record.details = failure.details
        let event = event(.error, failure.reason, track.record, failure.message, details: failure.details)
        // The same failure again is the same fact; it was told.
        if !isKnown { try? await save(track.record, event: event) }
        return waits ? .rest : .retry
    }

    func warn(_ track: inout Track, _ warnings: [String]) async {
        guard track.warnings != warnings else { return }
        track.warnings = warnings
        guard !warnings.isEmpty else { return }
        let count = warnings.count
        await announce(
            .warning,
            .warning,
            track.record,
            count == 1 ? warnings[0] : "\(count) warnings in its files",
            details: count == 1 ? [] : warnings
        )
    }

    func forgetHealth() async {
        await reconciler.update(id) { track in
            track.healthySince = nil
            track.attemptSince = nil
        }
    }

    func save(_ record: AppRecord, event: Event?) async throws {
        try await journal.save(record, event: event)
        await publish(record, event)
    }

    func publish(_ record: AppRecord, _ event: Event?) async {
        await reconciler.update(id) { $0.record = record }
        if let event { surroundings.announce(event) }
    }

    func announce(
        _ severity: Event.Severity,
        _ reason: Reason,
        _ record: AppRecord,
        _ message: String,
        details: [String] = []
    ) async {
        await reconciler.announce(
            severity,
            reason,
            about: id.description,
            commit: record.commit,
            message,
            details: details,
            correlation: correlation
        )
    }

    func event(
        _ severity: Event.Severity,
        _ reason: Reason,
        _ record: AppRecord,
        _ message: String,
        details: [String] = []
    ) -> Event {
        Event(
            time: surroundings.now(),
            severity: severity,
            reason: reason,
            subject: id.description,
            commit: record.commit,
            message: message,
            details: details,
            correlation: correlation
        )
    }

    func set(
        _ record: inout AppRecord,
        _ kind: Condition.Kind,
        _ isTrue: Bool,
        _ reason: Reason,
        _ message: String
    ) {
        let old = record.conditions.first { $0.kind == kind }
        let since = old?.isTrue == isTrue ? old?.since ?? surroundings.now() : surroundings.now()
        record.conditions.removeAll { $0.kind == kind }
        record.conditions.append(Condition(kind, isTrue, reason, message, since: since))
        record.conditions.sort { $0.kind.rawValue < $1.kind.rawValue }
    }

    func clear(_ record: inout AppRecord, _ kinds: Condition.Kind...) {
        record.conditions.removeAll { kinds.contains($0.kind) }
    }

    func short(_ commit: String) -> String { String(commit.prefix(12)) }

    /// ` at 0123456789ab`, or nothing for a source that has no commits.
    func at(_ commit: String) -> String { commit.isEmpty ? "" : " at \(short(commit))" }

    /// What runs, in words.
    func running(_ commit: String) -> String { commit.isEmpty ? "running as declared" : "running \(short(commit))" }

    func summarise(_ changes: [Change]) -> String {
        let counts = Dictionary(grouping: changes, by: \.action)
        let words = [Change.Action.create, .update, .replace, .remove].compactMap { action in
            counts[action].map { "\($0.count) to \(action.rawValue)" }
        }
        return words.joined(separator: ", ") + ": "
            + changes.prefix(6).map { "\($0.kind) \($0.name)" }.joined(separator: ", ")
            + (changes.count > 6 ? ", ..." : "")
    }

    func describe(_ changes: [Change]) -> [String] {
        changes.prefix(20).map { change in
            let fields = change.fields.prefix(8).map { field in
                "\(field.path): \(field.from ?? "nothing") -> \(field.to ?? "nothing")"
            }
            return "\(change.action.rawValue) \(change.kind) \(change.name)"
                + (fields.isEmpty ? "" : " (" + fields.joined(separator: ", ") + ")")
        }
    }
}
