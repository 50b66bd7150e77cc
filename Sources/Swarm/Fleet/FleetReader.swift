internal import Compose
package import Delivery
package import Diagnostics

/// What stacks are given that their declarations do not say.
package struct FleetDefaults: Sendable {
    package var timeout: Duration
    package var verifyWindow: Duration
    package var interval: Duration
    /// Variables that every Compose file may use.
    package var variables: [String: String]
    package var bindRoot: String

    package init(
        timeout: Duration,
        verifyWindow: Duration,
        interval: Duration,
        variables: [String: String],
        bindRoot: String
    ) {
        self.timeout = timeout
        self.verifyWindow = verifyWindow
        self.interval = interval
        self.variables = variables
        self.bindRoot = bindRoot
    }
}

/// Reads what a source wants on Swarm targets.
package struct FleetReader: Sendable {
    package var stacksFile: String
    /// What marks the source's stacks on the cluster.
    package var owner = ""
    /// The stacks written into the configuration itself; used when the repository has no stacks file.
    package var inline: [UInt8]?
    package var inlineName: String
    package var platforms: [SwarmPlatform]
    package let defaults: FleetDefaults
    /// What the folder that the stacks file lies in is called where HiveMind keeps it.
    package var rootName = "repo"
    /// The names that a stack's `target` may be.
    private var targets: [String]
    private let recent = RecentReadings()

    package init(
        stacksFile: String,
        inline: [UInt8]? = nil,
        inlineName: String = "",
        platforms: [SwarmPlatform],
        defaults: FleetDefaults
    ) {
        self.stacksFile = stacksFile
        self.inline = inline
        self.inlineName = inlineName
        self.platforms = platforms
        targets = platforms.map(\.name)
        self.defaults = defaults
    }

    /// Reads the stacks file of a snapshot.
    /// - Throws: `Invalid` when it cannot be read as a whole.
    package func fleet(at snapshot: any Snapshot) async throws -> (fleet: Fleet, file: StacksFile) {
        let file = try await stacks(at: snapshot)
        let byName = Dictionary(platforms.map { ($0.name, $0) }) { first, _ in first }
        let apps = file.stacks.compactMap { stack in
            byName[stack.target].map { app(stack, $0, snapshot.revision.source) }
        }
        var fleet = Fleet(
            revision: snapshot.revision,
            owner: owner,
            snapshot: snapshot,
            apps: apps,
            retired: file.retired,
            unreadable: file.unreadable,
            // An entry that is about nobody knows which app has no app to say so for it.
            warnings: file.diagnostics.filter { $0.severity == .warning } + file.unattributed
        )
        fleet.isPartial = file.isPartial
        return (fleet, file)
    }

    /// A reader that knows only the names of targets and can check, not deploy.
    ///
    /// `variables`, `bindRoot`: What the controller's configuration would say.
    package static func offline(
        stacksFile: String,
        targets: [String],
        variables: [String: String],
        bindRoot: String
    ) -> FleetReader {
        var reader = FleetReader(
            stacksFile: stacksFile,
            platforms: [],
            defaults: FleetDefaults(
                timeout: .seconds(300),
                verifyWindow: .seconds(10),
                interval: .seconds(300),
                variables: variables,
                bindRoot: bindRoot
            )
        )
        reader.targets = targets
        return reader
    }

    /// Reads the stacks file of a snapshot, and no further.
    package func stacks(at snapshot: any Snapshot) async throws -> StacksFile {
        if let inline, try await snapshot.identifier(of: stacksFile) == nil {
            return try StacksFile(inline, file: inlineName, targets: targets)
        }
        let bytes: [UInt8]
        do {
            bytes = try await snapshot.read(stacksFile)
        } catch let invalid as Invalid {
            throw Invalid(
                invalid.diagnostics.map {
                    Diagnostic($0.severity, at: Place(file: stacksFile), $0.message, cure: $0.cure)
                }
            )
        }
        return try StacksFile(bytes, file: stacksFile, targets: targets)
    }

    private func app(_ stack: StackDeclaration, _ platform: SwarmPlatform, _ source: String) -> App {
        let settings = stack.settings
        var app = App(
            id: stack.id,
            source: source,
            place: stack.place,
            timeout: stack.timeout ?? defaults.timeout,
            verifyWindow: stack.verifyWindow ?? defaults.verifyWindow,
            interval: stack.interval ?? defaults.interval,
            settings: settings,
            prepare: { [self] snapshot in try await deployment(stack, settings, platform, snapshot) }
        )
        app.dependsOn = stack.dependsOn
        app.replaces = stack.replaces.map { AppID(target: stack.target, name: $0) }
        return app
    }

    /// Reads a stack's files and gives the deployment they describe.
    private func deployment(
        _ stack: StackDeclaration,
        _ settings: String,
        _ platform: SwarmPlatform,
        _ snapshot: any Snapshot
    ) async throws -> any Deployment {
        let reading = try await reading(stack, settings, platform, snapshot)
        let options = StackOptions(
            prunes: stack.prunes,
            ignored: stack.ignored,
            resolvesImages: stack.resolvesImages,
            sendsRegistryAuth: stack.sendsRegistryAuth,
            namePrefix: reading.namePrefix
        )
        await platform.declare(stack.id, options)
        return await platform.deployment(
            stack.id,
            reading.desired,
            fingerprint: reading.fingerprint,
            options: options,
            warnings: reading.warnings
        )
    }

    /// What a stack's files say; they are read again only when they have changed.
    private func reading(
        _ stack: StackDeclaration,
        _ settings: String,
        _ platform: SwarmPlatform,
        _ snapshot: any Snapshot
    ) async throws -> StackReading {
        if let last = recent[stack.id],
            try await last.inputs.stillHold(in: snapshot, settings: settings),
            try await namePrefix(of: stack, last.project, on: platform) == last.namePrefix
        {
            return last
        }
        let recording = RecordingSnapshot(snapshot, settings: settings)
        let project = try await project(stack, recording)
        let prefix = try await namePrefix(of: stack, project.name, on: platform)
        let desired = StackRenderer(stack: stack.name, project: project, namePrefix: prefix).render()
        let reading = StackReading(
            inputs: recording.inputs,
            project: project.name,
            namePrefix: prefix,
            desired: desired,
            fingerprint: desired.fingerprint,
            warnings: project.warnings.map(\.description)
        )
        recent.keep(reading, of: stack.id)
        return reading
    }

    /// What the names of a stack's objects begin with, which the target knows.
    private func namePrefix(
        of stack: StackDeclaration,
        _ project: String?,
        on platform: SwarmPlatform
    ) async throws -> String? {
        let predecessor = HiveMind.project(
            named: project,
            composeFile: stack.composeFiles.first ?? "",
            root: rootName
        )
        return try await platform.namePrefix(of: stack.name, orOfHiveMind: predecessor)
    }

    /// Reads a stack's files and gives the warnings they earn; touches no cluster.
    /// - Throws: `Invalid` with everything that is wrong in them.
    package func check(_ stack: StackDeclaration, _ snapshot: any Snapshot) async throws -> [Diagnostic] {
        try await project(stack, snapshot).warnings
    }

    private func project(_ stack: StackDeclaration, _ snapshot: any Snapshot) async throws -> Project {
        var variables = defaults.variables
        for (name, value) in try await environment(stack, snapshot) { variables[name] = value }
        let options = LoadOptions(
            variables: variables,
            profiles: Set(stack.profiles),
            bindRoot: stack.bindRoot ?? defaults.bindRoot
        )
        let files = stack.composeFiles.compactMap { resolvePath($0, in: "") }
        return try await loadProject(files: files, options: options) { path in try await snapshot.read(path) }
    }

    private func environment(_ stack: StackDeclaration, _ snapshot: any Snapshot) async throws -> [String: String] {
        let implied = "env/\(stack.name).env.sops"
        var file = stack.envFile
        if file == nil, try await snapshot.identifier(of: implied) != nil { file = (implied, stack.place) }
        guard let file else { return [:] }
        if file.path.hasSuffix(".sops") || file.path.contains(".sops.") {
            throw Invalid(
                at: file.place,
                "'\(file.path)' is encrypted with SOPS and needs a key, and this version reads no keys",
                cure: "decrypt it into an env_file of the repository, or leave the stack disabled"
            )
        }
        do {
            return try parseDotEnv(try await snapshot.read(file.path), file: file.path, variables: defaults.variables)
        } catch let invalid as Invalid {
            throw Invalid(
                invalid.diagnostics.map {
                    Diagnostic($0.severity, at: $0.place ?? file.place, $0.message, cure: $0.cure)
                }
            )
        }
    }
}
