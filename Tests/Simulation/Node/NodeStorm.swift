/// Something that happens to a node at a time of its own.
enum NodeDisturbance: String, CaseIterable {
    case commit, forgeAway
    /// The agent's process and its disk.
    case crash, storeLoss, storeFull, diskFull
    /// The machine.
    case powerCut, busLoss, slowBus, faultyCalls
    /// People with a shell on it.
    case stopByHand, startByHand, restartByHand, kill, removeLink, reloadByHand, startForeign
    /// People who ask the agent for something.
    case reconcile, approve

    private static let weights: [(weight: Int, item: NodeDisturbance)] = [
        (36, .commit), (2, .forgeAway), (6, .crash), (2, .storeLoss), (2, .storeFull), (2, .diskFull), (6, .powerCut),
        (4, .busLoss), (3, .slowBus), (9, .faultyCalls), (3, .stopByHand), (2, .startByHand), (3, .restartByHand),
        (4, .kill), (2, .removeLink), (2, .reloadByHand), (2, .startForeign), (4, .reconcile), (2, .approve),
    ]

    static func drawn(_ random: inout Random) -> NodeDisturbance { random.pick(weighted: weights) ?? .commit }
}

/// What happens in a run of a node, and when: drawn from the seed before it begins.
struct NodeStorm {
    /// What kind of run it is.
    enum Kind: String { case quiet, safety, liveness }

    /// A disturbance and when it comes.
    struct Entry {
        var number: UInt64
        var time: Int64
        var disturbance: NodeDisturbance

        var name: String { "t\(number)" }
    }

    let kind: Kind
    let entries: [Entry]
    /// When the last of it has begun.
    let end: Int64

    init(seed: UInt64) {
        var random = Random(seed: seed, subject: 2)
        kind = random.pick(weighted: [(2, .quiet), (4, .safety), (12, .liveness)]) ?? .liveness
        var time = seconds(random.within(5...30))
        var entries: [Entry] = []
        for number in 0..<(kind == .quiet ? random.within(2...5) : random.within(2...10)) {
            let disturbance = kind == .quiet ? .commit : NodeDisturbance.drawn(&random)
            entries.append(Entry(number: UInt64(number), time: time, disturbance: disturbance))
            time += random.happens(0.45) ? Int64(random.within(100...8000)) * 1_000_000 : seconds(random.within(5...60))
            if kind == .quiet { time += seconds(100) }
        }
        self.entries = entries
        end = time
    }
}
