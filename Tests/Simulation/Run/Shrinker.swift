/// Looks for the fewest disturbances with which a seed still breaks the same law (delta debugging: Zeller, Hildebrandt,
/// "Simplifying and Isolating Failure-Inducing Input").
struct Shrinker {
    let options: Options
    let seed: UInt64

    /// What one run came to.
    struct Outcome {
        var law: String
        var fired: [String]
        var output: String
    }

    /// Runs the seed; nil when all laws hold.
    func attempt(_ only: [String]?) -> Outcome? { attempts([only])[0] }

    private func attempts(_ choices: [[String]?]) -> [Outcome?] {
        var outcomes = [Outcome?](repeating: nil, count: choices.count)
        let arguments = choices.map { only in
            let base = ["--batch", "--seed", "\(seed)"] + options.inherited
            return only.map { base + ["--only", $0.isEmpty ? "none" : $0.joined(separator: ",")] } ?? base
        }
        Child.run(arguments, atOnce: options.jobs) { child, status in
            guard let index = arguments.firstIndex(of: child.arguments) else { return }
            outcomes[index] = Self.outcome(child.output, status)
        }
        return outcomes
    }

    private static func outcome(_ output: String, _ status: Int32) -> Outcome? {
        if status > 1 { return Outcome(law: "noCrash", fired: [], output: output) }
        var law: String?
        var fired: [String] = []
        for line in output.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 4).map(String.init)
            if words.first == "violation", words.count > 2 { law = words[2] }
            if words.first == "fired", words.count > 1 { fired = words[1].split(separator: ",").map(String.init) }
        }
        return law.map { Outcome(law: $0, fired: fired, output: output) }
    }

    /// - Returns: The fewest disturbances found that break the law.
    func shrink(_ first: Outcome) -> [String] {
        var kept = first.fired
        var parts = 2
        while !kept.isEmpty {
            let size = max(1, (kept.count + parts - 1) / parts)
            let choices = stride(from: 0, to: kept.count, by: size).map { start in
                Array(kept[..<start] + kept[min(start + size, kept.count)...])
            }
            let outcomes = attempts(choices)
            if let index = outcomes.firstIndex(where: { $0?.law == first.law }) {
                // What did not fire is not needed either.
                let firing = Set(outcomes[index]?.fired ?? [])
                kept = choices[index].filter { firing.contains($0) }
                parts = max(2, parts - 1)
            } else if size == 1 {
                break
            } else {
                parts = min(kept.count, parts * 2)
            }
        }
        return kept
    }
}
