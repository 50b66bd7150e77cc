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
