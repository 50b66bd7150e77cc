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
        case .lateSource: return comeLate(&random)
        case .diskNearlyFull:
            random.pick(controllers)?.store.unsureUntil = until
            return commit(&random, [.dropService, .addService, .changeService, .dropMany])
        case .outageInChange:
            // Longer than an app is given.
            target?.breaking = (random.within(1...6), seconds(random.within(70...160)))
            return commit(&random, [.changeNetwork, .changeService, .addService, .changeConfig])
        case .crawl: target?.crawlUntil = until
        case .deafProxy:
            target?.deafUntil = world.now + seconds(random.within(60...200))
            // And whoever is asked to approve something does.
            world.at(world.now + seconds(random.within(30...60)), for: World.nobody) { [weak self] in
                guard let self, isRunning, !isCalm else { return }
                for controller in controllers { approve(controller) }
            }
            return commit(&random, [.addService, .changeService, .changeConfig])
        case .autoscale: return autoscale(&random)
        case .brokenThenGone: return breakAndDrop(&random)
        case .goneAndBack: return dropAndDeclare(&random)
        case .borrowedNetwork: return borrowNetwork(&random)
        case .approvedOnce: return approveOnce(&random)
        case .lostSecret: return loseSecret(&random)
        case .busyNeighbour: if let target { keepBusy(target, until: until, &random) }
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
        case .drain:
            guard let target else { return "" }
            let availability = random.pick(["drain", "pause"]) ?? ""
            target.setNode(availability: availability)
            world.at(world.now + seconds(random.within(10...240)), for: World.nobody) {
                target.setNode(availability: "active")
            }
            return "\(availability), \(commit(&random, [.changeService, .addService, .changeConfig]))"
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

    /// `mutations`: Of which the commit is one; empty for any.
    private func commit(_ random: inout Random, _ mutations: [Mutation] = []) -> String {
        guard let source = storm.kind == .silence ? repositories.first : random.pick(repositories),
            var generator = generators[source.name]
        else { return "" }
        if storm.kind == .silence { return commitBesideSilence(source) }
        var fleet = source.fleet
        generator.random = Random(random.next())
        var mutation = random.pick(mutations) ?? .drawn(&random, isShared: repositories.count > 1)
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
            for var app in before where fleet[app.name] == nil {
                app.replaces.removeAll { otherFleet[$0] != nil }
                otherFleet[app.name] = app
                for index in otherFleet.apps.indices { otherFleet.apps[index].replaces.removeAll { $0 == app.name } }
            }
            other.push(otherFleet)
        }
        if mutation == .copyToOtherSource { copy(from: source, &random) }
        for app in fleet.apps where !before.contains(app) {
            for service in app.services { Statistics.count("nature \(service.nature.rawValue)") }
        }
        return "\(source.name) \(mutation.rawValue) \(source.commits[source.head].id.prefix(8))"
    }

    /// An app is declared by the other source as well.
    private func copy(from source: Repository, _ random: inout Random) {
        guard let other = repositories.first(where: { $0 !== source }), var app = random.pick(source.fleet.apps),
            other.fleet[app.name] == nil
        else { return }
        var fleet = other.fleet
        (app.dependsOn, app.replaces) = ([], [])
        fleet[app.name] = app
        other.push(fleet)
    }

    /// Two sources declare the same app, and after the controller's next start one of them is read late.
    private func comeLate(_ random: inout Random) -> String {
        guard let source = random.pick(repositories), let controller = random.pick(controllers) else { return "" }
        copy(from: source, &random)
        let start = World.shared.now + seconds(random.within(15...40))
        let away = start + seconds(random.within(20...120))
        World.shared.at(start, for: World.nobody) { [weak self, weak controller] in
            guard let self, isRunning, !isCalm, let life = controller?.running?.life else { return }
            source.awayUntil = away
            crash(life, lostStore: away % 2 == 0, restartAfter: seconds(2))
        }
        return source.name
    }

    /// Something scales the services whose numbers are left to others, again and again; and somebody breaks the app.
    private func autoscale(_ random: inout Random) -> String {
        let apps = repositories.flatMap { source in source.fleet.apps.map { (source, $0) } }.filter {
            $0.1.ignoresReplicas
        }
        guard let (source, declared) = random.pick(apps), let target = target(declared.target) else {
            return "nothing to scale"
        }
        let app = declared.name
        let end = World.shared.now + seconds(random.within(60...200))
        if random.happens(0.6) {
            World.shared.at(World.shared.now + seconds(random.within(20...50)), for: World.nobody) { [weak self] in
                self?.breakService(of: app, in: source)
            }
        }
        var steps = Random(random.next())
        func scale() {
            guard isRunning, !isCalm, World.shared.now < end else { return }
            let person = Person(target: target)
            // What fails is no business of whoever looks at the load.
            let versions = repositories.flatMap(\.history).compactMap { $0[app] }
            if !target.isUnreachable, versions.allSatisfy(\.ignoresReplicas),
                let service = steps.pick(person.services(of: app))
            {
                person.scale(service, to: steps.within(1...4))
            }
            World.shared.at(World.shared.now + seconds(steps.within(15...40)), for: World.nobody, scale)
        }
        scale()
        return app
    }

    /// A commit after which a service of an app cannot run.
    private func breakService(of name: String, in source: Repository) {
        var fleet = source.fleet
        guard isRunning, !isCalm, var app = fleet[name],
            let index = app.services.firstIndex(where: { $0.nature == .good })
        else { return }
        app.services[index].nature = .crash
        app.services[index].stamp += 2000
        fleet[name] = app
        source.push(fleet)
        trace("-- \(name) is broken by a commit")
    }

    /// Somebody else's automation makes and removes configs of a stack of its own without a break.
    private func keepBusy(_ target: Target, until end: Int64, _ random: inout Random) {
        var steps = Random(random.next())
        func turn(_ number: Int) {
            guard isRunning, !isCalm, World.shared.now < end else { return }
            if !target.isUnreachable { Person(target: target).replaceConfig(of: "outsider", by: number) }
            World.shared.at(World.shared.now + seconds(steps.within(1...4)), for: World.nobody) { turn(number + 1) }
        }
        turn(1)
    }

    /// A change of an app on the Swarm that answers, and of all on the other; it must arrive as if nothing were wrong there.
    private func commitBesideSilence(_ source: Repository) -> String {
        var fleet = source.fleet
        guard let app = fleet.apps.first(where: { $0.target == targets.first?.name }) else { return "" }
        for index in fleet.apps.indices where fleet.apps[index].target != app.target || fleet.apps[index] == app {
            fleet.apps[index].services[0].stamp += 1000
        }
        source.push(fleet)
        let began = World.shared.now
        // The source is asked every ten seconds, and tasks are replaced one after the other.
        let changed = app.services[0]
        let limit = 20 + changed.replicas * (changed.nature == .slow ? 12 : 6)
        awaitDeployment(of: app.name, by: source, since: began, until: began + seconds(limit))
        return app.name
    }

    private func awaitDeployment(of name: String, by source: Repository, since began: Int64, until limit: Int64) {
        guard let app = source.fleet[name], isRunning else { return }
        guard let missing = laws.difference(from: app, at: source.commits[source.head].id) else {
            Statistics.highest("seconds to deploy beside silence", Int((World.shared.now - began) / 1_000_000_000))
            return
        }
        if World.shared.now >= limit {
            let time = (World.shared.now - began) / 1_000_000_000
            laws.fail(.silenceDelaysNobody, "\(name), committed \(time) s ago beside a silent Swarm: \(missing)")
        } else {
            World.shared.at(World.shared.now + seconds(2), for: World.nobody) { [weak self] in
                self?.awaitDeployment(of: name, by: source, since: began, until: limit)
            }
        }
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
