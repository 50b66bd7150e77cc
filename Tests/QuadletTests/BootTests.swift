import Delivery
import Files
import SimulatedNode
import Systemd
import TestSupport
import Testing

@testable import Quadlet

/// What is said of units after a boot, and when the bus goes: on a simulated machine.
@Suite struct BootTests {
    private let rig: BootRig
    private let layout: NodeLayout
    private let manager: SimulatedManager
    private let platform: NodePlatform

    init() throws {
        // Ahead of the files' own time, so that whatever runs was started after they were written.
        rig = try BootRig(start: 4_000_000_000_000_000_000)
        (layout, manager, platform) = (rig.layout, rig.manager, rig.platform())
    }

    private func unit(_ stamp: Int) -> String { BootRig.unit(stamp) }

    private func plan(on other: NodePlatform? = nil) async throws -> any Planned {
        try await rig.plan(on: other ?? platform)
    }

    private func apply(_ planned: any Planned) async throws { try await rig.apply(planned) }

    /// The machine starts the unit after the agent looked at it and before it changes anything.
    private func startBetweenPlanAndApply(on manager: SimulatedManager, _ platform: NodePlatform) async throws {
        await manager.reload()
        let planned = try await plan(on: platform)
        _ = try await manager.enqueue(.start, "web.service")
        await manager.pass(.seconds(1))
        try await Task.sleep(for: .seconds(1))
        await #expect(throws: Failure.self) { try await apply(planned) }
    }

    @Test func whatNobodyStartedSinceTheBootHasNotFailed() async throws {
        try writeFile(unit(1), to: "\(layout.gitops)/apps/web.container")
        try replaceLink("\(layout.quadlet)/web.container", to: "\(layout.gitops)/apps/web.container")
        await manager.reload()
        let planned = try await plan()
        let health = try await planned.health(since: nil, hasEarlierRevision: true)
        guard case .progressing = health else {
            Issue.record("it is \(health)")
            return
        }
        #expect(planned.plan.changes.map(\.subject) == ["service web.service"])
    }

    @Test func aKeptCopyThatTheMachineStartedGivesWayToWhatIsDeclared() async throws {
        try writeFile(unit(2), to: "\(layout.gitops)/apps/web.container")
        let copy = "\(layout.kept)/live/web.container/web.container"
        try writeFile(unit(1), to: copy)
        try replaceLink("\(layout.quadlet)/web.container", to: copy)
        await manager.reload()
        _ = try await manager.enqueue(.start, "web.service")
        await manager.pass(.seconds(2))
        try await apply(try await plan())
        await manager.pass(.seconds(2))
        #expect(await manager.with { $0.variable("STAMP", of: "web.service") } == "2")
        #expect(try await plan().plan.isEmpty)
    }

    /// systemd starts anew what ended, while the agent is about to start it with something else.
    @Test func whatSomebodyStartedMeanwhileIsNotTakenForStarted() async throws {
        try writeFile(unit(1), to: "\(layout.gitops)/apps/web.container")
        try await apply(try await plan())
        await manager.pass(.seconds(2))
        _ = try await manager.enqueue(.stop, "web.service")
        await manager.pass(.seconds(2))
        try writeFile(unit(2), to: "\(layout.gitops)/apps/web.container")
        let planned = try await plan()
        _ = try await manager.enqueue(.start, "web.service")
        await manager.pass(.seconds(2))
        // The unit is read again before its start, which is too late for what runs already.
        await #expect(throws: Failure.self) { try await apply(planned) }
        #expect(await manager.with { $0.variable("STAMP", of: "web.service") } == "1")
        try await apply(try await plan())
        await manager.pass(.seconds(2))
        #expect(await manager.with { $0.variable("STAMP", of: "web.service") } == "2")
        #expect(try await plan().plan.isEmpty)
    }

    /// A link that leads nowhere and cannot be mended, such as on a full disk, keeps systemd from reading its units, and nobody else.
    @Test func nothingIsReadAgainWhileALinkLeadsNowhere() async throws {
        try writeFile(unit(1), to: "\(layout.gitops)/apps/web.container")
        try await apply(try await plan())
        let platform = rig.platform()
        try removeFile("\(layout.gitops)/apps/web.container")
        try? removeTree("\(layout.kept)/live")
        try makeFolder(layout.kept)
        try writeFile("in the way", to: "\(layout.kept)/live")
        try await platform.mendLinks()
        await #expect(throws: Failure.self) { try await platform.reload() }
        try removeFile("\(layout.kept)/live")
        try await platform.mendLinks()
        try await platform.reload()
        #expect(pathExists("\(layout.quadlet)/web.container"))
    }

