import Delivery
import Files
import Glibc
import SimulatedNode
import Systemd
import TestSupport
import Testing

@testable import Quadlet

/// One unit, `web.container`, on a simulated machine with real files.
struct BootRig {
    let layout: NodeLayout
    let manager: SimulatedManager
    private let scratch: Scratch

    /// `start`: The machine's time of day, in nanoseconds.
    ///
    /// `clockError`: By how much it is ahead of the files'.
    init(start: Int64, clockError: Int64 = 0) throws {
        scratch = try Scratch()
        layout = NodeLayout(in: scratch)
        for folder in ["\(layout.gitops)/system", "\(layout.gitops)/apps"] + [
            layout.quadlet, layout.units, layout.runtime,
        ] { try makeFolder(folder) }
        manager = Self.manager(layout, start, clockError)
    }

    private static func manager(_ layout: NodeLayout, _ start: Int64, _ clockError: Int64) -> SimulatedManager {
        let folders = SimulatedNode.Folders(quadlet: layout.quadlet, units: layout.units, home: layout.home)
        return SimulatedManager(seed: 1, start: start, clockError: clockError, folders: folders)
    }

    static var realTime: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    static func unit(_ stamp: Int, _ more: String = "") -> String {
        "[Container]\nImage=localhost/web:1.0.0\nEnvironment=STAMP=\(stamp)\n\(more)\n[Install]\nWantedBy=default.target\n"
    }

    /// Returns when somebody waits for the end of a job.
    /// - Throws: `Unmet` when nobody does in a while.
    func somebodyWaits() async throws {
        for _ in 0..<200_000 {
            if await manager.waiting > 0 { return }
            await Task.yield()
        }
        throw Unmet("nobody waits for the end of a job")
    }

    var file: String { "\(layout.gitops)/apps/web.container" }
    var link: String { "\(layout.quadlet)/web.container" }

    /// Another machine with the same files, and its platform.
    func another(start: Int64) -> (SimulatedManager, NodePlatform) {
        let other = Self.manager(layout, start, 0)
        return (other, platform(on: other))
    }

    /// A new agent.
    ///
    /// `systemd`: What it asks in the machine's place. `revisions`: What its journal has kept of any app.
    func platform(
        on machine: SimulatedManager? = nil,
        through systemd: (any ServiceManager)? = nil,
        podman: String = "5.4.2",
        revisions: [[UInt8]] = []
    ) -> NodePlatform {
        let machine = machine ?? manager
        return NodePlatform(
            layout: layout,
            machine: Machine(systemd: systemd ?? machine) { await machine.run($0) },
            podman: podman,
            quadlet: podman.hasPrefix("3") ? nil : "/usr/libexec/podman/quadlet",
            revisions: { _ in revisions }
        )
    }

    func reader(_ platform: NodePlatform) -> NodeReader {
        let defaults = NodeDefaults(timeout: .seconds(60), verifyWindow: .seconds(5), interval: .seconds(300))
        return NodeReader(platform: platform, defaults: defaults, isActing: true)
    }

    func plan(on platform: NodePlatform) async throws -> any Planned {
        let fleet = try await reader(platform).fleet().fleet
        let app = try #require(fleet.apps.first)
        return try await app.prepare(fleet.snapshot).plan(observedSince: .now)
    }

    /// What is to be changed, in words.
    func subjects(on platform: NodePlatform) async throws -> [String] {
        try await plan(on: platform).plan.changes.map(\.subject)
    }

    func apply(_ planned: any Planned) async throws {
        let claimant = Claimant(owner: NodePlatform.owner, controller: "test", until: .now + .seconds(60))
        let id = AppID(target: "node", name: "web.container")
        try await planned.apply(Ownership(confirmedByTarget: id, for: claimant))
    }

    /// Lets the machine's time and the real one go on alike.
    func wait(_ duration: Duration) async throws {
        let began = ContinuousClock.now
        try await Task.sleep(for: duration)
        await manager.pass(ContinuousClock.now - began)
    }

    /// A variable of what runs; nil when nothing does.
    func variable(_ name: String = "STAMP") async -> String? {
        await manager.with { $0.variable(name, of: "web.service") }
    }

    /// The machine, or somebody at it, starts the unit.
    func start() async throws {
        _ = try await manager.enqueue(.start, "web.service")
        try await wait(.milliseconds(1000))
    }
}

extension NodeLayout {
    /// That of a user whose home is the scratch folder.
    init(in scratch: Scratch) {
        self.init(
            scope: .user,
            home: scratch.path,
            user: "anna",
            userID: 7,
            host: "node",
            gitops: nil,
            runtime: "\(scratch.path)/run",
            configuration: nil
        )
    }
}
