import Delivery
import Diagnostics
import Files
import Systemd
import Repository
import TestSupport
import Testing

@testable import Quadlet

/// Which units a gitops folder has for one machine and one user, however it is laid out.
@Suite struct GitopsTreeTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func layout(_ scope: Systemd.Scope = .user, host: String = "alpha.example.org") -> NodeLayout {
        NodeLayout(
            scope: scope,
            home: scratch.path,
            user: "anna",
            userID: 1000,
            host: host,
            gitops: scratch.path,
            runtime: "\(scratch.path)/.run",
            configuration: "\(scratch.path)/.home"
        )
    }

    private func write(_ paths: String...) throws {
        for path in paths { try scratch.write("[Container]\nImage=localhost/web:1\n", to: path) }
    }

    private func names(_ layout: NodeLayout) throws -> [String] { try GitopsTree(layout).units.map(\.name.description) }

    @Test func unitsLieAtTheTopOrInFoldersOfTheirOwn() throws {
        try write("a.container", "web/b.container", "web/conf.d/site.container", "web/deep/c.timer", ".git/x.container")
        #expect(try names(layout()) == ["a.container", "b.container", "c.timer"])
        #expect(try GitopsTree(layout()).problems.isEmpty)
    }

    /// What lies elsewhere is named, and how to have it read.
    @Test func besideTheUsualFoldersNothingIsReadAndAllIsNamed() throws {
        try write("apps/a.container", "b.container", "old/c.container")
        try scratch.write("text", to: "docs/readme.md")
        let tree = try GitopsTree(layout())
        #expect(tree.units.map(\.name.description) == ["a.container"])
        let problems = tree.problems.map { "\($0)" }.sorted()
        #expect(problems.count == 2, "\(problems)")
        #expect(problems.first?.contains("b.container: warning: units are read from 'system' or 'apps'") == true)
        #expect(problems.last?.contains("old: warning: units are read from") == true)
        #expect(problems.last?.contains("HECATE_GITOPS_UNITS") == true)
    }

    @Test func eachMachineReadsItsOwnFolder() throws {
        try write(
            "hosts/alpha/a.container",
            "hosts/beta/b.container",
            "hosts/common/c.container",
            "d.container",
            "hosts/alpha/root/r.container",
            "hosts/alpha/user/u.container"
        )
        let all = ["a.container", "c.container", "d.container"]
        #expect(try names(layout()) == (all + ["u.container"]).sorted())
        #expect(try names(layout(.system)) == (all + ["r.container"]).sorted())
        #expect(try names(layout(host: "beta")) == ["b.container", "c.container", "d.container"])
        #expect(try !GitopsTree(layout()).isPartial)
    }

    /// The machine may have been renamed: what it runs is not taken for gone.
    @Test func aMachineWithoutAFolderLosesNothing() throws {
        try write("hosts/alpha/a.container", "d.container")
        let tree = try GitopsTree(layout(host: "gamma"))
        #expect(tree.isPartial && tree.units.map(\.name.description) == ["d.container"])
        #expect(tree.elsewhere.first?.message.contains("none for this one, 'gamma'") == true)
    }

    @Test func anAppMayBeCalledHosts() throws {
        try write("hosts/a.container")
        try scratch.write("x", to: "hosts/conf/site.conf")
        #expect(try names(layout()) == ["a.container"])
        // Nobody knows what other machines' units are beside it.
        try write("hosts/beta/b.container")
        #expect(try names(layout()).isEmpty && GitopsTree(layout()).isPartial)
        #expect(try names(layout(host: "beta")) == ["b.container"])
    }

    /// Trees as they are linked into homes, one for each app or one for each user.
    @Test(arguments: [false, true]) func unitsOfHomesAreRead(hasOwn: Bool) throws {
        try write("jellyfin/.config/containers/systemd/a.container", "bob/.config/systemd/user/b.service")
        if hasOwn { try write("anna/.config/containers/systemd/c.container") }
        #expect(try names(layout()) == (hasOwn ? ["c.container"] : ["a.container", "b.service"]))
        #expect(try names(layout(.system)).isEmpty)
        #expect(try GitopsTree(layout()).elsewhere.count == (hasOwn ? 2 : 0))
    }

    @Test func unitsOfRootAreRoots() throws {
        try write("etc/containers/systemd/a.container", "rootful/b.container", "rootless/c.container")
        #expect(try names(layout(.system)) == ["a.container", "b.container"])
        #expect(try names(layout()) == ["c.container"])
        #expect(try GitopsTree(layout()).elsewhere.count == 2)
    }

    @Test func namedFoldersAreReadAndNoOthers() throws {
        try write("common/a.container", "hosts/alpha/b.container", "hosts/beta/c.container", "apps/d.container")
        var layout = layout()
        layout.given = ["common", "hosts/alpha"]
        #expect(try names(layout) == ["a.container", "b.container"])
        layout.given = ["."]
        #expect(try names(layout).count == 4)
        layout.given = ["common", "gone"]
        let tree = try GitopsTree(layout)
        #expect(tree.isPartial && tree.units.count == 1)
        #expect(tree.problems.contains { $0.message.contains("there is no such folder") })
    }

    /// A folder of the usual name that comes later takes nothing away.
    @Test func whatWasReadAsAWholeStaysSo() throws {
        try write("a.container")
        try GitopsTree(layout()).form.keep(layout())
        try write("apps/b.container")
        #expect(try names(layout()) == ["a.container", "b.container"])
        var given = layout()
        given.given = ["apps"]
        try GitopsTree(given).form.keep(given)
        // The setting is gone, and the rest is not taken up again.
        #expect(try names(layout()) == ["b.container"])
        #expect(try GitopsTree(layout()).problems.contains { $0.message.contains("is not set any more") })
    }

    /// Nor is a folder of parts read as a whole because the parts are away.
    @Test func whatWasReadInPartsStaysSo() throws {
        try write("apps/a.container", "drafts/b.container")
        try GitopsTree(layout()).form.keep(layout())
        try removeTree("\(scratch.path)/apps")
        #expect(try names(layout()).isEmpty)
    }

    @Test func whoseHomeWentTakesUpNobodyElses() throws {
        try write("anna/.config/containers/systemd/a.container", "bob/.config/containers/systemd/b.container")
        let tree = try GitopsTree(layout())
        #expect(tree.homes == [scratch.path])
        try tree.form.keep(layout(), homes: tree.homes)
        try removeTree("\(scratch.path)/anna")
        #expect(try names(layout()).isEmpty && GitopsTree(layout()).isPartial)
    }

    /// Where one machine has a home of the user's, what is for all goes on without one.
    @Test func homesAreKnownByTheFolderTheyLieIn() throws {
        try write(
            "hosts/alpha/u/.config/containers/systemd/a.container",
            "hosts/all/.config/containers/systemd/b.container"
        )
        var layout = layout()
        layout.user = "u"
        layout.host = "alpha"
        let first = try GitopsTree(layout)
        #expect(first.units.count == 2 && first.homes == ["\(scratch.path)/hosts/alpha"])
        try first.form.keep(layout, homes: first.homes)
        let second = try GitopsTree(layout)
        #expect(second.units == first.units && !second.isPartial && second.elsewhere.isEmpty)
    }

    /// Others' units lie deeper than one folder, and what lies beside the folders is nobody's.
    @Test func whatLiesAmongFoldersForMachinesIsNamed() throws {
        try write("hosts/backup.timer", "hosts/web2/app/x.container")
        var layout = layout()
        layout.host = "web9"
        let others = try GitopsTree(layout)
        #expect(others.units.isEmpty && others.isPartial)
        try write("hosts/web9/y.container")
        let own = try GitopsTree(layout)
        #expect(own.units.map(\.name.description) == ["y.container"] && own.isPartial)
        #expect(own.problems.contains { $0.message.contains("it lies beside folders for machines") })
    }

    @Test func whatOnlyPodmanTakesApartIsNamed() throws {
        try write("apps/a.container")
        try scratch.write("# FileName=b\n[Container]\nImage=x\n---\n# FileName=c\n[Volume]\n", to: "apps/web.quadlets")
        #expect(try names(layout()) == ["a.container"])
        #expect(try GitopsTree(layout()).problems.map(\.message).contains { $0.contains("several units in one file") })
    }

    @Test func aHiddenFolderThatIsNamedIsReadBesideTheWhole() throws {
        try write("a.container", ".config/containers/systemd/b.container")
        var layout = layout()
        layout.given = [".", ".config/containers/systemd"]
        #expect(try names(layout) == ["a.container", "b.container"])
    }

    @Test func namedFoldersMayLieInOneAnother() throws {
        try write("apps/a.container", "b.container")
        var layout = layout()
        layout.given = [".", "apps"]
        #expect(
            try names(layout) == ["a.container", "b.container"]
                && GitopsTree(layout).units.allSatisfy { $0.problem == nil }
        )
    }

    @Test func dropInsOfOneNameStandOnce() throws {
        try write("a/web.container")
        for folder in ["a", "b"] { try scratch.write("[Container]\n", to: "\(folder)/web.container.d/x.conf") }
        let tree = try GitopsTree(layout())
        #expect(tree.units.first?.dropInFolders == ["\(scratch.path)/a/web.container.d"])
        #expect(
            tree.problems.map(\.message) == [
                "drop-ins of 'web.container.d' are read from \(scratch.path)/a/web.container.d"
            ]
        )
    }

    /// Each machine's and user's view of a repository is checked, and what they share once.
    @Test func aRepositoryIsCheckedAsEachMachineSeesIt() async throws {
        try write("hosts/alpha/a.container", "hosts/beta/a.container")
        try scratch.write("[Container]\nImage=localhost/x:1\nVolume=data.volume:/d\n", to: "common/c.container")
        try scratch.write("[Volume]\n", to: "hosts/beta/data.volume")
        try scratch.write("[Container]\nImag=x\n", to: "hosts/beta/root/r.container")
        #expect(RepositoryCheck.applies(to: scratch.path))
        let found = try await RepositoryCheck.diagnostics(of: scratch.path, FolderSnapshot(scratch.path)).all.filter {
            $0.severity == .error
        }.map {
            "\($0)"
        }
        #expect(found.count == 3, "\(found)")
        #expect(found.count { $0.contains("common/c.container:3:1: 'data.volume' is named here and is not") } == 1)
        #expect(found.count { $0.contains("hosts/beta/root/r.container") } == 2)
    }

    @Test func aRepositoryWithoutUnitsOfPodmansIsNone() throws {
        try scratch.write("[Service]\nExecStart=/a\n", to: "docs/a.service")
        #expect(!RepositoryCheck.applies(to: scratch.path))
    }
}
