import Delivery
import Glibc
import Repository
import TestSupport
import Testing

/// A repository that is given as a path: read where it lies, and copied for when it is away.
@Suite struct LocalRepositoryTests {
    private let scratch: Scratch
    private let repository: TestRepository
    private var mirrors: String { "\(scratch.path)/mirrors" }

    init() async throws {
        scratch = try Scratch()
        repository = try await TestRepository(at: "\(scratch.path)/fleet")
        try await repository.commit(["a.txt": "one\n", "dir/b.txt": "two\n"], "First")
    }

    private func source(_ reference: Reference = .branch("main"), url: String? = nil) -> GitSource {
        let settings = GitSettings(name: "fleet", url: url ?? repository.path, reference: reference)
        return GitSource(settings: settings, directory: mirrors, base: "", askpass: "/bin/false")
    }

    @discardableResult private func sh(_ text: String) async throws -> String {
        try await shell(["sh", "-c", text], directory: repository.path)
    }

    private func text(_ snapshot: any Snapshot, _ path: String = "a.txt") async throws -> String {
        String(decoding: try await snapshot.read(path), as: UTF8.self)
    }

    @Test func nothingIsCopiedBeforeItIsAccepted() async throws {
        let source = source()
        let head = try await source.head()
        #expect(try await text(source.snapshot(at: head)) == "one\n")
        #expect(try await shell(["ls", scratch.path]) == "fleet\n")
        try await source.keep(head)
        #expect(try await shell(["ls", mirrors]).contains(".git\n"))
    }

    /// What becomes of a repository between two looks at it.
    enum Change: String, CaseIterable, Sendable {
        case packed = "git gc -q --prune=now"
        case bare = "mv .git ../bare; rm -rf * ; mv ../bare/* ."
        case madeAnew = """
            rm -rf .git; git init -q -b main .; git config user.name a; git config user.email a@example.org
            echo anew > a.txt; git add -A; git commit -q -m Anew
            """
        case otherFormat = """
            rm -rf .git; git init -q --object-format=sha256 -b main .; git config user.name a
            git config user.email a@example.org; echo sha256 > a.txt; git add -A; git commit -q -m Anew
            """
        case packedReference = "git pack-refs --all --prune; git commit -q --allow-empty -m Empty; git pack-refs --all"
        case linked = "mv .git ../elsewhere; echo 'gitdir: ../elsewhere' > .git"
        case borrowed = """
            git clone -q --shared . ../borrower; mv ../borrower/.git ../borrowing; rm -rf ../lender; mv .git ../lender
            mv ../borrowing .git; echo ../../../lender/objects > .git/objects/info/alternates
            """
    }

    @Test(arguments: Change.allCases) func itIsSeenAsGitSeesIt(after change: Change) async throws {
        let running = source()
        _ = try await running.snapshot(at: try await running.head())
        try await sh(change.rawValue)
        let expected = try await repository.head()
        let content = try await sh("git show HEAD:a.txt")
        for source in [running, self.source()] {
            #expect(try await source.head() == expected)
            #expect(try await text(source.snapshot(at: expected)) == content)
            try await source.keep(expected)
        }
    }

    @Test func aNameThatIsAnExpressionIsNone() async throws {
        try await repository.commit(["a.txt": "other\n"], "Second")
        for name in ["main~1", "main^", "main@{1}", "main:a.txt", ""] {
            await #expect(throws: Failure.self, "\(name)") { try await source(.branch(name)).head() }
        }
    }

    @Test func whatIsReadLaterComesFromTheCopy() async throws {
        let source = source()
        let head = try await source.head()
        let snapshot = try await source.snapshot(at: head)
        try await source.keep(head)
        // Rewritten and collected, and then away.
        try await sh("git checkout -q --orphan new; git commit -q -m New; git branch -q -M main")
        try await sh("git reflog expire --expire=now --all; git gc -q --prune=now")
        #expect(try await text(snapshot) == "one\n")
        try await shell(["mv", repository.path, "\(scratch.path)/away"])
        #expect(try await text(snapshot, "dir/b.txt") == "two\n")
        let after = self.source()
        await #expect(throws: Failure.self) { try await after.head() }
        #expect(try await text(#require(await after.kept(head)), "dir/b.txt") == "two\n")
    }

    @Test func theCopyIsOfWhatWasAcceptedAlsoWhenTheHeadHasMovedOn() async throws {
        let source = source()
        let head = try await source.head()
        try await repository.commit(["a.txt": "other\n"], "Second")
        try await source.keep(head)
        #expect(try await text(#require(await self.source().kept(head))) == "one\n")
    }

