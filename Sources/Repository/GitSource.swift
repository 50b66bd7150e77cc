package import Delivery
internal import Crypto
internal import Files

/// A Git repository that is followed: a bare mirror, fetched when its head moved.
///
/// One on this machine is read where it lies; the mirror is there for when it is away.
package actor GitSource: Source {
    package nonisolated let name: String
    private let settings: GitSettings
    private let git: GitProgram
    private let objects: ObjectReader
    /// The folder of the repository that paths start from.
    private let base: String
    private let mirror: Mirror
    /// Reads the repository itself, and where it lies, when it is one of this machine and there.
    private let localObjects: ObjectReader
    private let localRepository: LocalRepository?
    private var localFolder: String?
    /// The last commit a new mirror was made for, and when.
    private var rebuilt: (commit: String, at: ContinuousClock.Instant)?
    /// The question that was asked before anybody waited for its answer.
    private var early: (head: Task<String, any Error>, since: ContinuousClock.Instant)?
    /// Fetches so far; now and then the mirror is packed again.
    private var fetches = 0

    /// `directory`: Where mirrors are kept; this one gets a folder of its own, named after its address, what
    /// it follows and its name.
    ///
    /// `base`: The folder of the repository that paths start from; empty for the root. `askpass`: The program git
    /// asks for credentials.
    package init(settings: GitSettings, directory: String, base: String, askpass: String) {
        name = settings.name
        self.settings = settings
        self.base = base
        // Another address is another mirror: nothing fetched with one set of credentials is served under another. And so
        // is another source: what one no longer needs, the other may.
        let key = sha256("\(settings.url)\n\(settings.reference)\n\(settings.name)").prefix(16)
        mirror = Mirror(path: "\(directory)/\(key).git")
        git = GitProgram(settings: settings, folder: mirror.path, askpass: askpass)
        objects = ObjectReader(git: git)
        localRepository = LocalRepository(settings.url)
        localObjects = ObjectReader(git: git)
    }

    /// Begins to ask for the head, so that the first `head()` has its answer sooner.
    package func begin() { early = (Task { try await askForHead() }, .now) }

    package func head() async throws -> String {
        guard let (begun, since) = early else { return try await askForHead() }
        early = nil
        // Whoever asks later wants to know what happened since.
        guard ContinuousClock.now - since < .seconds(2) else {
            begun.cancel()
            return try await askForHead()
        }
        return try await withTaskCancellationHandler {
            try await begun.value
        } onCancel: {
            begun.cancel()
        }
    }

    private func askForHead() async throws -> String {
        if let commit = await localHead() { return commit }
        // A mirror that is still empty is filled at once, which says as well where the head is.
        if localFolder == nil, !mirror.isUsed, let name = settings.reference.fullName {
            if let commit = try await firstHead(name) { return commit }
        }
        let lines = try await references()
        switch settings.reference {
        case .branch(let branch):
            if let commit = lines["refs/heads/\(branch)"] { return commit }
            let branches = lines.keys.filter { $0.hasPrefix("refs/heads/") }.map { String($0.dropFirst(11)) }.sorted()
            throw missing(
                branches.isEmpty ? "it has no branches" : "it has \(branches.prefix(8).joined(separator: ", "))"
            )
        case .tag(let tag):
            if let commit = lines["refs/tags/\(tag)^{}"] ?? lines["refs/tags/\(tag)"] { return commit }
            throw missing("it has no such tag")
        case .semver(let range):
            let versions = lines.keys.compactMap { name -> (Version, String)? in
                guard name.hasPrefix("refs/tags/"), !name.hasSuffix("^{}") else { return nil }
                return Version(name.dropFirst(10)).map { ($0, name) }
            }
            let best = versions.filter { range.contains($0.0) }.max { $0.0 < $1.0 }
            if let best, let commit = lines["\(best.1)^{}"] ?? lines[best.1] { return commit }
            throw missing("none of its \(versions.count) version tags fits")
        }
    }

    package func snapshot(at commit: String) async throws -> any BrowsableSnapshot {
        if mirror.exists, let snapshot = try? await present(commit) { return taken(snapshot) }
        if localFolder != nil, let snapshot = try? await present(commit, in: localObjects) { return snapshot }
        return taken(try await fetched(commit))
    }

    /// The snapshot of a commit from the mirror, fetched when it is not there yet.
    private func fetched(_ commit: String) async throws -> GitSnapshot {
        let snapshot: GitSnapshot? = try await withMirror(for: commit) {
            if let snapshot = try await present(commit) { return snapshot }
            try await fetch(commit, into: git, seenBy: objects)
            return try await present(commit)
        }
        guard let snapshot else {
            throw Failure(.unavailable, "the commit \(commit) was not among what the server sent")
        }
        await tidy()
        return snapshot
    }

    /// The files of a commit that was fetched before, without asking the server; nil when the mirror has not all of it.
    package func kept(_ commit: String) async -> (any BrowsableSnapshot)? {
        guard mirror.exists, let snapshot = try? await present(commit) else { return nil }
        return snapshot
    }

    /// Has the mirror keep a commit until another is named: the one that was last accepted, whatever came after it.
    ///
    /// The last two that a snapshot was taken of from the mirror are kept in any case.
    package func retain(_ commit: String) {
        // What is read where it lies may not be in the mirror yet.
        if mirror.exists, localRepository == nil { try? mirror.mark(commit, as: "retained") }
    }

    /// Copies a commit into the mirror when it was read elsewhere, and has it kept there.
    /// - Throws: `Failure` when that cannot be done.
    package func keep(_ commit: String) async throws {
        guard localRepository != nil else { return }
        if await kept(commit) == nil { _ = taken(try await fetched(commit)) }
        try mirror.mark(commit, as: "retained")
    }

    /// Removes the mirrors in a folder that none of the sources uses.
    package static func removeMirrors(in directory: String, except sources: [GitSource]) {
        let used = Set(sources.map { lastComponent($0.mirror.path) })
        for name in (try? names(in: directory)) ?? [] {
            guard let dot = name.firstIndex(of: "."), name[..<dot].utf8.count == 16,
                name[..<dot].allSatisfy(\.isHexDigit), !used.contains("\(name[..<dot]).git"),
                [".git", ".git.lock", ".git.new", ".git.old"].contains(name[dot...])
            else { continue }
            try? removeTree("\(directory)/\(name)")
        }
    }

    /// The snapshot of a commit that the mirror has, or what else is read from; nil when it has none.
    /// - Throws: `MirrorFault` when it has only a part of it, or cannot be read.
    private func present(_ commit: String, in place: ObjectReader? = nil) async throws -> GitSnapshot? {
        let objects = place ?? objects
        guard let object = try await objects.object("\(commit)^{commit}") else { return nil }
        let text = String(decoding: object.content, as: UTF8.self)
        let parts = text.split(separator: "\n\n", maxSplits: 1)
        let header = parts.first?.split(separator: "\n") ?? []
        func field(_ name: String) -> String {
            header.first { $0.hasPrefix("\(name) ") }.map { String($0.dropFirst(name.count + 1)) } ?? ""
        }
        let tree = field("tree")
        guard object.kind == "commit", try await objects.object(tree)?.kind == "tree" else {
            throw MirrorFault(description: "the commit \(commit) is incomplete")
        }
        let author = field("author").prefix { $0 != ">" }
        let subject = parts.count > 1 ? parts[1].prefix { $0 != "\n" } : ""
        let revision = Revision(
            source: name,
            commit: commit,
            author: author.isEmpty ? "" : "\(author)>",
            subject: String(subject)
        )
        return GitSnapshot(revision: revision, tree: tree, base: base, objects: objects) { [weak self] in
            try await self?.repaired(commit, insteadOf: objects) ?? objects
        }
    }

    private func taken(_ snapshot: GitSnapshot) -> GitSnapshot {
        mirror.mark(snapshot.revision.commit)
        return snapshot
    }

    /// Ends what was begun and nobody waits for, and the processes that were kept for reading.
    package func rest() async {
        early?.head.cancel()
        early = nil
        await objects.stop()
        await localObjects.stop()
    }

    // MARK: A repository on this machine

    /// Where the head is, without a process to ask for it; nil when that has to be asked for in the usual way.
    private func localHead() async -> String? {
        guard let localRepository else { return nil }
        let name = settings.reference.fullName.flatMap { LocalRepository.isPlain($0) ? $0 : nil }
        let look = await localRepository.look(for: name)
        localFolder = look?.folder
        guard let look else { return nil }
        await localObjects.read(look.folder)
        guard let name, look.hasReference else { return nil }
        return (try? await localObjects.object("\(name)^{commit}"))??.name
    }

    /// The files of a commit by any name that git takes, in a repository that lies on this machine.
    /// - Throws: `Failure` when there is no such repository, or no such commit in it.
    package func snapshot(named revision: String) async throws -> any BrowsableSnapshot {
        _ = await localHead()
        guard localFolder != nil else {
            throw Failure(.notFound, "'\(settings.url)' is no Git repository", next: .needsChange)
        }
        let isOneLine = !revision.isEmpty && !revision.utf8.contains { $0 < 0x20 }
        guard isOneLine, let commit = try await localObjects.object("\(revision)^{commit}")?.name,
            let snapshot = try await present(commit, in: localObjects)
        else { throw Failure(.notFound, "'\(settings.url)' has no commit '\(revision)'", next: .needsChange) }
        return snapshot
    }

    private func references() async throws -> [String: String] {
        let patterns: [String] =
            switch settings.reference {
            case .branch: ["--heads"]
            case .tag(let tag): ["--tags", "refs/tags/\(tag)", "refs/tags/\(tag)^{}"]
            case .semver: ["--tags"]
            }
        let flags = patterns.filter { $0.hasPrefix("--") }
        let names = patterns.filter { !$0.hasPrefix("--") }
        let output = try await git(["ls-remote"] + git.local(settings.url) + flags + ["--", settings.url] + names)
        var lines: [String: String] = [:]
        for line in output.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: "\t", maxSplits: 1)
            if parts.count == 2 { lines[String(parts[1])] = String(parts[0]) }
        }
        return lines
    }

    /// Fetches what is followed, and gives the commit it is at; nil when the server has no such reference.
    private func firstHead(_ name: String) async throws -> String? {
        do {
            return try await withMirror(for: nil) {
                async let ready: Void = objects.getReady()
                try await fetch(into: git)
                await ready
                return try await objects.object("\(name)^{commit}")?.name
            }
        } catch let failure as Failure where failure.message.contains("couldn't find remote ref") {
            return nil
        }
    }

    // MARK: The mirror

    /// Works on the mirror, alone; when it turns out to be damaged, once more on a new one.
    private func withMirror<Result>(for commit: String?, _ body: () async throws -> Result) async throws -> Result {
        let lock = try await MirrorLock(mirror, deadline: settings.timeout * 5)
        defer { withExtendedLifetime(lock) {} }
        do {
            do {
                if !mirror.exists {
                    try mirror.make(sha256: commit?.utf8.count == 64)
                    await objects.stop()
                }
                return try await body()
            } catch is MirrorFault {
                try await rebuild(for: commit)
                return try await body()
            }
        } catch let fault as MirrorFault {
            throw Failure(.unavailable, "the mirror '\(mirror.path)' cannot be used, not even a new one: \(fault)")
        }
    }

    /// What to read a commit from after it could not be read: its copy, or the mirror that is made anew.
    private func repaired(_ commit: String, insteadOf reader: ObjectReader) async throws -> ObjectReader {
        guard reader === objects else {
            // The fault is not the mirror's.
            if await kept(commit) == nil { _ = taken(try await fetched(commit)) }
            return objects
        }
        try await repair(commit)
        return objects
    }

    /// Makes a new mirror because a snapshot could not be read; at most every half minute for the same commit.
    private func repair(_ commit: String) async throws {
        func isRecent() -> Bool { rebuilt.map { $0.commit == commit && .now - $0.at < .seconds(30) } ?? false }
        guard !isRecent() else { return }
        let lock = try await MirrorLock(mirror, deadline: settings.timeout * 5)
        defer { withExtendedLifetime(lock) {} }
        guard !isRecent() else { return }
        do {
            try await rebuild(for: commit)
        } catch let fault as MirrorFault {
            throw Failure(.unavailable, "the mirror '\(mirror.path)' cannot be made anew: \(fault)")
        }
    }

    /// Fills a new mirror beside the present one, which stays where it is when that fails, and takes it into use.
    private func rebuild(for commit: String?) async throws {
        let fresh = Mirror(path: "\(mirror.path).new")
        fresh.remove()
        defer { fresh.remove() }
        try fresh.make(sha256: commit?.utf8.count == 64)
        let git = GitProgram(settings: settings, folder: fresh.path, askpass: git.askpass)
        if let commit {
            let isThere = try await fetch(commit, into: git, seenBy: ObjectReader(git: git))
            // What is not among what the server has would be lost for good.
            guard isThere else {
                throw Failure(.unavailable, "the commit \(commit) was not among what the server sent")
            }
        } else {
            try await fetch(into: git)
        }
        var carried: String?
        while let retained = mirror.retained, retained != carried {
            await carryOver(retained, to: fresh, git)
            carried = retained
        }
        try Task.checkCancellation()
        try mirror.replace(with: fresh)
        if let commit { mirror.mark(commit) }
        await objects.stop()
        rebuilt = (commit ?? "", .now)
    }

    /// What is retained outlives the mirror it is in, where it can be had anew or be read there.
    private func carryOver(_ commit: String, to fresh: Mirror, _ git: GitProgram) async {
        if let found = try? await ObjectReader(git: git).object("\(commit)^{tree}"), found.kind == "tree" {
            try? fresh.mark(commit, as: "retained")
            return
        }
        // A server that gives no such answer must not keep the new mirror from being used.
        for address in [settings.url, mirror.path] where fresh.retained != commit {
            let wanted = ["+\(commit):refs/hecate/retained"]
            _ = try? await fetch(into: git, wanted, from: address, timeout: settings.timeout)
        }
    }

    /// Fetches what the source follows, and a commit that is behind it already by its name, which most servers give.
    /// - Returns: Whether the commit is there.
    @discardableResult
    private func fetch(_ commit: String, into git: GitProgram, seenBy reader: ObjectReader) async throws -> Bool {
        try await fetch(into: git)
        if try await reader.object("\(commit)^{tree}") != nil { return true }
        do { try await fetch(into: git, ["+\(commit):refs/hecate/current"]) } catch is Failure { return false }
        return try await reader.object("\(commit)^{tree}") != nil
    }

    /// Fetches what the source follows; history that was rewritten is simply another head.
    private func fetch(
        into git: GitProgram,
        _ wanted: [String]? = nil,
        from address: String? = nil,
        timeout: Duration? = nil
    ) async throws {
        let address = address ?? settings.url
        let timeout = timeout ?? settings.timeout * 5
        let wanted =
            switch settings.reference {
            case .branch, .tag: wanted ?? settings.reference.fullName.map { ["+\($0):\($0)"] } ?? []
            case .semver: wanted ?? ["+refs/tags/*:refs/tags/*"]
            }
        let arguments =
            [
                "--git-dir", git.folder, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-gc",
                "--no-write-fetch-head", "--depth=1",
            ] + git.local(address)
        do {
            _ = try await git(arguments + ["--", address] + wanted, timeout: timeout)
        } catch let failure as Failure
            where failure.message.contains("shallow") || failure.message.contains("dumb http")
        {
            // A server that cannot send a part sends the whole.
            let whole = arguments.filter { $0 != "--depth=1" }
            _ = try await git(whole + ["--", address] + wanted, timeout: timeout)
        }
        fetches += 1
    }

    /// Packs the mirror now and then; that it cannot be is no reason to do without what was fetched.
    private func tidy() async {
        guard fetches >= 200 else { return }
        fetches = 0
        guard let lock = try? await MirrorLock(mirror, deadline: .seconds(10)) else { return }
        defer { withExtendedLifetime(lock) {} }
        _ = try? await git(["--git-dir", mirror.path, "gc", "--quiet", "--prune=now"], timeout: .seconds(600))
    }

    private func missing(_ what: String) -> Failure {
        Failure(.notFound, "\(publicURL(settings.url)) has no \(settings.reference); \(what)")
    }
}
