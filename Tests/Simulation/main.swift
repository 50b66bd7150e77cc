import CVirtualClock
import Glibc

// Hecate in a simulated world: see docs/simulation.md.
guard let options = Options(Array(CommandLine.arguments.dropFirst())) else {
    print(Options.usage)
    exit(2)
}
// The order of sets and dictionaries must be the same in every run.
if getenv("SWIFT_DETERMINISTIC_HASHING") == nil {
    setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
    execv("/proc/self/exe", CommandLine.unsafeArgv)
    print("simulate: cannot start itself anew with SWIFT_DETERMINISTIC_HASHING=1")
    exit(2)
}
if options.isBatch || options.seed != nil && (options.only != nil || !options.shrinks) {
    virtual_clock_start()
    exit(Batch(options: options).run() ? 0 : 1)
}
guard let seed = options.seed else { exit(Supervisor(options: options).run() ? 0 : 1) }

let shrinker = Shrinker(options: options, seed: seed)
var names: [String]?
if let outcome = shrinker.attempt(nil) {
    let fewest = shrinker.shrink(outcome)
    // A run that names its disturbances draws no others; when that alone heals it, the whole run is shown.
    if shrinker.attempt(fewest)?.law == outcome.law { names = fewest }
    print("seed \(seed) breaks \(outcome.law) with \(names?.count ?? outcome.fired.count) disturbances")
}
var arguments = ["--batch", "--seed", "\(seed)"] + options.inherited
if options.isTracing || names != nil { arguments.append("--trace") }
if let names { arguments += ["--only", names.isEmpty ? "none" : names.joined(separator: ",")] }
Child.run([arguments], atOnce: 1) { child, status in
    print(child.output, terminator: "")
    exit(status)
}
