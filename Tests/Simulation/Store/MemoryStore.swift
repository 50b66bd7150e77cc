import Delivery

/// What a controller's disk holds; it survives the controller.
// SAFETY: the process has a single thread.
final class MemoryStore: @unchecked Sendable {
    var records: [AppID: AppRecord] = [:]
    var revisions: [AppID: [DeployedRevision]] = [:]
    var holds: [Hold] = []
    /// The last fact about each subject.
    private var facts: [String: Event] = [:]
    /// Until when nothing can be written.
    var fullUntil: Int64 = 0
    /// Until when every other write fails.
    var unsureUntil: Int64 = 0
    private let keptRevisions = 5

    /// Loses everything, as a deleted volume does.
    func lose() {
        records = [:]
        revisions = [:]
        holds = []
        facts = [:]
    }

    func write(_ event: Event) { facts[event.subject] = event }

    func keep(_ revision: DeployedRevision) {
        var kept = revisions[revision.app] ?? []
        kept.removeAll { $0.fingerprint == revision.fingerprint }
        kept.insert(revision, at: 0)
        revisions[revision.app] = Array(kept.prefix(keptRevisions))
    }

    /// The last fact about a subject.
    func last(about subject: String) -> Event? { facts[subject] }
}
