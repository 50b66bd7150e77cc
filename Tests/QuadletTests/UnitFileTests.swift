import Diagnostics
import Testing

@testable import Quadlet

@Suite struct UnitFileTests {
    private func complaint(_ text: String) -> String {
        do throws(Invalid) {
            _ = try UnitFile(Array(text.utf8), file: "web.container")
            return "read"
        } catch {
            return error.description
        }
    }

    @Test func sectionsKeysContinuationsAndComments() throws {
        let text = """
            # a comment
            [Unit]
            Description = A web server
            [Container]
            Environment=A=1 \\
            ; a comment in between
              B=2
            Image=one
            Image=two
            Volume=a:/a
            Volume=
            Volume=b:/b
            """
        let unit = try UnitFile(Array(text.utf8), file: "web.container")
        #expect(unit.last("Unit", "Description") == "A web server")
        #expect(unit.last("Container", "Image") == "two")
        #expect(unit.values("Container", "Volume") == ["b:/b"], "an empty assignment takes back those before it")
        #expect(words(unit.last("Container", "Environment") ?? "") == ["A=1", "B=2"])
        #expect(unit.all("Container", "Image").map(\.place.line) == [8, 9])
        #expect(unit.sections == ["Unit", "Container"])
    }

    @Test func linesMayEndAsWindowsEndsThem() throws {
        let text = "[Container]\r\nImage=one\r\n# a comment\r\nExec=a \\\r\n  b\r\n"
        let unit = try UnitFile(Array(text.utf8), file: "web.container")
        let plain = try UnitFile(Array(text.replacing("\r\n", with: "\n").utf8), file: "web.container")
        #expect(unit.entries.count == 2 && unit.entries.map(\.value) == plain.entries.map(\.value))
        #expect(unit.entries.last?.place.line == plain.entries.last?.place.line)
    }

    /// As Podman's own generator joins them.
    @Test(arguments: [
        ("Exec=a \\\n  b", "a b"), ("Exec=a\\\nb", "ab"), ("Exec=a \\  \t\nb", "a b"), ("Exec=a \\\n# no\n\nb", "a b"),
        ("Exec=a \\", "a"), ("Exec=a \\\n", "a"),
    ])
    func linesThatGoOnAreJoined(text: String, value: String) throws {
        let unit = try UnitFile(Array("[Container]\n\(text)".utf8), file: "web.container")
        #expect(unit.entries.map(\.value) == [value])
    }

    @Test func commentsAndOrderOfSectionsAreNoDifference() throws {
        let one = try UnitFile(Array("[Container]\nImage=x\n\n# no\n[Service]\nRestart=always\n".utf8), file: "a")
        let other = try UnitFile(Array("[Container]\nImage = x\n[Service]\nRestart=always".utf8), file: "a")
        #expect(one.text == other.text)
        #expect(try UnitFile(Array(one.text.utf8), file: "a").text == one.text, "what is printed reads back the same")
    }

    @Test(arguments: [
        ("Image=x", "web.container:1:1: an assignment stands before the first section; put it below [Container]"),
        ("[Container\nImage=x", "web.container:1:1: '[Container' is no section; write it as [Container]"),
        (
            "[Container]\nImage",
            "web.container:2:1: 'Image' is no assignment, section or comment; write it as Key=Value"
        ),
        (
            "[Container]\nExec=a \\\n\n",
            "web.container:2:1: the last line goes on with '\\' and nothing follows, so that Podman drops it; "
                + "remove the backslash"
        ),
    ])
    func whatIsWrongIsToldWithItsPlace(text: String, message: String) {
        #expect(complaint(text).contains(message), "\(complaint(text))")
    }

    @Test func aBinaryFileIsRefused() {
        #expect(complaint("[Container]\0") == "web.container: the file is binary; write a unit file")
    }

    @Test func wordsAreSplitAsSystemdDoes() {
        #expect(words(#"sh -c 'echo "a b"' c\sd "e f" """#) == ["sh", "-c", #"echo "a b""#, "c d", "e f", ""])
    }
}

@Suite struct UnitNameTests {
    @Test(arguments: [
        ("web.container", "web.service"), ("data.volume", "data-volume.service"),
        ("net.network", "net-network.service"),
        ("p.pod", "p-pod.service"), ("k.kube", "k.service"), ("i.image", "i-image.service"),
        ("b.build", "b-build.service"), ("many@.container", "many@.service"), ("many@a.container", "many@a.service"),
        ("v@a.volume", "v-volume@a.service"), ("web.service", "web.service"), ("web.timer", "web.timer"),
        ("many@.service", "many@.service"),
    ])
    func eachKindHasItsService(file: String, service: String) {
        #expect(UnitName(file)?.service == service)
    }

    @Test(arguments: ["web.scope", "container", ".container", "web.env", "web.container.d"])
    func otherFilesAreNone(file: String) { #expect(UnitName(file) == nil) }

    @Test func dropInsOfTemplatesAndPrefixesApply() {
        #expect(
            UnitName("a-b@c.container")?.dropInFolders
                == ["container.d", "a-.container.d", "a-b@.container.d", "a-b@c.container.d"]
        )
        // Those of all services are not this folder's alone.
        #expect(UnitName("a-b@c.service")?.dropInFolders == ["a-b@.service.d", "a-b@c.service.d"])
    }

    @Test func specifiersStandForTheNode() throws {
        let specifiers = Specifiers(["h": "/home/anna", "t": "/run/user/7"])
        let name = try #require(UnitName("web@a.container"))
        #expect(specifiers.expand("%h/x %t %% %i %N %q", for: name) == "/home/anna/x /run/user/7 % a web@a %q")
    }
}
