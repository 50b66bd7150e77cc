package import Diagnostics

/// Something that did not work, in words an operator may see; never holds a secret.
package struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
    /// What happens now.
    package enum Next: Sendable, Hashable {
        /// It is tried again by itself, later and later.
        case retry
        /// Somebody else has to finish first; it is tried again when they do.
        case waitFor(AppID)
        /// It is not tried again until what it is made from changes.
        case needsChange
    }

    /// A stable name for programs, in the manner of Kubernetes conditions.
    package var reason: Reason
    package var message: String
    package var next: Next
    /// What else helps to understand it: diagnostics with their places, the last lines of a log.
    package var details: [String]

    package init(_ reason: Reason, _ message: String, next: Next = .retry, details: [String] = []) {
        self.reason = reason
        self.message = message
        self.next = next
        self.details = details
    }

    /// What is wrong with a declaration.
    package init(_ invalid: Invalid) {
        self.init(
            .invalid,
            invalid.errors.first?.description ?? "invalid",
            next: .needsChange,
            details: invalid.diagnostics.map(\.description)
        )
    }

    package var description: String { message }
}

/// Why a condition is what it is or an event happened: a closed set, documented in `docs/reference.md`.
package enum Reason: String, Sendable, CaseIterable {
    case adopted = "Adopted"
    case applying = "Applying"
    case authenticationFailed = "AuthenticationFailed"
    case awaitingApproval = "AwaitingApproval"
    case conflict = "Conflict"
    case dependencyNotReady = "DependencyNotReady"
    case deployed = "Deployed"
    case driftDetected = "DriftDetected"
    case driftFight = "DriftFight"
    case driftRepaired = "DriftRepaired"
    case healthCheckFailed = "HealthCheckFailed"
    case imageNotResolved = "ImageNotResolved"
    case invalid = "Invalid"
    case journalFailed = "JournalFailed"
    case leaseHeld = "LeaseHeld"
    case newRevision = "NewRevision"
    case notFound = "NotFound"
    case pruned = "Pruned"
    case recovered = "Recovered"
    case refused = "Refused"
    case removed = "Removed"
    case requested = "Requested"
    case resumed = "Resumed"
    case rolledBack = "RolledBack"
    case rollingBack = "RollingBack"
    case sourceReady = "SourceReady"
    case started = "Started"
    case superseded = "Superseded"
    case suspended = "Suspended"
    case timedOut = "TimedOut"
    case unavailable = "Unavailable"
    case unchanged = "Unchanged"
    case unknown = "Unknown"
    case verifying = "Verifying"
    case warning = "Warning"
}
