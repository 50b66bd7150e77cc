/// What the reconciler remembers between passes and across restarts.
///
/// It is history, not truth: with an empty journal the next pass adopts what runs. One call is one transaction.
package protocol Journal: Sendable {
    func records() async throws -> [AppRecord]
    /// Keeps an app's record and, in the same transaction, the event that goes with it.
    func save(_ record: AppRecord, event: Event?) async throws
    /// Keeps a verified revision with the app's record, and forgets all but the newest few.
    func commit(_ revision: DeployedRevision, record: AppRecord, event: Event) async throws
    /// The kept revisions of an app, newest first.
    func revisions(of id: AppID) async throws -> [DeployedRevision]
    /// Forgets an app that is gone from its target and its source.
    func forget(_ id: AppID, event: Event) async throws
    /// Records a fact. The same fact about the same subject, at the same commit, twice in a row, is recorded once.
    func record(_ event: Event) async throws
    func holds() async throws -> [Hold]
}
