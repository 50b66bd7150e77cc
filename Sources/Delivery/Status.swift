/// A point in wall-clock time, in seconds since 1970 (UTC).
package struct Timestamp: Sendable, Hashable, Comparable {
    package var seconds: Double

    package init(_ seconds: Double) { self.seconds = seconds }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.seconds < right.seconds }

    package func adding(_ duration: Duration) -> Timestamp { Timestamp(seconds + duration.inSeconds) }
    package static func - (left: Timestamp, right: Timestamp) -> Double { left.seconds - right.seconds }
}

extension Duration {
    /// The duration in seconds.
    package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }

    /// The duration as people write it, such as `350ms`, `12.4s` or `3m20s`.
    package var readable: String {
        let seconds = inSeconds
        if seconds < 1 { return "\(Int((seconds * 1000).rounded()))ms" }
        if seconds < 60 {
            let tenths = Int((seconds * 10).rounded())
            return tenths % 10 == 0 ? "\(tenths / 10)s" : "\(tenths / 10).\(tenths % 10)s"
        }
        let whole = Int(seconds.rounded())
        if whole < 3600 { return whole % 60 == 0 ? "\(whole / 60)m" : "\(whole / 60)m\(whole % 60)s" }
        return "\(whole / 3600)h\(whole % 3600 / 60)m"
    }
}

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

/// A deployment under way: written before the first change, gone when it is done or given up.
package struct Attempt: Sendable, Hashable {
    package var fingerprint: String
    package var commit: String
    package var started: Timestamp
    /// The target's own time before the first change.
    package var mark: String
    /// Whether this attempt puts back what was already deployed (a repair, a rollback) instead of something new.
    package var isRestoring: Bool

    package init(fingerprint: String, commit: String, started: Timestamp, mark: String, isRestoring: Bool) {
        self.fingerprint = fingerprint
        self.commit = commit
        self.started = started
        self.mark = mark
        self.isRestoring = isRestoring
    }
}

/// A desired state that failed; it is not tried again until it changes.
package struct Quarantine: Sendable, Hashable {
    package var fingerprint: String
    package var commit: String
    package var since: Timestamp
    package var failure: String
    package var details: [String]

    package init(fingerprint: String, commit: String, since: Timestamp, failure: String, details: [String]) {
        self.fingerprint = fingerprint
        self.commit = commit
        self.since = since
        self.failure = failure
        self.details = details
    }
}

/// What the journal knows of one app.
package struct AppRecord: Sendable, Hashable {
    package var id: AppID
    package var source: String
    /// The commit last looked at.
    package var commit: String = ""
    /// What is deployed and verified, or nil.
    package var deployed: String?
    package var deployedCommit: String?
    package var deployedAt: Timestamp?
    package var attempt: Attempt?
    package var quarantine: Quarantine?
    package var conditions: [Condition] = []
    package var details: [String] = []

    package init(id: AppID, source: String) {
        self.id = id
        self.source = source
    }

    package var ready: Condition? { conditions.first { $0.kind == .ready } }
    package var isReady: Bool { ready?.isTrue ?? false }
    /// Ready, and nothing newer waits or is under way.
    package var isSettled: Bool { isReady && !conditions.contains { $0.kind == .reconciling } }
}

/// A revision as it was deployed and verified.
package struct DeployedRevision: Sendable, Hashable {
    package var app: AppID
    package var fingerprint: String
    package var commit: String
    package var deployedAt: Timestamp
    package var payload: [UInt8]

    package init(app: AppID, fingerprint: String, commit: String, deployedAt: Timestamp, payload: [UInt8]) {
        self.app = app
        self.fingerprint = fingerprint
        self.commit = commit
        self.deployedAt = deployedAt
        self.payload = payload
    }
}

/// A hold: somebody asked for an app to be left alone.
///
/// It changes no target and lives in the store.
package struct Hold: Sendable, Hashable {
    package var app: AppID
    package var author: String
    package var reason: String
    package var since: Timestamp

    package init(app: AppID, author: String, reason: String, since: Timestamp) {
        self.app = app
        self.author = author
        self.reason = reason
        self.since = since
    }
}

/// A fact the journal keeps, recorded once.
package struct Event: Sendable, Hashable {
    /// How much it matters to somebody on call.
    package enum Severity: String, Sendable {
        case info, warning, error
    }

    /// Its number in the journal; zero before it is recorded.
    package var number: Int = 0
    package var time: Timestamp
    package var severity: Severity
    package var reason: Reason
    /// The app or the source it is about, such as `default/web`.
    package var subject: String
    package var commit: String
    package var message: String
    package var details: [String]
    /// Ties together everything that one reconcile did.
    package var correlation: String

    package init(
        time: Timestamp,
        severity: Severity,
        reason: Reason,
        subject: String,
        commit: String = "",
        message: String,
        details: [String] = [],
        correlation: String = ""
    ) {
        self.time = time
        self.severity = severity
        self.reason = reason
        self.subject = subject
        self.commit = commit
        self.message = message
        self.details = details
        self.correlation = correlation
    }
}

/// How a source is.
package struct SourceRecord: Sendable, Hashable {
    package var name: String
    package var url: String
    package var commit: String
    /// When its head was last read without an error.
    package var lastSuccess: Timestamp?
    package var error: String?

    package init(name: String, url: String, commit: String = "", lastSuccess: Timestamp? = nil, error: String? = nil) {
        self.name = name
        self.url = url
        self.commit = commit
        self.lastSuccess = lastSuccess
        self.error = error
    }
}

/// How a target is.
package struct TargetRecord: Sendable, Hashable {
    package var name: String
    package var endpoint: String
    package var version: String
    package var lastSuccess: Timestamp?
    package var error: String?

    package init(
        name: String,
        endpoint: String,
        version: String = "",
        lastSuccess: Timestamp? = nil,
        error: String? = nil
    ) {
        self.name = name
        self.endpoint = endpoint
        self.version = version
        self.lastSuccess = lastSuccess
        self.error = error
    }
}
