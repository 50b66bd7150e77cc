package import Systemd

/// Transactions and the job queue, as in systemd's `job.c` and `transaction.c` as far as units here need them.
extension SimulatedNode {
    private static let prefix = "org.freedesktop.systemd1"

    /// Queues a job with all that it brings with it.
    /// - Returns: Its number.
    package func enqueue(_ method: Systemd.UnitMethod, _ name: String) throws(SystemdError) -> Int {
        let kind: Job.Kind =
            switch method {
            case .start: .start
            case .stop: .stop
            case .restart: .restart
            }
        let number = try install(kind, name)
        dispatch()
        return number
    }

    @discardableResult
    func install(_ kind: Job.Kind, _ name: String) throws(SystemdError) -> Int {
        let unit = unit(name)
        if kind != .stop {
            try check(unit)
        } else if unit.definition.load == "not-found", unit.isAtBeginning {
            throw SystemdError(name: "\(Self.prefix).NoSuchUnit", description: "Unit \(name) not loaded.")
        }
        var transaction: [(unit: String, kind: Job.Kind)] = []
        try add(kind, unit, to: &transaction)
        for step in transaction where step.unit != name { merge(step.kind, step.unit) }
        return merge(kind, name)
    }

    private func check(_ unit: LoadedUnit) throws(SystemdError) {
        switch unit.definition.load {
        case "not-found":
            throw SystemdError(name: "\(Self.prefix).NoSuchUnit", description: "Unit \(unit.name) not found.")
        case "masked":
            throw SystemdError(name: "\(Self.prefix).UnitMasked", description: "Unit \(unit.name) is masked.")
        case "bad-setting":
            throw SystemdError(
                name: "\(Self.prefix).BadUnitSetting",
                description: "Unit \(unit.name) has a bad unit file setting."
            )
        default: break
        }
    }

    private func add(
        _ kind: Job.Kind,
        _ unit: LoadedUnit,
        to transaction: inout [(unit: String, kind: Job.Kind)]
    ) throws(SystemdError) {
        if let index = transaction.firstIndex(where: { $0.unit == unit.name }) {
            if transaction[index].kind == .start, kind == .restart { transaction[index].kind = .restart }
            return
        }
        transaction.append((unit.name, kind))
        if kind != .stop {
            for name in unit.definition.requires {
                let other = self.unit(name)
                try check(other)
                // What is up needs no job.
                if other.active != "active" || jobs[name] != nil { try add(.start, other, to: &transaction) }
            }
            for name in unit.definition.wants {
                let other = self.unit(name)
                guard other.definition.load == "loaded", other.active != "active" else { continue }
                try? add(.start, other, to: &transaction)
            }
        }
        guard kind != .start else { return }
        // What requires it ends with it, and comes again with it.
        for other in loaded.values.sorted(by: { $0.name < $1.name })
        where other.definition.requires.contains(unit.name) {
            let isUp = !["inactive", "failed"].contains(other.active)
            if isUp || kind == .stop && jobs[other.name] != nil { try? add(kind, other, to: &transaction) }
        }
    }

    /// Puts a job into the queue, or into the one that is there for its unit.
    @discardableResult
    private func merge(_ kind: Job.Kind, _ name: String) -> Int {
        if let old = jobs[name] {
            guard (old.kind == .stop) != (kind == .stop) else {
                if old.kind == .start, kind == .restart {
                    jobs[name]?.kind = .restart
                    jobs[name]?.isRunning = false
                    jobs[name]?.blockedAt = nil
                }
                return old.number
            }
            finish(old, "canceled", failsOthers: false)
        }
        jobCount += 1
        jobs[name] = Job(number: jobCount, unit: name, kind: kind)
        return jobCount
    }

    // MARK: The queue

