import Testing

@testable import Swarm

/// Which configs and secrets are this controller's to collect.
@Suite struct LeftoverTests {
    private let version = "s_token-0123456789ab"

    private func leftovers(_ declared: [String], needed: [String] = [], prunes: Bool = true) -> Leftovers {
        func names(_ names: [String]) -> Set<FileName> { Set(names.map { FileName(kind: .secret, name: $0) }) }
        return Leftovers(needed: names(needed), declared: names(declared), prunes: prunes)
    }

    private func secret(_ name: String) -> FileName { FileName(kind: .secret, name: name) }

    @Test func whatARevisionDeclaredIsCollectedOnceNothingNeedsIt() {
        #expect(leftovers(["s_token"]).contains(secret("s_token")))
        #expect(leftovers(["s_token"]).contains(secret(version)))
        #expect(!leftovers(["s_token"], needed: ["s_token"]).contains(secret("s_token")))
        #expect(!leftovers(["s_token"], needed: [version]).contains(secret(version)))
    }

    @Test(arguments: ["s_backup_key", "s_token-by-hand", "s_token-0123456789abc", "s_tokens", "s_token-0123456789AB"])
    func whatNoRevisionDeclaredStays(_ name: String) {
        #expect(!leftovers(["s_token"]).contains(secret(name)))
    }

    @Test func aConfigIsNoVersionOfASecret() {
        #expect(!leftovers(["s_token"]).contains(FileName(kind: .config, name: version)))
    }

    /// The first object under a name may have been made before this controller was.
    @Test func aStackThatIsNotPrunedLosesOnlyVersions() {
        #expect(!leftovers(["s_token"], prunes: false).contains(secret("s_token")))
        #expect(leftovers(["s_token"], prunes: false).contains(secret(version)))
    }

    @Test func aLongNameHasVersionsToo() {
        let name = "s_" + String(repeating: "x", count: 60)
        let version = ObjectName.versioned(name, "0123456789ab", to: ObjectName.limit)
        #expect(leftovers([name]).contains(secret(version)))
    }

    /// Nobody declared it: it ran when the controller came.
    @Test func whatRanBeforeTheFirstChangeDeclaresNothing() {
        var stack = DesiredStack(name: "s")
        stack.files = [DesiredFile(kind: .secret, name: "s_token", labels: [:], hash: "", deployedName: version)]
        #expect(stack.declaredFiles == [secret("s_token"), secret(version)])
        stack.isCaptured = true
        #expect(stack.declaredFiles.isEmpty)
        #expect(DesiredStack(name: "s", payload: stack.payload(fileNames: [:], images: [:]))?.isCaptured == true)
    }
}
