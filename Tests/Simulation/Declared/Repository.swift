import Delivery
import Diagnostics

/// A source of the simulated world: its commits, and where its head stands.
// SAFETY: the process has a single thread.
final class Repository: @unchecked Sendable {
    /// One commit.
    struct Commit {
        var id: String
        var fleet: DeclaredFleet
        var files: [String: [UInt8]]
        var identifiers: [String: String]
    }

    let name: String
    let targets: [String]
    private(set) var commits: [Commit] = []
    /// The commit the source is at, as an index.
    private(set) var head = 0
    /// Every commit that was ever the head, as indices in that order.
    private(set) var heads: [Int] = []
    /// When each of those became the head.
    private var headTimes: [Int64] = []
    /// Until when nobody can reach the forge.
    var awayUntil: Int64 = 0
    /// Commits that were rewritten away and can be read no more.
    private var vanished: Set<String> = []

    init(name: String, targets: [String], fleet: DeclaredFleet) {
        self.name = name
        self.targets = targets
        push(fleet)
    }

    var fleet: DeclaredFleet { commits[head].fleet }

    /// Every fleet that was ever the head's, the newest last.
    var history: [DeclaredFleet] { heads.map { commits[$0].fleet } }

    func push(_ fleet: DeclaredFleet) {
        let files = FleetFiles(fleet: fleet, targets: targets).files()
        var identifiers: [String: String] = [:]
        var whole = Digest()
        whole.add("\(name) \(commits.count)")
        for (path, bytes) in files.sorted(by: { $0.key < $1.key }) {
            var digest = Digest()
            digest.add(bytes)
            identifiers[path] = digest.hexadecimal
            whole.add(path + digest.hexadecimal)
        }
        let id = whole.hexadecimal + whole.hexadecimal + String(whole.hexadecimal.prefix(8))
        commits.append(Commit(id: id, fleet: fleet, files: files, identifiers: identifiers))
        move(to: commits.count - 1)
    }

    /// Takes the head back to an earlier commit, as a forced push does; what it leaves behind may be gone for good.
    func rewind(by count: Int, vanishing: Bool) {
        if vanishing { vanished.insert(commits[head].id) }
        var target = max(0, head - count)
        while target > 0, vanished.contains(commits[target].id) { target -= 1 }
        if target == head || vanished.contains(commits[target].id) { return push(fleet) }
        move(to: target)
    }

    private func move(to index: Int) {
        head = index
        heads.append(index)
        headTimes.append(World.shared.now)
    }

    /// When the declaration of an app changed.
    func changes(of name: String) -> [Int64] {
        heads.indices.dropFirst().filter { index in
            commits[heads[index]].fleet[name] != commits[heads[index - 1]].fleet[name]
        }.map { headTimes[$0] }
    }

    func commit(_ id: String) -> Commit? { commits.first { $0.id == id } }

    // MARK: What a controller sees of it

    func headCommit() async throws -> String {
        await World.shared.pause(seconds(0.05))
        try check()
        return commits[head].id
    }

    func snapshot(at id: String) async throws -> MemorySnapshot {
        await World.shared.pause(seconds(0.2))
        try check()
        guard let commit = commit(id), !vanished.contains(id) else {
            throw Failure(.notFound, "the commit \(id.prefix(12)) of '\(name)' is gone")
        }
        let revision = Revision(source: name, commit: id, author: "somebody", subject: "a change")
        return MemorySnapshot(revision: revision, commit: commit)
    }

    private func check() throws {
        if World.shared.now < awayUntil { throw Failure(.unavailable, "the repository of '\(name)' cannot be reached") }
    }
}

/// The files of one commit.
struct MemorySnapshot: BrowsableSnapshot {
    let revision: Revision
    private let commit: Repository.Commit

    init(revision: Revision, commit: Repository.Commit) {
        self.revision = revision
        self.commit = commit
    }

    func read(_ path: String) async throws -> [UInt8] {
        guard let bytes = commit.files[path] else {
            throw Invalid(at: Place(file: path), "there is no such file", cure: "commit it")
        }
        return bytes
    }

    func identifier(of path: String) async throws -> String? { commit.identifiers[path] }

    func files(below folder: String) async throws -> [String] {
        commit.files.keys.filter { $0.hasPrefix(folder + "/") }.map { String($0.dropFirst(folder.count + 1)) }.sorted()
    }
}
