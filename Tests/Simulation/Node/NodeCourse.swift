import CVirtualClock
import Delivery
import Files
import Quadlet
import SimulatedNode
import Systemd

/// The course of a node's run: the storm, the calm after it, and what is looked at then.
extension NodeSimulation {
    private static let mostSteps = 150_000
    private static let patience = seconds(45 * 60)

    func run() -> [Violation] {
        do { try build() } catch {
            laws.fail(.comesToRest, "the node cannot be built: \(error)")
            return laws.violations
        }
        Statistics.count("node kind \(storm.kind.rawValue)")
        for entry in storm.entries where isWanted(entry.name) {
            World.shared.at(entry.time, for: World.nobody) { [weak self] in
                guard let self, isRunning else { return }
                perform(entry)
            }
        }
        pass(until: storm.end)
        if storm.kind == .safety { pass(until: storm.end + seconds(240)) } else { calm() }
        virtual_disk_set_full("", 0)
        laws.checkForeignFiles()
        end()
        return laws.violations
    }

    private func pass(until time: Int64) {
        guard isRunning else { return }
        let isFine = World.shared.run(until: time, most: Self.mostSteps - World.shared.steps) { [self] in !isRunning }
        if !isFine { laws.fail(.noCircle, "\(Self.mostSteps) steps did not suffice") }
    }

    private func calm() {
        guard isRunning else { return }
        heal()
        let began = World.shared.now
        var rest: Int64?
        while isRunning, World.shared.now < began + Self.patience {
            pass(until: World.shared.now + seconds(15))
            guard laws.unrest() == nil else {
                rest = nil
                continue
            }
            guard let since = rest else {
                rest = World.shared.now
                continue
            }
            if World.shared.now - since >= seconds(60) { break }
        }
        guard isRunning else { return }
        if let unrest = laws.unrest() { return laws.fail(.comesToRest, unrest) }
        Statistics.highest("node seconds to rest", Int((World.shared.now - began) / 1_000_000_000))
        watchRest()
        disturbRest()
    }

    /// Nothing is done to what is well, and everybody has been answered.
    private func watchRest() {
        laws.restSince = World.shared.now
        pass(until: World.shared.now + seconds(600))
        guard isRunning else { return }
        laws.checkRest(.staysAtRest, "at rest")
        for question in questions where !question.isAnswered {
            laws.fail(.questionsAnswered, "\(question.text), asked at \(question.time / 1_000_000_000) s")
        }
    }

    /// An agent that starts anew, perhaps with an empty store, or a machine that boots, brings no restart of what is well.
    private func disturbRest() {
        guard isRunning, let life = running?.life else { return }
        laws.restSince = World.shared.now
        switch seed / 5 % 3 {
        case 0: crash(life, lostStore: false, restartAfter: seconds(5))
        case 1: crash(life, lostStore: true, restartAfter: seconds(5))
        default:
            laws.isBooting = true
            cutPower(for: seconds(20))
        }
        pass(until: World.shared.now + seconds(240))
        guard isRunning else { return }
        laws.checkRest(.nothingAfterCrash, laws.isBooting ? "after a boot" : "after a crash")
        if let unrest = laws.unrest(), !laws.isBooting { laws.fail(.nothingAfterCrash, unrest) }
    }

    /// The faults end: everything works again.
    private func heal() {
        trace("-- the faults end")
        (faultRate, faultsUntil) = (0, 0)
        virtual_disk_set_full("", 0)
        (target.downUntil, target.slowUntil) = (0, 0)
        (history.awayUntil, store.fullUntil) = (0, 0)
        if target.machine.phase == .off { boot() }
        start()
        for minute in [1, 3, 8] {
            World.shared.at(World.shared.now + seconds(60 * minute), for: World.nobody) { [weak self] in
                guard let self, isRunning else { return }
                approve()
            }
        }
    }
}
