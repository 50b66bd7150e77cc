/// One statement about an app, as Kubernetes' kstatus means them.
package struct Condition: Sendable, Hashable {
    /// `reconciling`, `stalled`, `drifted` and `suspended` are only there when they hold.
    package enum Kind: String, Sendable, CaseIterable {
        case ready = "Ready"
        case reconciling = "Reconciling"
        case stalled = "Stalled"
        case drifted = "Drifted"
        case suspended = "Suspended"
    }

    package var kind: Kind
    package var isTrue: Bool
    package var reason: Reason
    package var message: String
    package var since: Timestamp

    package init(_ kind: Kind, _ isTrue: Bool, _ reason: Reason, _ message: String, since: Timestamp) {
        self.kind = kind
        self.isTrue = isTrue
        self.reason = reason
        self.message = message
        self.since = since
    }
}

/// Conditions are never stored: they are what the facts of a record say, and this is the only place that says it.
extension AppRecord {
    /// What holds of the app, sorted by kind.
    package var conditions: [Condition] {
        [drifted, ready, reconciling, stalled, suspended].compactMap { $0 }
    }

    package var ready: Condition? {
        if let removal { return no(.removed, "being removed: \(removal.why)", removal.since) }
        if let quarantine {
            guard quarantine.isRolledBack else { return no(quarantine.reason, quarantine.failure, quarantine.since) }
            let what = quarantine.commit.isEmpty ? "the change" : String(quarantine.commit.prefix(12))
            var message = "\(what) was rolled back: \(quarantine.failure)"
            if let problem { message += "; what runs instead is not well: \(problem.message)" }
            return no(.rolledBack, message, quarantine.since)
        }
        // Of what nobody can look at nobody can say that it is well.
        if let waiting, waiting.reason == .unavailable { return no(.unavailable, waiting.message, waiting.since) }
        if let problem { return no(problem.reason, problem.message, problem.since) }
        if let attempt { return no(attempt.phase, attempt.message, attempt.since) }
        if let result, deployed != nil {
            guard let waiting else { return yes(result.reason, result.message, result.since) }
            return yes(waiting.reason, "\(running); \(waiting.message)", result.since)
        }
        return waiting.map { no($0.reason, $0.message, $0.since) }
    }

    package var reconciling: Condition? {
        if let removal {
            let waitsFor = waiting.map { "; \($0.message)" } ?? ""
            return Condition(
                .reconciling,
                true,
                .removed,
                "being removed: \(removal.why)\(waitsFor)",
                since: removal.since
            )
        }
        if let attempt { return Condition(.reconciling, true, attempt.phase, attempt.message, since: attempt.since) }
        if let quarantine, !quarantine.isRolledBack {
            let message = "rolling back: \(quarantine.failure)"
            return Condition(.reconciling, true, .rollingBack, message, since: quarantine.since)
        }
        return waiting.map { Condition(.reconciling, true, $0.reason, $0.message, since: $0.since) }
    }

    private var stalled: Condition? {
        if let quarantine, quarantine.isRolledBack {
            let message = "waits for a commit that changes it"
            return Condition(.stalled, true, .rolledBack, message, since: quarantine.since)
        }
        guard let problem, problem.needsChange else { return nil }
        return Condition(.stalled, true, problem.reason, "waits for a change", since: problem.since)
    }

    private var drifted: Condition? {
        drift.map { Condition(.drifted, true, $0.isFight ? .driftFight : .driftDetected, $0.message, since: $0.since) }
    }

    private var suspended: Condition? {
        hold.map {
            Condition(.suspended, true, .suspended, "held by \($0.author): \($0.reason)", since: $0.since)
        }
    }

    package var isReady: Bool { ready?.isTrue ?? false }
    /// Ready, and nothing newer waits or is under way.
    package var isSettled: Bool { isReady && reconciling == nil }

    /// What helps to understand the present failure.
    package var details: [String] { problem?.details ?? quarantine?.details ?? [] }

    /// What runs, in words.
    package var running: String {
        guard let deployedCommit, !deployedCommit.isEmpty else { return "running as declared" }
        return "running \(deployedCommit.prefix(12))"
    }

    private func yes(_ reason: Reason, _ message: String, _ since: Timestamp) -> Condition {
        Condition(.ready, true, reason, message, since: since)
    }

    private func no(_ reason: Reason, _ message: String, _ since: Timestamp) -> Condition {
        Condition(.ready, false, reason, message, since: since)
    }
}
