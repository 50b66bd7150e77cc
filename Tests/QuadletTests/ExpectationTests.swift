import Delivery
import Files
import SimulatedNode
import Systemd
import TestSupport
import Testing

@testable import Quadlet

/// What is wanted of a service that is down, by its unit's own words: on a simulated machine.
@Suite struct ExpectationTests {
    private let rig: BootRig
    private let platform: NodePlatform

    init() throws {
        rig = try BootRig(start: 4_000_000_000_000_000_000)
        platform = rig.platform()
    }

    /// Deploys a unit and lets ten seconds pass.
    private func deploy(_ unit: String) async throws {
        try writeFile(unit, to: rig.file)
        try await rig.apply(try await rig.plan(on: platform))
        await rig.manager.pass(.seconds(10))
        try await Task.sleep(for: .milliseconds(50))
    }

    private func changes(on other: NodePlatform? = nil) async throws -> [String] {
        try await rig.plan(on: other ?? platform).plan.changes.map(\.subject)
    }

    private func ending(_ code: Int, _ service: String = "") -> String {
        BootRig.unit(1, "Environment=SIM=exit:\(code):2000\n[Service]\n\(service)\n")
    }

    @Test(arguments: ["", "Type=oneshot", "Restart=on-failure", "SuccessExitStatus=143"])
    func aGoodEndIsTheEnd(service: String) async throws {
        try await deploy(ending(0, service))
        #expect(try await changes().isEmpty)
        #expect(
            try await rig.plan(on: platform).health(since: nil, hasEarlierRevision: true) == .healthy(runsNothing: true)
        )
        #expect(try await changes(on: rig.platform()).isEmpty, "nor does another agent start it")
    }

    /// `systemctl reset-failed` makes a failure look like the end of something that went well.
    @Test(arguments: ["", "SuccessExitStatus=143", "Type=oneshot"])
    func aFailureThatWasResetIsNoGoodEnd(service: String) async throws {
        try await deploy(ending(1, service))
        await rig.manager.resetFailed("web.service")
        #expect(try await changes(on: rig.platform()) == ["service web.service"])
    }

    @Test func whatWasStoppedIsStartedAgain() async throws {
        try await deploy(BootRig.unit(1))
        _ = try await rig.manager.enqueue(.stop, "web.service")
        await rig.manager.pass(.seconds(2))
        #expect(try await changes() == ["service web.service"])
    }

    @Test func anUnmetConditionIsTheEndOfIt() async throws {
        try await deploy("[Unit]\nConditionPathExists=/nowhere\n" + BootRig.unit(1))
        #expect(try await changes().isEmpty)
        #expect(try await changes(on: rig.platform()).isEmpty)
    }

    /// It is kept in step, and who starts it gets what is declared.
    @Test func whatNothingWantsIsNotStarted() async throws {
        func unit(_ stamp: Int) -> String { BootRig.unit(stamp).replacing("WantedBy=default.target", with: "") }
        try await deploy(unit(1))
        #expect(await rig.manager.with { !$0.isActive("web.service") })
        #expect(try await changes().isEmpty)
        try await deploy(unit(2))
        #expect(try await changes().isEmpty)
        _ = try await rig.manager.enqueue(.start, "web.service")
        await rig.manager.pass(.seconds(2))
        #expect(await rig.manager.with { $0.variable("STAMP", of: "web.service") } == "2")
        #expect(try await changes().isEmpty)
    }

    /// What Podman says of its health is asked for each time, whatever an agent before this one knew.
    @Test func nothingOfAContainerWithAHealthCommandIsBelievedUnseen() async throws {
        try await deploy(BootRig.unit(1, "HealthCmd=true\n"))
        let other = rig.platform()
        let fleet = try await rig.reader(other).fleet().fleet
        let app = try #require(fleet.apps.first)
        let fingerprint = try #require(app.knownFingerprint)
        #expect(try await !other.isUntouched(app.id, fingerprint: fingerprint, observedSince: .now))
        try await deploy(BootRig.unit(2))
        let third = rig.platform()
        let plain = try #require(try await rig.reader(third).fleet().fleet.apps.first)
        #expect(
            try await third.isUntouched(
                plain.id,
                fingerprint: try #require(plain.knownFingerprint),
                observedSince: .now
            )
        )
    }

    /// As `SuccessExitStatus=` calls them, also when `systemctl reset-failed` left only how the process ended.
    @Test(arguments: [
        ("FAILURE", "1", "1", true), ("NOTRUNNING", "7", "1", true), ("TEMPFAIL 250", "250", "1", true),
        ("SIGUSR1", "10", "2", true), ("", "15", "2", false), ("250", "1", "1", false), ("10", "10", "2", false),
    ])
    func theNamesOfGoodEndsAreKnown(words: String, status: String, code: String, isGood: Bool) async throws {
        try writeFile(BootRig.unit(1, "[Service]\nSuccessExitStatus=\(words)\n"), to: rig.file)
        let unit = try UnitDeclaration(try #require(GitopsTree(rig.layout).units.first), rig.layout)
        let properties = [
            "LoadState": "loaded", "WantedBy": "default.target", "ActiveState": "inactive", "Type": "oneshot",
            "InactiveExitTimestampMonotonic": "5", "Result": "success", "ExecMainStatus": status, "ExecMainCode": code,
        ]
        let expected = try await platform.deployment(unit).expectation(unit, properties, isDeclared: true)
        #expect(expected == (isGood ? .over : .up))
    }

    /// A timer or a person started it, and its environment file changes while it ends.
    @Test func howAnOlderVersionEndsSaysNothingOfTheNewOne() async throws {
        let file = "\(rig.layout.gitops)/apps/web.env"
        try writeFile("A=1\n", to: file)
        let unit = BootRig.unit(1, "EnvironmentFile=web.env\nEnvironment=SIM=exit:1:2000\n")
        try writeFile(unit.replacing("WantedBy=default.target", with: ""), to: rig.file)
        try await rig.apply(try await rig.plan(on: platform))
        _ = try await rig.manager.enqueue(.start, "web.service")
        var active = ""
        for _ in 0..<4000 where active != "deactivating" {
            await rig.manager.pass(.milliseconds(1))
            active = await rig.manager.units(named: ["web.service"]).first?.active ?? ""
        }
        #expect(active == "deactivating")
        try writeFile("A=2\n", to: file)
        _ = try await rig.plan(on: platform)
        await rig.manager.pass(.seconds(2))
        let health = try await rig.plan(on: platform).health(since: nil, hasEarlierRevision: true)
        if case .failed = health { Issue.record("what ran before is taken for what is declared: \(health)") }
    }
}
