import Delivery
import Files
import TestSupport
import Testing

@testable import Quadlet

/// What is said to be missing of a machine before a unit is touched.
@Suite struct PrerequisitesTests {
    private let rig: BootRig

    init() throws { rig = try BootRig(start: 4_000_000_000_000_000_000) }

    /// What a unit with some lines lacks; nil when nothing.
    private func missing(_ lines: String) async throws -> String? {
        try writeFile(BootRig.unit(1, lines), to: rig.file)
        let unit = try UnitDeclaration(try #require(GitopsTree(rig.layout).units.first), rig.layout)
        do {
            try await Prerequisites(unit: unit, platform: rig.platform()).require()
            return nil
        } catch let failure as Failure {
            #expect(failure.next == .retry, "a person makes it, and nothing has to change")
            return ([failure.message] + failure.details).joined(separator: "\n")
        }
    }

    @Test(arguments: [
        "Volume=data.volume:/d", "Volume=named:/d", "Volume=/d", "Volume=/etc:/d:ro", "Volume=%h:/d",
        "Volume=/tmp/../etc:/d",
        "Volume=%Z/none:/d", "AddDevice=-/dev/none", "AddDevice=/dev/null:/dev/x", "AddDevice=vendor.com/class=name",
        "Volume=/none:/d\n[Service]\nExecStartPre=mkdir /none", "Volume=/none:/d\n[Unit]\nRequiresMountsFor=/none",
        "Volume=/none:/d\n[Unit]\nAfter=none.mount", "Network=host", "Network=pasta:-T,80", "Network=net.network",
        "Network=container:x", "Secret=key", "Network=net", "Pull=never", "Volume=/srv/${X}/d:/d",
        "AddDevice=/dev/${X}",
        "Volume=/none:/d\n[Service]\nRuntimeDirectory=none", "Volume=/none:/d\n[Unit]\nRequires=podman.socket",
        "Volume=/none:/d\n[Unit]\nWants=makes-it.service",
    ])
    func whatIsThereOrCannotBeToldIsNotMissing(lines: String) async throws {
        // Podman cannot be asked on this machine.
        #expect(try await missing(lines) == nil)
    }

    @Test(arguments: [
        "Volume=/none/a:/d", "Volume=%h/none:/d", "Volume=./none:/d", "Volume=/none:/d:Z", "AddDevice=/dev/none",
    ])
    func whatIsNotThereIsNamedWithItsLine(lines: String) async throws {
        let found = try #require(await missing(lines))
        #expect(found.contains("web.container:4:1: there is no ") && found.contains("none"), "\(found)")
    }

    @Test func allOfItIsNamedAtOnce() async throws {
        let found = try #require(await missing("Volume=/none/a:/a\nVolume=/none/b:/b"))
        #expect(
            found.contains("2 things are missing") && found.contains("/none/a") && found.contains("/none/b"),
            "\(found)"
        )
    }
}