    @Test func thatNothingCanBeCopiedIsSaidAndHidesNothing() async throws {
        try await shell(["sh", "-c", "echo > '\(mirrors)'"])
        let source = source()
        let head = try await source.head()
        #expect(try await text(source.snapshot(at: head)) == "one\n")
        do {
            try await source.keep(head)
            Issue.record("copied")
        } catch let failure as Failure {
            #expect(failure.message.hasPrefix("the mirror '\(mirrors)/"), "\(failure)")
        }
        try await shell(["rm", mirrors])
        try await source.keep(head)
        #expect(await self.source().kept(head) != nil)
    }

    @Test func anObjectThatIsMissingIsNeverFetchedByTheRepositorysOwnWill() async throws {
        let mark = "\(scratch.path)/ran"
        let blob = trimmedLine(try await sh("git rev-parse HEAD:a.txt"))
        try await sh("rm -f .git/objects/\(blob.prefix(2))/\(blob.dropFirst(2))")
        try await sh(
            """
            git config core.repositoryFormatVersion 1; git config extensions.partialClone origin
            git config remote.origin.url ../elsewhere; git config remote.origin.promisor true
            git config remote.origin.uploadpack 'touch \(mark);'; git config protocol.file.allow always
            git config protocol.ext.allow always; git config core.alternateRefsCommand 'touch \(mark);'
            """
        )
        // Asked by git itself, it does run: the trap is one.
        _ = try? await sh("git cat-file -e \(blob)")
        #expect(access(mark, F_OK) == 0)
        unlink(mark)
        let source = source()
        let snapshot = try await source.snapshot(at: try await source.head())
        await #expect(throws: (any Error).self) { try await snapshot.read("a.txt") }
        #expect(access(mark, F_OK) != 0)
    }

    /// The repository is rewritten and collected before a file of its newest commit is read.
    @Test func whatIsKeptOutlivesACommitThatIsGone() async throws {
        let source = source()
        let first = try await source.head()
        _ = try await source.snapshot(at: first)
        try await source.keep(first)
        try await repository.commit(["a.txt": "other\n"], "Second")
        let snapshot = try await source.snapshot(at: try await source.head())
        try await sh("echo third > a.txt; git commit -q --amend -a -m Third")
        try await sh("git reflog expire --expire=now --all; git gc -q --prune=now")
        await #expect(throws: Failure.self) { try await snapshot.read("a.txt") }
        #expect(await self.source().kept(first) != nil)
        let head = try await source.head()
        #expect(try await text(source.snapshot(at: head)) == "third\n")
    }

    @Test func whatWasNotCopiedIsNotTakenForKeptWhileItIsAway() async throws {
        let source = source()
        let head = try await source.head()
        try await shell(["mv", repository.path, "\(scratch.path)/away"])
        await #expect(throws: Failure.self) { try await source.head() }
        await #expect(throws: Failure.self) { try await source.keep(head) }
        try await shell(["mv", "\(scratch.path)/away", repository.path])
        try await source.keep(head)
        #expect(await self.source().kept(head) != nil)
    }

    /// git answers for more names than there are references.
    @Test func aReferenceThatIsNotThereIsNotGuessed() async throws {
        let short = try await repository.head().prefix(8)
        try await sh("git branch refs/heads/gone")
        for isPacked in [false, true] {
            if isPacked { try await sh("git pack-refs --all --prune") }
            for name in ["gone", "gone-g\(short)", "gone-1-g\(short)", "main-g\(short)", "mai", "n"] {
                await #expect(throws: Failure.self, "\(name)") { try await source(.branch(name)).head() }
            }
            #expect(try await source().head() == repository.head())
        }
    }

    @Test func oneOfAnotherUserIsReadAndCopied() async throws {
        try await shell(["chown", "-R", "1000:1000", repository.path])
        let source = source()
        let head = try await source.head()
        #expect(try await text(source.snapshot(at: head)) == "one\n")
        try await source.keep(head)
        #expect(await self.source().kept(head) != nil)
        let range = try #require(VersionRange("*"))
        await #expect(throws: Failure.self) { try await self.source(.semver(range)).head() }
        try await sh("git -c safe.directory='*' tag v1.0.0")
        #expect(try await self.source(.semver(range)).head() == head)
    }

    @Test func itIsReadWhereItLiesHoweverOftenItIsAsked() async throws {
        let source = source()
        for _ in 0..<1500 { _ = try await source.head() }
        #expect(try await shell(["ls", scratch.path]) == "fleet\n", "no mirror was needed")
    }
}
