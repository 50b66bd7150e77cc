internal import Delivery
internal import JSON

/// One stack in one desired state.
struct SwarmDeployment: Deployment {
    let platform: SwarmPlatform
    let id: AppID
    let desired: DesiredStack
    let options: StackOptions
    let warnings: [String]
    let fingerprint: String

    var treatment: String { options.text }
    private var engine: EngineClient { platform.engine }

    func plan(observedSince moment: ContinuousClock.Instant, mark: String?) async throws -> any Planned {
        do {
            let hasFiles = !desired.files.isEmpty || desired.services.isEmpty
            let observed = try await platform.observe(
                id.name,
                withFiles: hasFiles,
                since: moment,
                isWatched: mark != nil
            )
            try await askAboutSecrets(observed)
            let context = PlanContext(
                prunes: options.prunes,
                ignored: options.ignored,
                apiVersion: try await engine.version(),
                secretHashes: await platform.hashes(for: id),
                mark: mark.map(StackMark.init(text:))
            )
            var planner = StackPlanner(desired: desired, observed: observed, context: context)
            planner.comparisons = platform.comparisons
            var plan = planner.plan()
            if let refusal = plan.refusal { throw Failure(.refused, refusal, next: .needsChange) }
            if !plan.forward.isEmpty {
                try await checkExternals()
                try await resolveImages(&plan)
            }
            if plan.plan.isEmpty {
                await platform.settle(id, fingerprint: fingerprint, services: observed.services)
            } else {
                await platform.unsettle(id)
            }
            return SwarmPlanned(
                deployment: self,
                observed: observed,
                stackPlan: plan,
                lookedAt: moment,
                context: context
            )
        } catch let error as EngineError {
            throw Failure(.unavailable, "\(id): \(error)")
        }
    }

    // MARK: Before anything is changed

    /// A secret cannot be read, but the Engine takes an update of it only when the content stays the same.
    private func askAboutSecrets(_ observed: ObservedStack) async throws {
        let known = await platform.hashes(for: id)
        for file in desired.files where file.kind == .secret && file.driver == nil {
            guard let content = file.content,
                let object = observed.secrets.first(where: { $0.name == file.name }), known[object.name] == nil
            else { continue }
            let isSame = try await engine.holds(secret: object, content: content)
            await platform.learn(secret: object.name, hash: isSame ? file.hash : "different")
        }
    }

    /// What the stack uses and does not own must be there.
    private func checkExternals() async throws {
        for external in desired.externals {
            switch external.kind {
            case .network:
                guard let network = try await engine.find("networks", external.name) else {
                    throw missing(external, "docker network create --driver overlay \(external.name)")
                }
                let isPredefined = ["host", "bridge", "none"].contains(external.name)
                guard isPredefined || network["Scope"]?.string == "swarm" else {
                    throw Failure(
                        .notFound,
                        "\(location(external))the external network '\(external.name)' is local to one node; "
                            + "create it with '--driver overlay'"
                    )
                }
            case .config:
                if try await engine.find("configs", external.name) == nil {
                    throw missing(external, "docker config create \(external.name) FILE")
                }
            case .secret:
                if try await engine.find("secrets", external.name) == nil {
                    throw missing(external, "docker secret create \(external.name) FILE")
                }
            case .volume:
                // Docker asks for none either: the node that runs the task makes it.
                continue
            }
        }
        try await checkNetworkDrivers()
    }

    private func checkNetworkDrivers() async throws {
        let drivers = Set(desired.networks.compactMap { $0.body["Driver"]?.string }).subtracting(["overlay"])
        let ipam = Set(desired.networks.compactMap { $0.body["IPAM"]?["Driver"]?.string }).subtracting(["", "default"])
        guard !drivers.isEmpty || !ipam.isEmpty else { return }
        let info = try await engine.call("GET", "/info")
        let known = Set(info["Plugins"]?["Network"]?.array?.compactMap(\.string) ?? [])
        let plugins = (try? await engine.call("GET", "/plugins").array?.compactMap { $0["Name"]?.string }) ?? []
        for driver in drivers.subtracting(known).subtracting(plugins).sorted() {
            throw Failure(
                .notFound,
                "the network driver '\(driver)' is not installed on \(engine.endpoint); "
                    + "it has \(known.sorted().joined(separator: ", "))",
                next: .needsChange
            )
        }
        for driver in ipam.subtracting(plugins).sorted() {
            throw Failure(
                .notFound,
                "the address management (IPAM) driver '\(driver)' is not installed on \(engine.endpoint); "
                    + "remove 'ipam.driver' to use the Engine's own",
                next: .needsChange
            )
        }
    }

    private func missing(_ external: External, _ command: String) -> Failure {
        Failure(
            .notFound,
            "\(location(external))the external \(external.kind.rawValue) '\(external.name)' does not exist; create it: \(command)"
        )
    }

    private func location(_ external: External) -> String { external.place.map { "\($0): " } ?? "" }

    /// Replaces tags by digests, each image asked for once.
    private func resolveImages(_ plan: inout StackPlan) async throws {
        guard options.resolvesImages else { return }
        var answers: [String: ResolvedImage] = [:]
        for image in Set(plan.unresolved.values).sorted() {
            answers[image] = try await platform.resolve(image, auth: registryAuth(for: image))
        }
        for index in plan.forward.indices {
            switch plan.forward[index] {
            case .createService(let name, var spec):
                if let image = plan.unresolved[name].flatMap({ answers[$0] }) { image.apply(to: &spec) }
                plan.forward[index] = .createService(name: name, spec: spec)
            case .updateService(let id, let version, let name, var spec):
                if let image = plan.unresolved[name].flatMap({ answers[$0] }) { image.apply(to: &spec) }
                plan.forward[index] = .updateService(id: id, version: version, name: name, spec: spec)
            default: break
            }
        }
    }

    func registryAuth(for image: String) -> String? {
        guard options.sendsRegistryAuth else { return nil }
        let server = ImageReference(image).server
        return platform.settings.registries.first { $0.server == server }?.header
    }
}

/// The lines of a log stream in which each frame has an eight-byte header (Engine API, "Attach to a container").
func logLines(_ bytes: [UInt8]) -> [String] {
    var text: [UInt8] = []
    var rest = bytes[...]
    while rest.count >= 8 {
        let header = Array(rest.prefix(8))
        let size = header[4...7].reduce(0) { $0 << 8 | Int($1) }
        text += rest.dropFirst(8).prefix(size)
        rest = rest.dropFirst(8 + size)
    }
    return String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
}
