internal import Delivery
internal import JSON

// How the parts of a record that are not queried stand in their columns. Members that are missing or unknown decode to what
// they were before they existed.

// MARK: Attempt

func encode(_ attempt: Attempt) -> JSON {
    [
        "fingerprint": .string(attempt.fingerprint), "commit": .string(attempt.commit),
        "purpose": .string(attempt.purpose.rawValue), "since": encode(attempt.since), "mark": .string(attempt.mark),
        "phase": .string(attempt.phase.rawValue), "message": .string(attempt.message),
        "held": .bool(attempt.wasHeld),
    ]
}

func decodeAttempt(_ json: JSON) -> Attempt? {
    guard let fingerprint = json["fingerprint"]?.string else { return nil }
    // Before there were purposes, an attempt restored something or was something new.
    let old: Attempt.Purpose = json["restoring"]?.bool ?? false ? .restore : .deploy
    var attempt = Attempt(
        fingerprint: fingerprint,
        commit: json["commit"]?.string ?? "",
        purpose: json["purpose"]?.string.flatMap(Attempt.Purpose.init) ?? old,
        since: decodeTime(json["since"] ?? json["started"]),
        mark: json["mark"]?.string ?? "",
        phase: decodeReason(json["phase"]) ?? .applying,
        message: json["message"]?.string ?? ""
    )
    attempt.wasHeld = json["held"]?.bool ?? false
    return attempt
}

// MARK: Quarantine

func encode(_ quarantine: Quarantine) -> JSON {
    [
        "fingerprint": .string(quarantine.fingerprint), "commit": .string(quarantine.commit),
        "since": encode(quarantine.since), "reason": .string(quarantine.reason.rawValue),
        "failure": .string(quarantine.failure), "details": JSON(quarantine.details),
        "rolledBack": .bool(quarantine.isRolledBack), "refused": JSON(quarantine.refused),
    ]
}

func decodeQuarantine(_ json: JSON) -> Quarantine? {
    guard let fingerprint = json["fingerprint"]?.string else { return nil }
    var quarantine = Quarantine(
        fingerprint: fingerprint,
        commit: json["commit"]?.string ?? "",
        since: decodeTime(json["since"]),
        reason: decodeReason(json["reason"]) ?? .healthCheckFailed,
        failure: json["failure"]?.string ?? "",
        details: strings(json["details"])
    )
    quarantine.isRolledBack = json["rolledBack"]?.bool ?? false
    quarantine.refused = strings(json["refused"])
    return quarantine
}

// MARK: Other facts

/// Everything else that is known of an app, as one document.
func encodeFacts(_ record: AppRecord) -> JSON {
    .compact([
        "baseline": .bool(record.hasBaseline), "failed": record.failedFingerprint.map { .string($0) },
        "interrupted": record.isInterrupted ? true : nil,
        "others": record.haveOthersActed ? true : nil,
        "treatment": record.treatment.isEmpty ? nil : .string(record.treatment),
        "added": record.addedServices.isEmpty ? nil : JSON(record.addedServices.sorted()),
        "hold": record.hold.map { hold in
            ["author": .string(hold.author), "reason": .string(hold.reason), "since": encode(hold.since)]
        },
        "problem": record.problem.map { problem in
            [
                "reason": .string(problem.reason.rawValue), "message": .string(problem.message),
                "details": JSON(problem.details), "needsChange": .bool(problem.needsChange),
                "since": encode(problem.since),
            ]
        },
        "waiting": record.waiting.map { statement($0.reason, $0.message, $0.since) },
        "drift": record.drift.map { drift in
            ["message": .string(drift.message), "fight": .bool(drift.isFight), "since": encode(drift.since)]
        },
        "removal": record.removal.map { ["why": .string($0.why), "since": encode($0.since)] },
        "result": record.result.map { statement($0.reason, $0.message, $0.since) },
    ])
}

func decodeFacts(_ json: JSON, into record: inout AppRecord) {
    record.hasBaseline = json["baseline"]?.bool ?? (record.deployed != nil || record.attempt != nil)
    record.failedFingerprint = json["failed"]?.string
    record.isInterrupted = json["interrupted"]?.bool ?? false
    record.haveOthersActed = json["others"]?.bool ?? false
    record.treatment = json["treatment"]?.string ?? ""
    record.addedServices = Set(strings(json["added"]))
    if let hold = json["hold"], let author = hold["author"]?.string {
        let reason = hold["reason"]?.string ?? ""
        record.hold = Hold(app: record.id, author: author, reason: reason, since: decodeTime(hold["since"]))
    }
    if let problem = json["problem"], let reason = decodeReason(problem["reason"]) {
        record.problem = Problem(
            reason: reason,
            message: problem["message"]?.string ?? "",
            details: strings(problem["details"]),
            needsChange: problem["needsChange"]?.bool ?? false,
            since: decodeTime(problem["since"])
        )
    }
    if let waiting = json["waiting"], let reason = decodeReason(waiting["reason"]) {
        record.waiting = Waiting(reason, waiting["message"]?.string ?? "", since: decodeTime(waiting["since"]))
    }
    if let drift = json["drift"], let message = drift["message"]?.string {
        record.drift = Drift(
            message: message,
            isFight: drift["fight"]?.bool ?? false,
            since: decodeTime(drift["since"])
        )
    }
    if let removal = json["removal"], let why = removal["why"]?.string {
        record.removal = Removal(why: why, since: decodeTime(removal["since"]))
    }
    if let result = json["result"], let reason = decodeReason(result["reason"]) {
        record.result = .init(reason, result["message"]?.string ?? "", since: decodeTime(result["since"]))
    } else if record.deployed != nil {
        // Written before results were kept.
        record.result = .init(.unchanged, "running as declared", since: record.deployedAt ?? Timestamp(0))
    }
}

// MARK: Parts

private func statement(_ reason: Reason, _ message: String, _ since: Timestamp) -> JSON {
    ["reason": .string(reason.rawValue), "message": .string(message), "since": encode(since)]
}

private func encode(_ time: Timestamp) -> JSON { .double(time.seconds) }
private func decodeTime(_ json: JSON?) -> Timestamp { Timestamp(json?.double ?? 0) }
private func decodeReason(_ json: JSON?) -> Reason? { json?.string.flatMap(Reason.init) }
private func strings(_ json: JSON?) -> [String] { json?.array?.compactMap(\.string) ?? [] }
