import Delivery
import JSON

/// Makes the disturbances of a storm happen. Each draws from a generator of its own, so that leaving one out changes no
/// other.
extension Simulation {
    func perform(_ entry: Storm.Entry) {
        var random = Random(seed: seed, subject: 1000 + entry.number)
        fired.append(entry.name)
        let note = happen(entry.disturbance, &random)
        Statistics.count("disturbance \(entry.disturbance.rawValue)")
        trace("-- \(entry.name) \(entry.disturbance.rawValue)\(note.isEmpty ? "" : ": \(note)")")
    }

    private func happen(_ disturbance: Disturbance, _ random: inout Random) -> String {
        let world = World.shared
        let until = world.now + seconds(random.within(2...150))
        let source = random.pick(repositories)
        let target = random.pick(targets)
        switch disturbance {
        case .commit: return commit(&random)
        case .rewrite: source?.rewind(by: random.within(1...3), vanishing: false)
        case .vanish: source?.rewind(by: 1, vanishing: true)
        case .forgeAway: source?.awayUntil = until
        case .crash, .storeLoss:
            guard let controller = random.pick(controllers), let life = controller.running?.life else { return "" }
            crash(life, lostStore: disturbance == .storeLoss, restartAfter: seconds(random.within(1...90)))
        case .diskFull: random.pick(controllers)?.store.fullUntil = until
        case .wallClockJump:
            world.wallOffset += seconds(random.within(-4000...4000))
            return "to \(world.wallOffset / 1_000_000_000) s"
        case .secondController: startSecondController(until: world.now + seconds(random.within(30...300)))
        case .engineRestart: target?.restart(downFor: seconds(random.within(1...20)))
        case .outage:
            target?.downUntil = until
            target?.breakStreams()
        case .silence:
            let victim = storm.kind == .silence ? targets.last : target
            victim?.silentUntil = storm.kind == .silence ? world.now + seconds(3600) : until
        case .cutOff:
            // Of two controllers one loses its way to the target, and the other takes over.
            if controllers.count == 1 { startSecondController(until: world.now + seconds(random.within(200...400))) }
            target?.cutOff[controllers[0].number] = world.now + seconds(random.within(20...150))
        case .handOver: return source.map { handOver($0, &random) } ?? ""
        case .slowness: target?.slowUntil = until
        case .faultyCalls:
            faultRate = random.pick([0.02, 0.08, 0.25]) ?? 0
            faultsUntil = until
            return "\(faultRate)"
        case .scaleByHand, .changeByHand, .removeByHand, .deploySameByHand, .deployOtherByHand, .changeForeign:
            return target.map { edit(disturbance, Person(target: $0), &random) } ?? ""
        case .reconcile:
            guard let controller = random.pick(controllers), let app = random.pick(declaredApps) else { return "" }
            ask(controller, [app])
            return app.description
        case .suspend:
            guard let controller = random.pick(controllers), let app = random.pick(declaredApps) else { return "" }
            hold(app, on: controller, until: until)
            return app.description
        case .approve: for controller in controllers { approve(controller) }
        }
        return ""
    }

    private func commit(_ random: inout Random) -> String {
        guard let source = storm.kind == .silence ? repositories.first : random.pick(repositories),
            var generator = generators[source.name]
        else { return "" }
        if storm.kind == .silence { return commitBesideSilence(source) }
        var fleet = source.fleet
        generator.random = Random(random.next())
        var mutation = Mutation.drawn(&random)
        if [.moveToOtherSource, .copyToOtherSource].contains(mutation), repositories.count < 2 {
            mutation = .changeService
        }
        let before = fleet.apps
        generator.change(&fleet, by: mutation)
        generators[source.name] = generator
        source.push(fleet)
        Statistics.count("commit \(mutation.rawValue)")
        if mutation == .moveToOtherSource, let other = repositories.first(where: { $0 !== source }) {
            var otherFleet = other.fleet
            for app in before where fleet[app.name] == nil { otherFleet[app.name] = app }
            other.push(otherFleet)
        }
        if mutation == .copyToOtherSource, let other = repositories.first(where: { $0 !== source }),
            var app = random.pick(fleet.apps), other.fleet[app.name] == nil
        {
            var otherFleet = other.fleet
            (app.dependsOn, app.replaces) = ([], [])
            otherFleet[app.name] = app
            other.push(otherFleet)
        }
        for app in fleet.apps where !before.contains(app) {
            for service in app.services { Statistics.count("nature \(service.nature.rawValue)") }
        }
        return "\(source.name) \(mutation.rawValue) \(source.commits[source.head].id.prefix(8))"
    }

    /// A change of an app on the Swarm that answers; it must arrive as if nothing were wrong elsewhere.
    private func commitBesideSilence(_ source: Repository) -> String {
        var fleet = source.fleet
        guard let app = fleet.apps.first(where: { $0.target == targets.first?.name }) else { return "" }
        var changed = app
        changed.services[0].stamp += 1000
        fleet[app.name] = changed
        source.push(fleet)
        let limit = World.shared.now + seconds(180)
        World.shared.at(limit, for: World.nobody) { [weak self] in
            guard let self, source.fleet[app.name] == changed, isRunning else { return }
            laws.expectDeployed(changed, "\(app.name) was committed three minutes ago while the other Swarm is silent")
        }
        return app.name
    }

    /// A source gives an app up, and somebody takes the controller's mark from it, so that it stays as it is.
    private func handOver(_ source: Repository, _ random: inout Random) -> String {
        var fleet = source.fleet
        // What somebody else's mark stands on is not the source's to give up.
        let own = fleet.apps.filter { !claimedByOthers.contains($0.name) }
        guard let app = random.pick(own), fleet.apps.count > 1, let target = target(app.target),
            !target.isUnreachable
        else { return "nothing to hand over" }
        fleet[app.name] = nil
        for index in fleet.apps.indices {
            fleet.apps[index].dependsOn.removeAll { $0 == app.name }
            fleet.apps[index].replaces.removeAll { $0 == app.name }
        }
        source.push(fleet)
        handedOver.insert(app.name)
        Person(target: target).removeClaim(of: app.name)
        return app.name
    }

    private func edit(_ disturbance: Disturbance, _ person: Person, _ random: inout Random) -> String {
        guard !person.target.isUnreachable else { return "unreachable" }
        let all = person.services()
        let foreign = all.filter { foreignStacks.contains($0.stack) }
        let ours = all.filter { !foreignStacks.contains($0.stack) }
        guard let service = random.pick(disturbance == .changeForeign ? foreign : ours) else { return "nothing there" }
        switch disturbance {
        case .scaleByHand: person.scale(service, to: random.within(0...4))
        case .changeByHand, .changeForeign: person.changeEnvironment(service, stamp: "by-hand-\(random.below(1000))")
        case .removeByHand: person.remove(service)
        case .deploySameByHand: for same in ours where same.stack == service.stack { person.update(same) { _ in } }
        case .deployOtherByHand:
            for same in ours where same.stack == service.stack {
                person.changeEnvironment(same, stamp: "other-\(random.below(1000))")
            }
        default: break
        }
        return "\(person.target.name) \(service["Spec"]?["Name"]?.string ?? "")"
    }
}
