import Delivery
import Diagnostics
import Files
import Repository
import Systemd
import TestSupport
import Testing

@testable import Quadlet

/// Which files of a repository a machine gets, with which values, and what is said before one does.
@Suite struct MachineFilesTests {
    private let scratch: Scratch
    private let plain =
        "[Container]\nImage=localhost/x:1\nPublishPort=${{ node.PORT }}:80\n[Install]\nWantedBy=default.target\n"

    init() throws { scratch = try Scratch() }

    private func write(_ files: [String: String]) throws {
        for (path, text) in files { try scratch.write(text, to: "repo/\(path)") }
    }

    private var repository: String { "\(scratch.path)/repo" }

    private func layout(_ host: String) -> NodeLayout {
        NodeLayout(
            scope: .user,
            home: scratch.path,
            user: "u",
            userID: 0,
            host: host,
            gitops: "\(scratch.path)/gitops",
            runtime: scratch.path,
            configuration: nil
        )
    }

    private func bring(to host: String) async throws -> [String] {
        try await GitopsSync(layout: layout(host)).bring(FolderSnapshot(repository), registry: nil)
    }

    private func node(_ path: String) throws -> String {
        String(decoding: try fileContent("\(scratch.path)/gitops/\(path)"), as: UTF8.self)
    }

    /// What `bring` refuses, in words.
    private func refusal(of host: String) async throws -> String {
        do {
            _ = try await bring(to: host)
        } catch let invalid as Invalid {
            return invalid.diagnostics.map { "\($0)" }.joined(separator: "\n")
        }
        return ""
    }

    @Test func aMachineGetsWhatItAndItsGroupsName() async throws {
        try write([
            "quadlet/system/base.container": plain, "quadlet/apps/web.container": plain,
            "quadlet/apps/mail.container": plain, "quadlet/apps/log.container": plain,
            "quadlet/apps/web.env": "NAME=${{ node.host }}\n",
            "groups/all.yml": "apps: [log]\nvalues: {PORT: 1}\n",
            "groups/edge.yml": "apps: [web]\nvalues: {PORT: 2}\n",
            "nodes/a.yml": "groups: [edge]\nvalues: {PORT: 08080}\n",
            "nodes/b.yml": "groups: [edge]\n",
        ])
        #expect(try await bring(to: "a.example.org") == [])
        #expect(try node("apps/web.container").contains("PublishPort=08080:80\n"), "as it is written")
        #expect(try node("system/base.container").contains("PublishPort=08080:80\n"))
        #expect(try node("apps/web.env") == "NAME=a\n")
        #expect(pathExists("\(scratch.path)/gitops/apps/log.container"))
        #expect(!pathExists("\(scratch.path)/gitops/apps/mail.container"))
        #expect(try await bring(to: "b") == [])
        #expect(try node("apps/web.container").contains("PublishPort=2:80\n"), "a group's over that of all")
        // A machine that nobody named gets what is for all.
        #expect(try await bring(to: "c") == [])
        #expect(try node("apps/log.container").contains("PublishPort=1:80\n"))
        #expect(!pathExists("\(scratch.path)/gitops/apps/web.container"))
    }

    /// Nothing is written for a machine of which anything is wrong, and the message names the place.
    @Test(arguments: [
        (
            "nodes/a.yml", "apps: [web]\n",
            "quadlet/apps/web.container:3:13: nobody gives the value 'PORT' for 'a'; give it below"
        ),
        (
            "nodes/a.yml", "apps: [web]\nvalues: {PROT: 1}\n",
            "nobody gives the value 'PORT' for 'a'; did you mean 'PROT'?"
        ),
        ("nodes/a.yml", "apps:\n", "nodes/a.yml:1:1: 'apps' has nothing; write [] for none"),
        ("nodes/a.yml", "", "nodes/a.yml: the file says nothing"),
        ("nodes/a.yml", "apps: ['']\n", "nodes/a.yml:1:8: an app is a name"),
        ("nodes/a.yml", "apps: [../x]\n", "nodes/a.yml:1:8: an app is a name"),
        ("nodes/a.yml", "groups: [egde]\n", "nodes/a.yml:1:10: there is no group 'egde'"),
        ("nodes/a.yml", "groups: [../nodes/b]\n", "nodes/a.yml:1:10: a group is a name"),
        (
            "nodes/a.yml", "values: {PORT: [1]}\n",
            "nodes/a.yml:1:16: the value 'PORT' is one line of text, found a list"
        ),
        ("nodes/a.yml", "values: {PORT: \"1\\nExec=x\"}\n", "nodes/a.yml:1:16: the value 'PORT' is more than one line"),
        ("nodes/a.yml", "values: {PORT: }\n", "is one line of text, found nothing; write '' for an empty one"),
        ("nodes/a.yml", "values: {'A B': 1}\n", "nodes/a.yml:1:10: 'A B' cannot be the name of a value"),
        ("nodes/a.yml", "vales: {PORT: 1}\n", "nodes/a.yml:1:1: unknown key 'vales'; did you mean 'values'?"),
        ("groups/edge.yml", "groups: [b]\n", "groups/edge.yml:1:1: unknown key 'groups'"),
        (
            "quadlet/apps/web.container", "[Container]\nImage=${{ node.A B }}\n",
            "web.container:2:7: '${{ node.A B' names no value"
        ),
        (
            "quadlet/apps/web.container", "[Container]\nImage=${{ node.PORT\n",
            "web.container:2:7: '${{ node.PORT' names no value"
        ),
    ]) func whatIsWrongIsNamedAndNothingIsWritten(_ path: String, _ text: String, _ words: String) async throws {
        try write([
            "quadlet/apps/web.container": plain, "nodes/a.yml": "apps: [web]\ngroups: [edge]\nvalues: {PORT: 1}\n",
            "groups/edge.yml": "values: {}\n",
        ])
        _ = try await bring(to: "a")
        let before = try node("apps/web.container")
        try write([path: text])
        let said = try await refusal(of: "a")
        #expect(said.contains(words), "\(said)")
        #expect(try node("apps/web.container") == before)
    }

