internal import Delivery
internal import JSON

// How the parts of a record that are not queried stand in their columns. A member that is missing is read as its
// default and one that is not known is passed over, so that members can be added without another schema.

/// The parts of a record that have no column of their own.
func encodeMore(_ record: AppRecord) -> JSON { [:] }

/// Fills in the parts of a record that have no column of their own.
func decodeMore(_ json: JSON, into record: inout AppRecord) {}

func encode(_ attempt: Attempt) -> JSON {
    [
        "fingerprint": .string(attempt.fingerprint), "commit": .string(attempt.commit),
        "started": .double(attempt.started.seconds), "mark": .string(attempt.mark),
        "restoring": .bool(attempt.isRestoring),
    ]
}

func decodeAttempt(_ json: JSON) -> Attempt? {
    guard let fingerprint = json["fingerprint"]?.string else { return nil }
    return Attempt(
        fingerprint: fingerprint,
        commit: json["commit"]?.string ?? "",
        started: Timestamp(json["started"]?.double ?? 0),
        mark: json["mark"]?.string ?? "",
        isRestoring: json["restoring"]?.bool ?? false
    )
}

func encode(_ quarantine: Quarantine) -> JSON {
    [
        "fingerprint": .string(quarantine.fingerprint), "commit": .string(quarantine.commit),
        "since": .double(quarantine.since.seconds), "failure": .string(quarantine.failure),
        "details": JSON(quarantine.details),
    ]
}

func decodeQuarantine(_ json: JSON) -> Quarantine? {
    guard let fingerprint = json["fingerprint"]?.string else { return nil }
    return Quarantine(
        fingerprint: fingerprint,
        commit: json["commit"]?.string ?? "",
        since: Timestamp(json["since"]?.double ?? 0),
        failure: json["failure"]?.string ?? "",
        details: json["details"]?.array?.compactMap(\.string) ?? []
    )
}

func encode(_ condition: Condition) -> JSON {
    [
        "type": .string(condition.kind.rawValue), "status": .bool(condition.isTrue),
        "reason": .string(condition.reason.rawValue), "message": .string(condition.message),
        "since": .double(condition.since.seconds),
    ]
}

func decodeCondition(_ json: JSON) -> Condition? {
    guard let kind = json["type"]?.string.flatMap(Condition.Kind.init) else { return nil }
    return Condition(
        kind,
        json["status"]?.bool ?? false,
        json["reason"]?.string.flatMap(Reason.init) ?? .unknown,
        json["message"]?.string ?? "",
        since: Timestamp(json["since"]?.double ?? 0)
    )
}
