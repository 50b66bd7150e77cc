import Delivery
import Diagnostics
import Repository
import TestSupport
import Testing

@Suite struct GitSourceTests {
    private let scratch: Scratch
    private let repository: TestRepository

    init() async throws {
        scratch = try Scratch()
        repository = try await TestRepository(at: "\(scratch.path)/fleet")
        try await repository.commit(["a.txt": "one\n", "dir/b.txt": "two\n"], "First")
    }

    /// How one repository is reached: as a path, which is read where it lies, or through git's transport.
    enum Way: String, CaseIterable, Sendable {
        case path = ""
        case transport = "file://"
    }

    private func source(
        _ reference: Reference = .branch("main"),
        base: String = "",
        by way: Way = .transport,
        url: String? = nil
    ) -> GitSource {
        let settings = GitSettings(name: "fleet", url: url ?? way.rawValue + repository.path, reference: reference)
        return GitSource(settings: settings, directory: scratch.path, base: base, askpass: "/bin/false")
    }

    private func snapshot(_ source: GitSource) async throws -> any Snapshot {
        try await source.snapshot(at: try await source.head())
    }

    private func complaint(_ path: String, _ source: GitSource) async throws -> String {
        do {
            _ = try await snapshot(source).read(path)
            return "read"
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: Way.allCases) func filesAreReadFromTheObjectStore(by way: Way) async throws {
        let source = source(by: way)
        let snapshot = try await snapshot(source)
        #expect(try await snapshot.read("a.txt") == Array("one\n".utf8))
        #expect(try await snapshot.read("dir/../dir/b.txt") == Array("two\n".utf8))
        #expect(snapshot.revision.subject == "First")
        #expect(snapshot.revision.author == "Anna <anna@example.org>")
        #expect(try await snapshot.identifier(of: "none") == nil)
        #expect(try await self.snapshot(self.source(base: "dir", by: way)).read("b.txt") == Array("two\n".utf8))
    }

    @Test(arguments: Way.allCases) func aNewCommitAndRewrittenHistoryAreSeen(by way: Way) async throws {
        let source = source(by: way)
        _ = try await snapshot(source)
        try await repository.commit(["a.txt": "three\n"], "Second")
        #expect(try await snapshot(source).read("a.txt") == Array("three\n".utf8))
        try await repository.git("reset", "-q", "--hard", "HEAD~1")
        try await repository.commit(["a.txt": "four\n"], "Rewritten")
        #expect(try await snapshot(source).read("a.txt") == Array("four\n".utf8))
    }

    @Test(arguments: Way.allCases) func unchangedFilesKeepTheirIdentifier(by way: Way) async throws {
        let source = source(by: way)
        let before = try await snapshot(source)
        let recording = RecordingSnapshot(before, settings: "s")
        _ = try await recording.read("a.txt")
        try await repository.commit(["dir/b.txt": "other\n"], "Elsewhere")
        let after = try await snapshot(source)
        #expect(try await recording.inputs.stillHold(in: after, settings: "s"))
        #expect(try await !recording.inputs.stillHold(in: after, settings: "t"))
        try await repository.commit(["a.txt": "other\n"], "Here")
        #expect(try await !recording.inputs.stillHold(in: try await snapshot(source), settings: "s"))
    }

    @Test(arguments: Way.allCases) func tagsAndRanges(by way: Way) async throws {
        for (tag, text) in [
            ("v1.0.0", "1"), ("v1.2.0", "2"), ("v1.10.0", "3"), ("v2.0.0-rc.1", "4"), ("v2.0.0", "5"), ("other", "6"),
        ] {
            try await repository.commit(["a.txt": text], tag)
            try await repository.git("tag", "-a", "-m", tag, tag)
        }
        let range = try #require(VersionRange("^1.0"))
        #expect(try await snapshot(source(.semver(range), by: way)).read("a.txt") == Array("3".utf8))
        #expect(try await snapshot(source(.tag("v1.2.0"), by: way)).read("a.txt") == Array("2".utf8))
        await #expect(throws: Failure.self) { try await source(.tag("nope"), by: way).head() }
    }

    @Test(arguments: Way.allCases) func linksInsideAreFollowedAndLinksOutsideRefused(by way: Way) async throws {
        try await shell(["ln", "-s", "dir/b.txt", "\(repository.path)/inside"])
        try await shell(["ln", "-s", "../../etc/passwd", "\(repository.path)/outside"])
        try await shell(["ln", "-s", "/etc/passwd", "\(repository.path)/absolute"])
        try await shell(["ln", "-s", "circle", "\(repository.path)/circle"])
        try await repository.commit([:], "Links")
        let source = source(by: way)
        #expect(try await snapshot(source).read("inside") == Array("two\n".utf8))
        for name in ["outside", "absolute"] {
            #expect(
                try await complaint(name, source)
                    == "'\(name)' leads out of the repository through a symlink; point the link inside it"
            )
        }
        #expect(try await complaint("circle", source) == "'circle' goes through symlinks in a circle")
    }