    /// The machine booted with what was linked then: no drop-ins, and what systemd read before the file was written.
    @Test func whatABootStartedOfOlderFilesIsRestarted() async throws {
        try writeFile(unit(1), to: "\(layout.gitops)/apps/web.container")
        try replaceLink("\(layout.quadlet)/web.container", to: "\(layout.gitops)/apps/web.container")
        try writeFile("[Container]\nEnvironment=DROP=1\n", to: "\(layout.gitops)/apps/web.container.d/10.conf")
        await manager.reload()
        _ = try await manager.enqueue(.start, "web.service")
        await manager.pass(.seconds(2))
        let planned = try await plan()
        #expect(planned.plan.changes.map(\.subject) == ["link web.container.d", "service web.service"])
        try await apply(planned)
        await manager.pass(.seconds(2))
        #expect(await manager.with { $0.variable("DROP", of: "web.service") } == "1")
    }

    /// The machine is still starting, and starts the kept copy after the agent looked and before it changes the links.
    @Test func whatTheBootStartsMeanwhileIsNotTakenForTheNewOne() async throws {
        try writeFile(unit(2), to: "\(layout.gitops)/apps/web.container")
        let copy = "\(layout.kept)/live/web.container/web.container"
        try writeFile(unit(1), to: copy)
        try replaceLink("\(layout.quadlet)/web.container", to: copy)
        // By the clock that the agent has as well.
        let (manager, platform) = rig.another(start: BootRig.realTime)
        try await startBetweenPlanAndApply(on: manager, platform)
        for platform in [platform, rig.platform(on: manager)] {
            let changes = try await plan(on: platform).plan.changes
            #expect(changes.map(\.subject) == ["service web.service"], "an agent that ended meanwhile knows it as well")
        }
        try await apply(try await plan(on: platform))
        await manager.pass(.seconds(2))
        #expect(await manager.with { $0.variable("STAMP", of: "web.service") } == "2")
    }

    /// The machine starts what is declared after the agent looked: nothing has to be done any more.
    @Test func whatTheBootStartsMeanwhileOfTheSameFilesIsLeftAlone() async throws {
        try writeFile(unit(1), to: "\(layout.gitops)/apps/web.container")
        try replaceLink("\(layout.quadlet)/web.container", to: "\(layout.gitops)/apps/web.container")
        let (manager, platform) = rig.another(start: BootRig.realTime)
        try await startBetweenPlanAndApply(on: manager, platform)
        #expect(try await plan(on: platform).plan.isEmpty)
    }

    /// Nobody knows when systemd read the files of what is down.
    @Test func whatNobodyStartedIsReadAgainBeforeItIs() async throws {
        try writeFile(unit(1), to: "\(layout.gitops)/apps/web.container")
        try replaceLink("\(layout.quadlet)/web.container", to: "\(layout.gitops)/apps/web.container")
        await manager.reload()
        try writeFile(unit(2), to: "\(layout.gitops)/apps/web.container")
        try await apply(try await plan())
        await manager.pass(.seconds(2))
        #expect(await manager.with { $0.variable("STAMP", of: "web.service") } == "2")
    }

    /// The bus went during a start; by the time it is back something else is declared.
    @Test func anotherStartThatIsUnderWayIsNotWaitedFor() async throws {
        try writeFile(unit(1), to: "\(layout.gitops)/apps/web.container")
        let planned = try await plan()
        try await apply(planned)
        try await rig.somebodyWaits()
        await manager.breakConnections()
        await manager.pass(.seconds(2))
        _ = try await manager.enqueue(.stop, "web.service")
        await manager.pass(.seconds(2))
        try writeFile(unit(2), to: "\(layout.gitops)/apps/web.container")
        try await apply(try await plan())
        await manager.pass(.seconds(2))
        #expect(await manager.with { $0.variable("STAMP", of: "web.service") } == "2")
    }

    /// A unit is refused for want of another, which comes a moment later.
    @Test func whatWasRefusedForWantOfAnotherIsTakenUpWithIt() async throws {
        let mounts = unit(1).replacing("[Container]", with: "[Container]\nVolume=data.volume:/data")
        try writeFile(mounts, to: "\(layout.gitops)/apps/web.container")
        await #expect(throws: Failure.self) { try await plan() }
        await #expect(throws: Failure.self) { try await plan() }
        try writeFile("[Volume]\n", to: "\(layout.gitops)/apps/data.volume")
        let fleet = try await rig.reader(platform).fleet().fleet
        let app = try #require(fleet.apps.first { $0.id.name == "web.container" })
        let planned = try await app.prepare(fleet.snapshot).plan(observedSince: .now)
        #expect(planned.plan.changes.map(\.subject) == ["link web.container", "service web.service"])
    }

