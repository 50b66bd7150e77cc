/// The candidate a misspelt word most likely meant, or nil when none is close.
///
/// Close means an edit distance (insertions, deletions, substitutions and swapped neighbours) of at most a third of the
/// word's length, and at least one.
package func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    let limit = max(1, word.count / 3)
    let lowered = Array(word.lowercased())
    return
        candidates
        .map { (name: $0, distance: editDistance(lowered, Array($0.lowercased()))) }
        .filter { $0.distance <= limit && $0.distance < lowered.count }
        .min { ($0.distance, $0.name) < ($1.distance, $1.name) }?
        .name
}

/// `did you mean 'x'?`, or the whole choice when it is short, or nil.
package func suggestion(for word: String, among candidates: some Collection<String>) -> String? {
    if let match = nearest(to: word, among: candidates) { return "did you mean '\(match)'?" }
    guard !candidates.isEmpty, candidates.count <= 12 else { return nil }
    return "expected one of \(candidates.sorted().map { "'\($0)'" }.joined(separator: ", "))"
}

private func editDistance(_ left: [Character], _ right: [Character]) -> Int {
    var beforePrevious: [Int] = []
    var previous = Array(0...right.count)
    for i in 0..<left.count {
        var current = [i + 1]
        for j in 0..<right.count {
            var best = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (left[i] == right[j] ? 0 : 1))
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                best = min(best, beforePrevious[j - 1] + 1)
            }
            current.append(best)
        }
        beforePrevious = previous
        previous = current
    }
    return previous[right.count]
}
