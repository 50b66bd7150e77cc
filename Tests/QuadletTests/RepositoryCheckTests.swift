import Diagnostics
import Repository
import TestSupport
import Testing

@testable import Quadlet

/// What `hecate check` says of a repository of Quadlet files.
@Suite struct RepositoryCheckTests {
    /// The messages about files of `apps`, by their contents.
    private func findings(_ files: [String: String]) async throws -> [String] {
        let scratch = try Scratch()
        for (name, text) in files { try scratch.write(text, to: "apps/\(name)") }
        return try await RepositoryCheck.diagnostics(of: scratch.path, FolderSnapshot(scratch.path)).all.map { "\($0)" }
    }

    private let plain = "[Container]\nImage=localhost/web:1.0.0\n"

    @Test func aUnitThatNothingStartsIsNamed() async throws {
        let found = try await findings(["web.container": plain, "data.volume": "[Volume]\n", "many@.container": plain])
        #expect(found.count == 1)
        #expect(
            found.first?.contains("nothing starts 'web.container': it has no [Install] section") == true,
            "\(found)"
        )
    }

    @Test func whatSomethingStartsIsNot() async throws {
        let found = try await findings([
            "web.container": plain + "[Install]\nWantedBy=default.target\n",
            "needed.container": plain,
            "other.container": "[Unit]\nRequires=needed.service\n" + plain + "[Install]\nWantedBy=default.target\n",
            "all.pod": "[Pod]\n[Install]\nWantedBy=default.target\n",
            "member.container": plain + "Pod=all.pod\n",
        ])
        #expect(found.isEmpty, "\(found)")
    }

    /// The timer itself has to be started by something.
    @Test func whatATimerStartsIsNotAndTheTimerMayBe() async throws {
        let timer = "[Timer]\nOnCalendar=daily\n"
        let found = try await findings(["web.container": plain, "web.timer": timer])
        #expect(found.count == 1)
        #expect(found.first?.contains("web.timer: warning: nothing starts 'web.timer'") == true, "\(found)")
        let files = ["web.container": plain, "web.timer": timer + "[Install]\nWantedBy=timers.target\n"]
        #expect(try await findings(files).isEmpty)
    }

    /// What systemd would not load, with its line where it has one.
    @Test(arguments: [
        ("a.service", "[Service]\nType=simple\n", "does not say what it runs"),
        ("a.service", "[Unit]\nDescription=a\n", "has a section [Service]"),
        ("a.service", "[Service]\nExecStart=/a\nExecStart=/b\n", ":3:1: a service has one ExecStart="),
        ("a.service", "[Service]\nType=oneshot\nExecStart=/a\nRestart=always\n", ":4:1: a Type=oneshot service"),
        ("a.service", "[Service]\nExecStart=/a\nEnvironmentFile=./a.env\n", ":3:1: systemd takes whole paths only"),
        ("a.service", "[Service]\nExecStart=/a\n[Install]\nAlias=b.timer\n", ":4:1: an alias ends as the unit does"),
        ("a.timer", "[Timer]\nUnit=b.service\n", "does not say when it elapses"),
        ("a.socket", "[Socket]\nAccept=no\n", "does not say where it listens"),
        ("a.path", "[Path]\nUnit=b.service\n", "does not say which path it watches"),
        ("a.mount", "[Mount]\nWhat=/dev/x\nWhere=/srv/a b\n", "is called 'srv-a\\x20b.mount'"),
        ("a.mount", "[Mount]\nWhat=/dev/x\n", "does not say its Where="),
        ("-.slice", "[Slice]\n", "is systemd's own, and always there"),
    ])
    func whatSystemdWouldNotLoadIsNamed(name: String, text: String, words: String) async throws {
        let found = try await errors([name: text])
        #expect(found.count == 1 && found.first?.contains(words) == true, "\(found)")
    }

    @Test(arguments: [
        ("a.service", "[Service]\nExecStart=/a \\\n  --b\n"), ("a.service", "[Service]\nType=oneshot\nExecStop=/a\n"),
        ("a.service", "[Service]\nType=oneshot\nExecStart=/a\nExecStart=/b\nEnvironmentFile=-%h/a.env\n"),
        ("srv-a.mount", "[Mount]\nWhat=/dev/x\nWhere=/srv/a\n"), ("a.target", ""),
        ("a.slice", "[Slice]\nCPUQuota=20%\n"),
        ("a@.service", "[Service]\nExecStart=/a %i\n"),
    ])
    func whatSystemdLoadsIsNot(name: String, text: String) async throws {
        #expect(try await errors([name: text]).isEmpty)
    }

    @Test func aNameThatSystemdTakesNotIsRefused() async throws {
        let found = try await findings(["a+b.container": plain + "[Install]\nWantedBy=default.target\n"])
        #expect(found.count == 1 && found.first?.contains("systemd takes letters, digits") == true, "\(found)")
    }

    /// The errors of a repository for one version of Podman.
    private func errors(_ files: [String: String], for version: String = "5.4") async throws -> [String] {
        let scratch = try Scratch()
        for (name, text) in files { try scratch.write(text, to: "apps/\(name)") }
        let found = try await RepositoryCheck.diagnostics(
            of: scratch.path,
            FolderSnapshot(scratch.path),
            for: try #require(PodmanVersion(version))
        )
        return found.all.filter { $0.severity == .error }.map { "\($0)" }
    }

    @Test func whatPodmanWouldRefuseIsNamedWithItsPlaceAndACure() async throws {
        let found = try await errors([
            "web.container": "[Container]\nImage=localhost/web:1\nVolume=gone.volume:/d\nGroup=1\n"
        ]
        )
        #expect(found.count == 2)
        #expect(
            found.contains {
                $0.hasSuffix(
                    "web.container:3:1: 'gone.volume' is named here and is not in the repository; add it, or mend the name"
                )
            },
            "\(found)"
        )
        #expect(
            found.contains {
                $0.hasSuffix("web.container:4:1: Group is taken only beside User; add User=, or remove the line")
            }
        )
    }

    @Test func unitsOfOtherFoldersAreThereAsWell() async throws {
        let web = "[Container]\nImage=localhost/web:1\nVolume=data.volume:/d\nNetwork=net.network\n"
        #expect(try await errors(["a/web.container": web, "b/data.volume": "", "net.network": "[Service]\n"]).isEmpty)
    }

    /// A drop-in gives what the unit lacks, and may be what is wrong.
    @Test func dropInsAreLaidOverTheUnit() async throws {
        let image = "[Container]\nImage=localhost/web:1\n"
        #expect(try await errors(["web.container": "[Container]\n", "web.container.d/image.conf": image]).isEmpty)
        let found = try await errors(["web.container": image, "container.d/all.conf": "[Container]\nGroup=1\n"])
        #expect(found.count == 1 && found.first?.contains("container.d/all.conf:2:1: Group") == true, "\(found)")
    }

    /// Folders like `conf.d` lie beside units, and their files are anybody's.
    @Test func filesOfOtherFoldersAreNotRead() async throws {
        let web = "[Container]\nImage=localhost/web:1\nVolume=./conf.d:/etc/nginx/conf.d\n"
        #expect(try await errors(["web.container": web, "conf.d/site.conf": "server {\n}\n"]).isEmpty)
    }

    @Test func keysAreThoseOfTheVersion() async throws {
        let web = "[Container]\nImage=localhost/web:1\nMemory=1g\nHealthCmd=true\n"
        #expect(try await errors(["web.container": web], for: "5.5").isEmpty)
        let found = try await errors(["web.container": web], for: "4.4.1")
        #expect(found.count == 2)
        #expect(
            found.contains {
                $0.contains("web.container:3:1: 'Memory' in [Container] needs Podman 5.5, and this is checked for 4.4")
            }
        )
        #expect(
            try await errors(["all.pod": "[Pod]\n"], for: "4.9").first?.contains("Podman 4.9 knows no .pod files")
                == true
        )
        for text in ["", "x", "5.", "5.4.2.1", "-1", "5.x"] { #expect(PodmanVersion(text) == nil, "\(text)") }
    }
}
