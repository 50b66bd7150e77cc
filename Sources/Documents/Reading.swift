package import Delivery
internal import Glibc
package import JSON
package import Journal

// The machine-readable forms read back: what a controller's API answers becomes what the journal holds.

extension Timestamp {
    /// Reads a time as `text` writes it; nil when it is none.
    package init?(text: String) {
        let bytes = text.split(whereSeparator: { "-T:Z".contains($0) })
        guard bytes.count == 6, text.hasSuffix("Z"), let year = Int32(bytes[0]), let month = Int32(bytes[1]),
            let day = Int32(bytes[2]), let hour = Int32(bytes[3]), let minute = Int32(bytes[4]),
            let second = Double(bytes[5])
        else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year - 1900, month - 1, day)
        (parts.tm_hour, parts.tm_min) = (hour, minute)
        self.init(Double(timegm(&parts)) + second)
    }
}

private func text(_ document: JSON, _ name: String) -> String { document[name]?.string ?? "" }
private func moment(_ document: JSON, _ name: String) -> Timestamp? {
    document[name]?.string.flatMap { Timestamp(text: $0) }
}
private func texts(_ document: JSON, _ name: String) -> [String] {
    (document[name]?.array ?? []).compactMap(\.string)
}

extension AppRecord {
    /// Reads `document(_: AppRecord, hold:)`; nil when it has no name.
    package init?(document: JSON) {
        guard let name = document["name"]?.string, let target = document["target"]?.string else { return nil }
        self.init(id: AppID(target: target, name: name), source: text(document, "source"))
        commit = text(document, "commit")
        deployedCommit = document["deployedCommit"]?.string
        deployedAt = moment(document, "deployedAt")
        if let rejected = document["rejected"] {
            quarantine = Quarantine(
                fingerprint: "",
                commit: text(rejected, "commit"),
                since: moment(rejected, "since") ?? Timestamp(0),
                failure: text(rejected, "failure"),
                details: texts(rejected, "details")
            )
        }
        let conditions = (document["conditions"]?.array ?? []).compactMap(Condition.init(document:))
        read(Dictionary(conditions.map { ($0.kind, $0) }) { first, _ in first }, details: texts(document, "details"))
    }

    /// Finds the facts that these conditions were derived from; derived again, they are the same.
    private mutating func read(_ conditions: [Condition.Kind: Condition], details: [String]) {
        if let drifted = conditions[.drifted] {
            drift = Drift(message: drifted.message, isFight: drifted.reason == .driftFight, since: drifted.since)
        }
        if let suspended = conditions[.suspended], suspended.message.hasPrefix("held by ") {
            let words = suspended.message.dropFirst("held by ".count)
            let author = words.prefix { $0 != ":" }
            let reason = words.dropFirst(author.count + 2)
            hold = Hold(app: id, author: String(author), reason: String(reason), since: suspended.since)
        }
        let progress = conditions[.reconciling]
        guard let ready = conditions[.ready] else { return }
        if ready.isTrue {
            deployed = ""
            result = .init(ready.reason, ready.message, since: ready.since)
            waiting = progress.map { Waiting($0.reason, $0.message, since: $0.since) }
        } else if ready.reason == .removed {
            removal = Removal(why: withoutPrefix("being removed: ", ready.message), since: ready.since)
        } else if let rejected = quarantine {
            quarantine?.isRolledBack = ready.reason == .rolledBack
            quarantine?.reason = ready.reason
            let parts = ready.message.split(separator: "; what runs instead is not well: ", maxSplits: 1)
            if ready.reason == .rolledBack, parts.count == 2 {
                problem = Problem(
                    reason: .healthCheckFailed,
                    message: String(parts[1]),
                    details: details,
                    needsChange: false,
                    since: rejected.since
                )
            }
            if progress?.reason == .rollingBack || progress == nil { return }
            waiting = progress.map { Waiting($0.reason, $0.message, since: $0.since) }
        } else if let progress, progress.reason == ready.reason, progress.message == ready.message {
            let isWaiting = [.dependencyNotReady, .leaseHeld, .awaitingApproval, .unavailable].contains(ready.reason)
            if isWaiting {
                waiting = Waiting(ready.reason, ready.message, since: ready.since)
            } else {
                attempt = attempt(progress)
            }
        } else {
            problem = Problem(
                reason: ready.reason,
                message: ready.message,
                details: details,
                needsChange: conditions[.stalled] != nil,
                since: ready.since
            )
            attempt = progress.map(attempt)
        }
    }

