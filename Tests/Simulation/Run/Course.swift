import Delivery

/// The course of a run: the storm, the calm after it, and what is looked at then.
extension Simulation {
    /// The most steps a run may take before it counts as a circle; runs that are well need a tenth.
    private static let mostSteps = 250_000
    /// How long the world may take to come to rest when nothing fails any more.
    private static let patience = seconds(45 * 60)
    /// How long after the faults a person comes who approves what waits for that.
    private static let approvals = [seconds(60), seconds(180), seconds(480)]

    func run() -> [Violation] {
        build()
        Statistics.count("kind \(storm.kind.rawValue)")
        for entry in storm.entries where only?.contains(entry.name) ?? true {
            World.shared.at(entry.time, for: World.nobody) { [weak self] in
                guard let self, isRunning else { return }
                perform(entry)
            }
        }
        pass(until: storm.end)
        switch storm.kind {
        case .safety: pass(until: storm.end + seconds(240))
        case .silence: pass(until: storm.end + seconds(200))
        case .quiet, .liveness: calm()
        }
        end()
        return laws.violations
    }

    private func pass(until time: Int64, orUntil isDone: @escaping () -> Bool = { false }) {
        guard isRunning else { return }
        let isFine = World.shared.run(until: time, most: Self.mostSteps - World.shared.steps) { [self] in
            !isRunning || isDone()
        }
        if !isFine { laws.fail(.noCircle, "\(Self.mostSteps) steps did not suffice") }
    }

    private func calm() {
        guard isRunning else { return }
        heal()
        let began = World.shared.now
        Statistics.count("steps of storms", World.shared.steps)
        var rest: Int64?
        // The lease of a controller that is gone now ends only after this.
        let long = seconds(hadSecondController ? 100 : 60)
        while isRunning, World.shared.now < began + Self.patience {
            pass(until: World.shared.now + seconds(15))
            guard laws.unrest() == nil, !isAboutToBeApproved(since: began) else {
                rest = nil
                continue
            }
            // At rest is what stays so for a while.
            guard let since = rest else {
                rest = World.shared.now
                continue
            }
            if World.shared.now - since >= long { break }
        }
        guard isRunning else { return }
        if let unrest = laws.unrest() { return laws.fail(.comesToRest, unrest) }
        Statistics.highest("seconds to rest", Int((World.shared.now - began) / 1_000_000_000))
        Statistics.count("steps until rest", World.shared.steps)
        watchRest()
        Statistics.count("steps until the end of rest", World.shared.steps)
        if storm.kind == .quiet { breakOnFullDisk() }
        crashAtRest()
    }

    /// Whether a person is still to be asked, who comes three times after the faults.
    private func isAboutToBeApproved(since began: Int64) -> Bool {
        let records = controllers[0].store.records.values.map(RecordView.init)
        return World.shared.now < began + (Self.approvals.last ?? 0) && records.contains(where: \.awaitsApproval)
    }

    /// Nothing is done any more, and everybody has been answered; each app is looked at once more in this time, because
    /// that is due every five minutes.
    private func watchRest() {
        let began = World.shared.now
        pass(until: began + seconds(330))
        guard isRunning else { return }
        // The claim is written anew by whoever took over, when it is needed first, and what could not be noted beside it is
        // tried again after a minute.
        let late = laws.mutations.filter { mutation in
            let isNote =
                mutation.text.contains(" hecate.") && (hadSecondController || mutation.time < began + seconds(60))
            return mutation.time > began && !isNote
        }
        // What never was well has nothing to go back to, and is tried again, ever more rarely.
        let retried = Dictionary(grouping: late.filter { laws.isTriedAgain($0.stack, $0.target) }, by: \.stack)
        if let first = late.first(where: { retried[$0.stack] == nil }) {
            laws.fail(.staysAtRest, "\(first.text) of \(first.stack) at rest")
        }
        for (stack, mutations) in retried where mutations.count > 8 {
            laws.fail(.staysAtRest, "\(stack), which never was well, was changed \(mutations.count) times at rest")
        }
        laws.checkKeptFiles()
        laws.checkQuestions()
        laws.checkLoad()
    }

    /// Somebody removes a service while the store cannot be written, which is no reason to leave it so.
    private func breakOnFullDisk() {
        guard isRunning else { return }
        let good = repositories.flatMap(\.fleet.apps).first { app in
            let id = AppID(target: app.target, name: app.name)
            let isReady = controllers[0].store.records[id].map(RecordView.init)?.isReady ?? false
            guard isReady, app.isGood, app.isEnabled, let target = target(app.target) else { return false }
            return Observation(target: target).difference(from: app) == nil
        }
        guard let good, let target = target(good.target),
            let service = Person(target: target).services(of: good.name).first
        else { return }
        Statistics.count("state broken on a full disk")
        let began = World.shared.now
        controllers[0].store.fullUntil = began + seconds(90)
        Person(target: target).remove(service)
        pass(until: began + seconds(80))
        guard isRunning else { return }
        if let difference = Observation(target: target).difference(from: good) {
            laws.fail(.healsWithoutStore, "80 s after a service was removed on a full disk: \(difference)")
        }
        pass(until: began + seconds(200))
    }

    /// A controller that starts anew in a world at rest, perhaps with an empty store, finds nothing to do.
    private func crashAtRest() {
        guard isRunning, let life = controllers[0].running?.life else { return }
        let losesStore = seed % 2 == 0
        let good = Set(
            repositories.flatMap(\.fleet.apps).filter { app in
                controllers[0].store.records[AppID(target: app.target, name: app.name)].map(RecordView.init)?.isReady
                    ?? false
            }.map(\.name)
        )
        let began = World.shared.now
        crash(life, lostStore: losesStore, restartAfter: seconds(5))
        pass(until: began + seconds(120))
        guard isRunning else { return }
        if let late = laws.mutations.first(where: {
            // The claim may be written anew by whoever takes over; it is no part of the app.
            $0.time > began && good.contains($0.stack) && !$0.text.contains(" hecate.")
        }) {
            laws.fail(
                .nothingAfterCrash,
                "\(late.text) of \(late.stack) after a crash\(losesStore ? " that lost the store" : "")"
            )
        }
    }

    /// The faults end: everything works again, and what only a person can put right is put right.
    private func heal() {
        trace("-- the faults end")
        isCalm = true
        faultRate = 0
        faultsUntil = 0
        stopSecondController()
        for target in targets {
            target.cutOff = [:]
            target.setNode(availability: "active")
            (target.downUntil, target.silentUntil, target.slowUntil) = (0, 0, 0)
            (target.crawlUntil, target.deafUntil, target.breaking) = (0, 0, nil)
        }
        for repository in repositories {
            repository.awayUntil = 0
            guard !repository.fleet.isReadable else { continue }
            var fleet = repository.fleet
            (fleet.oddity, fleet.namelessEntries, fleet.emptyItems) = (nil, 0, 0)
            for index in fleet.apps.indices where fleet.apps[index].oddity == .unknownKey {
                fleet.apps[index].oddity = nil
            }
            repository.push(fleet)
        }
        let controller = controllers[0]
        (controller.store.fullUntil, controller.store.unsureUntil) = (0, 0)
        controller.store.holds = []
        if controller.running == nil { start(controller) }
        controller.running?.refreshHolds()
        for delay in Self.approvals {
            World.shared.at(World.shared.now + delay, for: World.nobody) { [weak self] in
                guard let self, isRunning else { return }
                approve(controllers[0])
            }
        }
    }
}