    @Test func aStartWhoseEndNobodyHeardIsAskedFor() async throws {
        try writeFile(unit(1), to: "\(layout.gitops)/apps/web.container")
        let planned = try await plan()
        try await apply(planned)
        try await rig.somebodyWaits()
        await manager.breakConnections()
        guard case .progressing = try await planned.health(since: nil, hasEarlierRevision: true) else {
            Issue.record("a start under way is something else")
            return
        }
        await manager.pass(.seconds(2))
        #expect(try await planned.health(since: nil, hasEarlierRevision: true) == .healthy(runsNothing: false))
    }

    /// The answer to a restart never came, or the agent died before it could write down what it had started.
    @Test(arguments: [true, false]) func whetherAStartCameAboutIsKnownThoughItsAnswerIsNot(_ came: Bool) async throws {
        try writeFile(unit(1), to: "\(layout.gitops)/apps/web.container")
        try await apply(try await plan())
        await manager.pass(.seconds(2))
        try writeFile(unit(2), to: "\(layout.gitops)/apps/web.container")
        let losing = rig.platform(through: LosingManager(manager, delivers: came))
        await #expect(throws: Failure.self) { try await apply(try await plan(on: losing)) }
        for platform in [losing, rig.platform(on: manager)] {
            // While its job is under way it is not asked for again.
            if came { #expect(try await plan(on: platform).plan.isEmpty) }
        }
        await manager.pass(.seconds(2))
        #expect(await manager.with { $0.variable("STAMP", of: "web.service") } == (came ? "2" : "1"))
        for platform in [losing, rig.platform(on: manager)] {
            let changes = try await plan(on: platform).plan.changes
            #expect(changes.map(\.subject) == (came ? [] : ["service web.service"]))
        }
    }

    /// The bus is gone when a start is about to be asked for: neither the run before it is named, nor is it asked for.
    @Test func aStartThatCouldNotBeAskedForDidNotComeAbout() async throws {
        try writeFile(unit(1), to: "\(layout.gitops)/apps/web.container")
        try await apply(try await plan())
        await manager.pass(.seconds(2))
        try writeFile(unit(2), to: "\(layout.gitops)/apps/web.container")
        let losing = rig.platform(through: LosingManager(manager, delivers: false, tells: false))
        let planned = try await plan(on: rig.platform())
        #expect(planned.plan.changes.map(\.subject) == ["service web.service"])
        await #expect(throws: Failure.self) { try await apply(try await plan(on: losing)) }
        await manager.pass(.seconds(2))
        #expect(await manager.with { $0.variable("STAMP", of: "web.service") } == "1")
        let changes = try await plan(on: rig.platform()).plan.changes
        #expect(changes.map(\.subject) == ["service web.service"], "what was never started is taken for running")
    }
}

/// A service manager whose answers to jobs never come.
private struct LosingManager: ServiceManager {
    let base: SimulatedManager
    /// Whether what is asked for is done all the same.
    let delivers: Bool

    let tells: Bool

    init(_ base: SimulatedManager, delivers: Bool, tells: Bool = true) {
        self.base = base
        self.delivers = delivers
        self.tells = tells
    }

    func enqueue(_ method: Systemd.UnitMethod, _ unit: String) async throws(SystemdError) -> Systemd.JobID {
        if delivers { _ = try await base.enqueue(method, unit) }
        throw SystemdError(name: "", description: "Connection timed out")
    }

    func units(named names: [String]) async throws(SystemdError) -> [Systemd.Unit] { await base.units(named: names) }
    func properties(of unit: String) async throws(SystemdError) -> [String: String] {
        guard tells else { throw SystemdError(name: "", description: "Connection reset by peer") }
        return await base.properties(of: unit)
    }
    func managerVersion() async throws(SystemdError) -> String { await base.managerVersion() }
    func managerState() async throws(SystemdError) -> String { await base.managerState() }
    func readings() async throws(SystemdError) -> Systemd.Readings { await base.readings() }
    func result(of job: Systemd.JobID) async -> String { await base.result(of: job) }
    func reload() async throws(SystemdError) { await base.reload() }
    func resetFailed(_ unit: String) async throws(SystemdError) { await base.resetFailed(unit) }
    func signals() async throws(SystemdError) -> AsyncStream<Systemd.Signal> { await base.signals() }
}