    /// Begins every job that can begin.
    func dispatch() {
        var goesOn = true
        while goesOn {
            goesOn = false
            for job in jobs.values.sorted(by: { $0.number < $1.number })
            where !job.isRunning && jobs[job.unit]?.number == job.number {
                let unit = unit(job.unit)
                guard job.blockedAt != unit.turn, mayBegin(job) else { continue }
                begin(job, unit)
                goesOn = true
                break
            }
        }
        guard jobs.isEmpty, phase == .starting else { return }
        phase = .running
    }

    /// Whether nothing that has to be over before is under way.
    private func mayBegin(_ job: Job) -> Bool {
        let own = unit(job.unit).definition.after
        return !jobs.values.contains { other in
            guard other.unit != job.unit else { return false }
            let comesLater = loaded[other.unit]?.definition.after.contains(job.unit) ?? false
            if comesLater, other.kind != .start { return true }
            return job.kind == .start && own.contains(other.unit)
        }
    }

    private func begin(_ job: Job, _ unit: LoadedUnit) {
        switch job.kind {
        case .start: start(job, unit)
        case .stop:
            if ["dead", "failed"].contains(unit.sub) { return finish(job, "done") }
            jobs[job.unit]?.isRunning = true
            stopped.insert(unit.invocation)
            stop(unit)
        case .restart:
            if ["dead", "failed"].contains(unit.sub) {
                jobs[job.unit]?.kind = .start
                return
            }
            jobs[job.unit]?.isRunning = true
            // The journal calls the first half of it a stop as well (systemd, `job_perform_on_unit`).
            stopped.insert(unit.invocation)
            stop(unit)
        }
    }

    private func start(_ job: Job, _ unit: LoadedUnit) {
        switch unit.active {
        case "active": finish(job, "done")
        case "deactivating": jobs[job.unit]?.blockedAt = unit.turn
        case "activating" where unit.sub == "auto-restart" && !unit.isComingBack:
            jobs[job.unit]?.blockedAt = unit.turn
        case "activating" where unit.sub == "start": jobs[job.unit]?.isRunning = true
        default:
            guard unit.definition.load == "loaded" else { return finish(job, "failed") }
            jobs[job.unit]?.isRunning = true
            if unit.definition.isTarget { return set(unit, "active") }
            guard meetsConditions(unit) else { return finish(job, "done") }
            guard unit.mayStart(at: now) else {
                if unit.result == "success" { unit.result = "start-limit-hit" }
                set(unit, "failed")
                // A unit that was failed already does not change; its job ends all the same.
                if let job = jobs[unit.name] { finish(job, "failed") }
                return
            }
            launch(unit)
        }
    }

    /// Ends a job and, when it failed, those that needed it.
    func finish(_ job: Job, _ result: String, failsOthers: Bool = true) {
        guard jobs[job.unit]?.number == job.number else { return }
        jobs[job.unit] = nil
        tell(.jobRemoved(unit: job.unit, result: result))
        onJobEnd?(job.number, result)
        guard failsOthers, result != "done", job.kind == .start else { return }
        for other in jobs.values.sorted(by: { $0.number < $1.number })
        where other.kind == .start && (loaded[other.unit]?.definition.requires.contains(job.unit) ?? false) {
            finish(other, "dependency")
        }
    }

    /// What a unit's new state means for its job.
    func settle(_ unit: LoadedUnit, as active: String) {
        guard let job = jobs[unit.name], job.isRunning else { return }
        switch (job.kind, active) {
        case (.start, "active"): finish(job, "done")
        case (.start, "failed"): finish(job, "failed")
        case (.start, "inactive"): finish(job, "done")
        case (.stop, "inactive"), (.stop, "failed"): finish(job, "done")
        case (.restart, "inactive"), (.restart, "failed"):
            jobs[unit.name]?.kind = .start
            jobs[unit.name]?.isRunning = false
        default: break
        }
    }

    func tell(_ signal: Systemd.Signal) {
        changeCount += 1
        onSignal?(signal)
    }
}
