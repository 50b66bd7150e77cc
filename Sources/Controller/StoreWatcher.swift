internal import Delivery
internal import Journal

/// Tells of what befalls the journal.
struct StoreWatcher: Sendable {
    let context: ControllerContext

    /// Tells until the task is cancelled.
    ///
    /// `mended`: Called when the journal can be written again, with whether it is an empty one in place of a damaged one.
    /// - Throws: `Failure` when another controller works on the store by now: two would replace each other's for ever.
    func run(mended: @Sendable (_ isEmpty: Bool) async -> Void) async throws {
        if let aside = context.store.setAside {
            await context.note(
                .error,
                .journalFailed,
                "store",
                "the store was damaged; it was set aside as '\(aside)' and an empty one begun, which adopts what runs: "
                    + "see that all holds are there, and check the disk"
            )
        }
        async let _ = look()
        for await incident in context.store.incidents {
            if incident.kind == .taken { throw Failure(.conflict, incident.message) }
            if [.damaged, .deleted, .recovered].contains(incident.kind) { await mended(incident.kind == .damaged) }
            let isGood = incident.kind == .recovered
            await context.note(isGood ? .info : .error, isGood ? .recovered : .journalFailed, "store", incident.message)
        }
    }

    /// Has the file looked at while nobody reads or writes, so that damage is known before it is needed.
    private func look() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(5))
            await context.store.look()
        }
    }
}
