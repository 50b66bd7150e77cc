import Delivery

/// The journal of one life of an agent: its store, with the disk's troubles, watched by the laws.
struct NodeJournal: Journal {
    let store: MemoryStore
    let simulation: NodeSimulation
    let life: Life

    func records() async throws -> [AppRecord] { store.records.values.sorted { $0.id < $1.id } }

    func save(_ record: AppRecord, event: Event?) async throws {
        try await write()
        write(record)
        if let event { write(event) }
    }

    func commit(_ revision: DeployedRevision, record: AppRecord, event: Event) async throws {
        try await write()
        simulation.laws.keeps(revision)
        store.keep(revision)
        write(record)
        write(event)
    }

    func revisions(of id: AppID) async throws -> [DeployedRevision] { store.revisions[id] ?? [] }

    func forget(_ id: AppID, event: Event) async throws {
        try await write()
        store.records[id] = nil
        store.revisions[id] = nil
        write(event)
    }

    func record(_ event: Event) async throws {
        try await write()
        let last = store.last(about: event.subject)
        guard last?.reason != event.reason || last?.commit != event.commit || last?.message != event.message
        else { return }
        write(event)
    }

    func holds() async throws -> [Hold] { store.holds }

    private func write() async throws {
        let world = World.shared
        if world.random.happens(0.3) { await world.pause(Int64(world.random.within(50_000...4_000_000))) }
        if world.now < store.fullUntil {
            throw Failure(.unavailable, "the store cannot be written: database or disk is full")
        }
    }

    private func write(_ record: AppRecord) {
        simulation.laws.saves(record, after: store.records[record.id])
        store.records[record.id] = record
    }

    private func write(_ event: Event) {
        simulation.laws.tells(event)
        store.write(event)
        simulation.trace("\(life) event \(event.subject) \(event.reason.rawValue): \(event.message)")
        // Where the disk lies is another matter in each process.
        World.shared.note(event.reason.rawValue + event.message.replacing(simulation.target.root, with: ""))
    }
}
