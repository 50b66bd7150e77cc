import Glibc

/// Runs seeds one after the other in this process.
struct Batch {
    let options: Options

    /// - Returns: Whether all laws held.
    func run() -> Bool {
        WorldExecutors.install()
        var isFine = true
        if let seed = options.seed {
            isFine = run(seed)
        } else {
            for seed in options.first..<(options.first + UInt64(options.count)) { isFine = run(seed) && isFine }
        }
        if options.showsStatistics { for line in Statistics.lines() { print(line) } }
        return isFine
    }

    private func run(_ seed: UInt64) -> Bool {
        print("seed \(seed)")
        fflush(nil)
        let (violations, fired) = NodeSimulation.takes(seed) ? runNode(seed) : runSwarms(seed)
        Statistics.count("steps", World.shared.steps)
        Statistics.highest("steps of a seed", World.shared.steps)
        Statistics.count("seeds")
        Statistics.count("virtual minutes", Int(World.shared.now / 60_000_000_000))
        if options.checksDeterminism { print("digest \(seed) \(World.shared.digest.hexadecimal)") }
        guard let first = violations.first else { return true }
        print("violation \(seed) \(first.law.rawValue) \(first.time / 1_000_000_000) \(first.message)")
        print("fired \(fired.joined(separator: ","))")
        return false
    }

    private func runSwarms(_ seed: UInt64) -> (violations: [Violation], fired: [String]) {
        let simulation = Simulation(seed: seed, only: options.only, isTracing: options.isTracing)
        simulation.laws.exceptions = options.exceptions
        return (simulation.run(), simulation.fired)
    }

    private func runNode(_ seed: UInt64) -> (violations: [Violation], fired: [String]) {
        let simulation = NodeSimulation(seed: seed, only: options.only, isTracing: options.isTracing)
        simulation.laws.exceptions = options.exceptions
        return (simulation.run(), simulation.fired)
    }
}
