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
        fleet[name] = app
        if app == nil {
            for index in fleet.apps.indices {
                fleet.apps[index].dependsOn.removeAll { $0 == name }
                fleet.apps[index].replaces.removeAll { $0 == name }
            }
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

    /// An app is taken out and, while every answer takes long, comes back.
    func dropAndDeclare(_ random: inout Random) -> String {
        guard let (source, app) = drawnApp(&random), let target = target(app.target) else { return "nothing to drop" }
        push(nil, named: app.name, to: source)
        let back = random.within(15...80)
        target.slowUntil = World.shared.now + seconds(90)
        later(Int64(back)) { $0.push(app, named: app.name, to: source) }
        return "\(app.name), and back after \(back) s"
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
