internal import Delivery
internal import Files
internal import Systemd

/// A unit's plan: links, a reload, a job.
struct NodePlanned: Planned {
    /// A link to be made or pointed elsewhere.
    struct Link: Sendable {
        var path: String
        var from: String?
        var to: String
    }

    let deployment: NodeDeployment
    /// Of the unit's files, when it was planned.
    private let filesIdentity: [String?]
    var links: [Link]
    var allLinks: [String: String]
    var staleLinks: [String] = []
    /// Links that led nowhere until the agent mended them.
    var mended: Set<String> = []
    var reloads = false
    var job: Systemd.UnitMethod?
    /// Whether it is enough that systemd reads it once more.
    var isReadAnew = false
    /// Whether systemd has read something else than what is declared; known only where nobody remembers a start.
    var isLoadedOtherwise = false
    /// Whether nothing more is to be expected of the service as it is.
    var isSettled = false
    /// What differs of the service.
    var fields: [FieldChange] = []
    /// The service that has to be stopped before its links go.
    var stops: String?

    init(deployment: NodeDeployment, links: [Link], allLinks: [String: String]) {
        self.deployment = deployment
        filesIdentity = deployment.filesIdentity
        self.links = links
        self.allLinks = allLinks
    }

    var mark: String { "" }
    var declaredServices: Int { deployment.unit == nil ? 0 : 1 }

    var plan: Plan {
        var changes = links.map { link in
            var change = Change(
                link.from == nil ? .create : .update,
                "link",
                shortened(link.path),
                fields: [FieldChange("target", from: link.from, to: link.to)]
            )
            change.isForNextStart = job == nil
            // It leads to the kept copy since the agent pointed it there, and lacks where the agent took it away.
            let isKept = link.from?.hasPrefix("\(platform.layout.kept)/") ?? false
            change.isOwnDoing = isKept || mended.contains(link.path)
            return change
        }
        if let unit = deployment.unit {
            if let job {
                changes.append(Change(job == .restart ? .update : .create, "service", unit.service, fields: fields))
            }
            if job == nil, reloads, changes.isEmpty || !fields.isEmpty {
                changes.append(Change(.update, "service", unit.service, fields: fields))
            }
        }
        if let stops { changes.append(Change(.remove, "service", stops)) }
        // Stale links of a unit that stays belong to its change; those of one that goes are its removal.
        changes += staleLinks.map { path in
            var change = Change(deployment.unit == nil ? .remove : .update, "link", shortened(path))
            change.isForNextStart = deployment.unit != nil && job == nil
            return change
        }
        return Plan(changes)
    }

    private var platform: NodePlatform { deployment.platform }

    /// A link's path from the folder it is made in.
    private func shortened(_ path: String) -> String {
        for folder in [platform.layout.quadlet, platform.layout.units] where path.hasPrefix(folder + "/") {
            return String(path.dropFirst(folder.count + 1))
        }
        return path
    }

    func apply(_ ownership: Ownership) async throws {
        guard let unit = deployment.unit else { return }
        try ownership.check(deployment.id)
        try deployment.requireFiles()
        await platform.unsettle(deployment.id)
        do {
            try makeFolder(platform.layout.quadlet)
            // What runs, or is started before systemd has read what the links are about to say, is something else; an agent
            // that ends right here has to find that out.
            let isStale = isLoadedOtherwise || replacesAnother(unit)
            let start = await platform.start(of: unit.service)
            if job == .restart || isStale, start == nil { try await platform.note(unit.service, .unsure) }
            // Whoever starts it once the links lead elsewhere, systemd itself or another unit, starts what was noted no more.
            if !links.isEmpty, let start, ![unit.start, .unsure].contains(start) {
                try await platform.note(unit.service, .another)
            }
            for link in links {
                try makeFolder(folder(of: link.path))
                try replaceLink(link.path, to: link.to)
            }
            await platform.forgetMended(links.map(\.path) + staleLinks)
            for path in staleLinks { try platform.layout.removeLink(path) }
            if reloads { try await platform.reload() }
            if isReadAnew { return try await platform.note(unit.service, unit.start) }
            guard let job else { return try await keepDown(unit) }
            // What is started from now on is started with what is declared.
            let readyAt = BootClock().now
            if unit.name.kind == .network {
                let wasMade = await wasMadeOtherwise(unit)
                if job == .restart || wasMade { await recreateNetwork(unit) }
            }
            if unit.name.kind == .socket, job == .restart { try await endServices(of: unit) }
            try? await platform.systemd.resetFailed(unit.service)
            // What it is started with must be what is noted.
            guard deployment.filesIdentity == filesIdentity else {
                throw Failure(.conflict, "the files of \(deployment.name) changed meanwhile; they are read again")
            }
            try await platform.willBegin(job, unit.service, unit.start, readyAt: readyAt, wasOther: isStale)
            try await platform.begin(job, unit.service)
            try await platform.note(unit.service, unit.start)
        } catch let error as SystemdError where error.isNoSuchUnit {
            throw await noService(unit, error.description)
        } catch let error as SystemdError {
            let isLasting = error.isLasting(of: unit.service)
            // systemd has read it all the same: what is up is not what it was any more.
            if isLasting { try? await platform.note(unit.service, .another) }
            throw Failure(.refused, "\(unit.service): \(error)", next: isLasting ? .needsChange : .retry)
        } catch let error as FileError {
            throw Failure(.refused, "\(error)")
        }
    }

