import Delivery
import Glibc
import Repository
import TestSupport
import Testing

/// What befalls a mirror, and what becomes of it.
@Suite struct MirrorTests {
    private let scratch: Scratch
    private let repository: TestRepository
    private var mirrors: String { "\(scratch.path)/mirrors" }

    init() async throws {
        scratch = try Scratch()
        repository = try await TestRepository(at: "\(scratch.path)/fleet")
        try await repository.commit(["a.txt": "one\n", "dir/b.txt": "two\n"], "First")
    }

    private func source(_ branch: String = "main", name: String = "fleet", url: String? = nil) -> GitSource {
        let settings = GitSettings(name: name, url: url ?? "file://\(repository.path)", reference: .branch(branch))
        return GitSource(settings: settings, directory: mirrors, base: "", askpass: "/bin/false")
    }

    private func mirror() async throws -> String {
        let all = try await shell(["ls", mirrors]).split(separator: "\n").filter { $0.hasSuffix(".git") }
        return "\(mirrors)/\(try #require(all.first))"
    }

    private func read(_ source: GitSource, _ path: String = "dir/b.txt") async throws -> String {
        String(decoding: try await source.snapshot(at: try await source.head()).read(path), as: UTF8.self)
    }

    private func sh(_ text: String, _ folder: String) async throws {
        try await shell(["sh", "-c", text], directory: folder)
    }

    /// What a power cut, or somebody with a broom, does to a mirror.
    enum Damage: String, CaseIterable {
        case emptyObjects = "find objects -type f -exec truncate -s 0 {} +"
        case garbledObjects = "find objects -type f -exec sh -c 'chmod u+w {}; echo garbage > {}' ';'"
        case shortObjects = "find objects -type f -exec truncate -s 20 {} +"
        case noObjects = "rm -rf objects/*"
        case noObjectsFolder = "rm -rf objects"
        case emptyHead = "truncate -s 0 HEAD"
        case garbledHead = "echo garbage > HEAD"
        case garbledConfiguration = "echo '[[[' > config"
        case emptyReference = "truncate -s 0 refs/heads/main"
        case lockedReference = "touch refs/heads/main.lock"
        case lockedShallow = "touch shallow.lock"
        case emptyShallow = "echo garbage > shallow"
        case noShallow = "rm shallow"
        case gone = "rm -rf ../*.git"
    }

    @Test(arguments: Damage.allCases) func aDamagedMirrorIsMadeAnew(damage: Damage) async throws {
        let running = source()
        #expect(try await read(running) == "two\n")
        try await sh(damage.rawValue, try await mirror())
        try await repository.commit(["dir/b.txt": "three\n"], "Second")
        #expect(try await read(running) == "three\n", "in the program that runs")
        try await sh(damage.rawValue, try await mirror())
        try await repository.commit(["dir/b.txt": "four\n"], "Third")
        #expect(try await read(source()) == "four\n", "in one that starts")
        try await sh(damage.rawValue, try await mirror())
        #expect(try await read(source()) == "four\n", "at the same commit")
        await running.rest()
    }

    @Test func aSnapshotIsReadOnThroughDamage() async throws {
        let source = source()
        let head = try await source.head()
        let snapshot = try await source.snapshot(at: head)
        try await repository.commit(["dir/b.txt": "three\n"], "Second")
        try await sh("find objects -type f -exec truncate -s 0 {} +", try await mirror())
        await source.rest()
        #expect(try await snapshot.read("dir/b.txt") == Array("two\n".utf8), "though the head has moved on")
    }

    @Test func aServersOwnFaultCostsNoMirror() async throws {
        let source = source()
        let head = try await source.head()
        _ = try await source.snapshot(at: head)
        try await repository.commit(["dir/b.txt": "three\n"], "Second")
        let next = try await repository.head()
        try await sh("find objects -type f -exec truncate -s 0 {} +", "\(repository.path)/.git")
        await #expect(throws: Failure.self) { try await source.snapshot(at: next) }
        let kept = try #require(await self.source().kept(head))
        #expect(try await kept.read("dir/b.txt") == Array("two\n".utf8))
    }

    @Test func whatTheMirrorHasIsGivenWithoutTheServer() async throws {
        let before = source()
        let head = try await before.head()
        _ = try await before.snapshot(at: head)
        try await shell(["mv", repository.path, "\(scratch.path)/away"])
        let after = source()
        let kept = try #require(await after.kept(head))
        #expect(try await kept.read("dir/b.txt") == Array("two\n".utf8))
        #expect(kept.revision.subject == "First" && kept.revision.commit == head)
        #expect(await after.kept(String(repeating: "0", count: 40)) == nil)
        #expect(await source("other").kept(head) == nil)
        try await sh("find objects -type f -exec truncate -s 0 {} +", try await mirror())
        #expect(await source().kept(head) == nil, "damaged, and no server to ask")
    }

