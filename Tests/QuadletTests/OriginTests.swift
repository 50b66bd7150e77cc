import Delivery
import Files
import SimulatedNode
import Systemd
import TestSupport
import Testing

@testable import Quadlet

/// What a service runs of which nobody remembers the start, because the machine booted since or somebody else started it.
@Suite(.timeLimit(.minutes(1))) struct OriginTests {
    private let rig: BootRig

    init() throws { rig = try BootRig(start: BootRig.realTime) }

    /// What the boot found: one version, linked and read by systemd, which another took the place of since.
    private func changedSinceItWasRead() async throws {
        try writeFile(BootRig.unit(1), to: rig.file)
        try replaceLink(rig.link, to: rig.file)
        await rig.manager.reload()
        try await rig.wait(.milliseconds(200))
        try writeFile(BootRig.unit(2), to: rig.file)
        try await rig.wait(.milliseconds(200))
    }

    /// An agent pointed the link from a kept copy to what is declared, and systemd never read that.
    private func changedWithoutAReload() async throws -> NodePlatform {
        try writeFile(BootRig.unit(2), to: rig.file)
        let copy = "\(rig.layout.kept)/live/web.container/web.container"
        try writeFile(BootRig.unit(1), to: copy)
        try replaceLink(rig.link, to: copy)
        await rig.manager.reload()
        try await rig.wait(.milliseconds(200))
        let losing = rig.platform(through: NeverReloading(base: rig.manager))
        let planned = try await rig.plan(on: losing)
        await #expect(throws: (any Error).self) { try await rig.apply(planned) }
        return losing
    }

    /// An agent that had to do with the unit before the machine booted.
    private var knowing: NodePlatform { rig.platform(revisions: [[0]]) }

    @Test func anOlderVersionThatIsStartedWhileItIsReadAnewIsNotTakenForTheNewOne() async throws {
        try await changedSinceItWasRead()
        let platform = rig.platform()
        let planned = try await rig.plan(on: platform)
        try await rig.start()
        await #expect(throws: (any Error).self) { try await rig.apply(planned) }
        for platform in [platform, rig.platform()] {
            #expect(try await rig.subjects(on: platform) == ["service web.service"])
        }
        try await rig.apply(try await rig.plan(on: platform))
        try await rig.wait(.milliseconds(1000))
        #expect(await rig.variable() == "2")
        #expect(try await rig.subjects(on: platform) == [])
    }

    /// A reload by anybody, such as that of another app, hides that systemd had read something else at the start.
    @Test func aReloadByOthersHidesNoOlderVersion() async throws {
        try await changedSinceItWasRead()
        try await rig.start()
        await rig.manager.reload()
        #expect(try await rig.subjects(on: knowing) == ["service web.service"])
        // What no agent ever had to do with is taken over as it runs.
        #expect(try await rig.subjects(on: rig.platform()) == [])
    }

    @Test func whatWasReadBeforeItWasStartedIsTakenOver() async throws {
        try await changedSinceItWasRead()
        await rig.manager.reload()
        try await rig.wait(.milliseconds(200))
        try await rig.start()
        #expect(await rig.variable() == "2")
        #expect(try await rig.subjects(on: knowing) == [])
    }

    @Test func aReloadThatIsNotAnsweredHidesNoOlderVersion() async throws {
        let losing = try await changedWithoutAReload()
        try await rig.start()
        await rig.manager.reload()
        for platform in [losing, rig.platform()] {
            #expect(try await rig.subjects(on: platform) == ["service web.service"])
        }
    }

    /// What is to take the place of what runs is linked, read and started by somebody else; then the former is wanted again.
    @Test func whatOthersStartedInThePlaceOfWhatWasNotedIsNotTakenForThat() async throws {
        try writeFile(BootRig.unit(1), to: rig.file)
        try await rig.apply(try await rig.plan(on: rig.platform()))
        try await rig.wait(.milliseconds(1000))
        let elsewhere = "\(rig.layout.gitops)/system/web.container"
        try writeFile(BootRig.unit(2), to: elsewhere)
        try removeFile(rig.file)
        let losing = rig.platform(through: NeverReloading(base: rig.manager))
        let planned = try await rig.plan(on: losing)
        await #expect(throws: (any Error).self) { try await rig.apply(planned) }
        await rig.manager.reload()
        _ = try await rig.manager.enqueue(.restart, "web.service")
        try await rig.wait(.milliseconds(1000))
        #expect(await rig.variable() == "2")
        try writeFile(BootRig.unit(1), to: rig.file)
        try removeFile(elsewhere)
        #expect(try await rig.subjects(on: rig.platform()) == ["link web.container", "service web.service"])
    }

    /// One link that leads nowhere ends Podman's generator for every unit.
    @Test func noLinkIsPointedToFilesThatWentMeanwhile() async throws {
        let platform = try await changedWithoutAReload()
        let copy = "\(rig.layout.kept)/live/web.container/web.container"
        try replaceLink(rig.link, to: copy)
        let fleet = try await rig.reader(platform).fleet().fleet
        let deployment = try await #require(fleet.apps.first).prepare(fleet.snapshot)
        let planned = try await deployment.plan(observedSince: .now)
        try removeFile(rig.file)
        await #expect(throws: Failure.self) { try await rig.apply(planned) }
        #expect(linkTarget(rig.link) == copy)
        await #expect(throws: Failure.self) { try await deployment.plan(observedSince: .now) }
    }

    private func runningWithDropIn() async throws {
        try writeFile(BootRig.unit(1), to: rig.file)
        try writeFile("[Container]\nEnvironment=DROP=1\n", to: "\(rig.file).d/10.conf")
        try replaceLink(rig.link, to: rig.file)
        try replaceLink("\(rig.link).d", to: "\(rig.file).d")
        await rig.manager.reload()
        try await rig.wait(.milliseconds(200))
        try await rig.start()
        #expect(await rig.variable("DROP") == "1")
    }

    @Test func aDropInThatChangedInPlaceIsSeen() async throws {
        try await runningWithDropIn()
        try writeFile("[Container]\nEnvironment=DROP=2\n", to: "\(rig.file).d/10.conf")
        #expect(try await rig.subjects(on: rig.platform()) == ["service web.service"])
    }

    @Test func dropInsThatWentAreSeen() async throws {
        try await runningWithDropIn()
        try removeTree("\(rig.file).d")
        let platform = rig.platform()
        try await platform.mendLinks()
        let planned = try await rig.plan(on: platform)
        #expect(planned.plan.changes.map(\.subject).contains("service web.service"))
        try await rig.apply(planned)
        try await rig.wait(.milliseconds(1000))
        #expect(await rig.variable("DROP") == nil)
        #expect(try await rig.subjects(on: platform) == [])
    }

    /// A folder of drop-ins may be for all units of a kind, or for all whose names begin alike.
    @Test(arguments: ["container.d", "web@.container.d"]) func sharedDropInsThatWentAreSeen(folder: String) async throws
    {
        let isConcerned = folder == "container.d"
        let shared = "\(rig.layout.gitops)/apps/\(folder)"
        try writeFile(BootRig.unit(1), to: rig.file)
        try writeFile("[Container]\nEnvironment=DROP=1\n", to: "\(shared)/10.conf")
        try replaceLink(rig.link, to: rig.file)
        try replaceLink("\(rig.layout.quadlet)/\(folder)", to: shared)
        // The clock of files is coarse, and what is written in the moment of a reload may not have been read by it.
        try await rig.wait(.milliseconds(50))
        await rig.manager.reload()
        try await rig.wait(.milliseconds(200))
        try await rig.start()
        try removeTree(shared)
        let platform = knowing
        try await platform.mendLinks()
        let subjects = try await rig.subjects(on: platform)
        #expect(subjects.contains("service web.service") == isConcerned, "\(subjects)")
    }

    /// An agent that ended amid a change: nothing of it was started, and so nothing of it has failed.
    @Test func whatWasNotStartedYetHasNotFailed() async throws {
        _ = try await changedWithoutAReload()
        let health = try await rig.plan(on: rig.platform()).health(since: nil, hasEarlierRevision: true)
        guard case .progressing = health else {
            Issue.record("it is \(health)")
            return
        }
    }

    /// The fix of what ends again and again has not failed before it was started.
    @Test func whatFailsBesideItIsNoFailureOfWhatIsNotStartedYet() async throws {
        let loop = BootRig.unit(1, "Environment=SIM=exit:1:300\n") + "[Service]\nRestart=always\nRestartSec=2s\n"
        try writeFile(loop, to: rig.file)
        let platform = rig.platform()
        try await rig.apply(try await rig.plan(on: platform))
        try await rig.wait(.milliseconds(1500))
        #expect(await rig.manager.properties(of: "web.service")["SubState"] == "auto-restart")
        try writeFile(BootRig.unit(2), to: rig.file)
        for platform in [platform, rig.platform()] {
            let health = try await rig.plan(on: platform).health(since: nil, hasEarlierRevision: true)
            guard case .progressing = health else {
                Issue.record("it is \(health)")
                continue
            }
        }
    }

    /// Before Podman's generator the agent writes the service itself, as soon as it reads the unit.
    @Test func aPlainServiceThatTheBootStartedBeforeItWasWrittenAnewIsRestarted() async throws {
        let old = rig.platform(podman: "3.0.1")
        try writeFile(BootRig.unit(1), to: rig.file)
        _ = try await rig.reader(old).fleet()
        let made = "\(rig.layout.kept)/units/web.container/web.service"
        try makeFolder("\(rig.layout.units)/default.target.wants")
        for place in ["", "default.target.wants/"] {
            try replaceLink("\(rig.layout.units)/\(place)web.service", to: made)
        }
        try writeFile(BootRig.unit(2), to: rig.file)
        try await rig.wait(.milliseconds(200))
        await rig.manager.reload()
        try await rig.start()
        let new = rig.platform(podman: "3.0.1")
        let reader = rig.reader(new)
        let fleet = try await reader.fleet()
        await rig.manager.reload()
        let planned = try await fleet.fleet.apps[0].prepare(fleet.fleet.snapshot).plan(observedSince: .now)
        #expect(planned.plan.changes.map(\.subject) == ["service web.service"])
    }

    /// A machine without a clock of its own wakes in the past, and sees the files' times in the future.
    @Test(arguments: [-3600, 7200]) func aClockThatWasWrongAtTheBootRestartsNothing(seconds: Int64) async throws {
        let error = seconds * 1_000_000_000
        let rig = try BootRig(start: BootRig.realTime + error, clockError: error)
        try writeFile(BootRig.unit(1), to: rig.file)
        try replaceLink(rig.link, to: rig.file)
        try await rig.wait(.milliseconds(200))
        await rig.manager.reload()
        try await rig.start()
        #expect(try await rig.subjects(on: rig.platform(revisions: [[0]])) == [])
    }

    @Test(arguments: [-3600, 7200]) func aClockThatWasWrongAtTheBootHidesNoOlderVersion(seconds: Int64) async throws {
        let error = seconds * 1_000_000_000
        let rig = try BootRig(start: BootRig.realTime + error, clockError: error)
        try writeFile(BootRig.unit(2), to: rig.file)
        let copy = "\(rig.layout.kept)/live/web.container/web.container"
        try writeFile(BootRig.unit(1), to: copy)
        try replaceLink(rig.link, to: copy)
        await rig.manager.reload()
        let platform = rig.platform()
        let planned = try await rig.plan(on: platform)
        try await rig.start()
        try await rig.wait(.milliseconds(100))
        await #expect(throws: (any Error).self) { try await rig.apply(planned) }
        #expect(try await rig.subjects(on: platform) == ["service web.service"])
    }

    private var task: String {
        let sections = "[Service]\nType=oneshot\n[Install]\nWantedBy=default.target\n"
        return BootRig.unit(1, "Environment=SIM=exit:0:500\n") + sections
    }

    /// A task that the boot starts, such as a migration, has run to its end before the agent looks.
    @Test func aTaskThatRanToItsEndIsNotRunAgain() async throws {
        try writeFile(task, to: rig.file)
        try replaceLink(rig.link, to: rig.file)
        try await rig.wait(.milliseconds(200))
        await rig.manager.reload()
        try await rig.start()
        try await rig.wait(.milliseconds(1000))
        #expect(await !rig.manager.with { $0.isActive("web.service") })
        #expect(try await rig.subjects(on: rig.platform()) == [])
    }

    @Test func aTaskThatNeverRanIsRun() async throws {
        try writeFile(task, to: rig.file)
        try replaceLink(rig.link, to: rig.file)
        try await rig.wait(.milliseconds(200))
        await rig.manager.reload()
        #expect(try await rig.subjects(on: rig.platform()) == ["service web.service"])
    }
}

/// A service manager whose answers to reloads never come, and that does none.
private struct NeverReloading: ServiceManager {
    let base: SimulatedManager

    func enqueue(_ method: Systemd.UnitMethod, _ unit: String) async throws(SystemdError) -> Systemd.JobID {
        try await base.enqueue(method, unit)
    }
    func units(named names: [String]) async throws(SystemdError) -> [Systemd.Unit] { await base.units(named: names) }
    func properties(of unit: String) async throws(SystemdError) -> [String: String] { await base.properties(of: unit) }
    func managerVersion() async throws(SystemdError) -> String { await base.managerVersion() }
    func managerState() async throws(SystemdError) -> String { await base.managerState() }
    func readings() async throws(SystemdError) -> Systemd.Readings { await base.readings() }
    func result(of job: Systemd.JobID) async -> String { await base.result(of: job) }
    func reload() async throws(SystemdError) { throw SystemdError(name: "", description: "Connection timed out") }
    func resetFailed(_ unit: String) async throws(SystemdError) { await base.resetFailed(unit) }
    func signals() async throws(SystemdError) -> AsyncStream<Systemd.Signal> { await base.signals() }
}
