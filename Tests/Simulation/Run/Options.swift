/// What the program is run with.
struct Options {
    static let usage = """
        usage: simulate [--seeds COUNT] [--first N] [--jobs N] [--statistics] [--check-determinism] [--except LAWS]
               simulate --seed N [--trace] [--only NAMES] [--no-shrink]
          --seeds COUNT         run that many seeds, 10000 when not said
          --first N             begin with this seed, 1 when not said
          --jobs N              processes side by side, 2 when not said
          --statistics          say how often each nature, disturbance and state occurred
          --check-determinism   run each seed twice and compare what happened
          --seed N              run one seed; when it fails, look for the fewest disturbances that fail
          --trace               print what happens
          --only NAMES          let only these disturbances happen, such as t3,c17
          --except LAWS         do not look at these laws, such as toldOnce,eventsBounded
          --no-shrink           leave a failing seed as it is
        """

    var seed: UInt64?
    var count = 10_000
    var first: UInt64 = 1
    var jobs = 2
    var isTracing = false
    var only: Set<String>?
    var exceptions: Set<String> = []
    var showsStatistics = false
    var checksDeterminism = false
    var shrinks = true
    /// A process that a supervisor started: it runs its seeds and reports in lines for programs.
    var isBatch = false

    /// Reads the arguments; nil when one of them is unknown or says nothing that can be used.
    init?(_ arguments: [String]) {
        var rest = arguments[...]
        func number() -> UInt64? { rest.popFirst().flatMap { UInt64($0) } }
        while let argument = rest.popFirst() {
            switch argument {
            case "--seed":
                guard let value = number() else { return nil }
                seed = value
            case "--seeds":
                guard let value = number(), value > 0 else { return nil }
                count = Int(value)
            case "--first":
                guard let value = number() else { return nil }
                first = value
            case "--jobs":
                guard let value = number(), value > 0 else { return nil }
                jobs = Int(value)
            case "--only":
                guard let names = rest.popFirst() else { return nil }
                only = Set(names.split(separator: ",").map(String.init))
            case "--except":
                guard let names = rest.popFirst() else { return nil }
                exceptions = Set(names.split(separator: ",").map(String.init))
                guard exceptions.allSatisfy({ Law(rawValue: $0) != nil }) else { return nil }
            case "--trace": isTracing = true
            case "--statistics": showsStatistics = true
            case "--check-determinism": checksDeterminism = true
            case "--no-shrink": shrinks = false
            case "--batch": isBatch = true
            default: return nil
            }
        }
    }

    /// What a process that runs some of the seeds has to be told besides which.
    var inherited: [String] { exceptions.isEmpty ? [] : ["--except", exceptions.sorted().joined(separator: ",")] }
}
