/// Something that happens to the world at a time of its own.
enum Disturbance: String, CaseIterable {
    /// The source: a commit, a forced push back, a commit that is gone, a forge nobody can reach.
    case commit, rewrite, vanish, forgeAway, lateSource
    /// The controller's process and its disk.
    case crash, storeLoss, diskFull, diskNearlyFull, wallClockJump, secondController
    /// The Engine and the way to it.
    case engineRestart, outage, outageInChange, silence, slowness, crawl, deafProxy, faultyCalls, cutOff
    /// People with a shell on the manager.
    case drain, scaleByHand, changeByHand, removeByHand, deploySameByHand, deployOtherByHand, changeForeign, handOver
    /// What works by itself beside it: something that scales services, and somebody else's automation.
    case autoscale, busyNeighbour
    /// Commits in several steps: an entry that cannot be read goes, an app goes and is declared again while it is being
    /// forgotten, a network goes that somebody else's service uses, and most apps go twice, of which a person approves the
    /// first time.
    case brokenThenGone, goneAndBack, borrowedNetwork, approvedOnce
    /// A secret of the last good revision is removed by hand while a bad commit takes its place.
    case lostSecret
    /// People who ask the controller for something.
    case reconcile, suspend, approve

    private static let weights: [(weight: Int, item: Disturbance)] = [
        (36, .commit), (3, .rewrite), (2, .vanish), (3, .forgeAway), (6, .crash), (2, .storeLoss), (3, .diskFull),
        (3, .wallClockJump), (2, .secondController), (4, .engineRestart), (5, .outage), (3, .silence), (3, .slowness),
        (10, .faultyCalls), (4, .scaleByHand), (4, .changeByHand), (3, .removeByHand), (3, .deploySameByHand),
        (2, .deployOtherByHand), (2, .changeForeign), (5, .reconcile), (3, .suspend), (2, .approve), (4, .cutOff),
        (1, .handOver), (3, .lateSource), (3, .diskNearlyFull), (5, .outageInChange), (1, .crawl), (2, .deafProxy),
        (2, .autoscale), (3, .drain),
        (1, .busyNeighbour), (2, .brokenThenGone), (2, .goneAndBack), (2, .borrowedNetwork),
        (1, .approvedOnce), (2, .lostSecret),
    ]

    /// How long it goes on, in seconds, so that the storm waits for its last step.
    var length: Int {
        switch self {
        case .brokenThenGone: 65
        case .goneAndBack: 60
        case .lostSecret: 100
        case .approvedOnce: 170
        default: 0
        }
    }

    static func drawn(_ random: inout Random) -> Disturbance { random.pick(weighted: weights) ?? .commit }
}

/// What happens in a run, and when: drawn from the seed before it begins.
struct Storm {
    /// What kind of run a seed is.
    enum Kind: String {
        /// Only commits, and nothing fails: each change is made once.
        case quiet
        /// One of two Swarms falls silent: the other must not feel it.
        case silence
        /// Anything may fail, to the end: nothing wrong may be done.
        case safety
        /// Anything may fail for a while: afterwards everything must come to rest.
        case liveness

        /// How many disturbances there are.
        fileprivate func length(_ random: inout Random) -> Int {
            switch self {
            case .quiet: random.within(2...5)
            case .silence: 3
            case .safety, .liveness: random.within(2...9)
            }
        }
    }

    /// A disturbance and when it comes.
    struct Entry {
        var number: UInt64
        var time: Int64
        var disturbance: Disturbance

        /// What it is called when a run is repeated with fewer of them.
        var name: String { "t\(number)" }
    }

    let kind: Kind
    let entries: [Entry]
    /// When the last of it has begun.
    let end: Int64

    init(seed: UInt64) {
        var random = Random(seed: seed, subject: 2)
        kind = random.pick(weighted: [(2, .quiet), (1, .silence), (5, .safety), (12, .liveness)]) ?? .liveness
        var time = seconds(random.within(5...40))
        var entries: [Entry] = []
        for number in 0..<kind.length(&random) {
            let disturbance: Disturbance
            switch kind {
            case .quiet: disturbance = .commit
            case .silence: disturbance = number == 0 ? .silence : .commit
            case .safety, .liveness: disturbance = .drawn(&random)
            }
            entries.append(Entry(number: UInt64(number), time: time, disturbance: disturbance))
            // Mostly one after the other has settled, and often right into the middle.
            time += random.happens(0.4) ? Int64(random.within(100...8000)) * 1_000_000 : seconds(random.within(5...60))
            // Beside a silence there is one commit while its apps still wait for answers, and one when nobody acts for them
            // any more.
            if kind == .quiet || kind == .silence && number > 0 { time += seconds(190) }
        }
        self.entries = entries
        end = entries.reduce(time) { max($0, $1.time + seconds($1.disturbance.length)) }
    }
}