    @Test func theLastTwoCommitsAndTheRetainedOneAreNeverCollected() async throws {
        let source = source()
        var commits: [String] = []
        for number in 0..<5 {
            try await repository.git("checkout", "-q", "--orphan", "b\(number)")
            try await repository.commit(["a.txt": "\(number)\n"], "\(number)")
            try await repository.git("branch", "-q", "-f", "main", "HEAD")
            let head = try await source.head()
            _ = try await source.snapshot(at: head)
            commits.append(head)
            if number == 1 { await source.retain(head) }
            try await sh("git --git-dir . -c core.logAllRefUpdates=false gc -q --prune=now", try await mirror())
        }
        var kept: [Bool] = []
        for commit in commits { kept.append(await self.source().kept(commit) != nil) }
        #expect(kept == [false, true, false, true, true])
    }

    @Test func sourcesWithOneAddressHaveMirrorsOfTheirOwn() async throws {
        try await repository.git("branch", "other")
        for source in [source(), source(name: "twin"), source("other")] { _ = try await read(source) }
        func count() async throws -> Int {
            try await shell(["ls", mirrors]).split(separator: "\n").filter { $0.hasSuffix(".git") }.count
        }
        #expect(try await count() == 3)
        GitSource.removeMirrors(in: mirrors, except: [source()])
        #expect(try await count() == 1)
        #expect(await source().kept(try await repository.head()) != nil)
    }

    @Test func aMirrorThatCannotBeWrittenIsNamedWithItsCure() async throws {
        try scratch.write("", to: "mirrors")
        do {
            _ = try await read(source())
            Issue.record("read")
        } catch let failure as Failure {
            #expect(failure.message.hasPrefix("the mirror '\(mirrors)/"), "\(failure)")
            #expect(
                failure.message.contains("cannot be written") && failure.message.contains("make its folder writable")
            )
        }
    }

    @Test(.enabled(if: getuid() == 0)) func aMirrorOnAReadOnlyOrFullDiskIsNamedWithItsCure() async throws {
        try await shell(["mkdir", mirrors])
        try await shell(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mirrors])
        defer { umount2(mirrors, Int32(MNT_DETACH)) }
        let source = source()
        _ = try await read(source)
        try await repository.commit([
            "dir/b.txt": String((0..<1_500_000).map { _ in "abcdefghij".randomElement() ?? "a" })
        ])
        for preparation in ["true", "mount -o remount,ro \(mirrors)"] {
            try await sh(preparation, "/")
            do {
                _ = try await read(source)
                Issue.record("read")
            } catch let failure as Failure {
                #expect(failure.message.hasPrefix("the mirror '\(mirrors)/"), "\(failure)")
                #expect(failure.message.contains("see that its file system has room"))
            }
        }
    }

    @Test(arguments: ["", "0032version 2\n"]) func aServerThatStopsAnsweringIsGivenUp(words: String) async throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = bind(listener, pointer, length)
                _ = listen(listener, 8)
                getsockname(listener, pointer, &length)
            }
            return UInt16(bigEndian: pointer.pointee.sin_port)
        }
        // Never waits in a thread that others need, such as whoever starts git.
        _ = fcntl(listener, F_SETFL, O_NONBLOCK)
        let server = Task.detached {
            while true {
                let connection = accept(listener, nil, nil)
                if connection >= 0 {
                    _ = write(connection, words, words.utf8.count)
                    return connection
                }
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        let settings = GitSettings(
            name: "fleet",
            url: "git://127.0.0.1:\(port)/fleet",
            reference: .branch("main"),
            timeout: .milliseconds(200)
        )
        let source = GitSource(settings: settings, directory: mirrors, base: "", askpass: "/bin/false")
        let start = ContinuousClock.now
        do {
            _ = try await source.head()
            Issue.record("answered")
        } catch let failure as Failure {
            #expect(failure.message.contains("the server stopped answering"), "\(failure)")
        }
        #expect(.now - start < .seconds(20))
        close(try await server.value)
    }

    @Test func whatIsRetainedStaysSoInANewMirror() async throws {
        let source = source()
        let head = try await source.head()
        let snapshot = try await source.snapshot(at: head)
        await source.retain(head)
        await source.rest()
        try await sh("find objects -type f -delete", try await mirror())
        #expect(try await snapshot.read("a.txt") == Array("one\n".utf8))
        #expect(try await shell(["cat", "\(try await mirror())/refs/hecate/retained"]) == "\(head)\n")
    }
}