    /// Notes that a service which is down will be started with what is declared, whoever starts it.
    private func keepDown(_ unit: UnitDeclaration) async throws {
        guard !unit.name.isTemplate, deployment.filesIdentity == filesIdentity,
            let state = try await platform.systemd.units(named: [unit.service]).first
        else { return }
        if state.active == "deactivating" {
            throw Failure(.conflict, "\(unit.service) is ending; it is looked at again")
        }
        guard ["inactive", "failed"].contains(state.active), !state.hasJob else { return }
        guard state.load != "not-found" else { throw await noService(unit, "it is not found") }
        if let fault = fault(state) { throw fault }
        // Now that systemd has read it, something may want it.
        let properties = try await platform.systemd.properties(of: unit.service)
        guard try await deployment.expectation(unit, properties, isDeclared: true) != .up else { return }
        // An older version's failure says nothing of this one.
        let isOther = await platform.start(of: unit.service) != unit.start
        if isOther, state.active == "failed" { try? await platform.systemd.resetFailed(unit.service) }
        try await platform.note(unit.service, unit.start)
    }

    /// Why systemd does not take a unit that it has read; nil when it does.
    private func fault(_ state: Systemd.Unit) -> Failure? {
        guard ["bad-setting", "error"].contains(state.load) else { return nil }
        return Failure(
            .refused,
            "systemd does not load \(state.name) (\(state.load)): see 'systemctl status \(state.name)'",
            next: .needsChange
        )
    }

    /// Why there is no service though systemd has read the unit.
    private func noService(_ unit: UnitDeclaration, _ words: String) async -> Failure {
        if !unit.name.kind.isOfSystemd, let fault = try? await platform.generator.fault() {
            return Failure(
                .refused,
                "Podman's generator does not make every service: \(fault); mend or remove the file"
            )
        }
        // systemd says so of what the service requires as well, which may be about to be added.
        if let other = words.split(separator: " ").first(where: { $0.hasSuffix(".service") }), other != unit.service {
            return Failure(
                .conflict,
                "\(unit.service) requires \(other), which systemd does not know; add that unit, or take out what requires it"
            )
        }
        // The generator ends early over a file that is just being removed; it is asked again.
        return Failure(
            .conflict,
            "systemd knows no \(unit.service) after reading the unit: \(words); see 'journalctl -t quadlet-generator'"
        )
    }

    /// Whether a network was made by another version of the unit: making it once more would leave it as it is.
    private func wasMadeOtherwise(_ unit: UnitDeclaration) async -> Bool {
        let made = await platform.revisions(deployment.id).first.flatMap(KeptUnits.fingerprint)
        return made.map { $0 != unit.fingerprint } ?? false
    }

    /// Whether systemd knew the unit before, by other files.
    private func replacesAnother(_ unit: UnitDeclaration) -> Bool {
        !staleLinks.isEmpty || links.contains { $0.from != nil || unit.dropInFolders.contains($0.to) }
    }

    /// systemd does not open a socket anew while what it starts is up; that comes back with the next connection, or as it is wanted.
    private func endServices(of socket: UnitDeclaration) async throws {
        let properties = try await platform.systemd.properties(of: socket.service)
        for service in properties["Triggers"]?.split(separator: " ").map(String.init) ?? []
        where await platform.unit(of: service) != nil {
            try await platform.systemd.run(.stop, service)
        }
    }

    /// A network keeps what it was made with; it is taken away so that its service makes it anew.
    private func recreateNetwork(_ unit: UnitDeclaration) async {
        let written = unit.unit.last("Network", "NetworkName") ?? "systemd-%p"
        let network = platform.layout.specifiers.expand(written.replacing("%p", with: unit.name.stem), for: unit.name)
        _ = try? await platform.systemd.run(.stop, unit.service)
        _ = try? await platform.podman(["network", "rm", network])
    }

    func health(since mark: String?, hasEarlierRevision: Bool) async throws -> Health {
        try await deployment.health()
    }

    func payload() async throws -> [UInt8] { try await deployment.payload() }

    func prune(_ ownership: Ownership, leaving blocked: Set<String>) async throws -> Pruning {
        guard deployment.unit == nil, !staleLinks.isEmpty else { return .done }
        try ownership.check(deployment.id)
        do {
            if let stops {
                _ = try await platform.systemd.enqueue(.stop, stops)
                return .waits("\(stops) is stopping")
            }
            let service = await platform.service(of: deployment.name)
            for path in staleLinks { try platform.layout.removeLink(path) }
            try await platform.reload()
            try? await platform.systemd.resetFailed(service)
            try await platform.note(service, nil)
            await platform.forgetProgress(of: service)
            return .done
        } catch let error as SystemdError {
            throw Failure(.refused, "\(deployment.name): \(error)")
        } catch let error as FileError {
            throw Failure(.refused, "\(error)")
        }
    }
}
