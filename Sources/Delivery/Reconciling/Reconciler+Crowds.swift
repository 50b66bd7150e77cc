/// Many apps that nothing moved of are one question, and no pass of each for itself.
extension Reconciler {
    /// Asks a target about all of them at once; those that were touched go on, no more of them side by side than any.
    func compare(_ crowd: [BegunPass], on target: String) async {
        let touched = await settleUntouched(crowd, on: target)
        await withDiscardingTaskGroup { group in
            for part in 0..<min(limits.parallelism(on: target), touched.count) {
                group.addTask {
                    for index in stride(from: part, to: touched.count, by: self.limits.parallelism(on: target)) {
                        await self.work(touched[index])
                        await self.leaveCrowd(1, on: target)
                    }
                }
            }
        }
    }

    /// Ends the passes over what is untouched, and gives the others with what they ask next.
    private func settleUntouched(_ crowd: [BegunPass], on target: String) async -> [BegunPass] {
        var fingerprints: [AppID: String] = [:]
        fingerprints.reserveCapacity(crowd.count)
        for pass in crowd {
            if case .compare(let reading, _) = pass.action { fingerprints[pass.id] = reading.fingerprint }
        }
        let asked = crowd.map(\.worker.asked).max() ?? .now
        // One that cannot be answered for all is asked for each.
        guard let untouched = try? await platforms[target]?.untouched(fingerprints, observedSince: asked) else {
            return crowd
        }
        var touched: [BegunPass] = []
        for var pass in crowd {
            guard case .compare(let reading, _) = pass.action else { continue }
            pass.action = next(pass.id, .compared(isSame: untouched.contains(pass.id), reading))
            if case .finish(let outcome) = pass.action { end(pass, outcome) } else { touched.append(pass) }
        }
        leaveCrowd(crowd.count - touched.count, on: target)
        return touched
    }

    private func leaveCrowd(_ count: Int, on target: String) {
        crowded[target, default: 0] -= count
        wake()
    }
}
