/// What had happened to a stack when a deployment began, by the cluster's own count.
///
/// Every object carries the index of the Raft log at which it was last written, which grows over the whole cluster, so
/// "before" and "after" need no clock. Tasks that had ended already are kept by name besides: the Engine writes them
/// again when it is restarted, and they would look new. After a time without answers the Engine may have ended: what failed
/// until it had come to itself is excused, and what ends later as containers end with their Engine is spared.
struct StackMark: Sendable, Hashable {
    /// The largest index of any service or task of the stack then; nil when it is not known.
    var index: Int64?
    /// The first letters of the identifiers of the tasks that had ended then.
    var ended: Set<String> = []
    /// The index before the last change of the deployment, when it was not made at once: what failed before all of it was
    /// there does not count.
    var completed: Int64 = 0
    /// The first letters of the identifiers of the tasks that had failed soon after the last silence.
    var excused: Set<String> = []
    /// The first letters of the identifiers of the others that were there then.
    var spared: Set<String> = []

    private static let letters = 12

    init(services: [ObservedService], tasks: [ObservedTask]) {
        index = (services.map(\.version) + tasks.map(\.version)).max() ?? 0
        ended = Set(tasks.filter(\.hasEnded).map { Self.short($0) })
    }

    /// Reads what `text` gave: `index 4711`, then `ended`, `excused` and `spared`, each with identifiers after it, and
    /// `since` with a later mark's text after it.
    ///
    /// Of a mark in any other form, as earlier versions kept times, nothing is known to have happened after it: no
    /// failure counts and every completion does, and a deployment under way is decided by its time-out.
    init(text: String) {
        let words = text.split(separator: " ")
        guard words.count >= 2, words[0] == "index", let index = Int64(words[1]), index >= 0 else { return }
        self.index = index
        var list: WritableKeyPath<Self, Set<String>>?
        var isLater = false
        for word in words.dropFirst(2) {
            switch word {
            case "ended": list = isLater ? nil : \.ended
            case "excused": list = \.excused
            case "spared": list = \.spared
            case "since": (isLater, list) = (true, nil)
            case _ where isLater && list == nil: completed = max(completed, Int64(word) ?? 0)
            default: if let list { self[keyPath: list].insert(String(word)) }
            }
        }
    }

    /// The form in which the journal keeps it.
    var text: String {
        guard let index else { return "" }
        return "index \(index)" + Self.text("ended", ended) + (completed > 0 ? " since index \(completed)" : "")
            + Self.text("excused", excused) + Self.text("spared", spared)
    }

    /// What is put after a mark's text so that what these tasks suffered counts against nobody.
    static func sparing(_ tasks: [ObservedTask]) -> String {
        var excused: [String] = []
        var spared: [String] = []
        for task in tasks {
            if task.hasFailed { excused.append(short(task)) } else { spared.append(short(task)) }
        }
        return String((text("excused", excused) + text("spared", spared)).dropFirst())
    }

    private static func text(_ word: String, _ list: some Collection<String>) -> String {
        list.isEmpty ? "" : " " + ([word] + list.sorted()).joined(separator: " ")
    }

    private static func short(_ task: ObservedTask) -> String { String(Substring(task.id.utf8.prefix(letters))) }

    /// Whether something that was last written at an index was written after the mark.
    func precedes(_ version: Int64) -> Bool { index.map { version > $0 } ?? false }

    /// Whether what became of a task became of it after the mark.
    func precedes(_ task: ObservedTask) -> Bool { precedes(task.version) && !ended.contains(Self.short(task)) }

    /// Whether something was last written after everything had been applied.
    func isFollowed(by version: Int64) -> Bool { precedes(version) && version > completed }

    /// Whether a task that failed after the mark may have done so because its Engine ended or had only just begun.
    func excuses(_ task: ObservedTask) -> Bool {
        excused.contains(Self.short(task)) || task.mayHaveDiedWithTheEngine && spared.contains(Self.short(task))
    }
}
