package import Delivery
internal import Crypto
internal import JSON

/// What a Swarm target is configured with.
package struct SwarmSettings: Sendable {
    package var name: String
    package var registries: [RegistryCredentials]
    /// The kept revisions of an app, newest first, as the journal has them.
    package var kept: @Sendable (AppID) async -> [[UInt8]]

    package init(
        name: String,
        registries: [RegistryCredentials],
        kept: @escaping @Sendable (AppID) async -> [[UInt8]]
    ) {
        self.name = name
        self.registries = registries
        self.kept = kept
    }
}

/// One Docker Swarm.
package actor SwarmPlatform: Platform {
    package nonisolated let name: String
    package nonisolated let engine: EngineClient
    nonisolated let settings: SwarmSettings

    /// For each app found right: its fingerprint then, and the versions of its services.
    private var settled: [AppID: (fingerprint: String, versions: [String: Int64])] = [:]
    private(set) var claimConfigs: [String: ClaimConfig]?
    /// How the apps that are declared want to be treated.
    var declared: [AppID: StackOptions] = [:]
    /// Who the leases were made for whose version is not known yet, by their owner.
    var madeLeases: [String: ControllerIdentity] = [:]
    /// The stacks that had services when they were last looked at.
    private var stacksWithServices: Set<String> = []
    /// Stacks that HiveMind left its mark for.
    private var hiveMindStacks: Set<String> = []
    /// What the names of a stack's objects begin with, where that is not the stack's name.
    private var namePrefixes: [String: String] = [:]
    private var networkNames: [String: String] = [:]
    /// The Swarm's own identifier, as it was told last.
    private var cluster: String?
    private var justMade: [String: (networks: [ObservedObject], at: ContinuousClock.Instant)] = [:]
    /// What was seen of stacks that are being watched, besides their services and tasks.
    private var usedObjects: [String: UsedObjects] = [:]
    private var secretHashes: [String: String] = [:]
    /// The configs and secrets that revisions of an app declared, as far as this process has seen them.
    var declaredFiles: [AppID: Set<FileName>] = [:]
    /// Images resolved a moment ago, so that one commit asks for each once, however many stacks use it.
    private var resolved: [String: (task: Task<ResolvedImage, any Error>, since: ContinuousClock.Instant)] = [:]
    private let observer: ServiceObserver
    private let crowd: CrowdLook
    /// The stacks that were changed here since they were looked at last, and when each was looked at after that.
    private var justChanged: Set<String> = []
    private var lookedAtAfterChange: [String: ContinuousClock.Instant] = [:]
    /// How many stacks are being looked at now.
    private var looking = 0
    nonisolated let comparisons = RecentComparisons()

    package init(engine: EngineClient, settings: SwarmSettings) {
        name = settings.name
        self.engine = engine
        observer = ServiceObserver(engine: engine)
        crowd = CrowdLook(engine: engine)
        self.settings = settings
    }

    /// Asks the Engine whether it manages a Swarm.
    /// - Throws: `Failure` that says what is missing.
    package func probe() async throws -> (engine: String, api: String) {
        do {
            _ = try await engine.call("GET", "/swarm", timeout: .seconds(10))
        } catch let error as EngineError {
            throw Failure(.unavailable, "\(name): \(error)")
        }
        return (try await engine.engineVersion(), try await engine.version().description)
    }

    package func identity() async throws -> String {
        do {
            let answer = try await engine.call("GET", "/swarm", timeout: .seconds(10))
            cluster = answer["ID"]?.string ?? cluster
        } catch let error as EngineError {
            // What it said before still holds: a Swarm keeps its identifier.
            guard cluster != nil else { throw Failure(.unavailable, "\(name): \(error)") }
        } catch let failure as Failure {
            guard cluster != nil else { throw failure }
        }
        guard let cluster else { throw Failure(.unavailable, "\(name) does not say which Swarm it is") }
        return cluster
    }

    // MARK: Deployments

    /// `fingerprint`: That of the desired stack, where it is known already.
    func deployment(
        _ id: AppID,
        _ desired: DesiredStack,
        fingerprint: String? = nil,
        options: StackOptions,
        warnings: [String]
    ) -> SwarmDeployment {
        if !desired.files.isEmpty { declaredFiles[id, default: []].formUnion(desired.declaredFiles) }
        return SwarmDeployment(
            platform: self,
            id: id,
            desired: desired,
            options: options,
            warnings: warnings,
            fingerprint: fingerprint ?? desired.fingerprint
        )
    }

    /// How an app that is declared wants to be treated: what is found running before its first change is treated so too.
    func declare(_ id: AppID, _ options: StackOptions) { declared[id] = options }

    package func restore(_ id: AppID, payload: [UInt8]) throws -> any Deployment {
        guard let document = try? JSON(parsing: payload), let desired = DesiredStack(name: id.name, document) else {
            let message = "the kept revision of \(id) cannot be read; it is damaged, or another version wrote it"
            throw Failure(.invalid, message, next: .needsChange)
        }
        return deployment(id, desired, options: StackOptions(document["options"] ?? .null), warnings: [])
    }

    package func removal(of id: AppID) -> any Deployment {
        deployment(id, DesiredStack(name: id.name, isRemoval: true), options: StackOptions(), warnings: [])
    }

    package func capture(_ ownership: Ownership, before planned: any Planned) async throws -> [UInt8]? {
        // Most often there is nothing, and one question tells.
        let filter = labelFilter("\(StackLabel.namespace)=\(ownership.app.name)")
        guard try await engine.call("GET", "/services", query: [filter]).array?.isEmpty == false else { return nil }
        let observed = try await observe(ownership.app.name)
        guard !observed.services.isEmpty else { return nil }
        let returning = (planned as? SwarmPlanned)?.returning(observed) ?? []
        let options = declared[ownership.app] ?? StackOptions()
        return captured(observed, returning: returning, name: ownership.app.name, options: options)
    }

    // MARK: Claims as they were read last

    func forgetClaims() { claimConfigs = nil }
    func remember(_ claim: ClaimConfig, of stack: String) { claimConfigs?[stack] = claim }
    func namePrefix(of stack: String) -> String? { namePrefixes[stack] }

    func knownClaims() async throws -> [String: ClaimConfig] {
        if let claimConfigs { return claimConfigs }
        async let marks = engine.call("GET", "/configs", query: [labelFilter(HiveMind.mark)]).array
        let objects = try await engine.call("GET", "/configs", query: [labelFilter(ClaimConfig.app)]).array ?? []
        var found: [String: ClaimConfig] = [:]
        for object in objects.compactMap(ObservedObject.init) {
            guard let app = object.labels[ClaimConfig.app], object.name == ClaimConfig.name(app) else { continue }
            found[app] = ClaimConfig(labels: object.labels)
        }
        hiveMindStacks = Set(
            (try await marks ?? []).compactMap(ObservedObject.init).compactMap { $0.labels[HiveMind.stack] }
        )
        claimConfigs = found
        return found
    }

    /// What the names of a stack's networks, volumes, configs and secrets begin with; nil for the stack's own name.
    ///
    /// A stack that HiveMind deployed keeps the names it gave them, because a volume of another name is an empty one.
    func namePrefix(of stack: String, orOfHiveMind project: String) async throws -> String? {
        let claim: ClaimConfig?
        do {
            claim = try await knownClaims()[stack]
        } catch let error as EngineError {
            throw Failure(.unavailable, "\(name): \(error)")
        }
        var prefix = claim.map(\.namePrefix) ?? (hiveMindStacks.contains(stack) ? project : nil)
        // Unused configs are removed by people too, the claim among them; what was deployed remembers it as well.
        if claim == nil, prefix == nil {
            prefix = await settings.kept(AppID(target: name, name: stack)).first.flatMap {
                StackOptions(payload: $0).namePrefix
            }
        }
        namePrefixes[stack] = prefix == stack ? nil : prefix
        return namePrefixes[stack]
    }

    // MARK: Observing

    /// What a stack's services use.
    private struct UsedObjects {
        var networks: [ObservedObject]
        var configs: [ObservedObject]
        var secrets: [ObservedObject]
        var hasFiles: Bool
        var seen: ContinuousClock.Instant
    }

    /// Everything of one stack as it is now.
    ///
    /// `withFiles`: Whether configs and secrets are wanted as well.
    /// `moment`: It must not have been seen earlier.
    /// `isWatched`: Whether the stack is looked at again and again for what becomes of its services. What they use the Engine
    /// does not let go meanwhile, and it is not asked for each time.
    func observe(
        _ stack: String,
        withFiles: Bool = true,
        since moment: ContinuousClock.Instant = .now,
        isWatched: Bool = false
    ) async throws -> ObservedStack {
        // The Engine takes an empty name for any.
        guard !stack.isEmpty else { throw Failure(.invalid, "a stack without a name", next: .needsChange) }
        let remembered = justMade.removeValue(forKey: stack)
        let made = remembered.flatMap { ContinuousClock.now - $0.at < .seconds(2) ? $0.networks : nil }
        usedObjects = usedObjects.filter { .now - $0.value.seen < .seconds(5) }
        if justChanged.remove(stack) != nil {
            usedObjects[stack] = nil
            lookedAtAfterChange = lookedAtAfterChange.filter { .now - $0.value < .seconds(60) }
            lookedAtAfterChange[stack] = .now
        }
        let moment = max(moment, lookedAtAfterChange[stack] ?? moment)
        looking += 1
        defer { looking -= 1 }
        let known = isWatched ? usedObjects[stack].flatMap { $0.hasFiles || !withFiles ? $0 : nil } : nil
        let began = ContinuousClock.now
        // A look at all is dear where there are many of which few are asked for.
        let isCrowd = looking > 4 && looking * 16 >= stacksWithServices.count
        async let files = withFiles && known == nil ? lookAtFiles(of: stack) : ObservedStack()
        let shared = try await crowd.stack(stack, since: moment, asks: isCrowd)
        var observed: ObservedStack
        if let shared {
            observed = shared
        } else {
            observed = try await look(at: stack, withNetworks: made == nil && known == nil)
        }
        if let made { observed.networks = made }
        (observed.configs, observed.secrets) = (try await files.configs, try await files.secrets)
        if let known {
            (observed.networks, observed.configs, observed.secrets) = (known.networks, known.configs, known.secrets)
        }
        if observed.services.isEmpty { stacksWithServices.remove(stack) } else { stacksWithServices.insert(stack) }
        observed = observed.keeping(only: stack)
        if isWatched, known == nil, !justChanged.contains(stack) {
            usedObjects[stack] = UsedObjects(
                networks: observed.networks,
                configs: observed.configs,
                secrets: observed.secrets,
                hasFiles: withFiles,
                seen: began
            )
        }
        for network in observed.networks where networkNames[network.id] != network.name {
            networkNames[network.id] = network.name
        }
        try await nameNetworks(of: observed.services)
        observed.networkNames = networkNames
        return observed
    }

    /// One stack's services with their tasks, and its networks.
    private func look(at stack: String, withNetworks: Bool) async throws -> ObservedStack {
        let filter = labelFilter("\(StackLabel.namespace)=\(stack)")
        async let services = engine.call("GET", "/services", query: [filter, ("status", "true")])
        async let networks = withNetworks ? engine.call("GET", "/networks", query: [filter]) : .null
        // Where there were no services there are most often none, and so no tasks.
        let isKnown = stacksWithServices.contains(stack)
        async let tasks = isKnown ? engine.call("GET", "/tasks", query: [filter]) : .null
        var observed = ObservedStack()
        observed.services = try await services.array?.compactMap(ObservedService.init) ?? []
        observed.networks = try await networks.array?.compactMap(ObservedObject.init) ?? []
        var tasksFound = try await tasks
        if !observed.services.isEmpty, !isKnown { tasksFound = try await engine.call("GET", "/tasks", query: [filter]) }
        observed.tasks = tasksFound.array?.compactMap(ObservedTask.init) ?? []
        return observed
    }

    private func lookAtFiles(of stack: String) async throws -> ObservedStack {
        let filter = labelFilter("\(StackLabel.namespace)=\(stack)")
        async let configs = engine.call("GET", "/configs", query: [filter])
        async let secrets = engine.call("GET", "/secrets", query: [filter])
        var observed = ObservedStack()
        observed.configs = try await configs.array?.compactMap(ObservedObject.init) ?? []
        observed.secrets = try await secrets.array?.compactMap(ObservedObject.init) ?? []
        return observed
    }

    /// Remembers a stack's networks as they were just made: the next look at the stack, a moment later, need not ask for
    /// them, which costs the Engine the more the more networks there are.
    func remember(networks: [ObservedObject], of stack: String) {
        justMade[stack] = (networks, .now)
    }

    /// Learns the names of the networks that services refer to by identifier.
    private func nameNetworks(of services: [ObservedService]) async throws {
        for service in services {
            for network in service.spec["TaskTemplate"]?["Networks"]?.array ?? [] {
                guard let id = network["Target"]?.string, networkNames[id] == nil else { continue }
                let answer = try? await engine.call("GET", "/networks/\(percentEncodedPath(id))")
                networkNames[id] = answer?["Name"]?.string
            }
        }
    }

    package func isUntouched(
        _ id: AppID,
        fingerprint: String,
        observedSince moment: ContinuousClock.Instant
    ) async throws
        -> Bool
    {
        guard let known = settled[id], known.fingerprint == fingerprint else { return false }
        let services = try await observer.services(since: moment)
        let now = services[id.name] ?? [:]
        return now.count == known.versions.count
            && now.allSatisfy { known.versions[$0.key] == $0.value.version && $0.value.isComplete }
    }

    /// Remembers that an app was found right, with the versions of its services.
    func settle(_ id: AppID, fingerprint: String, services: [ObservedService]) {
        settled[id] = (fingerprint, Dictionary(services.map { ($0.id, $0.version) }) { first, _ in first })
    }

    func unsettle(_ id: AppID) { settled[id] = nil }

    /// An app is about to be changed: what others saw of it before says nothing any more.
    func willChange(_ id: AppID) {
        unsettle(id)
        justChanged.insert(id.name)
    }

    /// The digest of an image's tag, asked for at most once in ten seconds.
    func resolve(_ image: String, auth: String?) async throws -> ResolvedImage {
        let now = ContinuousClock.now
        resolved = resolved.filter { now - $0.value.since < .seconds(10) }
        if let known = resolved[image] { return try await known.task.value }
        let engine = engine
        let task = Task { try await engine.resolve(image, auth: auth) }
        resolved[image] = (task, now)
        return try await task.value
    }

    func hashes(for id: AppID) async -> [String: String] {
        if !hashesRead.contains(id) {
            hashesRead.insert(id)
            for payload in await settings.kept(id) {
                guard let stack = DesiredStack(name: id.name, payload: payload) else { continue }
                declaredFiles[id, default: []].formUnion(stack.declaredFiles)
                for file in stack.files where file.kind == .secret && !file.hash.isEmpty {
                    let name = file.deployedName ?? file.name
                    secretHashes[name] = secretHashes[name] ?? file.hash
                }
            }
        }
        return secretHashes
    }
    private var hashesRead: Set<AppID> = []

    func learn(secret name: String, hash: String) { secretHashes[name] = hash }

    package nonisolated func changes() -> AsyncThrowingStream<AppID?, any Error> { eventStream() }

    // MARK: Leftovers

    package func collectGarbage(_ ownership: Ownership, keeping kept: [[UInt8]]) async throws {
        let id = ownership.app
        do {
            try await collect(id, keeping: kept, ownership)
        } catch let error as EngineError {
            throw Failure(.unavailable, "\(id): \(error)")
        }
    }

    private func collect(_ id: AppID, keeping kept: [[UInt8]], _ ownership: Ownership) async throws {
        _ = await hashes(for: id)
        let observed = try await observe(id.name)
        var needed = observed.usedFiles
        var named: Set<FileName> = []
        for stack in kept.compactMap({ DesiredStack(name: id.name, payload: $0) }) {
            named.formUnion(stack.declaredFiles)
            needed.formUnion(stack.files.map { FileName(kind: $0.kind, name: $0.deployedName ?? $0.name) })
        }
        declaredFiles[id, default: []].formUnion(named)
        let prunes = (self.declared[id] ?? kept.first.map { StackOptions(payload: $0) })?.prunes ?? true
        let leftovers = Leftovers(needed: needed, declared: declaredFiles[id] ?? [], prunes: prunes)
        var others: Set<FileName> = []
        for (kind, objects) in [(DesiredFile.Kind.config, observed.configs), (.secret, observed.secrets)] {
            for object in objects {
                let file = FileName(kind: kind, name: object.name)
                guard leftovers.contains(file) else {
                    others.insert(file)
                    continue
                }
                try ownership.check(id)
                do {
                    try await engine.call("DELETE", "/\(kind.rawValue)s/\(object.id)")
                } catch let error as EngineError {
                    // Another stack uses it, or it is gone already; either way it is not ours to insist.
                    guard error.isNotFound || error.status == 400 else { throw Failure(.unavailable, "\(error)") }
                    others.insert(file)
                }
            }
        }
        // What no revision names and the cluster has no more is of no use.
        declaredFiles[id] = declaredFiles[id]?.filter { name in
            named.contains(name) || others.contains { $0 == name || $0.isVersion(of: name) }
        }
    }
}
