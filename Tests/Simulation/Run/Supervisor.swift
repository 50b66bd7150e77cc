import CVirtualClock
import Glibc

/// Runs many seeds in processes side by side and says what came of it.
struct Supervisor {
    let options: Options
    /// Seeds that one process runs: starting it takes as long as a storm or two, and what a crashed controller leaves behind
    /// stays in memory until it ends; and at the end no process is to wait long for the other.
    private static func batchSize(_ left: Int) -> Int { min(left, max(25, min(200, left / 8))) }

    struct Failed {
        var seed: UInt64
        var law: String
        var message: String
    }

    /// - Returns: Whether all laws held for all seeds.
    func run() -> Bool {
        let began = real_time()
        var failures: [Failed] = []
        var counts: [String: Int] = [:]
        var maxima: [String: Int] = [:]
        var digests: [UInt64: String] = [:]
        var batches = self.batches()
        if options.checksDeterminism { batches += batches }
        Child.run(batches, atOnce: options.jobs) { child, status in
            var last: UInt64 = 0
            for line in child.output.split(separator: "\n") {
                let words = line.split(separator: " ", maxSplits: 4).map(String.init)
                switch words.first {
                case "seed": last = UInt64(words[1]) ?? 0
                case "violation" where words.count == 5:
                    failures.append(Failed(seed: last, law: words[2], message: "at \(words[3]) s: \(words[4])"))
                case "digest" where words.count == 3:
                    if let other = digests[last], other != words[2] {
                        let message = "two runs of the same seed differ: \(other), \(words[2])"
                        failures.append(Failed(seed: last, law: "deterministic", message: message))
                    }
                    digests[last] = words[2]
                case "count": counts[words[2...].joined(separator: " "), default: 0] += Int(words[1]) ?? 0
                case "highest":
                    let name = words[2...].joined(separator: " ")
                    maxima[name] = max(maxima[name] ?? 0, Int(words[1]) ?? 0)
                default: break
                }
            }
            if status > 1 {
                failures.append(Failed(seed: last, law: "noCrash", message: "the process ended with status \(status)"))
            }
        }
        report(failures, counts, maxima)
        let count = Set(failures.map(\.seed)).count
        let time = (real_time() - began) / 1_000_000_000
        print("simulate: \(options.count) seeds, \(count) \(count == 1 ? "failure" : "failures"), \(time) s")
        return failures.isEmpty
    }

    private func batches() -> [[String]] {
        var batches: [[String]] = []
        var first = options.first
        var left = options.count
        while left > 0 {
            let size = Self.batchSize(left)
            var arguments =
                ["--batch", "--first", "\(first)", "--seeds", "\(size)", "--statistics"] + options.inherited
            if options.checksDeterminism { arguments.append("--check-determinism") }
            batches.append(arguments)
            first += UInt64(size)
            left -= size
        }
        return batches
    }

    private func report(_ failures: [Failed], _ counts: [String: Int], _ maxima: [String: Int]) {
        if options.showsStatistics {
            for (name, number) in counts.sorted(by: { $0.key < $1.key }) { print("\(name): \(number)") }
            for (name, number) in maxima.sorted(by: { $0.key < $1.key }) { print("\(name), at most: \(number)") }
        }
        let byLaw = Dictionary(grouping: failures, by: \.law).sorted { $0.value.count > $1.value.count }
        for (name, broken) in byLaw {
            let sentence = Law(rawValue: name)?.sentence ?? "the program itself is sound"
            print("\(name): \(broken.count) of \(options.count) seeds; \(sentence)")
            for failure in broken.sorted(by: { $0.seed < $1.seed }).prefix(8) {
                print("  seed \(failure.seed) \(failure.message)")
            }
        }
        if !failures.isEmpty {
            let seeds = Set(failures.map(\.seed)).sorted().prefix(40).map(String.init).joined(separator: " ")
            print("failing seeds: \(seeds)")
            print("see one with: script/simulate --seed \(failures.map(\.seed).min() ?? 0) --trace")
        }
    }
}
