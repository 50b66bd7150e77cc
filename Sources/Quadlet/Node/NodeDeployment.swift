internal import Delivery
internal import Files
internal import JSON
internal import Subprocess
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
    private var layout: NodeLayout { platform.layout }

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

    /// Sees to it that no link takes the place of a unit that is somebody else's, such as the distribution's own.
    /// - Returns: Whether systemd had to be asked.
    /// - Throws: `Failure` when one would.
    private func refuseToHide(_ links: [NodePlanned.Link], _ unit: UnitDeclaration) async throws -> Bool {
        var names: [String] = []
        if name.kind.isOfSystemd {
            for link in links where link.from == nil && folder(of: link.path) == layout.units {
                if let other = UnitName(lastComponent(link.path)) { names.append(other.service) }
            }
        } else if await platform.start(of: unit.service)?.fingerprint != unit.fingerprint {
            // Podman's units are known by the services that are made of them, whose names may change with their text alone.
            names = [unit.service] + unit.unit.values("Install", "Alias").flatMap(words)
        }
        for service in names {
            guard let path = try await foreignFile(of: service) else { continue }
            throw Failure(
                .refused,
                "'\(service)' is a unit of somebody else's already, made of '\(path)'; give this one another name, or lay a drop-in "
                    + "over that one by hand"
            )
        }
        return !names.isEmpty
    }

    /// The file that a unit of systemd's is made of, when that is there and not the agent's.
    private func foreignFile(of service: String) async throws -> String? {
        // A template is known by its instances.
        let asked = service.replacing("@.", with: "@hecate.", maxReplacements: 1)
        let properties = try await platform.systemd.properties(of: asked)
        let path = properties["FragmentPath"] ?? ""
        guard !path.isEmpty, path != "/dev/null" else { return nil }
        var source = path
        if path.hasPrefix("\(layout.runtime)/systemd/generator") {
            // What a generator made, such as Podman's or that of fstab, says what it was made of.
            source = properties["SourcePath"] ?? ""
            if source.isEmpty { return layout.owns(linkAt: layout.link(of: name)) ? nil : path }
        }
        // systemd names what it read, also when that went since.
        return fileStatus(source, followsLinks: false) == nil || isOwn(source) ? nil : source
    }

    private func isOwn(_ path: String) -> Bool {
        path.hasPrefix("\(layout.gitops)/") || layout.owns(linkAt: path)
            || realPath(path)?.hasPrefix("\(realPath(layout.gitops) ?? layout.gitops)/") ?? false
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
    private func wasTakenAway(_ progress: NodePlatform.Progress?, _ properties: [String: String]) -> Bool {
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

    // MARK: Health

    /// How the unit is.
    func health() async throws -> Health {
        guard let unit, !name.isTemplate else { return .healthy(runsNothing: true) }
        do {
            var progress = await platform.progress(of: unit.service)
            if progress == .underWay {
                // The job's end is told by a signal; should one be lost, the unit itself says that no job is left.
                guard try await platform.hasLostItsJob(unit.service) else {
                    return .progressing("\(unit.service) is starting")
                }
                progress = await platform.progress(of: unit.service)
            }
            var properties = try await platform.systemd.properties(of: unit.service)
            let isStarted = await platform.start(of: unit.service)?.fingerprint == unit.fingerprint
            if isStarted, case .failed(let result, let then) = progress {
                // systemd may be restarting it by now; what counts is how it was when its start failed.
                properties.merge(then) { _, old in old }
                await platform.forgetProgress(of: unit.service)
                return .failed(await failure(unit, properties, job: result))
            }
            let isDown = ["inactive", "failed"].contains(properties["ActiveState"] ?? "")
            if case .takenAway = progress {
                // How it was ended by whoever took its start away says nothing of it.
                let isUp = ["active", "activating", "reloading"].contains(properties["ActiveState"] ?? "")
                if !isUp, wasTakenAway(progress, properties) {
                    return .progressing("\(unit.service) is still to be started, its start was cancelled")
                }
                await platform.forgetProgress(of: unit.service)
                progress = nil
            }
            // An unmet ExecCondition= is no failure either.
            let hasNotFailed =
                properties["ActiveState"] == "inactive"
                && ["success", "exec-condition"].contains(properties["Result"] ?? "")
            if isDown, hasNotFailed || !isStarted,
                try await platform.systemd.units(named: [unit.service]).first?.hasJob != true,
                try await expectation(unit, properties, isDeclared: isStarted) != .up
            {
                return .healthy(runsNothing: true)
            }
            // After a boot, or when an agent ended amid a change, nobody may have started what is declared yet, or somebody
            // stopped it: that is still to be done, and how anything else does that runs says nothing of it.
            if !isStarted || hasNotFailed {
                return .progressing("\(unit.service) is still to be started with what is declared")
            }
            return try await judged(unit, properties, progress)
        } catch let error as SystemdError {
            throw Failure(.unavailable, "\(error)")
        }
    }

    private func judged(
        _ unit: UnitDeclaration,
        _ properties: [String: String],
        _ progress: NodePlatform.Progress?
    ) async throws -> Health {
        let active = properties["ActiveState"] ?? ""
        let sub = properties["SubState"] ?? ""
        if sub == "auto-restart" { return .failed(await failure(unit, properties, job: nil)) }
        if case .done(let restarts) = progress, let now = properties["NRestarts"].flatMap(Int.init), now > restarts {
            await platform.forgetProgress(of: unit.service)
            return .failed(await failure(unit, properties, job: nil))
        }
        switch active {
        case "active", "reloading":
            guard unit.hasOwnHealthCheck else { return .healthy(runsNothing: false) }
            return try await containerHealth(unit)
        case "activating" where properties["Type"] == "oneshot" && sub == "start" && progress != .underWay:
            // Somebody else started it, such as a timer, and this is its work.
            return .settling("\(unit.service) is running")
        case "activating", "deactivating": return .progressing("\(unit.service) is \(active) (\(sub))")
        default:
            // What it requires is being restarted, and it comes after that.
            if let now = try? await platform.systemd.units(named: [unit.service]).first, now.hasJob {
                return .progressing("\(unit.service) waits for its turn")
            }
            // While the machine is still starting, nobody has tried to start it yet.
            if let state = try? await platform.systemd.managerState(), ["initializing", "starting"].contains(state) {
                return .progressing("\(unit.service) waits for the machine to finish starting")
            }
            return .failed(await failure(unit, properties, job: nil))
        }
    }

    /// Asks Podman for the state of the container's health command.
    private func containerHealth(_ unit: UnitDeclaration) async throws -> Health {
        guard let container = unit.containerName(layout) else { return .healthy(runsNothing: false) }
        let status = try await inspected(
            container,
            "{{if .State.Health}}{{.State.Health.Status}}{{end}}",
            old: "{{.State.Healthcheck.Status}}"
        )
        switch status {
        case "unhealthy":
            var failure = Failure(.healthCheckFailed, "\(unit.service): the health command of '\(container)' fails")
            failure.details = await lastCheck(of: container)
            failure.details += await platform.logs(of: unit.service).map { "log: \($0)" }
            return .failed(failure)
        case "starting": return .progressing("\(unit.service): waiting for the first health check")
        default: return .healthy(runsNothing: false)
        }
    }

    /// What Podman says of a container; empty when it says nothing.
    ///
    /// `old`: The same for Podman 3, which calls its health Healthcheck. Asked for what it does not have it ends well and only
    /// complains.
    private func inspected(_ container: String, _ form: String, old: String) async throws -> String {
        var answer = try await platform.podman(["container", "inspect", "--format", form, container])
        if answer.code != 0 || answer.output.isEmpty && !answer.errorText.isEmpty {
            answer = try await platform.podman(["container", "inspect", "--format", old, container])
        }
        return trimmed(answer.outputText.replacing("\n", with: ""))
    }

    /// How the health command ended last, and what it printed.
    private func lastCheck(of container: String) async -> [String] {
        let log = try? await inspected(
            container,
            "{{json .State.Health.Log}}",
            old: "{{json .State.Healthcheck.Log}}"
        )
        guard let log, let last = try? JSON(parsing: Array(log.utf8)).array?.last else { return [] }
        let lines = (last["Output"]?.string ?? "").split(whereSeparator: \.isNewline).suffix(5).map(String.init)
        let end = "the check ended with \(last["ExitCode"]?.int ?? 0)"
        return lines.isEmpty ? ["\(end) and printed nothing"] : ["\(end):"] + lines.map { "check: \($0)" }
    }

    private func failure(_ unit: UnitDeclaration, _ properties: [String: String], job: String?) async -> Failure {
        let why: String
        switch (job, properties["Result"] ?? "") {
        case ("dependency", _): why = "a unit it requires did not start"
        case ("timeout", _), (_, "timeout"):
            why = "it was not ready in time (TimeoutStartSec)"
        case ("assert", _): why = "it was not started, \(unit.assertions.joined(separator: ", ")) does not hold"
        case (_, "exit-code"): why = "it exited with code \(properties["ExecMainStatus"] ?? "?")"
        case (_, "signal"), (_, "core-dump"): why = "it was ended by signal \(properties["ExecMainStatus"] ?? "?")"
        case (_, "start-limit-hit"): why = "it failed too often in a row"
        case (_, "protocol"): why = "it ended before it was ready"
        case (let job?, let result):
            why = result.isEmpty || result == "success" ? "the start ended as '\(job)'" : result
        case (nil, _):
            why = "it is \(properties["ActiveState"] ?? "unknown") (\(properties["SubState"] ?? ""))"
        }
        let reason: Reason = why.contains("in time") ? .timedOut : .healthCheckFailed
        var failure = Failure(reason, "\(unit.service) failed: \(why)")
        failure.details = await platform.logs(of: unit.service).map { "log: \($0)" }
        return failure
    }

    func payload() async throws -> [UInt8] {
        guard let unit else { return [] }
        return try platform.kept.keep(unit)
    }
}
