/// Which apps have to go, and whether they may.
extension Reconciler {
    /// Marks what a fleet no longer declares.
    ///
    /// Only what this source owns is removed, only from a fleet that was read in full, and never more at once than
    /// the guard allows.
    func decideRemovals(of fleet: Fleet) async {
        let source = fleet.revision.source
        let declared = Set(fleet.apps.map(\.id)).union(fleet.unreadable.keys)
        for id in fleet.retired where !declared.contains(id) {
            await markForRemoval(id, source: source, why: "the source asks for its removal")
        }
        // What a declared app replaces goes when that one is ready, and what is going already needs no second decision.
        let replaced = fleet.apps.flatMap(\.replaces)
        let leaving = tracks.filter { $0.value.removal != nil }.keys
        let decided = declared.union(fleet.retired).union(replaced).union(leaving)
        let gone = await undeclared(by: fleet, except: decided)
        guard fleet.unreadable.isEmpty, !fleet.isPartial, !gone.isEmpty else { return }

        let total = declared.count + gone.count
        let isMany = gone.count > limits.pruneCount && Double(gone.count) > Double(total) * limits.pruneShare
        awaiting[source] = isMany ? Set(gone) : nil
        if isMany, !Set(gone).isSubset(of: approved[source] ?? []) {
            await announce(
                .warning,
                .awaitingApproval,
                about: source,
                commit: fleet.revision.commit,
                "the change removes \(gone.count) of \(total) apps; nothing is removed until it is approved: "
                    + "hecate approve \(source)",
                details: gone.map(\.description)
            )
            return
        }
        for id in gone {
            await markForRemoval(
                id,
                source: source,
                why: "it is no longer in \(source)\(fleet.revision.commit.isEmpty ? "" : " at \(fleet.revision.short)")"
            )
        }
    }

    private func undeclared(by fleet: Fleet, except declared: Set<AppID>) async -> [AppID] {
        let source = fleet.revision.source
        var gone = Set(tracks.filter { $0.value.record.source == source && !declared.contains($0.key) }.keys)
        for platform in platforms.values {
            // Ownership stands on the target; when it cannot be asked, nothing more is removed.
            let owned = (try? await platform.owned()) ?? [:]
            gone.formUnion(owned.filter { $0.value == fleet.owner && !declared.contains($0.key) }.keys)
        }
        return gone.sorted()
    }

    private func markForRemoval(_ id: AppID, source: String, why: String) async {
        var track = tracks[id] ?? Track(record: AppRecord(id: id, source: source))
        guard track.app == nil || track.record.source == source else { return }
        track.app = nil
        track.removal = why
        tracks[id] = track
    }

    func refuse(_ app: App, declaredBy other: String) async {
        await announce(
            .error,
            .refused,
            about: app.id.description,
            "\(app.place): '\(app.id.name)' is also declared by the source '\(other)', which had it first; rename one of them"
        )
    }

    func announce(
        _ severity: Event.Severity,
        _ reason: Reason,
        about subject: String,
        commit: String = "",
        _ message: String,
        details: [String] = [],
        correlation: String = ""
    ) async {
        let event = Event(
            time: surroundings.now(),
            severity: severity,
            reason: reason,
            subject: subject,
            commit: commit,
            message: message,
            details: details,
            correlation: correlation
        )
        // A journal that cannot be written must not stop delivery; the listener still hears of it.
        try? await journal.record(event)
        surroundings.announce(event)
    }
}
