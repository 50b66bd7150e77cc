import Diagnostics
import Testing

@testable import Delivery

/// Which source has an app, whatever was read and in whatever order.
@Suite struct FleetRegisterTests {
    private let web = AppID(target: "t", name: "web")

    private struct NoFiles: Snapshot {
        var revision: Revision
        func read(_ path: String) async throws -> [UInt8] { throw Failure(.notFound, "no \(path)") }
        func identifier(of path: String) async throws -> String? { nil }
    }

    private func fleet(
        _ source: String,
        _ names: [String] = [],
        retired: [String] = [],
        unreadable: [String] = [],
        isPartial: Bool = false
    ) -> Fleet {
        let revision = Revision(source: source, commit: "\(source)1")
        func id(_ name: String) -> AppID { AppID(target: "t", name: name) }
        var fleet = Fleet(
            revision: revision,
            owner: "\(source)'s mark",
            snapshot: NoFiles(revision: revision),
            apps: names.map { name in
                App(
                    id: id(name),
                    source: source,
                    place: Place(file: "stacks.yml", line: 3, column: 5),
                    timeout: .seconds(60),
                    verifyWindow: .seconds(5),
                    interval: .seconds(300),
                    settings: "",
                    prepare: { _ in throw Failure(.invalid, "is not prepared here") }
                )
            },
            retired: retired.map(id),
            unreadable: Dictionary(uniqueKeysWithValues: unreadable.map { (id($0), Failure(.invalid, "bad entry")) })
        )
        fleet.isPartial = isPartial
        return fleet
    }

    private func register(_ sources: Set<String>? = ["a", "b"], _ fleets: Fleet...) -> FleetRegister {
        var register = FleetRegister(sources: sources)
        for fleet in fleets { register.accept(fleet) }
        return register
    }

    /// A fate in one word, with the source it names.
    private func fate(_ register: FleetRegister, heldBy holder: String?) -> String {
        switch register.fate(of: web, heldBy: holder).fate {
        case .declared(let declaration): "declared by \(declaration.app.source)"
        case .unreadable(_, let source, _): "unreadable in \(source)"
        case .undeclared(let source): "undeclared by \(source)"
        case .leaving: "leaving"
        case .retired(let source): "retired by \(source)"
        case .unknown: "unknown"
        case .orphaned: "orphaned"
        }
    }

    @Test func whoHadItFirstKeepsItAndTheOtherIsRefusedByPlace() {
        let both = register(["a", "b"], fleet("a", ["web"]), fleet("b", ["web"]))
        #expect(fate(both, heldBy: "a") == "declared by a")
        #expect(fate(both, heldBy: "b") == "declared by b")
        let refused = both.fate(of: web, heldBy: "b").refused
        #expect(refused == [.init(app: web, place: "stacks.yml:3:5: ", source: "a", holder: "b")])
    }

    @Test func aHolderThatWasNotReadYetKeepsItAgainstWhoeverDeclaresIt() {
        let early = register(["a", "b"], fleet("b", ["web"]))
        #expect(fate(early, heldBy: "a") == "unknown")
        #expect(early.fate(of: web, heldBy: "a").refused.map(\.source) == ["b"])
    }

    @Test func aBrokenEntryOfAnotherSourceHarmsNobody() {
        let broken = register(["a", "b"], fleet("a", ["web"]), fleet("b", unreadable: ["web"]))
        #expect(fate(broken, heldBy: "a") == "declared by a")
    }

    @Test func anAppThatMovesGoesToItsNewSource() {
        let moved = register(["a", "b"], fleet("a"), fleet("b", ["web"]))
        #expect(fate(moved, heldBy: "a") == "declared by b")
    }

    @Test func nothingIsUndeclaredWhileASourceWasNotReadOrNotInFull() {
        #expect(
            fate(register(["a", "b"], fleet("a")), heldBy: "a") == "leaving",
            "nothing inside it is removed either"
        )
        #expect(fate(register(["a"], fleet("a", isPartial: true)), heldBy: "a") == "unknown")
        #expect(fate(register(["a"], fleet("a")), heldBy: "a") == "undeclared by a")
    }

    @Test func onlyTheHolderRetires() {
        #expect(fate(register(["a", "b"], fleet("a"), fleet("b", retired: ["web"])), heldBy: "a") == "undeclared by a")
        #expect(fate(register(["a", "b"], fleet("a", retired: ["web"]), fleet("b")), heldBy: "a") == "retired by a")
        #expect(
            fate(register(["a", "b"], fleet("a", ["web"]), fleet("b", retired: ["web"])), heldBy: "a")
                == "declared by a"
        )
    }

    @Test func whatASourceLeftBehindThatIsConfiguredNoMoreIsAnOrphan() {
        #expect(fate(register(["b"], fleet("b")), heldBy: "a") == "orphaned")
        #expect(fate(register(["b"], fleet("b", ["web"])), heldBy: "a") == "declared by b")
    }

    @Test func marksOfOthersAreKnownOnlyWhenAllWereRead() {
        #expect(register(["a", "b"], fleet("a")).owners == nil)
        #expect(register(["a", "b"], fleet("a"), fleet("b")).owners == ["a's mark", "b's mark"])
        let lets = register(["a", "b"], fleet("a"), fleet("b", ["web"]))
        #expect(lets.formerOwners(of: web, otherThan: "b's mark") == ["a's mark"])
        #expect(lets.formerOwners(of: web, otherThan: "a's mark").isEmpty)
        #expect(register(["a"], fleet("a", isPartial: true)).formerOwners(of: web, otherThan: "").isEmpty)
    }
}
