import Delivery
import Diagnostics

/// The commits of what a node is to have.
// SAFETY: the process has a single thread.
final class NodeHistory: @unchecked Sendable {
    private(set) var states: [DeclaredNode] = []
    private(set) var times: [Int64] = []
    /// Until when nobody can reach the forge.
    var awayUntil: Int64 = 0

    var declared: DeclaredNode { states.last ?? DeclaredNode() }
    var head: String { "\(states.count)" }

    func push(_ declared: DeclaredNode) {
        states.append(declared)
        times.append(World.shared.now)
    }

    /// When the declaration of a unit changed last, or that of one that it requires.
    func lastChange(of stem: String) -> Int64 {
        for index in states.indices.dropFirst().reversed() {
            let (new, old) = (states[index], states[index - 1])
            let required = new[stem]?.requires
            if new[stem] != old[stem] || required != nil && required.map({ new[$0] != old[$0] }) == true {
                return times[index]
            }
        }
        return times.first ?? 0
    }

    func snapshot() async throws -> NodeCommit {
        await World.shared.pause(seconds(0.1))
        if World.shared.now < awayUntil { throw Failure(.unavailable, "the repository cannot be reached") }
        return NodeCommit(head: head, declared: declared)
    }
}

/// The files of one commit, laid out as hecate-gitops is.
struct NodeCommit: BrowsableSnapshot {
    let revision: Revision
    private let content: [String: [UInt8]]

    init(head: String, declared: DeclaredNode) {
        revision = Revision(source: "repository", commit: head)
        var content: [String: [UInt8]] = [:]
        for (path, bytes) in declared.files { content["quadlet/\(path)"] = bytes }
        let apps = declared.units.filter { !$0.isSystem }.map(\.stem)
        content["nodes/node.yml"] = Array("apps: [\(apps.joined(separator: ", "))]\n".utf8)
        self.content = content
    }

    func read(_ path: String) async throws -> [UInt8] {
        if World.shared.random.happens(0.3) { await World.shared.pause(seconds(0.02)) }
        guard let bytes = content[path] else {
            throw Invalid(at: Place(file: path), "there is no such file", cure: "commit it")
        }
        return bytes
    }

    func identifier(of path: String) async throws -> String? { content[path].map { "\($0.count)" } }

    func files(below folder: String) async throws -> [String] {
        content.keys.filter { $0.hasPrefix(folder + "/") }.map { String($0.dropFirst(folder.count + 1)) }.sorted()
    }
}
