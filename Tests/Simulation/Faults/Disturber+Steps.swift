import HTTP

/// Disturbances that are commits in two steps.
extension Simulation {
    /// An app of a source, with the source.
    private func drawnApp(_ random: inout Random) -> (Repository, DeclaredApp)? {
        guard let source = random.pick(repositories), source.fleet.apps.count > 1,
            let app = random.pick(source.fleet.apps), !claimedByOthers.contains(app.name)
        else { return nil }
        return (source, app)
    }

    private func push(_ app: DeclaredApp?, named name: String, to source: Repository) {
        var fleet = source.fleet
        let isNew = fleet[name] == nil
        fleet[name] = app
        // A commit that declares an app says nowhere else that it goes, and one that drops it that nothing needs it.
        if isNew { fleet.retired.removeAll { $0 == name } }
        for index in fleet.apps.indices {
            if app == nil { fleet.apps[index].dependsOn.removeAll { $0 == name } }
            if app == nil || isNew { fleet.apps[index].replaces.removeAll { $0 == name } }
        }
        source.push(fleet)
    }

    private func later(_ delay: Int64, _ step: @escaping (Simulation) -> Void) {
        World.shared.at(World.shared.now + seconds(Int(delay)), for: World.nobody) { [weak self] in
            guard let self, isRunning, !isCalm else { return }
            step(self)
        }
    }

    /// The entry of an app cannot be read for a while, and then it is taken out.
    func breakAndDrop(_ random: inout Random) -> String {
        guard let (source, app) = drawnApp(&random) else { return "nothing to break" }
        var broken = app
        broken.oddity = .unknownKey
        push(broken, named: app.name, to: source)
        later(Int64(random.within(15...60))) { $0.push(nil, named: app.name, to: source) }
        return app.name
    }

    /// An app is taken out and, while every answer takes long, comes back about when nothing is left of it.
    func dropAndDeclare(_ random: inout Random) -> String {
        guard let (source, app) = drawnApp(&random), let target = target(app.target) else { return "nothing to drop" }
        push(nil, named: app.name, to: source)
        target.slowUntil = World.shared.now + seconds(150)
        let pause = Int64(random.within(0...6))
        let last = World.shared.now + seconds(120)
        func look() {
            later(1) { simulation in
                let isGone = Person(target: target).services(of: app.name).isEmpty
                guard isGone || World.shared.now > last else { return look() }
                // What went with it are the secrets of its kept revisions, too.
                simulation.lostSecrets.insert(app.name)
                simulation.later(pause) { $0.push(app, named: app.name, to: source) }
            }
        }
        look()
        return app.name
    }

    /// Most apps of a source go, which a person approves; they come back, and go once more.
    func approveOnce(_ random: inout Random) -> String {
        guard let source = random.pick(repositories), var generator = generators[source.name] else { return "" }
        var whole = source.fleet
        while whole.apps.count < 5, whole.oddity == nil {
            let before = whole.apps.count
            generator.change(&whole, by: .addApp)
            guard whole.apps.count > before else { break }
        }
        generators[source.name] = generator
        guard whole.apps.count > 3 else { return "nothing to drop" }
        var left = whole
        left.apps = Array(whole.apps.prefix(1))
        left.apps[0].dependsOn = []
        left.apps[0].replaces = []
        source.push(whole)
        later(40) { _ in source.push(left) }
        later(70) { simulation in for controller in simulation.controllers { simulation.approve(controller) } }
        later(100) { _ in source.push(whole) }
        later(150) { _ in source.push(left) }
        return source.name
    }

    /// Two good commits with a secret each, a bad one, and somebody who removes the second's secret as soon as nothing uses it.
    func loseSecret(_ random: inout Random) -> String {
        guard let (source, app) = drawnApp(&random), let target = target(app.target), app.isGood,
            let index = app.services.firstIndex(where: { $0.nature == .good && $0.replicas > 0 })
        else { return "nothing to lose" }
        let number = 5000 + 10 * random.below(100)
        var version = app
        func take(_ step: Int, _ nature: Nature) {
            version.services[index].secret = number + step
            version.services[index].stamp += 1000
            version.services[index].nature = nature
        }
        take(1, .good)
        let first = version
        take(2, .good)
        let second = version
        take(3, .crash)
        let third = version
        push(first, named: app.name, to: source)
        later(35) { $0.push(second, named: app.name, to: source) }
        later(70) { $0.push(third, named: app.name, to: source) }
        for delay in 72...86 {
            later(Int64(delay)) { simulation in
                guard !target.isUnreachable else { return }
                let removed = Person(target: target).removeSecret(of: app.name, containing: "password\(number + 2)")
                if removed { simulation.lostSecrets.insert(app.name) }
            }
        }
        return app.name
    }

    /// A service of somebody else's uses a network of an app, which a commit takes the place of.
    func borrowNetwork(_ random: inout Random) -> String {
        guard let (source, app) = drawnApp(&random), let target = target(app.target), !target.isUnreachable else {
            return "nothing to borrow"
        }
        let network = app.network > 0 ? "\(app.name)_net\(app.network)" : "\(app.name)_default"
        let answer = Person(target: target).borrow(network: network, as: "outsider_\(app.name)\(random.below(1000))")
        var changed = app
        changed.network += 1
        push(changed, named: app.name, to: source)
        return "\(network) -> \(answer.status)"
    }
}
