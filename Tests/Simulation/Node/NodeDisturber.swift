import CVirtualClock
import Delivery
import Files
import Quadlet
import SimulatedNode
import Systemd

/// Makes the disturbances of a node's storm happen. Each draws from a generator of its own.
extension NodeSimulation {
    func perform(_ entry: NodeStorm.Entry) {
        var random = Random(seed: seed, subject: 1000 + entry.number)
        fired.append(entry.name)
        let note = happen(entry.disturbance, &random)
        Statistics.count("node disturbance \(entry.disturbance.rawValue)")
        trace("-- \(entry.name) \(entry.disturbance.rawValue)\(note.isEmpty ? "" : ": \(note)")")
    }

    private func happen(_ disturbance: NodeDisturbance, _ random: inout Random) -> String {
        let now = World.shared.now
        let until = now + seconds(random.within(2...90))
        switch disturbance {
        case .commit: return mutate(&random)
        case .forgeAway: history.awayUntil = until
        case .crash, .storeLoss:
            guard let life = running?.life else { return "" }
            crash(life, lostStore: disturbance == .storeLoss, restartAfter: seconds(random.within(1...60)))
        case .storeFull: store.fullUntil = until
        case .diskFull:
            virtual_disk_set_full(target.root, 1)
            World.shared.at(until, for: World.nobody) { virtual_disk_set_full("", 0) }
        case .powerCut: cutPower(for: seconds(random.within(1...60)))
        case .busLoss:
            target.downUntil = now + seconds(random.within(1...30))
            target.breakBus()
        case .slowBus: target.slowUntil = until
        case .faultyCalls:
            faultRate = random.pick([0.02, 0.08, 0.25]) ?? 0
            faultsUntil = until
            return "\(faultRate)"
        case .stopByHand, .startByHand, .restartByHand, .kill, .removeLink, .reloadByHand, .startForeign:
            guard target.machine.phase != .off else { return "dark" }
            return edit(disturbance, &random)
        case .reconcile:
            guard let unit = random.pick(history.declared.units) else { return "" }
            ask(AppID(target: "node", name: unit.name))
            return unit.name
        case .approve: approve()
        }
        return ""
    }

    func approve() {
        laws.approvedAt = World.shared.now
        running?.approve("gitops")
        for unit in history.declared.units { running?.approve("node/\(unit.name)") }
    }

    private func edit(_ disturbance: NodeDisturbance, _ random: inout Random) -> String {
        if disturbance == .reloadByHand {
            target.perform { $0.reload() }
            return ""
        }
        if disturbance == .startForeign {
            let service = random.pick(Self.foreignServices.sorted()) ?? ""
            target.perform { machine in _ = try? machine.enqueue(random.happens(0.5) ? .restart : .stop, service) }
            return service
        }
        guard let unit = random.pick(history.declared.units) else { return "nothing there" }
        meddled[unit.stem] = World.shared.now
        // What requires it goes with it.
        for other in history.declared.units where other.requires == unit.stem { meddled[other.stem] = World.shared.now }
        let service = unit.service
        switch disturbance {
        case .stopByHand: target.perform { machine in _ = try? machine.enqueue(.stop, service) }
        case .startByHand: target.perform { machine in _ = try? machine.enqueue(.start, service) }
        case .restartByHand: target.perform { machine in _ = try? machine.enqueue(.restart, service) }
        case .kill: target.perform { $0.kill(service) }
        case .removeLink:
            guard blocked != unit.stem else { return "not ours" }
            try? removeFile(target.link(of: unit))
            target.ring()
        default: break
        }
        return service
    }
}
