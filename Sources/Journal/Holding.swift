package import Delivery

extension Store {
    /// Has an app left alone, with the event that tells of it.
    ///
    /// `word`: What is said was done to it.
    package func suspend(
        _ id: AppID,
        commit: String = "",
        by author: String,
        because reason: String,
        at time: Timestamp,
        word: String = "suspended"
    ) throws {
        let event = Event(
            time: time,
            severity: .warning,
            reason: .suspended,
            subject: id.description,
            commit: commit,
            message: "\(word) by \(author): \(reason)"
        )
        try hold(Hold(app: id, author: author, reason: reason, since: time), event: event)
    }

    /// Has an app taken up again; false when it was not held.
    package func resume(
        _ id: AppID,
        commit: String = "",
        by author: String,
        because reason: String = "",
        at time: Timestamp,
        word: String = "resumed"
    ) throws -> Bool {
        let event = Event(
            time: time,
            severity: .info,
            reason: .resumed,
            subject: id.description,
            commit: commit,
            message: "\(word) by \(author)" + (reason.isEmpty ? "" : ": \(reason)")
        )
        return try release(id, event: event)
    }
}
