internal import Delivery
internal import Files
internal import Systemd

/// One unit in one desired state, or its absence.
struct NodeDeployment: Deployment {
    let platform: NodePlatform
    let id: AppID
    let name: UnitName
    /// Nil when the unit is to go.
    let unit: UnitDeclaration?

    var fingerprint: String { unit?.fingerprint ?? "removed" }
    var warnings: [String] { [] }
    var layout: NodeLayout { platform.layout }

    // MARK: Planning

    func plan(observedSince moment: ContinuousClock.Instant, mark: String?) async throws -> any Planned {
        do {
            guard let unit else { return try await planRemoval(since: moment) }
            try requireFiles()
            let links = try platform.generator.links(of: unit)
            var planned = NodePlanned(deployment: self, links: try changedLinks(to: links), allLinks: links)
            // Whatever took as long as that, what is looked at is how it is then.
            let moment = try await refuseToHide(planned.links, unit) ? .now : moment
            planned.staleLinks = staleLinks(beside: links)
            planned.mended = await platform.mended
            let state = try await platform.state(of: unit.service, since: moment)
            try await decide(&planned, unit, state)
            // What is under way is judged by its start, and what was good before needs nothing more.
            if planned.job != nil, mark == nil, !unit.isKept, await !hasBeenGood(unit) {
                let wasOnHost = await wasOnHost()
                try await Prerequisites(unit: unit, platform: platform, wasOnHost: wasOnHost).require()
            }
            if planned.plan.isEmpty, name.isTemplate || planned.isSettled {
                let service = name.isTemplate ? nil : (unit.service, state?.active ?? "inactive")
                await platform.settle(id, fingerprint, service: service, links: links)
            } else {
                await platform.unsettle(id)
            }
            return planned
        } catch let error as SystemdError {
            throw Failure(.unavailable, "\(error)")
        } catch let error as FileError {
            throw Failure(.unavailable, "\(error)")
        }
    }

    private func hasBeenGood(_ unit: UnitDeclaration) async -> Bool {
        if await platform.start(of: unit.service)?.fingerprint == unit.fingerprint { return true }
        return await platform.revisions(id).contains { KeptUnits.fingerprint($0) == unit.fingerprint }
    }

    private func wasOnHost() async -> Bool {
        await platform.revisions(id).contains { payload in
            platform.kept.text(payload)?.values(name.kind.section, "Network").contains("host") ?? false
        }
    }

    private func changedLinks(to links: [String: String]) throws -> [NodePlanned.Link] {
        try links.sorted { $0.key < $1.key }.compactMap { path, target in
            let current = linkTarget(path)
            if current == target { return nil }
            if fileStatus(path, followsLinks: false) != nil {
                guard current != nil else {
                    throw Failure(
                        .refused,
                        "'\(path)' is a file that is not the agent's and stands where the link to '\(target)' belongs; "
                            + "move it into the gitops folder or remove it"
                    )
                }
                guard layout.owns(linkAt: path) else {
                    throw Failure(
                        .refused,
                        "'\(path)' is a link of somebody else's, to '\(current ?? "")'; remove it to let the agent make its own"
                    )
                }
            }
            return NodePlanned.Link(path: path, from: current, to: target)
        }
    }

    /// Links of the unit's that lead to what it has no longer, such as drop-ins.
    private func staleLinks(beside links: [String: String]) -> [String] {
        let possible = (try? platform.generator.possibleLinks(of: name)) ?? []
        return possible.filter { links[$0] == nil && layout.owns(linkAt: $0) }
    }

