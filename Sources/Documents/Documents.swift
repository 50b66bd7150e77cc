package import Delivery
package import JSON
package import Journal

// The machine-readable forms of what the commands print. Their members are a promise: they are added to, not renamed.

/// The machine-readable form.
package func document(_ record: AppRecord, hold: Hold?) -> JSON {
    var result: JSON.Members = [
        "name": .string(record.id.name), "target": .string(record.id.target), "source": .string(record.source),
        "ready": .bool(record.isReady), "commit": .string(record.commit), "details": JSON(record.details),
        "deployedCommit": record.deployedCommit.map { .string($0) } ?? .null,
        "deployedAt": record.deployedAt.map { .string($0.text) } ?? .null,
        "conditions": .array(
            record.conditions.map { condition in
                [
                    "type": .string(condition.kind.rawValue), "status": .string(condition.isTrue ? "True" : "False"),
                    "reason": .string(condition.reason.rawValue), "message": .string(condition.message),
                    "since": .string(condition.since.text),
                ]
            }
        ),
    ]
    if let quarantine = record.quarantine {
        result["rejected"] = [
            "commit": .string(quarantine.commit), "since": .string(quarantine.since.text),
            "failure": .string(quarantine.failure), "details": JSON(quarantine.details),
        ]
    }
    if let hold {
        result["suspended"] = [
            "author": .string(hold.author), "reason": .string(hold.reason), "since": .string(hold.since.text),
        ]
    }
    return .object(result)
}

/// The machine-readable form.
package func document(_ event: Event) -> JSON {
    .object([
        "number": .int(Int64(event.number)), "time": .string(event.time.text),
        "severity": .string(event.severity.rawValue), "reason": .string(event.reason.rawValue),
        "subject": .string(event.subject), "commit": .string(event.commit), "message": .string(event.message),
        "details": JSON(event.details), "correlation": .string(event.correlation),
    ])
}

/// The machine-readable form.
package func document(_ id: AppID, _ plan: Plan) -> JSON {
    [
        "name": .string(id.name), "target": .string(id.target),
        "changes": .array(
            plan.changes.map { change in
                [
                    "action": .string(change.action.rawValue), "kind": .string(change.kind),
                    "name": .string(change.name),
                    "fields": .array(
                        change.fields.map { field in
                            [
                                "path": .string(field.path), "from": field.from.map { .string($0) } ?? .null,
                                "to": field.to.map { .string($0) } ?? .null,
                            ]
                        }
                    ),
                ]
            }
        ),
    ]
}

/// A document in the form that was asked for, or nil for text.
package func formatted(_ document: JSON, as format: String?) -> String? {
    switch format {
    case "json": document.text(pretty: true)
    case "yaml": yaml(document, indent: 0)
    default: nil
    }
}

/// A document as YAML.
private func yaml(_ value: JSON, indent: Int) -> String {
    let margin = String(repeating: "  ", count: indent)
    switch value {
    case .object(let members) where !members.isEmpty:
        return members.sorted { $0.key < $1.key }.map { key, member in
            "\(margin)\(JSON.string(key).text()):" + nested(member, indent: indent + 1)
        }.joined(separator: "\n")
    case .array(let items) where !items.isEmpty:
        return items.map { item in
            let text = yaml(item, indent: indent + 1)
            return "\(margin)- " + text.drop { $0 == " " }
        }.joined(separator: "\n")
    default:
        return margin + value.text()
    }
}

private func nested(_ value: JSON, indent: Int) -> String {
    switch value {
    case .object(let members) where !members.isEmpty: "\n" + yaml(value, indent: indent)
    case .array(let items) where !items.isEmpty: "\n" + yaml(value, indent: indent)
    default: " " + value.text()
    }
}

/// The machine-readable form.
package func document(_ revision: DeployedRevision) -> JSON {
    [
        "commit": .string(revision.commit), "fingerprint": .string(revision.fingerprint),
        "deployedAt": .string(revision.deployedAt.text),
    ]
}

/// The machine-readable form.
package func document(_ source: SourceRecord) -> JSON {
    [
        "name": .string(source.name), "url": .string(source.url), "commit": .string(source.commit),
        "lastSuccess": source.lastSuccess.map { .string($0.text) } ?? .null,
        "error": source.error.map { .string($0) } ?? .null,
    ]
}

/// The machine-readable form.
package func document(_ target: TargetRecord) -> JSON {
    [
        "name": .string(target.name), "endpoint": .string(target.endpoint), "version": .string(target.version),
        "lastSuccess": target.lastSuccess.map { .string($0.text) } ?? .null,
        "error": target.error.map { .string($0) } ?? .null,
    ]
}

/// The machine-readable form.
package func document(_ entry: AuditEntry) -> JSON {
    [
        "number": .int(Int64(entry.number)), "time": .string(entry.time.text), "actor": .string(entry.actor),
        "role": .string(entry.role), "client": .string(entry.client), "action": .string(entry.action),
        "subject": .string(entry.subject), "outcome": .string(entry.outcome), "detail": .string(entry.detail),
        "chain": .string(entry.chain),
    ]
}

/// Who acts for a source on a target.
package func document(_ lease: LeaseStanding) -> JSON {
    [
        "source": .string(lease.source), "target": .string(lease.target),
        "holder": lease.holder.map { .string($0) } ?? .null, "acts": .bool(lease.isOwn),
    ]
}