    @Test func whatIsOfOtherProgramsStaysAsItIs() async throws {
        let text =
            "[Container]\nImage=localhost/x:1\nLabel=a=${{ matrix.os }}\nLabel=b={{ .Name }}\nExec=echo ${NAME} $$HOME %h\n"
        try write(["quadlet/system/a.container": text, "quadlet/system/b.env": "A=${{\n"])
        #expect(try await bring(to: "a") == [])
        #expect(try node("system/a.container") == text)
        #expect(try node("system/b.env") == "A=${{\n")
    }

    /// Repositories that were not made for Hecate may have files of these names for other programs.
    @Test func inOtherLayoutsValuesAreGivenAndFoldersChoose() async throws {
        try write([
            "web/web.container": plain, "nodes/a.yml": "values: {PORT: 3}\n", "nodes/b.yml": "ansible_host: b\n",
        ])
        #expect(try await bring(to: "a") == [])
        #expect(try node("web/web.container").contains("PublishPort=3:80"))
        // What is for others may want what only they have.
        try write(["hosts/c/c.container": plain, "hosts/b/own.container": "[Container]\nImage=localhost/x:1\n"])
        #expect(try await bring(to: "b") == [])
        let found = try GitopsTree(layout("b")).units.map { source -> String in
            do throws(Invalid) { return try UnitDeclaration(source, layout("b")).name.description } catch {
                return "\(error)"
            }
        }
        #expect(found.contains("own.container") && !found.contains("c.container"), "\(found)")
        #expect(found.contains { $0.contains("web.container:3:1: nobody gives the value 'PORT' for this machine") })
        // One that is not all Hecate's is somebody else's.
        try write(["groups/all.yml": "values: {x: 1}\nother: y\n"])
        #expect(try await bring(to: "a") == [])
        try write(["nodes/a.yml": "apps: [web]\nvalues: {PORT: 3}\n"])
        #expect(try await refusal(of: "a").contains("nodes/a.yml:1:1: 'apps' chooses among quadlet/apps"))
    }

    /// A file of another program's, full of what looks like the beginning of a value.
    @Test func manyBeginningsCostLittle() throws {
        let values = MachineValues(host: "a", known: "nodes/a.yml")
        let bytes = Array(String(repeating: "${{ x ", count: 20_000).utf8)
        let begin = ContinuousClock.now
        #expect(try values.filled(bytes, file: "a.env") == bytes)
        #expect(MachineValues.unfilled(bytes, file: "a.env") == nil)
        let took = ContinuousClock.now - begin
        #expect(took < .seconds(10), "\(took)")
        #expect(MachineValues.unfilled(bytes + Array("${{ node.A }}".utf8), file: "a.env") == "A")
    }

    @Test func theLastAppMayGo() async throws {
        try write(["quadlet/apps/web.container": plain, "nodes/a.yml": "apps: [web]\nvalues: {PORT: 1}\n"])
        _ = try await bring(to: "a")
        try removeTree("\(repository)/quadlet")
        try write(["nodes/a.yml": "apps: []\n"])
        #expect(try await bring(to: "a") == [])
        #expect(!pathExists("\(scratch.path)/gitops/apps/web.container"))
    }

