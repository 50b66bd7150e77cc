/// Many apps at rest are one question, and no pass of each for itself.
extension Reconciler {
    /// An app at rest whose pass is due.
    struct CrowdMember: Sendable {
        var id: AppID
        var entry: WorkQueue<AppID>.Entry
        /// What is deployed and declared.
        var fingerprint: String
    }

    /// What an app at rest is to run; nil when a pass over it may have anything else to do than to see that.
    func fingerprintAtRest(of id: AppID) -> String? {
        states[id]?.state.fingerprintAtRest(situation(of: id))
    }

    /// Asks a target about all of them at once; those that were touched get their passes, no more side by side than any.
    func compare(_ crowd: [CrowdMember], on target: String) async {
        let start = ContinuousClock.now
        let touched = await settleUntouched(crowd, on: target, since: start)
        let width = min(limits.parallelism(on: target), touched.count)
        await withDiscardingTaskGroup { group in
            for first in 0..<width {
                group.addTask {
                    for index in stride(from: first, to: touched.count, by: width) where !Task.isCancelled {
                        await self.workAlone(touched[index], on: target)
                    }
                }
            }
        }
    }

    /// Ends the passes over what is untouched, and gives the others.
    private func settleUntouched(
        _ crowd: [CrowdMember],
        on target: String,
        since start: ContinuousClock.Instant
    ) async -> [CrowdMember] {
        let fingerprints = Dictionary(crowd.map { ($0.id, $0.fingerprint) }) { first, _ in first }
        let asked = crowd.map(\.entry.asked).max() ?? start
        // What cannot be answered for all is asked for each.
        let untouched =
            (try? await platforms[target]?.untouched(fingerprints, observedSince: min(asked, start))) ?? []
        var touched: [CrowdMember] = []
        for member in crowd {
            // What was learnt of it meanwhile is for a pass of its own.
            if untouched.contains(member.id), fingerprintAtRest(of: member.id) == member.fingerprint {
                end(member.id, member.entry, .rest, since: start)
            } else {
                touched.append(member)
            }
        }
        crowded[target, default: 0] -= crowd.count - touched.count
        wake()
        return touched
    }

    private func workAlone(_ member: CrowdMember, on target: String) async {
        await work(begin(member.id, member.entry))
        crowded[target, default: 0] -= 1
        wake()
    }
}
