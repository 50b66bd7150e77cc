package import Delivery
internal import Diagnostics
package import Files
internal import Glibc
internal import Subprocess
package import Systemd

/// One node: systemd, Podman and the folder that says what they should run.
package actor NodePlatform: Platform {
    package nonisolated let name: String
    package nonisolated let layout: NodeLayout
    package nonisolated let machine: Machine
    package nonisolated var systemd: any ServiceManager { machine.systemd }
    nonisolated let generator: NodeGenerator
    nonisolated let kept: KeptUnits
    /// The kept revisions of an app, newest first, as the journal has them.
    nonisolated let revisions: @Sendable (AppID) async -> [[UInt8]]
    package nonisolated let podmanVersion: String

    private var started: StartedUnits
    /// The unit each known service belongs to.
    private var units: [String: UnitName] = [:]
    private var settled: [AppID: Settled] = [:]
    /// Runs of services that were found to have ended by themselves, or to have been stopped.
    private var ends: [String: (run: String, wasStopped: Bool)] = [:]
    /// How the last start of each service that was asked for here went.
    private var starts: [String: Progress] = [:]
    /// How many starts of each service were asked for here.
    private var begins: [String: Int] = [:]
    /// How systemd called the run of each service before the start that was asked for last.
    private var runsBefore: [String: String] = [:]
    /// Links that were pointed elsewhere or taken away here, because their files were gone.
    private(set) var mended: Set<String> = []
    /// Links that lead nowhere and could not be mended, with the reason.
    private var unmended: [String: String] = [:]
    private let reloads: SharedLook<Void>
    /// Keeps a second agent away from the same folder.
    package nonisolated let lock: FileLock
    var held: LeaseRecord?
    var looks = 0

    /// How far a start has come.
    enum Progress: Sendable, Equatable {
        case underWay
        /// It worked; so often had systemd restarted the service by then.
        case done(restarts: Int)
        /// How the job ended, and what systemd said of the service then.
        case failed(String, [String: String])
        /// Another job took its place: somebody stopped the service, or restarted what it requires.
        ///
        /// `run`: What systemd called the service's last run then; nil until it has said so. `at`: When.
        case takenAway(run: String?, at: ContinuousClock.Instant)

        var isFailure: Bool {
            if case .failed = self { true } else { false }
        }
    }

    /// A node whose Podman is known.
    ///
    /// `podman`: Its version, such as `5.4.2`. `quadlet`: Its generator's program; nil for plain services.
    package init(
        layout: NodeLayout,
        machine: Machine,
        podman: String,
        quadlet: String?,
        revisions: @escaping @Sendable (AppID) async -> [[UInt8]]
    ) {
        name = "node"
        self.layout = layout
        self.machine = machine
        let podmans: any UnitGenerator =
            if let quadlet {
                PodmanQuadlet(layout: layout, program: quadlet, run: machine.run)
            } else {
                PlainServices(layout: layout, version: podman.split(separator: ".").map { Int($0) ?? 0 })
            }
        generator = NodeGenerator(podman: podmans, system: SystemUnits(layout: layout))
        podmanVersion = podman
        self.revisions = revisions
        kept = KeptUnits(layout: layout)
        lock = FileLock("\(layout.kept)/lock")
        started = StartedUnits(runtime: layout.runtime)
        reloads = SharedLook { try await machine.systemd.reload() }
    }

    /// Finds out what the node has.
    /// - Throws: `Failure` when Podman is not there.
    package static func found(
        layout: NodeLayout,
        revisions: @escaping @Sendable (AppID) async -> [[UInt8]]
    ) async throws -> NodePlatform {
        let version = try await podmanVersion(layout)
        let numbers = version.split(separator: ".").map { Int($0) ?? 0 }
        let hasQuadlet = numbers.count >= 2 && (numbers[0], numbers[1]) >= (4, 4)
        let program = hasQuadlet ? PodmanQuadlet.programs.first { fileStatus($0) != nil } : nil
        if hasQuadlet, program == nil {
            throw Failure(
                .notFound,
                "Podman \(version) is here and its Quadlet generator is not; looked for \(PodmanQuadlet.programs[0])",
                next: .needsChange
            )
        }
        return NodePlatform(
            layout: layout,
            machine: .own(layout.scope),
            podman: version,
            quadlet: program,
            revisions: revisions
        )
    }

    static let searchPath = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

    // MARK: Deployments

    func deployment(_ unit: UnitDeclaration) -> NodeDeployment {
        know(unit.service, unit.name)
        return NodeDeployment(platform: self, id: id(unit.name), name: unit.name, unit: unit)
    }

    nonisolated func id(_ name: UnitName) -> AppID { AppID(target: self.name, name: name.description) }

    package func restore(_ id: AppID, payload: [UInt8]) throws -> any Deployment {
        guard let unit = try kept.restore(payload) else {
            throw Failure(.notFound, "the kept copy of \(id.name) is gone from \(layout.kept)", next: .needsChange)
        }
        return deployment(unit)
    }

    package func removal(of id: AppID) throws -> any Deployment {
        guard let name = UnitName(id.name) else { throw Failure(.notFound, "'\(id.name)' is no unit") }
        let service = units.first { $0.value == name }?.key ?? name.service
        know(service, name)
        return NodeDeployment(platform: self, id: id, name: name, unit: nil)
    }

    // MARK: Links

    /// Sees to it that no link of ours leads nowhere while its unit is being stopped: it is pointed to the copy that was
    /// kept, or to a file that does no harm.
    func mendLinks() async throws {
        for path in try generator.danglingLinks() {
            mended.insert(path)
            guard let name = UnitName(lastComponent(path)) else {
                // What runs with these drop-ins is not what is declared, and nothing will say so any more.
                for unit in try generator.linked() where unit.dropInFolders.contains(lastComponent(path)) {
                    let text = try? UnitFile(fileContent(layout.link(of: unit)), file: unit.description)
                    let given = text?.last(unit.kind.section, "ServiceName").map { "\($0).service" }
                    let service = given ?? service(of: unit)
                    if !started.knows(service) { try started.note(service, .another) }
                }
                try removeFile(path)
                continue
            }
            let unit = await revisions(id(name)).first.flatMap { try? kept.restore($0) }
            do {
                guard let target = try unit?.path ?? kept.placeholder(name) else { continue }
                try replaceLink(path, to: target)
                unmended[path] = nil
            } catch {
                // Such as on a full disk: all are looked after, and nothing is read again until the next reading mends it.
                unmended[path] = "\(error)"
            }
        }
    }

    func forgetMended(_ paths: [String]) { mended.subtract(paths) }

    // MARK: Observing

    package func isUntouched(
        _ id: AppID,
        fingerprint: String,
        observedSince moment: ContinuousClock.Instant
    ) async throws -> Bool {
        try await untouched([id: fingerprint], observedSince: moment).contains(id)
    }

    package nonisolated var comparesTogether: Bool { true }

    package func untouched(
        _ fingerprints: [AppID: String],
        observedSince moment: ContinuousClock.Instant
    ) async throws -> Set<AppID> {
        let states = try await look.value(since: moment)
        var result: Set<AppID> = []
        result.reserveCapacity(fingerprints.count)
        for (id, fingerprint) in fingerprints {
            guard let known = settled[id], known.fingerprint == fingerprint,
                known.links.allSatisfy({ linkTarget($0.key) == $0.value })
            else { continue }
            if let service = known.service {
                guard let state = states[service.name], state.active == service.active, state.load == "loaded" else {
                    continue
                }
            }
            result.insert(id)
        }
        return result
    }

    /// How a unit was when nothing was to be done about it.
    private struct Settled {
        var fingerprint: String
        /// Its service and that one's state; nil for a template.
        var service: (name: String, active: String)?
        var links: [String: String]
    }

    func settle(
        _ id: AppID,
        _ fingerprint: String,
        service: (name: String, active: String)?,
        links: [String: String]
    ) {
        settled[id] = Settled(fingerprint: fingerprint, service: service, links: links)
    }

    /// Takes over from an earlier process that a unit was found right, if what was started then is what its files say.
    func recall(_ id: AppID, _ entry: UnitIndex.Entry) {
        guard settled[id] == nil, !entry.isWatched,
            !entry.stays || started[entry.service]?.fingerprint == entry.fingerprint,
            let name = UnitName(id.name)
        else { return }
        know(entry.service, name)
        settle(id, entry.fingerprint, service: entry.stays ? (entry.service, "active") : nil, links: entry.links)
    }

    /// Identifies what turns units into services here.
    nonisolated var generatorIdentity: String {
        "5 \(podmanVersion) \(generator.identity) \(layout.gitops) \(layout.quadlet)"
    }

    func unsettle(_ id: AppID) { settled[id] = nil }

    /// Nobody heard for a while what systemd did: what is down as it was before may have been up meanwhile, and been stopped.
    private func unsettleWhatIsDown() { settled = settled.filter { $0.value.service?.active != "inactive" } }

    /// How a service was at the moment or later.
    func state(of service: String, since moment: ContinuousClock.Instant) async throws -> Systemd.Unit? {
        guard !service.contains("@.") else { return nil }
        if let known = try await look.value(since: moment)[service] { return known }
        return try await systemd.units(named: [service]).first
    }

    private lazy var look = SharedLook<[String: Systemd.Unit]> { try await self.states() }

    /// How all services are; asked for only when systemd told of anything since they were asked for last.
    private func states() async throws -> [String: Systemd.Unit] {
        let names = services
        guard !names.isEmpty else { return [:] }
        let position = try await systemd.position()
        if let seen, let position, seen.position == position, seen.names == names, .now - seen.at < .seconds(60) {
            return seen.states
        }
        let began = ContinuousClock.now
        let states = Dictionary(try await systemd.units(named: names).map { ($0.name, $0) }) { first, _ in first }
        seen = position.map { (began, $0, names, states) }
        return states
    }

    /// How the services were at a position of systemd's.
    private var seen: (at: ContinuousClock.Instant, position: String, names: [String], states: [String: Systemd.Unit])?

    /// What systemd can be asked about; a template has no state.
    private var services: [String] {
        if let sorted { return sorted }
        let names = units.keys.filter { !$0.contains("@.") }.sorted()
        sorted = names
        return names
    }
    private var sorted: [String]?

    private func know(_ service: String, _ unit: UnitName) {
        if units.updateValue(unit, forKey: service) == nil { sorted = nil }
    }

    func service(of name: UnitName) -> String { units.first { $0.value == name }?.key ?? name.service }

    package func service(of id: AppID) -> String { UnitName(id.name).map { service(of: $0) } ?? id.name }

    /// The last lines a service wrote.
    package func logs(of service: String, lines: Int = 10) async -> [String] {
        let unit = layout.scope == .user ? "USER_UNIT" : "UNIT"
        // An older Podman moves itself out of its service, and only the identifier tells whose words these are.
        let name = service.hasSuffix(".service") ? String(service.dropLast(".service".count)) : service
        let scope = ["_SYSTEMD_\(unit)=\(service)", "+", "\(unit)=\(service)", "+", "SYSLOG_IDENTIFIER=\(name)"]
        let answer = try? await machine.run(
            Command(
                "journalctl",
                scope + ["--lines", "\(lines)", "--output", "cat", "--no-pager", "--quiet"],
                environment: journalEnvironment,
                timeout: .seconds(10)
            )
        )
        return answer?.outputText.split(whereSeparator: \.isNewline).suffix(lines).map(String.init) ?? []
    }

    package func unit(of service: String) -> UnitName? { units[service] }

    /// Whether somebody had systemd stop a service, so that its good end was not its own.
    ///
    /// systemd's own words in the journal tell: those of a stop job name its type (systemd.journal-fields(7)). `run`: The
    /// service's invocation, as 32 hexadecimal digits.
    func wasStopped(_ service: String, run: String) async -> Bool {
        if let known = ends[service], known.run == run { return known.wasStopped }
        let isUser = layout.scope == .user
        let answer = try? await machine.run(
            Command(
                "journalctl",
                [
                    "\(isUser ? "USER_UNIT" : "UNIT")=\(service)",
                    "\(isUser ? "USER_INVOCATION_ID" : "INVOCATION_ID")=\(run)", "JOB_TYPE=stop", "--lines", "1",
                    "--output", "cat", "--no-pager", "--quiet",
                ],
                environment: journalEnvironment,
                timeout: .seconds(10)
            )
        )
        guard let answer, answer.code == 0 else { return false }
        let wasStopped = !answer.outputText.isEmpty
        ends[service] = (run, wasStopped)
        return wasStopped
    }

    private var journalEnvironment: [String: String] {
        ["PATH": Self.searchPath, "HOME": layout.home, "XDG_RUNTIME_DIR": layout.runtime]
    }

    // MARK: Starting

    func start(of service: String) -> StartedUnits.Start? { started[service] }

    func note(_ service: String, _ start: StartedUnits.Start?) throws { try started.note(service, start) }

    /// Writes down that a start is about to be asked for, so that it is known again when its answer never comes.
    ///
    /// To be called when everything is in place that it is to be started with: `readyAt` is since when that is so, and `wasOther`
    /// whether it was something else before.
    /// - Throws: `Failure` when somebody else started it meanwhile: it is looked at again.
    func willBegin(
        _ method: Systemd.UnitMethod,
        _ service: String,
        _ start: StartedUnits.Start,
        readyAt: UInt64,
        wasOther: Bool
    ) async throws {
        let properties = try await systemd.properties(of: service)
        let begun = properties["InactiveExitTimestampMonotonic"].flatMap(UInt64.init) ?? 0
        let isUp = ["active", "activating", "reloading"].contains(properties["ActiveState"] ?? "")
        let isNew = begun > readyAt && begun <= BootClock().now
        if isUp, method == .start || isNew {
            if !started.knows(service) || isNew {
                try started.note(service, wasOther && !isNew ? .another : start)
            }
            throw Failure(.conflict, "\(service) was started by somebody else meanwhile; it is looked at again")
        }
        // A run whose name is not known could not be told from the one that is asked for.
        let run = properties["InvocationID"] ?? ""
        runsBefore[service] = run
        try started.ask(service, start, invocation: run)
    }

    /// What a service runs; where the answer to a start never came, systemd is asked whether there was one.
    func knownStart(of service: String, _ state: Systemd.Unit?) async throws -> StartedUnits.Start? {
        guard let asked = started.asked(of: service) else { return started[service] }
        if state?.hasJob == true { return asked.start }
        let invocation = try await systemd.properties(of: service)["InvocationID"] ?? ""
        // Others may have settled it meanwhile.
        guard started.asked(of: service) == asked else { return started[service] }
        try started.note(service, invocation.isEmpty || invocation == asked.invocation ? asked.before : asked.start)
        return started[service]
    }

    func progress(of service: String) -> Progress? { starts[service] }

    func forgetProgress(of service: String) { starts[service] = nil }

    /// Has systemd read everything again; whoever asks meanwhile shares the next time.
    /// - Throws: `Failure` while a link leads nowhere that cannot be mended: one alone ends Podman's generator, for every unit.
    func reload() async throws {
        if let (path, error) = unmended.first(where: { fileStatus($0.key) == nil && linkTarget($0.key) != nil }) {
            throw Failure(
                .unavailable,
                "the file behind '\(path)' is gone, and nothing can be put in its place: \(error)"
            )
        }
        try await reloads.value(since: .now)
    }

    /// Queues a start or restart and notes how it ends.
    func begin(_ method: Systemd.UnitMethod, _ service: String) async throws {
        starts[service] = .underWay
        begins[service, default: 0] += 1
        let number = begins[service]
        do {
            let job = try await systemd.enqueue(method, service)
            Task {
                var result = await systemd.result(of: job)
                // A pod ends with its last container: a restart stops that one, and then finds the pod gone that it is bound to. A
                // start brings both up.
                if method == .restart, result == "dependency", begins[service] == number {
                    result = await startWithWhatItIsBoundTo(service) ?? result
                }
                // Whoever took it away may have meant it: the next pass starts what is still to run.
                if result == "canceled" { return await self.takenAway(service, number) }
                // The connection went, and the start goes on without being watched: it still counts as under way, and
                // systemd is asked how it is.
                if result != "unknown" { await self.ended(service, result, of: number) }
            }
        } catch {
            starts[service] = nil
            throw error
        }
    }

    /// Starts a service once more, and gives how that ended; nil when it is bound to nothing of the folder's.
    private func startWithWhatItIsBoundTo(_ service: String) async -> String? {
        guard let bound = try? await bound(by: service).filter({ units[$0] != nil }), !bound.isEmpty else { return nil }
        return try? await start(service, withBound: bound)
    }

    private func takenAway(_ service: String, _ number: Int?) async {
        guard begins[service] == number else { return }
        let taken = Progress.takenAway(run: nil, at: .now)
        starts[service] = taken
        guard let run = (try? await systemd.properties(of: service))?["InvocationID"] else { return }
        if starts[service] == taken { starts[service] = .takenAway(run: run, at: .now) }
    }

    /// `number`: Of the start; what was begun since is not over with it.
    private func ended(_ service: String, _ result: String, of number: Int?) async {
        let properties = (try? await systemd.properties(of: service)) ?? [:]
        guard begins[service] == number else { return }
        if case .takenAway = starts[service] { return }
        guard result == "done" || result == "skipped" || properties["Result"] == "exec-condition" else {
            let telling = ["Result", "ExecMainStatus", "ExecMainCode"]
            starts[service] = .failed(result, properties.filter { telling.contains($0.key) && $0.value != "success" })
            return
        }
        starts[service] = .done(restarts: properties["NRestarts"].flatMap(Int.init) ?? 0)
    }

    /// Whether a start counts as under way and systemd has no job for it any more; then how it ended is read off.
    func hasLostItsJob(_ service: String) async throws -> Bool {
        guard let unit = try await systemd.units(named: [service]).first, !unit.hasJob, unit.active != "activating"
        else {
            return false
        }
        // The signal may be on its way.
        try await Task.sleep(for: .milliseconds(100))
        if try await systemd.units(named: [service]).first?.hasJob == true { return false }
        if starts[service] == .underWay {
            let properties = try await systemd.properties(of: service)
            // A start that did not come about, such as for want of what it requires, leaves the run before as it was.
            let isOver =
                unit.active == "inactive" && properties["Result"] == "success"
                && (properties["InvocationID"] != runsBefore[service] || properties["ConditionResult"] == "0")
            let isWell = unit.active == "active" || isOver
            await ended(service, isWell ? "done" : "failed", of: begins[service])
        }
        return true
    }

    /// A container that does not end by itself is killed after ten seconds, and systemd judges the start that follows.
    package nonisolated var restartPatience: Duration { .seconds(60) }

    // MARK: Changes

    package nonisolated func changes() -> AsyncThrowingStream<AppID?, any Error> {
        let systemd = systemd
        return AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    let signals = try await systemd.signals()
                    await self.unsettleWhatIsDown()
                    for await signal in signals {
                        switch signal {
                        case .changed(let service), .jobRemoved(let service, _):
                            if let unit = await self.unit(of: service) { continuation.yield(self.id(unit)) }
                        case .disconnected:
                            throw Failure(.unavailable, "the connection to systemd ended")
                        }
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
