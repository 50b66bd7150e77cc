import Diagnostics
import TestSupport
import Testing

@testable import Quadlet

/// What `hecate check` says of a repository of Quadlet files.
@Suite struct RepositoryCheckTests {
    /// The messages about files of `apps`, by their contents.
    private func findings(_ files: [String: String]) throws -> [String] {
        let scratch = try Scratch()
        for (name, text) in files { try scratch.write(text, to: "apps/\(name)") }
        return try RepositoryCheck.diagnostics(of: scratch.path).all.map { "\($0)" }
    }

    private let plain = "[Container]\nImage=localhost/web:1.0.0\n"

    @Test func aUnitThatNothingStartsIsNamed() throws {
        let found = try findings(["web.container": plain, "data.volume": "[Volume]\n", "many@.container": plain])
        #expect(found.count == 1)
        #expect(
            found.first?.contains("nothing starts 'web.container': it has no [Install] section") == true,
            "\(found)"
        )
    }

    @Test func whatSomethingStartsIsNot() throws {
        let found = try findings([
            "web.container": plain + "[Install]\nWantedBy=default.target\n",
            "needed.container": plain,
            "other.container": "[Unit]\nRequires=needed.service\n" + plain + "[Install]\nWantedBy=default.target\n",
            "all.pod": "[Pod]\n[Install]\nWantedBy=default.target\n",
            "member.container": plain + "Pod=all.pod\n",
        ])
        #expect(found.isEmpty, "\(found)")
    }

    /// The timer itself is named, because nobody keeps it.
    @Test func whatATimerStartsIsNotAndTheTimerIs() throws {
        let found = try findings(["web.container": plain, "web.timer": "[Timer]\nOnCalendar=daily\n"])
        #expect(found.count == 1)
        #expect(found.first?.contains("web.timer: warning: it is a unit of systemd's own") == true, "\(found)")
    }

    @Test func aNameThatSystemdTakesNotIsRefused() throws {
        let found = try findings(["a+b.container": plain + "[Install]\nWantedBy=default.target\n"])
        #expect(found.count == 1 && found.first?.contains("systemd takes letters, digits") == true, "\(found)")
    }
}
