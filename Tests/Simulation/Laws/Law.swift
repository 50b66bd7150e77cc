/// What must hold.
///
/// The name stands in reports; the sentence says what it means.
enum Law: String, CaseIterable {
    case foreignUntouched
    case nobodyIsNotEverybody
    case volumesKept
    case removalDeclared
    case manyRemovalsApproved
    case oneActs
    case holderKeeps
    case ignoredUntouched
    case baselineIsForeign
    case noPointlessUpdate
    case oneUpdatePerChange
    case goodNeverRejected
    case rejectedNotRetried
    case onlyGoodKept
    case keptBeforeRemoved
    case toldBeforeRemoved
    case secretsUnseen
    case eventsBounded
    case toldOnce
    case driftIsReal
    case healsWithoutStore
    case comesToRest
    case staysAtRest
    case nothingAfterCrash
    case keptFilesExist
    case questionsAnswered
    case silenceDelaysNobody
    case loadBounded
    case noCircle

    var sentence: String {
        switch self {
        case .foreignUntouched: "what no source of ours declares, or another controller claims, is never changed"
        case .nobodyIsNotEverybody: "no Engine is asked about a stack without a name, because it would answer for all"
        case .volumesKept: "no volume is ever removed"
        case .removalDeclared: "a service is removed only when a commit that could be read in full does without it"
        case .manyRemovalsApproved:
            "most services of an app, and most apps of a source, are removed only after a person approved it"
        case .oneActs: "no controller changes anything while another one holds the lease"
        case .holderKeeps: "an app stays with the source that had it first, as long as that one declares it"
        case .ignoredUntouched: "a field that is declared to be somebody else's is never changed"
        case .baselineIsForeign: "what is kept as found before the first change was not made by an attempt of our own"
        case .noPointlessUpdate:
            "no service is updated, and no task restarted, without a difference in what is declared"
        case .oneUpdatePerChange: "in a quiet world each service is updated once for each change"
        case .goodNeverRejected: "a revision whose services are all well is never rejected, whatever happens around it"
        case .rejectedNotRetried: "a rejected revision is not tried again until it changes or somebody asks for it"
        case .onlyGoodKept: "no revision is kept to be gone back to whose services cannot be well"
        case .keptBeforeRemoved: "a service goes only when what does without it is kept as good"
        case .toldBeforeRemoved: "an app that goes is told to go before anything of it is removed"
        case .secretsUnseen: "no secret's value stands in a record or an event"
        case .eventsBounded: "the events of an app are bounded by what happened to it"
        case .toldOnce: "the same fact about an app is told once"
        case .driftIsReal: "drift is told only of what somebody else changed"
        case .healsWithoutStore: "what is good is put back though the store cannot be written"
        case .comesToRest:
            "after the faults end, each app equals Git, or its last good revision with the reason why, within the time"
        case .staysAtRest: "what has come to rest is not touched again"
        case .nothingAfterCrash: "after a crash or the loss of the store nothing that is as declared is applied"
        case .keptFilesExist: "the configs and secrets that kept revisions need are there"
        case .questionsAnswered: "everybody who asks for a reconcile is answered"
        case .silenceDelaysNobody: "the silence of one target delays nothing on another"
        case .loadBounded: "what a controller has under way does not grow without bound"
        case .noCircle: "nothing turns in a circle: neither without time passing nor by calling a target over and over"
        }
    }
}

/// A law that did not hold.
struct Violation {
    var law: Law
    var message: String
    var time: Int64
}
