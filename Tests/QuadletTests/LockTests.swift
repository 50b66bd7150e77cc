import Delivery
import Testing

@testable import Quadlet

/// The lock that lets one agent act for a gitops folder, whatever stores there are.
@Suite struct LockTests {
    private let owner = NodePlatform.owner

    private func record(_ name: String) -> LeaseRecord {
        LeaseRecord(holder: ControllerIdentity(id: name, instance: name), number: 1)
    }

    @Test func oneActsAndTheOtherKnowsWho() async throws {
        let rig = try BootRig(start: BootRig.realTime)
        let (first, second) = (rig.platform(), rig.platform())
        #expect(try await first.lease(of: owner) == nil)
        _ = try await first.writeLease(record("first"), of: owner, replacing: nil)
        let seen = try await second.lease(of: owner)
        #expect(seen?.holder.id == "first")
        // It lives for as long as it has the lock: each look is news of it.
        #expect(try await second.lease(of: owner)?.version != seen?.version)
        let failure = await #expect(throws: Failure.self) {
            try await second.writeLease(record("second"), of: owner, replacing: seen?.version)
        }
        #expect(failure?.reason == .conflict)
    }

    /// The kernel takes the lock back from whoever ends, however that is.
    @Test func whoeverEndsMakesWay() async throws {
        let rig = try BootRig(start: BootRig.realTime)
        var first: NodePlatform? = rig.platform()
        #expect(try await first?.lease(of: owner) == nil)
        _ = try await first?.writeLease(record("first"), of: owner, replacing: nil)
        first = nil
        let second = rig.platform()
        #expect(try await second.lease(of: owner) == nil)
        #expect(try await second.writeLease(record("second"), of: owner, replacing: nil).holder.id == "second")
        #expect(try await second.lease(of: owner)?.holder.id == "second")
    }
}
