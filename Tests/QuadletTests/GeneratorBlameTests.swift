import Delivery
import Files
import Subprocess
import Synchronization
import TestSupport
import Testing

@testable import Quadlet

/// Which units are blamed when Podman's generator ends before its time: a program that only ends in the ways it can stands in.
@Suite struct GeneratorBlameTests {
    /// The units of eight that are refused.
    ///
    /// `killed`: Which runs of the generator something else ends, counted from one. `bad`: The unit it breaks on. `tooMany`: From
    /// how many units on it is killed.
    private func refused(
        killed: Set<Int> = [],
        bad: String? = nil,
        tooMany: Int = .max,
        units count: Int = 8
    ) async throws -> Set<String> {
        let rig = try BootRig(start: 4_000_000_000_000_000_000)
        for number in 0..<count {
            try writeFile(BootRig.unit(number), to: "\(rig.layout.gitops)/apps/u\(number).container")
        }
        let units = try GitopsTree(rig.layout).units.map { try UnitDeclaration($0, rig.layout) }
        let runs = Mutex(0)
        let quadlet = PodmanQuadlet(layout: rig.layout, program: "/quadlet") { command in
            let run = runs.withLock { count in
                count += 1
                return count
            }
            let files = try names(in: command.environment["QUADLET_UNIT_DIRS"] ?? "")
            let isKilled = killed.contains(run) || files.count >= tooMany
            let code = bad.map(files.contains) == true ? 2 : isKilled ? 137 : 0
            return Completion(code: code, output: [], error: [])
        }
        return Set(try await quadlet.check(units).keys.map(\.description))
    }

    @Test func itIsTheOneItBreaksOn() async throws {
        #expect(try await refused(bad: "u5.container") == ["u5.container"])
        #expect(try await refused(bad: "u0.container", units: 1) == ["u0.container"])
    }

    @Test(arguments: [[1], [1, 2], [1, 2, 4], [1, 2, 3, 4], [1, 2, 3, 4, 5, 6], Array(1...40)])
    func nobodyIsBlamedWhenItWasKilled(runs: [Int]) async throws {
        do {
            #expect(try await refused(killed: Set(runs)).isEmpty)
        } catch let failure as Failure { #expect(failure.reason == .unavailable) }
    }

    /// The machine has no memory for all of them at once, however often it is tried.
    @Test(arguments: [1, 8]) func nobodyIsBlamedWhenAllAreTooMany(count: Int) async throws {
        await #expect(throws: Failure.self) { try await refused(tooMany: count, units: count) }
    }

    @Test(arguments: 1..<20) func oneKillBesideTheCulpritBlamesNoOther(run: Int) async throws {
        do {
            #expect(try await refused(killed: [run], bad: "u0.container") == ["u0.container"])
        } catch let failure as Failure { #expect(failure.reason == .unavailable) }
    }
}