    private func decide(_ planned: inout NodePlanned, _ unit: UnitDeclaration, _ state: Systemd.Unit?) async throws {
        let service = unit.service
        let start = try await platform.knownStart(of: service, state)
        let isUp = ["active", "activating", "reloading"].contains(state?.active ?? "") || state?.hasJob ?? false
        let isKnown = start.map { $0 != .unsure } ?? false
        let origin = isKnown || name.isTemplate ? nil : try await origin(unit, planned)
        let isChanged: Bool
        if let start, isKnown {
            isChanged = start.fingerprint != unit.fingerprint
        } else if isUp, origin?.running == .unknown {
            // What this agent brought about may have been changed since the machine booted; what it never had to do with is
            // taken over as it runs.
            let isOwn = await !platform.revisions(id).isEmpty
            isChanged = start != nil || isOwn
        } else {
            isChanged = isUp && origin?.running == .other
        }
        planned.isLoadedOtherwise = origin?.isLoadedOtherwise ?? false
        planned.reloads =
            !planned.links.isEmpty || !planned.staleLinks.isEmpty || state?.load == "not-found"
            || isChanged && start?.unitHash != unit.unitHash
        if name.isTemplate { return }
        // What Podman says of a container's health is asked for each time.
        planned.isSettled = state?.active == "active" && state?.load == "loaded" && !unit.hasOwnHealthCheck
        // It is ending; what that comes to is seen in a moment.
        if state?.active == "deactivating", state?.hasJob == false, isKnown, !isChanged { return }
        if isChanged { planned.fields = await differences(to: unit, from: start?.fingerprint) }
        if isUp, isChanged, unit.name.kind.isReadAnew {
            planned.isReadAnew = true
        } else if isUp, isChanged {
            planned.job = .restart
        } else if isUp {
            // Taken over as it runs.
            if !isKnown { try await platform.note(service, unit.start) }
        } else if await platform.progress(of: service)?.isFailure ?? false, start?.fingerprint == unit.fingerprint {
            // Its failure is judged first.
        } else if await platform.progress(of: service) == .underWay, !isChanged {
            // On its way.
        } else if case .takenAway(_, let then) = await platform.progress(of: service), .now - then < .seconds(1) {
            // Whoever took it away is let finish, and is not fought over it.
        } else {
            let properties = try await platform.systemd.properties(of: service)
            let isDeclared = isKnown ? !isChanged : origin?.running == .declared
            let expected = try await expectation(unit, properties, isDeclared: isDeclared)
            let wasTakenAway = wasTakenAway(await platform.progress(of: service), properties)
            guard expected == .up || wasTakenAway else {
                // How the run of an older version ends says nothing of what is declared now.
                if state?.active == "deactivating" { return }
                // What wants it may come up later, and bring nothing of it about.
                let isLeftAlone = expected != .onDemand || wanting(properties).isEmpty
                planned.isSettled = state?.active == "inactive" && state?.load == "loaded" && isLeftAlone
                // An older version's failure is to be forgotten.
                if isChanged, state?.active == "failed" { planned.reloads = true }
                return try await keepDown(&planned, unit, isKnown: isKnown, isChanged: isChanged)
            }
            planned.job = .start
            // Nobody knows when systemd read its files: it may have been long before they were written.
            if !isKnown { planned.reloads = true }
            let state = FieldChange("state", from: state.map { "\($0.active) (\($0.sub))" }, to: "active")
            planned.fields.insert(state, at: 0)
        }
    }

    /// Whether another job took the place of the last start, and nobody has started the service since.
    func wasTakenAway(_ progress: NodePlatform.Progress?, _ properties: [String: String]) -> Bool {
        if case .takenAway(let run, _) = progress {
            run == nil || run == properties["InvocationID"] ?? ""
        } else {
            false
        }
    }

    /// Plans for a service that is rightly down: whoever starts it has to get what is declared.
    private func keepDown(
        _ planned: inout NodePlanned,
        _ unit: UnitDeclaration,
        isKnown: Bool,
        isChanged: Bool
    ) async throws {
        if !isKnown { planned.reloads = planned.reloads || planned.isLoadedOtherwise }
        // What is planned notes it when it is done.
        guard planned.plan.isEmpty, isChanged || !isKnown else { return }
        try await platform.note(unit.service, unit.start)
    }

    /// The unit's file, its drop-ins with their folders, and what it names.
    private var paths: [String] {
        guard let unit else { return [] }
        let dropIns = unit.dropInFolders.flatMap { folder in
            ((try? names(in: folder)) ?? []).map { "\(folder)/\($0)" }
        }
        return [unit.path] + unit.dropInFolders + dropIns + unit.referencedFiles.map(\.path)
    }

    /// Changes when one of them does.
    var filesIdentity: [String?] { paths.map { fileStatus($0)?.identity } }

    /// Files may be gone since they were read, and one link that leads nowhere ends Podman's generator for every unit.
    /// - Throws: `Failure` when they are.
    func requireFiles() throws(Failure) {
        guard let unit, ([unit.path] + unit.dropInFolders).contains(where: { !pathExists($0) }) else { return }
        throw Failure(.conflict, "the files of \(name) changed meanwhile; they are read again")
    }

