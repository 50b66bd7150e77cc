internal import Delivery
internal import JSON

// The machine-readable forms of what the verbs print. Their members are a promise: they are added to, not renamed.

func document(_ record: AppRecord, hold: Hold?) -> JSON {
    var result: [String: JSON] = [
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

func document(_ event: Event) -> JSON {
    .object([
        "number": .int(Int64(event.number)), "time": .string(event.time.text),
        "severity": .string(event.severity.rawValue), "reason": .string(event.reason.rawValue),
        "subject": .string(event.subject), "commit": .string(event.commit), "message": .string(event.message),
        "details": JSON(event.details), "correlation": .string(event.correlation),
    ])
}

func document(_ id: AppID, _ plan: Plan) -> JSON {
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
func formatted(_ document: JSON, as format: String?) -> String? {
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
