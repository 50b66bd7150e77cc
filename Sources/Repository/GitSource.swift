package import Delivery
internal import Crypto
internal import Glibc

/// A Git repository that is followed: a bare mirror, fetched when its head moved.
package actor GitSource: Source {
    package nonisolated let name: String
    private let settings: GitSettings
    private let git: GitProgram
    private let objects: ObjectReader
    /// The folder of the repository that paths start from.
    private let base: String
    private var isPrepared = false
    /// Fetches so far; now and then the mirror is packed again.
    private var fetches = 0

    /// `directory`: Where mirrors are kept; this one gets a folder of its own, named after its address.
    ///
    /// `base`: The folder of the repository that paths start from; empty for the root. `askpass`: The program git
    /// asks for credentials.
    package init(settings: GitSettings, directory: String, base: String, askpass: String) {
        name = settings.name
        self.settings = settings
        self.base = base
        // Another address is another mirror: nothing fetched with one set of credentials is served under another.
        let key = sha256(settings.url).prefix(16)
        git = GitProgram(settings: settings, mirror: "\(directory)/\(key).git", askpass: askpass)
        objects = ObjectReader(git: git)
    }

    package func head() async throws -> String {
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
        try await prepare()
        if try await objects.object("\(commit)^{commit}") == nil { try await fetch(commit) }
        guard let object = try await objects.object("\(commit)^{commit}") else {
            throw Failure(.unavailable, "the commit \(commit) was not among what the server sent")
        }
        let text = String(decoding: object.content, as: UTF8.self)
        let parts = text.split(separator: "\n\n", maxSplits: 1)
        let header = parts.first?.split(separator: "\n") ?? []
        func field(_ name: String) -> String {
            header.first { $0.hasPrefix("\(name) ") }.map { String($0.dropFirst(name.count + 1)) } ?? ""
        }
        let author = field("author").prefix { $0 != ">" }
        let subject = parts.count > 1 ? parts[1].prefix { $0 != "\n" } : ""
        let revision = Revision(
            source: name,
            commit: commit,
            author: author.isEmpty ? "" : "\(author)>",
            subject: String(subject)
        )
        return GitSnapshot(revision: revision, tree: field("tree"), base: base, objects: objects)
    }

    /// Ends the processes that were kept for reading.
    package func rest() async { await objects.stop() }

    private func references() async throws -> [String: String] {
        let patterns: [String] =
            switch settings.reference {
            case .branch: ["--heads"]
            case .tag(let tag): ["--tags", "refs/tags/\(tag)", "refs/tags/\(tag)^{}"]
            case .semver: ["--tags"]
            }
        let flags = patterns.filter { $0.hasPrefix("--") }
        let names = patterns.filter { !$0.hasPrefix("--") }
        let output = try await git(["ls-remote"] + flags + ["--", settings.url] + names)
        var lines: [String: String] = [:]
        for line in output.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: "\t", maxSplits: 1)
            if parts.count == 2 { lines[String(parts[1])] = String(parts[0]) }
        }
        return lines
    }

    private func prepare() async throws {
        guard !isPrepared else { return }
        if access("\(git.mirror)/HEAD", F_OK) != 0 {
            _ = try await git(["init", "--quiet", "--bare", "--", git.mirror])
        }
        isPrepared = true
    }

    /// Fetches what the source follows; history that was rewritten is simply another head.
    private func fetch(_ commit: String) async throws {
        let wanted: [String] =
            switch settings.reference {
            case .branch(let branch): ["+refs/heads/\(branch):refs/heads/\(branch)"]
            case .tag(let tag): ["+refs/tags/\(tag):refs/tags/\(tag)"]
            case .semver: ["+refs/tags/*:refs/tags/*"]
            }
        let arguments = [
            "--git-dir", git.mirror, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--depth=1",
        ]
        do {
            _ = try await git(arguments + ["--", settings.url] + wanted, timeout: settings.timeout * 5)
        } catch let failure as Failure
            where failure.message.contains("shallow") || failure.message.contains("dumb http")
        {
            // A server that cannot send a part sends the whole.
            let whole = arguments.filter { $0 != "--depth=1" }
            _ = try await git(whole + ["--", settings.url] + wanted, timeout: settings.timeout * 5)
        }
        fetches += 1
        if fetches % 200 == 0 {
            _ = try await git(["--git-dir", git.mirror, "gc", "--quiet", "--prune=now"], timeout: .seconds(600))
        }
    }

    private func missing(_ what: String) -> Failure {
        Failure(.notFound, "\(publicURL(settings.url)) has no \(settings.reference); \(what)")
    }
}