    /// What a service was started with, when nobody remembers.
    private struct Origin {
        enum Version { case declared, other, unknown }

        /// What it runs, or ran last.
        var running: Version
        /// Whether systemd has read something else than what is declared.
        var isLoadedOtherwise: Bool
    }

    /// What the times say about a service of which nobody remembers what it was started with.
    ///
    /// A service runs with what systemd had read when it was started. All times are of the clock that nobody sets, because the
    /// other one may be set while a machine boots.
    private func origin(_ unit: UnitDeclaration, _ planned: NodePlanned) async throws -> Origin {
        let properties = try await platform.systemd.properties(of: unit.service)
        let readings = try await platform.systemd.readings()
        let begun = properties["InactiveExitTimestampMonotonic"].flatMap(UInt64.init) ?? 0
        let newest = newestChange(planned, BootClock(readings))
        let isOlder = properties["NeedDaemonReload"] == "1" || wasMadeOfOthers(unit, planned.links)
        // Of what systemd knows nothing it has read nothing else.
        let isLoaded = properties["LoadState"] != "not-found"
        let isLoadedOtherwise = isLoaded && (isOlder || newest.upperBound > readings.last ?? readings.first)
        let running: Origin.Version
        if isOlder || newest.lowerBound > begun && begun > 0 {
            running = .other
        } else if newest.upperBound < readings.first {
            running = .declared
        } else if let last = readings.last, begun == 0 || last <= begun {
            // It was read once more at the last time before the start, or will be started with what was read then.
            running = newest.lowerBound > last ? .other : newest.upperBound <= last ? .declared : .unknown
        } else {
            // It was read again since, and may have been read between the change and the start.
            running = .unknown
        }
        return Origin(running: running, isLoadedOtherwise: isLoadedOtherwise)
    }

    /// When what the service is made of changed last, as far as that can be told: its files, the links to them and what was made
    /// of them for systemd.
    private func newestChange(_ planned: NodePlanned, _ clock: BootClock) -> ClosedRange<UInt64> {
        let links = paths + planned.allLinks.keys
        let all =
            (paths + planned.allLinks.values).compactMap { fileStatus($0) }
            + links.compactMap { fileStatus($0, followsLinks: false) }
        let times = all.map { clock.times(of: $0.changedMicroseconds) }
        return (times.map(\.lowerBound).max() ?? 0)...(times.map(\.upperBound).max() ?? 0)
    }

    /// Whether the links that made the service led to files that say something else, such as a kept copy, or to no drop-ins: a
    /// machine that boots starts what they say, whatever is declared by then.
    private func wasMadeOfOthers(_ unit: UnitDeclaration, _ links: [NodePlanned.Link]) -> Bool {
        links.contains { link in
            if unit.dropInFolders.contains(link.to) { return true }
            guard link.to == unit.path, let old = link.from else { return false }
            return (try? fileContent(old)) != (try? fileContent(link.to))
        }
    }

    /// What differs from what runs, where a copy of that is kept.
    private func differences(to unit: UnitDeclaration, from fingerprint: String?) async -> [FieldChange] {
        guard let fingerprint else { return [] }
        for payload in await platform.revisions(id) where KeptUnits.fingerprint(payload) == fingerprint {
            return UnitDifference.fields(
                from: platform.kept.text(payload) ?? UnitFile(),
                KeptUnits.referencedFiles(payload),
                to: unit.unit,
                unit.referencedFiles
            )
        }
        return []
    }

    private func planRemoval(since moment: ContinuousClock.Instant) async throws -> any Planned {
        var planned = NodePlanned(deployment: self, links: [], allLinks: [:])
        planned.staleLinks = try platform.generator.possibleLinks(of: name).filter { layout.owns(linkAt: $0) }
        guard !planned.staleLinks.isEmpty else { return planned }
        let service = await platform.service(of: name)
        let state = try await platform.state(of: service, since: moment)
        let isDown = ["inactive", "failed"].contains(state?.active ?? "inactive")
        // With a slice everything in it would end, whoever's it is; nor is what somebody else's file made stopped.
        let isForeign = try await foreignFile(of: service) != nil
        planned.stops = isDown || name.kind == .slice || isForeign ? nil : service
        planned.reloads = true
        return planned
    }

    func payload() async throws -> [UInt8] {
        guard let unit else { return [] }
        return try platform.kept.keep(unit)
    }
}
