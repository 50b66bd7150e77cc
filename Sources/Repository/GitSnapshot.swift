package import Delivery
internal import Crypto
internal import Diagnostics
internal import Synchronization

/// The files of one commit, read from the object store.
package final class GitSnapshot: BrowsableSnapshot {
    package let revision: Revision
    private let root: String
    private let objects: ObjectReader
    /// Trees met so far, by object name.
    private let trees = Mutex<[String: [String: Entry]]>([:])
    /// The folder of the repository that paths start from; empty for its root.
    private let base: String

    /// One entry of a tree.
    struct Entry: Sendable {
        /// The file mode as Git writes it: `100644`, `120000` for a symlink, `40000` for a folder, `160000` for a
        /// submodule.
        var mode: String
        var object: String
    }

    /// Mends what turned out to be damaged, and gives what to read from now.
    private let repair: @Sendable () async throws -> ObjectReader

    init(
        revision: Revision,
        tree: String,
        base: String,
        objects: ObjectReader,
        repair: @escaping @Sendable () async throws -> ObjectReader
    ) {
        self.revision = revision
        self.repair = repair
        root = tree
        self.base = base
        self.objects = objects
    }

    package func identifier(of path: String) async throws -> String? {
        do {
            return try await locate(path).object
        } catch is Invalid {
            return nil
        }
    }

    package func read(_ path: String) async throws -> [UInt8] {
        let entry = try await locate(path)
        let content = try await content(of: entry.object, kind: "blob", \.self)
        if content.starts(with: "version https://git-lfs.github.com/spec/".utf8), content.count < 1024 {
            throw Invalid(
                at: nil,
                "'\(path)' is a Git LFS pointer, and LFS objects are not fetched",
                cure: "keep the file in Git itself"
            )
        }
        return content
    }

    package func isExecutable(_ path: String) async throws -> Bool { try await locate(path).mode == "100755" }

    package func files(below folder: String) async throws -> [String] {
        var current = root
        for part in (base.isEmpty ? folder : base + "/" + folder).split(separator: "/") {
            guard let next = try await tree(current)[String(part)], next.mode == "40000" else { return [] }
            current = next.object
        }
        return try await files(of: current, depth: 0).sorted()
    }

    private func files(of name: String, depth: Int) async throws -> [String] {
        guard depth < 32 else { return [] }
        var result: [String] = []
        for (file, entry) in try await tree(name) {
            if entry.mode == "40000" {
                result += try await files(of: entry.object, depth: depth + 1).map { "\(file)/\($0)" }
            } else if entry.mode != "160000" {
                result.append(file)
            }
        }
        return result
    }

    /// The entry a path leads to, through symlinks that stay inside the tree.
    private func locate(_ path: String) async throws -> Entry {
        var rest = (base.isEmpty ? path : base + "/" + path).split(separator: "/").map(String.init)[...]
        var walked: [(name: String, tree: String)] = []
        var current = Entry(mode: "40000", object: root)
        var hops = 0
        while let part = rest.popFirst() {
            if part == "." { continue }
            if part == ".." {
                guard let parent = walked.popLast() else { throw leaves(path) }
                current = Entry(mode: "40000", object: parent.tree)
                continue
            }
            guard current.mode == "40000" else { throw missing(path) }
            guard let next = try await tree(current.object)[part] else { throw missing(path) }
            switch next.mode {
            case "120000":
                hops += 1
                guard hops <= 16 else { throw Invalid(at: nil, "'\(path)' goes through symlinks in a circle") }
                let content = try await content(of: next.object, kind: "blob", \.self)
                let target = String(decoding: content, as: UTF8.self)
                guard !target.hasPrefix("/") else { throw leaves(path) }
                rest = (target.split(separator: "/").map(String.init) + rest)[...]
            case "160000":
                throw Invalid(
                    at: nil,
                    "'\(path)' lies in the submodule '\(part)', and submodules are not fetched",
                    cure: "declare the submodule's repository as a source of its own, or keep the file here"
                )
            default:
                walked.append((part, current.object))
                current = next
            }
        }
        guard current.mode != "40000" else { throw Invalid(at: nil, "'\(path)' is a folder, not a file") }
        return current
    }

    private func tree(_ name: String) async throws -> [String: Entry] {
        if let known = trees.withLock({ $0[name] }) { return known }
        let entries = try await content(of: name, kind: "tree", parsed)
        trees.withLock { $0[name] = entries }
        return entries
    }

    /// The entries of a tree as Git stores them.
    private func parsed(_ content: [UInt8]) throws -> [String: Entry] {
        var entries: [String: Entry] = [:]
        var rest = content[...]
        while let space = rest.firstIndex(of: 0x20), let end = rest[space...].firstIndex(of: 0) {
            let mode = String(decoding: rest[..<space], as: UTF8.self)
            let file = String(decoding: rest[(space + 1)..<end], as: UTF8.self)
            let hash = rest[(end + 1)...].prefix(hashLength)
            guard hash.count == hashLength else { break }
            entries[file] = Entry(mode: mode, object: hexadecimal(hash))
            rest = rest[(end + 1)...].dropFirst(hashLength)
        }
        guard rest.isEmpty else { throw MirrorFault(description: "a tree of \(revision.short) cannot be read") }
        return entries
    }

    /// What an object holds; when it cannot be read, asked for once more after that was mended.
    private func content<Result>(
        of name: String,
        kind: String,
        _ use: ([UInt8]) throws -> Result
    ) async throws -> Result {
        func present(in objects: ObjectReader) async throws -> Result {
            guard let object = try await objects.object(name), object.kind == kind else {
                throw MirrorFault(description: "the object \(name) of \(revision.short) is missing")
            }
            return try use(object.content)
        }
        do {
            return try await present(in: objects)
        } catch is MirrorFault {}
        let mended = try await repair()
        do {
            return try await present(in: mended)
        } catch let fault as MirrorFault {
            throw Failure(.unavailable, "the mirror of '\(revision.source)' cannot be read: \(fault)")
        }
    }

    /// Bytes of an object's name: 20 for SHA-1 repositories, 32 for SHA-256 ones.
    private var hashLength: Int { root.utf8.count / 2 }

    private func missing(_ path: String) -> Invalid {
        Invalid(
            at: nil,
            "there is no file '\(path)' at \(revision.short)",
            cure: "check the path, and that it is committed"
        )
    }

    private func leaves(_ path: String) -> Invalid {
        Invalid(at: nil, "'\(path)' leads out of the repository through a symlink", cure: "point the link inside it")
    }
}
