package import Delivery
internal import Diagnostics
internal import Files

/// Reads what the gitops folder wants of the node.
package actor NodeReader {
    private let platform: NodePlatform
    private let defaults: NodeDefaults
    /// Whether links may be mended on the way; a plan only looks.
    private let isActing: Bool
    private var index: UnitIndex
    /// The last settings each unit was checked with.
    private var checked: [UnitName: String] = [:]
    /// What was read and checked a moment ago and not taken up yet.
    private var fresh: [UnitName: (settings: String, result: Result<UnitDeclaration, Failure>)] = [:]
    /// What the generator refuses, and what lay in the folder then: it may be for want of another file.
    private var refused: (units: Set<UnitName>, among: [UnitSource]) = ([], [])

    package init(platform: NodePlatform, defaults: NodeDefaults, isActing: Bool) {
        self.platform = platform
        self.isActing = isActing
        self.defaults = defaults
        index = UnitIndex(runtime: platform.layout.runtime, generator: platform.generatorIdentity)
    }

    private var layout: NodeLayout { platform.layout }

    /// What the folder said at one moment.
    package struct Reading: Sendable {
        package var fleet: Fleet
        /// Every folder that has to be watched to see it change.
        package var folders: [String]
        /// Whether nothing that was read lies elsewhere, behind a link.
        package var isSelfContained: Bool
    }

    /// What the folder says now.
    /// - Throws: `Invalid` when there is no such folder.
    package func fleet() async throws -> Reading {
        let tree = try GitopsTree(layout)
        if refused.among != tree.units {
            for name in refused.units { (checked[name], fresh[name]) = (nil, nil) }
            refused = ([], tree.units)
        }
        var folders = Set(tree.folders)
        var apps: [App] = []
        apps.reserveCapacity(tree.units.count)
        var changed: [(source: UnitSource, settings: String)] = []
        // What could not be looked at may be there a moment later.
        var isSelfContained = !tree.isPartial
        for source in tree.units {
            let paths = referencedPaths(source)
            if isSelfContained { isSelfContained = !hasLinks(source, paths) }
            for path in paths { folders.insert(folder(of: path)) }
            let identities = [source.identity] + paths.map { "\($0) \(fileStatus($0)?.identity ?? "none")" }
            let settings = UnitIndex.digest(identities.joined(separator: "\n"))
            var app = app(source, settings)
            if let entry = index[source.name.description], entry.settings == settings {
                app.knownFingerprint = entry.fingerprint
                if checked[source.name] != settings { await platform.recall(app.id, entry) }
                checked[source.name] = settings
            }
            if checked[source.name] != settings { changed.append((source, settings)) }
            apps.append(app)
        }
        try await check(changed, in: tree)
        try index.save(only: Set(tree.units.map(\.name.description)))
        if isActing {
            // A full disk keeps nobody from being looked after; it is noted at the next reading.
            if !tree.units.isEmpty { try? tree.form.keep(layout, homes: tree.homes) }
            try await platform.mendLinks()
        }
        var fleet = Fleet(
            revision: NodeSnapshot().revision,
            owner: NodePlatform.owner,
            snapshot: NodeSnapshot(),
            apps: apps
        )
        fleet.isReadInPlace = true
        fleet.isPartial = tree.isPartial
        fleet.warnings = tree.problems + tree.elsewhere
        return Reading(fleet: fleet, folders: folders.sorted(), isSelfContained: isSelfContained)
    }

    private func hasLinks(_ source: UnitSource, _ paths: [String]) -> Bool {
        let dropIns = source.dropInFolders.flatMap { folder in
            ((try? names(in: folder)) ?? []).map { "\(folder)/\($0)" }
        }
        // Neither does a folder tell of what is written by another name.
        return ([source.path] + paths + dropIns).contains { path in
            fileStatus(path, followsLinks: false).map { $0.kind == .link || $0.names > 1 } ?? false
        }
    }

    private func referencedPaths(_ source: UnitSource) -> [String] {
        let identity = UnitIndex.digest(source.identity)
        if let known = index[source.name.description], known.identity == identity { return known.referencedFiles }
        return UnitDeclaration.referencedPaths(source, layout)
    }

    private func app(_ source: UnitSource, _ settings: String) -> App {
        App(
            id: platform.id(source.name),
            source: NodePlatform.owner,
            place: Place(file: source.path),
            timeout: defaults.timeout,
            verifyWindow: defaults.verifyWindow,
            interval: defaults.interval,
            settings: settings,
            prepare: { [self] _ in await platform.deployment(try await declaration(source, settings)) }
        )
    }

    private func declaration(_ source: UnitSource, _ settings: String) async throws -> UnitDeclaration {
        if let known = fresh[source.name], known.settings == settings {
            // A refusal is asked for again and again, as long as it stands; a unit that is right is read once.
            if case .success = known.result { fresh[source.name] = nil }
            return try known.result.get()
        }
        // What was checked with these very settings needs no second check, and no look at all the other units.
        if index[source.name.description]?.settings == settings { return try UnitDeclaration(source, layout) }
        let tree = try GitopsTree(layout)
        try await check([(source, settings)], in: tree)
        guard let known = fresh[source.name] else {
            throw Failure(.conflict, "\(source.name) changes while it is read")
        }
        if case .success = known.result { fresh[source.name] = nil }
        return try known.result.get()
    }

    private func entry(_ source: UnitSource, _ settings: String, _ unit: UnitDeclaration) throws -> UnitIndex.Entry {
        UnitIndex.Entry(
            identity: UnitIndex.digest(source.identity),
            referencedFiles: unit.referencedFiles.map(\.path),
            settings: settings,
            fingerprint: unit.fingerprint,
            service: unit.service,
            stays: !unit.name.isTemplate,
            isWatched: !unit.name.isTemplate && unit.hasOwnHealthCheck,
            links: try platform.generator.links(of: unit)
        )
    }

    /// Which of the units want what another one has.
    ///
    /// Who has it already keeps it.
    private func conflicts(of units: [UnitDeclaration], in tree: GitopsTree) async -> [UnitName: Failure] {
        var taken = UnitConflicts()
        let names = Set(units.map(\.name))
        for source in tree.units where !names.contains(source.name) {
            if let entry = index[source.name.description] {
                taken.add(source.name.description, service: entry.service, links: entry.links)
            } else if let places = try? platform.generator.possibleLinks(of: source.name),
                places.contains(where: { layout.owns(linkAt: $0) })
            {
                // It cannot be used now, and its last good version goes on.
                taken.add(source.name.description, service: await platform.service(of: source.name), links: [:])
            }
        }
        func hasLinks(_ links: [String: String]) -> Bool { links.allSatisfy { linkTarget($0.key) == $0.value } }
        var failures: [UnitName: Failure] = [:]
        let all = units.compactMap { unit in
            (try? platform.generator.links(of: unit)).map { (unit: unit, links: $0, isLinked: hasLinks($0)) }
        }
        let ordered = all.sorted {
            ($0.isLinked ? 0 : 1, $0.unit.name.description) < ($1.isLinked ? 0 : 1, $1.unit.name.description)
        }
        for (unit, links, _) in ordered {
            if let failure = taken.failure(unit, links) {
                failures[unit.name] = failure
            } else {
                taken.add(unit.name.description, service: unit.service, links: links)
            }
        }
        return failures
    }

    /// Reads units and asks the generator about all of them at once, with those they refer to.
    private func check(_ changed: [(source: UnitSource, settings: String)], in tree: GitopsTree) async throws {
        guard !changed.isEmpty else { return }
        var read: [UnitName: UnitDeclaration] = [:]
        for (source, settings) in changed {
            do throws(Invalid) {
                read[source.name] = try UnitDeclaration(source, layout)
            } catch {
                index[source.name.description] = nil
                fresh[source.name] = (settings, .failure(Failure(error)))
                checked[source.name] = settings
            }
        }
        let asked = Set(read.keys)
        var missing = Set(read.values.flatMap(\.references)).subtracting(read.keys.map(\.description))
        while !missing.isEmpty {
            var next: Set<String> = []
            for source in tree.units where missing.contains(source.name.description) {
                guard let unit = try? UnitDeclaration(source, layout) else { continue }
                read[source.name] = unit
                next.formUnion(unit.references)
            }
            missing = next.subtracting(read.keys.map(\.description))
        }
        let conflicts = await conflicts(of: read.values.filter { asked.contains($0.name) }, in: tree)
        let failures = try await platform.generator.check(
            read.values.sorted { $0.name.description < $1.name.description }
        ).merging(conflicts) { first, _ in first }
        // Files are written one after the other: what was refused amid that is read again.
        let isAmidWriting = try !failures.isEmpty && GitopsTree(layout).units != tree.units
        for (source, settings) in changed where asked.contains(source.name) {
            checked[source.name] = settings
            if let failure = failures[source.name] {
                index[source.name.description] = nil
                if isAmidWriting {
                    (checked[source.name], fresh[source.name]) = (nil, nil)
                } else {
                    fresh[source.name] = (settings, .failure(failure))
                    refused.units.insert(source.name)
                }
            } else if let unit = read[source.name] {
                fresh[source.name] = (settings, .success(unit))
                index[source.name.description] = try entry(source, settings, unit)
            }
        }
    }
}

/// The folder as it is now: it has no commits, and units are read from it directly.
private struct NodeSnapshot: Snapshot {
    let revision = Revision(source: NodePlatform.owner, commit: "")

    func read(_ path: String) async throws -> [UInt8] { try fileContent(path) }
    func identifier(of path: String) async throws -> String? { fileStatus(path)?.identity }
}

/// What units are given that they do not say.
package struct NodeDefaults: Sendable {
    package var timeout: Duration
    package var verifyWindow: Duration
    package var interval: Duration

    package init(timeout: Duration, verifyWindow: Duration, interval: Duration) {
        self.timeout = timeout
        self.verifyWindow = verifyWindow
        self.interval = interval
    }
}
