import Delivery

/// What happens to controllers, and what the laws ask about the run.
extension Simulation {
    func crash(_ life: Life, lostStore: Bool, restartAfter delay: Int64? = nil) {
        guard let controller = controllers.first(where: { $0.running?.life == life }) else { return }
        trace("-- \(life) dies\(lostStore ? " and loses its store" : "")")
        stop(controller)
        if lostStore {
            controller.store.lose()
            lastStoreLoss = World.shared.now
        }
        Statistics.count("crash")
        let pause = delay ?? seconds(World.shared.random.within(1...30))
        World.shared.at(World.shared.now + pause, for: World.nobody) { [weak self, weak controller] in
            guard let self, let controller, isRunning, controller.running == nil,
                controllers.contains(where: { $0 === controller })
            else { return }
            start(controller)
        }
    }

    /// A second controller with a store of its own works for the same sources.
    func startSecondController(until end: Int64) {
        guard controllers.count == 1 else { return }
        let second = Controller(number: 2)
        controllers.append(second)
        hadSecondController = true
        start(second)
        World.shared.at(end, for: World.nobody) { [weak self] in self?.stopSecondController() }
    }

    func stopSecondController() {
        guard controllers.count == 2 else { return }
        stop(controllers[1])
        controllers.removeLast()
    }

    // MARK: People

    func ask(_ controller: Controller, _ apps: [AppID]) {
        guard let process = controller.running else { return }
        let number = questions.count
        let text = "'reconcile \(apps.map(\.description).joined(separator: " "))'"
        questions.append(Question(number: number, life: process.life, text: text, time: World.shared.now))
        for app in apps { laws.asked[app] = World.shared.now }
        Statistics.count("question")
        process.reconcile(apps) { [weak self] in
            guard let self, let index = questions.firstIndex(where: { $0.number == number }) else { return }
            questions[index].isAnswered = true
            Statistics.count("question answered")
        }
    }

    var openQuestions: [Question] { questions.filter { !$0.isAnswered } }

    func hold(_ app: AppID, on controller: Controller, until end: Int64) {
        let since = Timestamp(Double(World.shared.wall) / 1e9)
        controller.store.holds.append(Hold(app: app, author: "somebody", reason: "looking into it", since: since))
        controller.running?.refreshHolds()
        World.shared.at(end, for: World.nobody) {
            controller.store.holds.removeAll { $0.app == app }
            controller.running?.refreshHolds()
        }
    }

    func approve(_ controller: Controller) {
        laws.approvedAt = World.shared.now
        for repository in repositories { controller.running?.approve(repository.name) }
        // A commit that takes much away from one app waits for a person as well.
        for app in declaredApps { controller.running?.approve(app.description) }
    }

    // MARK: What is declared

    var declaredApps: [AppID] {
        repositories.flatMap { $0.fleet.apps.map { AppID(target: $0.target, name: $0.name) } }
    }

    func target(_ name: String) -> Target? { targets.first { $0.name == name } }

    func isDeclaredTwice(_ name: String) -> Bool { repositories.count { $0.fleet[name] != nil } > 1 }

    func isMeddledWith(_ id: AppID) -> Bool { meddled.contains(id) }

    /// How an app was declared at a commit.
    func declaration(of id: AppID, at commit: String) -> DeclaredApp? {
        for repository in repositories {
            if let found = repository.commit(commit)?.fleet[id.name] { return found }
        }
        return nil
    }

    /// Whether an app's declaration changed after a time, be it there and back.
    func wasChanged(_ id: AppID, since time: Int64) -> Bool {
        repositories.contains { repository in
            repository.changes(of: id.name).contains { $0 >= time - seconds(30) }
        }
    }

    /// How much happened so far: what bounds the number of events.
    var happenings: Int { fired.count + repositories.reduce(0) { $0 + $1.heads.count } }
}
