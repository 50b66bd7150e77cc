/// One lease for each source on each target: of several controllers one acts.
struct LeaseKey: Hashable, Sendable {
    var owner: String
    var target: String
}

/// A lease with when it is looked after next, and what was told of it.
struct LeaseEntry: Sendable {
    var lease: Lease
    var due: ContinuousClock.Instant
    var told = Lease.Standing.unknown
    /// Why it could not be asked for at the last turn.
    var problem: String?
}

extension Reconciler {
    /// Looks after the leases of all sources on one target until the task is cancelled.
    func keepLeases(on target: String) async {
        let (pings, ping) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        leasePings[target] = ping
        ping.yield()
        await withDiscardingTaskGroup { group in
            for await _ in pings {
                if Task.isCancelled { break }
                for key in leaseKeys(on: target) { await tendIfDue(key) }
                guard let next = leases.filter({ $0.key.target == target }).values.map(\.due).min(),
                    leaseAlarms[target, default: Alarms()].set(next)
                else { continue }
                group.addTask {
                    try? await Task.sleep(until: next, clock: .continuous)
                    await self.leaseAlarmRang(on: target, next)
                }
            }
            group.cancelAll()
        }
        leasePings[target] = nil
        leaseAlarms[target] = nil
    }

    private func leaseAlarmRang(on target: String, _ instant: ContinuousClock.Instant) {
        leaseAlarms[target]?.rang(instant)
        leasePings[target]?.yield()
    }

    /// The leases that this controller's sources need.
    private func leaseKeys(on target: String) -> [LeaseKey] {
        for fleet in register.fleets.values {
            let key = LeaseKey(owner: fleet.owner, target: target)
            guard leases[key] == nil else { continue }
            let isNeeded = states.contains { id, place in
                id.target == target && place.state.record.source == fleet.revision.source
            }
            guard isNeeded else { continue }
            let lease = Lease(identity: environment.identity, term: limits.leaseTerm)
            leases[key] = LeaseEntry(lease: lease, due: .now)
        }
        return leases.keys.filter { $0.target == target }.sorted { $0.owner < $1.owner }
    }

    private func tendIfDue(_ key: LeaseKey) async {
        guard let entry = leases[key], entry.due <= .now else { return }
        await tend(key)
        let interval = leases[key]?.lease.interval(at: .now) ?? limits.leaseTerm / 12
        leases[key]?.due = .now + interval
        await tellStanding(of: key)
    }

    /// Reads or writes the lease until it stands as it can stand now.
    private func tend(_ key: LeaseKey) async {
        guard let platform = platforms[key.target] else { return }
        leases[key]?.problem = nil
        for _ in 0..<3 {
            let asked = ContinuousClock.now
            guard let step = leases[key]?.lease.next(at: asked) else { return }
            do {
                switch step {
                case .read:
                    let found = try await platform.lease(of: key.owner)
                    leases[key]?.lease.found(found, at: .now)
                    if case .read? = leases[key]?.lease.next(at: .now) { return }
                case .write(let record, let version):
                    let written = try await platform.writeLease(record, of: key.owner, replacing: version)
                    leases[key]?.lease.written(written, askedAt: asked)
                    leases[key]?.problem = nil
                    return
                }
            } catch let failure as Failure where failure.reason == .conflict {
                leases[key]?.lease.refused()
                leases[key]?.problem = "\(failure)"
            } catch {
                // Not renewed: it ends by itself, and is asked for again at its next turn.
                leases[key]?.problem = "\(error)"
                return
            }
        }
    }

    /// Says who acts when that changed, and has the apps looked at.
    private func tellStanding(of key: LeaseKey) async {
        guard let entry = leases[key] else { return }
        let standing = entry.lease.standing(at: .now)
        if case .held = entry.told, case .held = standing { return }
        let sources = register.fleets.values.filter { $0.owner == key.owner }.map(\.revision.source)
        func look() {
            for (id, place) in states where id.target == key.target && sources.contains(place.state.record.source) {
                enqueue(id, priority: .periodic)
            }
            wake()
        }
        switch (entry.told, standing) {
        case (.waiting(let old), .waiting(let new)) where old == new: return
        case (.unknown, .unknown): return
        case (let before, .held):
            leases[key]?.told = standing
            if entry.lease.isFromOthers {
                leases[key]?.lease.isFromOthers = false
                for (id, place) in states where id.target == key.target && sources.contains(place.state.record.source) {
                    place.state.othersActed()
                }
            }
            look()
            if case .waiting = before {
                let message = "acts for this source on '\(key.target)' now: the other controller is gone"
                for source in sources { await announce(.info, .leaseHeld, about: source, message) }
            }
        case (_, .waiting(let holder)):
            leases[key]?.told = standing
            look()
            let message =
                "another controller, \(holder), acts for this source on '\(key.target)'; this one waits and takes over "
                + "when that one is gone"
            for source in sources { await announce(.warning, .leaseHeld, about: source, message) }
        case (_, .unknown): leases[key]?.told = standing
        }
    }

    /// Who acts for each source on each target, for status and metrics; nil where nobody is known.
    package var leaseHolders: [(source: String, target: String, holder: String?, isOwn: Bool)] {
        leases.sorted { ($0.key.target, $0.key.owner) < ($1.key.target, $1.key.owner) }.map { key, entry in
            let source = register.fleets.values.first { $0.owner == key.owner }?.revision.source ?? key.owner
            switch entry.lease.standing(at: .now) {
            case .held: return (source, key.target, environment.identity.id, true)
            case .waiting(let holder): return (source, key.target, holder, false)
            case .unknown: return (source, key.target, nil, false)
            }
        }
    }

    /// Gives back every lease, also when whoever asks is being cancelled; waits for two seconds at most.
    package nonisolated func endLeases() async {
        let giving = Task { await releaseLeases() }
        let limit = Task {
            try? await Task.sleep(for: .seconds(2))
            giving.cancel()
        }
        await giving.value
        limit.cancel()
    }

    /// Gives back every lease, so that another controller can go on at once.
    ///
    /// To be called when `run` has ended.
    package func releaseLeases() async {
        for key in leases.keys {
            guard let platform = platforms[key.target], targetProblems[key.target] == nil,
                case .write(let record, let version)? = leases[key]?.lease.release()
            else { continue }
            leases[key] = nil
            _ = try? await platform.writeLease(record, of: key.owner, replacing: version)
        }
    }
}