    @Test(arguments: Way.allCases) func pointersAndSubmodulesAreRefusedByName(by way: Way) async throws {
        try await repository.commit(
            ["big": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"],
            "LFS"
        )
        let head = try await repository.head()
        try await repository.git("update-index", "--add", "--cacheinfo", "160000,\(head),sub")
        try await repository.git("commit", "-q", "-m", "Submodule")
        let source = source(by: way)
        #expect(try await complaint("big", source).hasPrefix("'big' is a Git LFS pointer"))
        #expect(
            try await complaint("sub/file", source).hasPrefix(
                "'sub/file' lies in the submodule 'sub', and submodules are not fetched"
            )
        )
        #expect(try await complaint("dir", source) == "'dir' is a folder, not a file")
    }

    @Test(arguments: Way.allCases) func aFileOfAHundredMegabytesIsNotRead(by way: Way) async throws {
        try await shell(["truncate", "-s", "100M", "\(repository.path)/huge.yml"])
        try await repository.commit([:], "Huge")
        #expect(
            try await complaint("huge.yml", source(by: way))
                == "it has 104857600 bytes, more than the 16777216 that are read; keep large files elsewhere"
        )
    }

    @Test func anSSHServerIsReachedWithAKeyAndAKnownHost() async throws {
        let key = "\(scratch.path)/key"
        let port = freePort()
        for name in ["key", "host", "other"] {
            try await shell(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(scratch.path)/\(name)"])
        }
        let host = fileText("\(scratch.path)/host.pub") ?? ""
        try scratch.write("[127.0.0.1]:\(port) \(host)", to: "known_hosts")
        try await shell(["cp", "\(key).pub", "\(scratch.path)/authorized_keys"])
        let options =
            "-o ListenAddress=127.0.0.1 -o Port=\(port) -o HostKey=\(scratch.path)/host -o StrictModes=no -o UsePAM=no"
            + " -o AuthorizedKeysFile=\(scratch.path)/authorized_keys -o PidFile=none -o PermitRootLogin=yes"
        let server = trimmedLine(
            try await shell([
                "sh", "-c", "mkdir -p /run/sshd; timeout 60 /usr/sbin/sshd -D \(options) >/dev/null 2>&1 & echo $!",
            ])
        )
        func source(key: String, hosts: String) -> GitSource {
            let settings = GitSettings(
                name: "fleet",
                url: "ssh://root@127.0.0.1:\(port)\(repository.path)",
                reference: .branch("main"),
                sshKey: key,
                knownHosts: hosts
            )
            return GitSource(settings: settings, directory: scratch.path, base: "", askpass: "/bin/false")
        }
        let good = source(key: key, hosts: "\(scratch.path)/known_hosts")
        var head: String?
        for _ in 0..<50 {
            head = try? await good.head()
            if head != nil { break }
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(try await head == repository.head())
        #expect(try await snapshot(good).read("a.txt") == Array("one\n".utf8))
        for (key, hosts) in [("other", "known_hosts"), ("key", "none")] {
            do {
                _ = try await source(key: "\(scratch.path)/\(key)", hosts: "\(scratch.path)/\(hosts)").head()
                Issue.record("let in with \(key) and \(hosts)")
            } catch let failure as Failure {
                #expect(failure.reason == .authenticationFailed && failure.next == .retry, "\(failure)")
            }
        }
        _ = try? await shell(["sh", "-c", "pkill -P \(server); kill \(server) || true"])
    }

    @Test(arguments: Way.allCases) func aMissingRepositoryAndAMissingBranchAreDifferentThings(by way: Way) async throws
    {
        do {
            _ = try await source(url: "\(way.rawValue)/nonexistent/fleet").head()
            Issue.record("found")
        } catch let failure as Failure {
            #expect(failure.reason == .notFound && failure.next == .needsChange)
        }
        do {
            _ = try await source(.branch("nope"), by: way).head()
            Issue.record("found")
        } catch let failure as Failure {
            #expect(failure.message == "\(way.rawValue)\(repository.path) has no branch 'nope'; it has main")
            #expect(failure.next == .retry)
        }
    }

    @Test func otherTransportsAreRefused() async throws {
        do {
            _ = try await source(url: "ext::sh -c 'touch \(scratch.path)/pwned'").head()
            Issue.record("ran")
        } catch {
            #expect(fileText("\(scratch.path)/pwned") == nil)
        }
    }

    @Test func addressesAreShownWithoutTheirSecrets() {
        #expect(publicURL("https://bot:secret@host/a.git") == "https://bot@host/a.git")
        #expect(publicURL("https://host/a@b.git") == "https://host/a@b.git")
        #expect(publicURL("git@host:a.git") == "git@host:a.git")
    }

    @Test(arguments: [
        ("^1.2", "1.2.0", true), ("^1.2", "2.0.0", false), ("^0.3", "0.3.9", true), ("^0.3", "0.4.0", false),
        ("~1.2", "1.2.9", true), ("~1.2", "1.3.0", false), (">=1.2 <2", "1.9.9", true), (">=1.2 <2", "2.0.0", false),
        ("1.x", "1.7.0", true), ("1.x", "2.0.0", false), ("1.2.3", "1.2.3", true), ("*", "9.9.9", true),
        ("*", "9.9.9-rc.1", false), (">=2.0.0-rc.1", "2.0.0-rc.2", true), ("1.x || 3.x", "3.1.0", true),
        ("1.x || 3.x", "2.1.0", false),
    ])
    func ranges(sample: (range: String, version: String, fits: Bool)) throws {
        let range = try #require(VersionRange(sample.range))
        #expect(range.contains(try #require(Version(sample.version))) == sample.fits)
    }
}