    private func attempt(_ progress: Condition) -> Attempt {
        Attempt(
            fingerprint: "",
            commit: commit,
            purpose: .deploy,
            since: progress.since,
            mark: "",
            phase: progress.reason,
            message: progress.message
        )
    }
}

private func withoutPrefix(_ prefix: String, _ text: String) -> String {
    text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text
}

extension Condition {
    /// Reads one condition of an app's document.
    fileprivate init?(document: JSON) {
        guard let kind = Condition.Kind(rawValue: text(document, "type")) else { return nil }
        self.init(
            kind,
            text(document, "status") == "True",
            Reason(rawValue: text(document, "reason")) ?? .unknown,
            text(document, "message"),
            since: moment(document, "since") ?? Timestamp(0)
        )
    }
}

extension Hold {
    /// Reads what stands in an app's document under `suspended`.
    package init?(of id: AppID, document: JSON) {
        guard let held = document["suspended"], held.object != nil else { return nil }
        self.init(
            app: id,
            author: text(held, "author"),
            reason: text(held, "reason"),
            since: moment(held, "since") ?? Timestamp(0)
        )
    }
}

extension Event {
    /// Reads `document(_: Event)`.
    package init?(document: JSON) {
        guard let number = document["number"]?.int, let time = moment(document, "time") else { return nil }
        self.init(
            time: time,
            severity: Severity(rawValue: text(document, "severity")) ?? .info,
            reason: Reason(rawValue: text(document, "reason")) ?? .unknown,
            subject: text(document, "subject"),
            commit: text(document, "commit"),
            message: text(document, "message"),
            details: texts(document, "details"),
            correlation: text(document, "correlation")
        )
        self.number = Int(number)
    }
}

extension Plan {
    /// Reads `document(_: AppID, _: Plan)`.
    package init(document: JSON) {
        self.init(
            (document["changes"]?.array ?? []).map { change in
                Change(
                    Change.Action(rawValue: text(change, "action")) ?? .update,
                    text(change, "kind"),
                    text(change, "name"),
                    fields: (change["fields"]?.array ?? []).map { field in
                        FieldChange(text(field, "path"), from: field["from"]?.string, to: field["to"]?.string)
                    }
                )
            }
        )
    }
}

extension SourceRecord {
    /// Reads `document(_: SourceRecord)`.
    package init(document: JSON) {
        self.init(
            name: text(document, "name"),
            url: text(document, "url"),
            commit: text(document, "commit"),
            lastSuccess: moment(document, "lastSuccess"),
            error: document["error"]?.string
        )
    }
}

extension TargetRecord {
    /// Reads `document(_: TargetRecord)`.
    package init(document: JSON) {
        self.init(
            name: text(document, "name"),
            endpoint: text(document, "endpoint"),
            version: text(document, "version"),
            lastSuccess: moment(document, "lastSuccess"),
            error: document["error"]?.string
        )
    }
}

extension DeployedRevision {
    /// Reads `document(_: DeployedRevision)`; what was deployed stays with the controller.
    package init(of id: AppID, document: JSON) {
        self.init(
            app: id,
            fingerprint: text(document, "fingerprint"),
            commit: text(document, "commit"),
            deployedAt: moment(document, "deployedAt") ?? Timestamp(0),
            payload: []
        )
    }
}

extension AuditEntry {
    /// Reads `document(_: AuditEntry)`.
    package init(document: JSON) {
        self.init(
            time: moment(document, "time") ?? Timestamp(0),
            actor: text(document, "actor"),
            role: text(document, "role"),
            client: text(document, "client"),
            action: text(document, "action"),
            subject: text(document, "subject"),
            outcome: text(document, "outcome"),
            detail: text(document, "detail")
        )
        number = Int(document["number"]?.int ?? 0)
        chain = text(document, "chain")
    }
}

extension LeaseStanding {
    /// Reads what `document` writes.
    package init(document: JSON) {
        self.init(
            source: document["source"]?.string ?? "",
            target: document["target"]?.string ?? "",
            holder: document["holder"]?.string,
            isOwn: document["acts"]?.bool ?? false
        )
    }
}