    @Test func aRepositoryIsCheckedWithTheValuesOfEachMachine() async throws {
        try write([
            "quadlet/apps/web.container": plain, "quadlet/apps/mail.container": plain,
            "quadlet/apps/old.container": "[Container]\nImag=x\n",
            "nodes/a.yml": "apps: [web]\nvalues: {PORT: 1}\n", "nodes/b.yml": "apps: [web, mail]\n",
            "nodes/c.yml": "apps: [wbe]\n",
        ])
        let found = try await RepositoryCheck.diagnostics(of: repository, FolderSnapshot(repository)).all.map {
            "\($0)"
        }
        let errors = found.filter { !$0.contains("warning") }
        #expect(errors.count { $0.contains("/quadlet/apps/web.container:3:13: nobody gives the value 'PORT'") } == 1)
        #expect(errors.count { $0.contains("/quadlet/apps/mail.container:3:13: nobody gives the value 'PORT'") } == 1)
        #expect(errors.count { $0.contains("for 'b'; give it below 'values' in nodes/b.yml") } == 2, "\(found)")
        #expect(errors.contains { $0.contains("/nodes/c.yml:1:8: 'wbe' is nothing that quadlet/apps has") }, "\(found)")
        #expect(errors.contains { $0.contains("old.container") }, "what no machine has is checked as well: \(found)")
    }

    @Test func whatChangesForAMachineIsKnownAnywhere() async throws {
        func preview(_ host: String) async throws -> MachinePreview {
            try await MachinePreview(of: FolderSnapshot(repository), host: host, user: "", registry: nil)
        }
        let env =
            "[Container]\nImage=localhost/x:1\nEnvironmentFile=%h/.hecate/gitops/apps/mail.env\nEnvironmentFile=/etc/own.env\n"
        try write([
            "quadlet/apps/web.container": plain, "quadlet/apps/mail.container": env, "quadlet/apps/mail.env": "A=1\n",
            "quadlet/apps/old.container": plain,
            "nodes/a.yml": "apps: [web, mail, old]\nvalues: {PORT: 1}\n",
            "nodes/b.yml": "apps: [mail]\nvalues: {PORT: 1}\n",
        ])
        let (a, b) = (try await preview("a"), try await preview("b"))
        #expect(a.problems.all.isEmpty, "\(a.problems.all)")
        let first = MachinePreview.plans(from: nil, to: a, on: "a")
        #expect(first.map { "\($0.0)" } == ["a/mail.container", "a/old.container", "a/web.container"])
        #expect(first.allSatisfy { $0.1.changes.map(\.action) == [.create] })
        try write([
            "nodes/a.yml": "apps: [web, mail]\nvalues: {PORT: 2}\n", "quadlet/apps/mail.env": "A=2\n",
        ])
        let changes = MachinePreview.plans(from: a, to: try await preview("a"), on: "a").flatMap(\.1.changes)
        #expect(changes.map(\.subject) == ["unit mail.service", "unit old.service", "unit web.service"])
        #expect(changes.map(\.action) == [.update, .remove, .update])
        #expect(changes[0].fields.map(\.path) == ["quadlet/apps/mail.env"])
        #expect(changes[2].fields == [FieldChange("Container.PublishPort", from: "1:80", to: "2:80")])
        let others = MachinePreview.plans(from: b, to: try await preview("b"), on: "b")
        #expect(others.flatMap(\.1.changes).map(\.subject) == ["unit mail.service"])
    }

    /// What others get from the same repository is not taken up because a setting was lost.
    @Test func foldersThatWereNamedStayNamed() async throws {
        try write(["prod/p.container": "[Container]\n", "staging/s.container": "[Container]\n"])
        var given = layout("a")
        given.given = ["staging"]
        let snapshot = try FolderSnapshot(repository)
        _ = try await GitopsSync(layout: given).bring(snapshot, registry: nil)
        try GitopsTree(given).form.keep(given)
        _ = try await GitopsSync(layout: layout("a")).bring(snapshot, registry: nil)
        #expect(!pathExists("\(scratch.path)/gitops/prod"))
        #expect(try GitopsTree(layout("a")).units.map(\.name.description) == ["s.container"])
    }

    @Test func whoMayReadAFileIsSaidHere() async throws {
        try write(["quadlet/system/token.txt": "x", "quadlet/system/run.sh": "#!/bin/sh\n"])
        try setMode("\(repository)/quadlet/system/run.sh", 0o755)
        _ = try await bring(to: "a")
        for file in ["token.txt", "run.sh"] { try setMode("\(scratch.path)/gitops/system/\(file)", 0o600) }
        _ = try await bring(to: "a")
        #expect(fileStatus("\(scratch.path)/gitops/system/token.txt")?.mode == 0o600)
        #expect(fileStatus("\(scratch.path)/gitops/system/run.sh")?.mode == 0o700, "it is a program all the same")
    }
}
