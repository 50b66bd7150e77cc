package import Delivery
internal import Files

/// Claims and the lease of a node: links into the gitops folder say what is whose, and a lock beside it who acts.
extension NodePlatform {
    /// The owner of everything that links into the gitops folder stand for.
    package static let owner = "gitops"

    package func claims() async throws -> [AppID: Claim] {
        Dictionary(try generator.linked().map { (id($0), Claim(owner: Self.owner)) }) { first, _ in first }
    }

    package func claim(_ id: AppID, as claimant: Claimant) async throws -> Ownership {
        guard let unit = UnitName(id.name) else { throw Failure(.notFound, "'\(id.name)' is no unit") }
        guard claimant.owner == Self.owner else {
            throw Failure(.refused, "'\(id.name)' belongs to the gitops folder of this node")
        }
        if !claimant.takesUnclaimed {
            let links = try generator.possibleLinks(of: unit)
            let isOurs = links.contains { layout.owns(linkAt: $0) } || kept.has(unit)
            guard isOurs else {
                throw Failure(.notFound, "no link says that '\(id.name)' is this agent's")
            }
        }
        return Ownership(confirmedByTarget: id, for: claimant)
    }

    /// A unit that ran before this agent came is known by its files alone, which are there already.
    package func capture(_ ownership: Ownership, before planned: any Planned) async throws -> [UInt8]? { nil }

    package func collectGarbage(_ ownership: Ownership, keeping payloads: [[UInt8]]) async throws {
        guard let name = UnitName(ownership.app.name) else { return }
        try kept.collect(name, keeping: payloads)
    }

    /// The links went with the unit.
    package func release(_ ownership: Ownership) async throws {}

    // MARK: The lease

    package func lease(of owner: String) async throws -> LeaseRecord? {
        if let held { return held }
        do {
            try makeFolder(layout.kept, mode: 0o700)
            guard try !lock.acquire() else { return nil }
            let holder = (try? fileContent(lock.path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
            // As long as the lock is held its holder lives, however long that is.
            looks += 1
            let identity = ControllerIdentity(id: holder.isEmpty ? "another agent" : holder, instance: "locked")
            return LeaseRecord(holder: identity, number: 0, version: "\(looks)")
        } catch {
            throw Failure(.unavailable, "the lock of the gitops folder: \(error)")
        }
    }

    package func writeLease(
        _ lease: LeaseRecord,
        of owner: String,
        replacing version: String?
    ) async throws
        -> LeaseRecord
    {
        guard !lease.isReleased else {
            held = nil
            lock.release()
            return lease
        }
        guard lock.isHeld else { throw Failure(.conflict, "another agent holds the lock '\(lock.path)'") }
        var written = lease
        written.version = "held"
        if held?.holder != lease.holder { lock.describe(lease.holder.id) }
        held = written
        return written
    }
}
