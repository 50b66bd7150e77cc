import Diagnostics
import Systemd
import TestSupport
import Testing

@testable import Quadlet

@Suite struct PlainServiceTests {
    private let scratch: Scratch
    private let layout: NodeLayout

    init() throws {
        scratch = try Scratch()
        layout = NodeLayout(in: scratch)
    }

    private func service(_ name: String, _ text: String, version: [Int] = [3, 0, 1]) throws -> String {
        let path = "\(scratch.path)/\(name)"
        try writeFile(text, to: path)
        let unit = try UnitDeclaration(
            name: try #require(UnitName(name)),
            path: path,
            unit: UnitFile(Array(text.utf8), file: name),
            layout: layout
        )
        return try PlainService(unit: unit, layout: layout, version: version, known: [:], refusesStrangers: false)
            .text()
    }

    @Test func aContainerBecomesAnAttachedRun() throws {
        let text = try service(
            "web.container",
            """
            [Unit]
            Description=Web
            [Container]
            Image=x:1
            Environment=A="two words" B=2
            Volume=%h/data:/data
            Volume=shared.volume:/shared
            Exec=serve --port 80
            ShmSize=64m
            [Service]
            Restart=always
            [Install]
            WantedBy=default.target
            """
        )
        #expect(text.contains("Type=simple\n"))
        #expect(text.contains("--env \"A=two words\" --env B=2"), "\(text)")
        #expect(text.contains("--volume %h/data:/data --volume systemd-shared:/shared"))
        #expect(text.contains("--shm-size 67108864"))
        #expect(text.contains(" x:1 serve --port 80\n"))
        #expect(text.contains("Requires=shared-volume.service\nAfter=shared-volume.service\n"))
        #expect(text.contains("Restart=always\n") && text.contains("[Install]\nWantedBy=default.target\n"))
    }

    @Test(arguments: [
        ("Imag=x", "unknown key 'Imag' in [Container]; did you mean 'Image'?"),
        ("HealthOnFailure=kill", "'HealthOnFailure' needs Podman 4.2, and this node has 3.0.1"),
        ("RemapUsers=auto", "'RemapUsers' cannot be kept by a plain service"),
    ])
    func whatCannotBeKeptIsRefusedWithItsPlace(line: String, message: String) throws {
        do {
            _ = try service("web.container", "[Container]\nImage=x\n\(line)\n")
            Issue.record("it was taken")
        } catch let invalid as Invalid {
            #expect(invalid.description.hasPrefix("web.container:3:1: \(message)"), "\(invalid)")
        }
    }

    @Test func aMissingEnvironmentFileAndAWrongSectionAreNamed() throws {
        for (text, message) in [
            (
                "[Container]\nImage=x\nEnvironmentFile=%h/none.env\n",
                "EnvironmentFile names '\(scratch.path)/none.env', which is not there"
            ),
            ("[Container]\nImage=x\nEnvironmentFile=-/none.env\n", "Quadlet knows no optional environment file"),
            ("[Service]\nRestart=no\n", "a .container file has a section [Container], and this one has none"),
        ] {
            do {
                _ = try service("web.container", text)
                Issue.record("it was taken: \(text)")
            } catch let invalid as Invalid {
                #expect(invalid.description.contains(message), "\(invalid)")
            }
        }
    }

    /// As Podman's own generator has them; `FOLDER` stands for the unit's own.
    @Test(arguments: [
        ("Mask=/a:/b /c\nMask=/d", "--security-opt mask=/a:/b --security-opt mask=/c --security-opt mask=/d"),
        ("Unmask=ALL", "--security-opt unmask=ALL"),
        (
            "Mount=type=volume,source=data.volume,destination=/d",
            "--mount type=volume,source=systemd-data,destination=/d"
        ),
        ("Mount=type=bind,source=./conf,target=/c", "--mount type=bind,source=FOLDER/./conf,target=/c"),
        ("Volume=./conf:/c:ro", "--volume FOLDER/./conf:/c:ro"),
        ("EnvironmentFile=web.env", "--env-file FOLDER/web.env"),
        ("Network=other.container", "--network container:systemd-other"),
        ("AddHost=a.container:1.2.3.4", "--add-host a.container:1.2.3.4"),
        ("AddDevice=-/dev/null:/dev/x", "--device /dev/null:/dev/x"), ("HostName=\"web\"", "--hostname web"),
        ("User=1\nGroup=2", "--user 1:2"),
    ])
    func whatIsWrittenIsSaidAsPodmanSaysIt(lines: String, words: String) throws {
        try writeFile("A=1\n", to: "\(scratch.path)/web.env")
        let text = try service("web.container", "[Container]\nImage=x:1\n\(lines)\n")
        #expect(text.contains(words.replacing("FOLDER", with: scratch.path)), "\(text)")
    }

    @Test func aDeviceThatMayBeMissingIsLeftOut() throws {
        let text = try service("web.container", "[Container]\nImage=x:1\nAddDevice=-/dev/none -/dev/null\n")
        #expect(text.contains("--device /dev/null") && !text.contains("/dev/none"), "\(text)")
    }

    @Test func optionsOfANetworkAreAllKept() throws {
        let text = try service("net.network", "[Network]\nOptions=mtu=1400 vlan=5\nOptions=isolate=true\n")
        #expect(text.contains("--opt mtu=1400 --opt vlan=5 --opt isolate=true"), "\(text)")
    }

    @Test(arguments: [
        (
            "net.network", "[Network]\nSubnet=10.0.0.0/24\nSubnet=10.0.1.0/24\n",
            "net.network:3:1: Podman 3.0.1 takes one Subnet"
        ),
        ("all.kube", "[Kube]\nYaml=%Z/a\nYaml=%Z/b\n", "all.kube:3:1: Podman 3.0.1 takes one Yaml"),
        ("web.container", "[Container]\nImage=x\nGroup=1\n", "web.container:3:1: Group is taken only beside User"),
        (
            "web.container", "[Container]\nImage=x\nNetwork=other.container:x\n",
            "the network of another container takes no options"
        ),
        ("web.container", "[Container]\nExec=x\n", "nothing says what the container is made of"),
    ])
    func whatWouldBeDroppedIsRefused(name: String, text: String, message: String) throws {
        do {
            _ = try service(name, text)
            Issue.record("it is taken")
        } catch let invalid as Invalid { #expect("\(invalid)".contains(message), "\(invalid)") }
    }
}

@Suite struct OwnershipTests {
    @Test func onlyLinksBelowTheFolderAreOwned() async throws {
        let scratch = try Scratch()
        let home = scratch.path
        let script = """
            mkdir -p real/gitops/apps links && ln -s real/gitops gitops && touch real/gitops/apps/a.container other
            cd links && ln -s ../gitops/apps/a.container relative && ln -s \(home)/gitops/apps/a.container lexical &&
            ln -s \(home)/real/gitops/apps/a.container real && ln -s \(home)/gitops/apps/gone/b.container dangling &&
            ln -s ../other foreign && ln -s \(home)/gitops-not/x near && touch file
            """
        try await shell(["sh", "-c", script], directory: home)
        let layout = NodeLayout(
            scope: .user,
            home: home,
            user: "",
            userID: 0,
            host: "",
            gitops: "\(home)/gitops",
            runtime: nil,
            configuration: nil
        )
        for (name, isOwned) in [
            ("relative", true), ("lexical", true), ("real", true), ("dangling", true), ("foreign", false),
            ("near", false),
            ("file", false),
        ] {
            #expect(layout.owns(linkAt: "\(home)/links/\(name)") == isOwned, "\(name)")
        }
    }
}
