/// Which source declares which app.
///
/// A value: it decides and asks nobody.
///
/// The source that had an app first keeps it, also while it has not been read since the start; only a source that was read
/// in full and does not declare the app any more lets it go.
struct FleetRegister: Sendable {
    /// What becomes of one app.
    enum Fate: Sendable {
        case declared(Declaration)
        case unreadable(Failure, source: String, commit: String)
        /// Nobody declares it; this source, which had it, was read in full.
        case undeclared(source: String)
        /// The same, and a source that has not been read since the start may declare it: then it moved there.
        case leaving
        /// The source asks for its removal by name.
        case retired(source: String)
        /// Its source has not been read since the start, or not in full.
        case unknown
        /// Its source is no longer configured.
        case orphaned
    }

    /// A declaration that cannot count because another source has the app.
    struct Refusal: Sendable, Hashable {
        var app: AppID
        var place: String
        var source: String
        var holder: String
    }

    /// The sources that are configured; nil when any may come.
    let sources: Set<String>?
    /// Whether every configured source has been read since the start.
    private(set) var isComplete: Bool
    private(set) var fleets: [String: Fleet] = [:]
    private var apps: [String: [AppID: App]] = [:]
    /// What is asked of fleets all the time, by source: the mark, and whether the fleet was read only in part.
    private var marks: [String: (owner: String, isPartial: Bool)] = [:]
    /// The marks of the sources that have been read.
    private var knownOwners: Set<String> = []

    init(sources: Set<String>?) {
        self.sources = sources
        isComplete = sources?.isEmpty ?? true
    }

    subscript(source: String) -> Fleet? { fleets[source] }

    mutating func accept(_ fleet: Fleet) {
        fleets[fleet.revision.source] = fleet
        marks[fleet.revision.source] = (fleet.owner, fleet.isPartial)
        knownOwners = Set(marks.values.map(\.owner))
        isComplete = sources?.allSatisfy { marks[$0] != nil } ?? true
        apps[fleet.revision.source] = Dictionary(fleet.apps.map { ($0.id, $0) }) { first, _ in first }
    }

    /// Every app that any source says anything of.
    var mentioned: Set<AppID> {
        var result: Set<AppID> = []
        for fleet in fleets.values {
            result.formUnion(fleet.apps.map(\.id))
            result.formUnion(fleet.unreadable.keys)
            result.formUnion(fleet.retired)
        }
        return result
    }

    func mentioned(by source: String) -> Set<AppID> {
        guard let fleet = fleets[source] else { return [] }
        return Set(fleet.apps.map(\.id)).union(fleet.unreadable.keys).union(fleet.retired)
    }

    func declares(_ source: String, _ id: AppID) -> Bool {
        apps[source]?[id] != nil || fleets[source]?.unreadable[id] != nil
    }

    func isDeclared(_ id: AppID) -> Bool { fleets.keys.contains { declares($0, id) } }

    /// Whether more than one source declares the app, or may do so in what has not been read.
    func mayHaveSeveralSources(_ id: AppID) -> Bool {
        !isComplete || marks.count { source, mark in mark.isPartial || declares(source, id) } > 1
    }

    /// Whether a source has been read since the start; true for the name of none.
    func isRead(_ source: String) -> Bool { marks[source] != nil || !isConfigured(source) }

    private func isConfigured(_ source: String) -> Bool { sources?.contains(source) ?? (fleets[source] != nil) }

    /// What becomes of an app, with the declarations that do not count.
    ///
    /// `holder`: The source that had it, when one had.
    func fate(of id: AppID, heldBy holder: String?) -> (fate: Fate, refused: [Refusal]) {
        let claimants = fleets.keys.filter { declares($0, id) }.sorted()
        let winner: String
        if let holder, isConfigured(holder) {
            guard let fleet = fleets[holder] else { return (.unknown, refusals(claimants, id, holder: holder)) }
            if declares(holder, id) {
                winner = holder
            } else if fleet.isPartial {
                return (.unknown, refusals(claimants, id, holder: holder))
            } else if let next = claimants.first {
                winner = next
            } else if fleet.retired.contains(id) {
                return (.retired(source: holder), [])
            } else {
                return (isComplete ? .undeclared(source: holder) : .leaving, [])
            }
        } else if let first = claimants.first {
            winner = first
        } else {
            return (.orphaned, [])
        }
        let refused = refusals(claimants.filter { $0 != winner }, id, holder: winner)
        guard let fleet = fleets[winner] else { return (.unknown, refused) }
        if let failure = fleet.unreadable[id] {
            return (.unreadable(failure, source: winner, commit: fleet.revision.commit), refused)
        }
        guard let app = apps[winner]?[id] else { return (.unknown, refused) }
        let declaration = Declaration(
            app: app,
            revision: fleet.revision,
            snapshot: fleet.snapshot,
            owner: fleet.owner,
            isReadInPlace: fleet.isReadInPlace
        )
        return (.declared(declaration), refused)
    }

    private func refusals(_ sources: [String], _ id: AppID, holder: String) -> [Refusal] {
        sources.filter { $0 != holder }.map { source in
            let place = apps[source]?[id].map { "\($0.place): " } ?? ""
            return Refusal(app: id, place: place, source: source, holder: holder)
        }
    }

    // MARK: Owners

    /// The source with this mark, when it declares the app, or may do so in what could not be read.
    func source(marked owner: String, declaring id: AppID) -> String? {
        marks.first { source, mark in mark.owner == owner && (mark.isPartial || declares(source, id)) }?.key
    }

    /// Whether a mark may be that of a source that has not been read since the start.
    func mayBeUnread(_ owner: String) -> Bool { !isComplete && !knownOwners.contains(owner) }

    /// The marks of all sources; nil while one has not been read since the start: its mark is not known, and what has it
    /// would look like nobody's.
    var owners: Set<String>? { isComplete ? knownOwners : nil }

    /// The marks of the sources that were read in full and do not declare the app, but for its owner's.
    func formerOwners(of id: AppID, otherThan owner: String) -> Set<String> {
        var result: Set<String> = []
        for (source, mark) in marks where mark.owner != owner && !mark.isPartial && !declares(source, id) {
            result.insert(mark.owner)
        }
        return result
    }
}
