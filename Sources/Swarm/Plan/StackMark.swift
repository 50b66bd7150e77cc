/// What had happened to a stack when a deployment began, by the cluster's own count.
///
/// Every object carries the index of the Raft log at which it was last written, which grows over the whole cluster, so
/// "before" and "after" need no clock. Tasks that had ended already are kept by name besides: the Engine writes them
/// again when it is restarted, and they would look new.
struct StackMark: Sendable, Hashable {
    /// The largest index of any service or task of the stack then; nil when it is not known.
    var index: Int64?
    /// The first letters of the identifiers of the tasks that had ended then, and of those that are spared.
    var ended: Set<String> = []

    private static let letters = 12

    /// `sparing`: Whether nothing counts that becomes of the tasks that are there now, as when the Engine was away: it may
    /// have ended under them and learns of it late.
    init(services: [ObservedService], tasks: [ObservedTask], sparing: Bool = false) {
        index = (services.map(\.version) + tasks.map(\.version)).max() ?? 0
        ended = Set(tasks.filter { sparing || $0.hasEnded }.map { String($0.id.prefix(Self.letters)) })
    }

    /// Reads what `text` gave: `index 4711`, and `ended` with identifiers after it.
    ///
    /// Of a mark in any other form, as earlier versions kept times, nothing is known to have happened after it: no
    /// failure counts and every completion does, and a deployment under way is decided by its time-out.
    init(text: String) {
        let words = text.split(separator: " ")
        guard words.count >= 2, words[0] == "index", let index = Int64(words[1]), index >= 0 else { return }
        self.index = index
        if words.count > 2, words[2] == "ended" { ended = Set(words.dropFirst(3).map(String.init)) }
    }

    /// The form in which the journal keeps it.
    var text: String {
        guard let index else { return "" }
        return (["index \(index)"] + (ended.isEmpty ? [] : ["ended"]) + ended.sorted()).joined(separator: " ")
    }

    /// Whether something that was last written at an index was written after the mark.
    func precedes(_ version: Int64) -> Bool { index.map { version > $0 } ?? false }

    /// Whether what became of a task became of it after the mark.
    func precedes(_ task: ObservedTask) -> Bool {
        precedes(task.version) && !ended.contains(String(task.id.prefix(Self.letters)))
    }
}
