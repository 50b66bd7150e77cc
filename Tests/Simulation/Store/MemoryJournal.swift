import Delivery

/// The journal of one life of a controller: its store, with the disk's troubles, watched by the laws.
struct MemoryJournal: Journal {
    let store: MemoryStore
    let witness: any JournalWitness
    let life: Life

    func records() async throws -> [AppRecord] { store.records.values.sorted { $0.id < $1.id } }

    func save(_ record: AppRecord, event: Event?) async throws {
        try await write()
        write(record)
        if let event { write(event) }
    }

    func commit(_ revision: DeployedRevision, record: AppRecord, event: Event) async throws {
        try await write()
        witness.keeps(revision)
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

    /// The moment in which a write may fail, or the controller die before it or after it.
    private func write() async throws {
        let world = World.shared
        if world.random.happens(0.3) { await world.pause(Int64(world.random.within(50_000...4_000_000))) }
        if world.now < store.fullUntil || world.now < store.unsureUntil && world.random.happens(0.4) {
            Statistics.count("journal write failed")
            throw Failure(.unavailable, "the store cannot be written: database or disk is full")
        }
    }

    private func write(_ record: AppRecord) {
        witness.saves(record, after: store.records[record.id], life)
        store.records[record.id] = record
    }

    private func write(_ event: Event) {
        witness.tells(event, life)
        store.write(event)
        witness.trace("\(life) event \(event.subject) \(event.reason.rawValue): \(event.message)")
        World.shared.note(event.reason.rawValue + witness.withoutPlaces(event.message))
    }
}

/// Who sees everything that is written into a journal.
protocol JournalWitness: AnyObject, Sendable {
    func keeps(_ revision: DeployedRevision)
    func saves(_ record: AppRecord, after old: AppRecord?, _ life: Life)
    func tells(_ event: Event, _ life: Life)
    func trace(_ line: @autoclosure () -> String)
    /// A text without what is another one in each process, such as where a folder lies.
    func withoutPlaces(_ text: String) -> String
}

extension Simulation: JournalWitness {
    func keeps(_ revision: DeployedRevision) { laws.keeps(revision) }
    func saves(_ record: AppRecord, after old: AppRecord?, _ life: Life) { laws.saves(record, after: old, life) }
    func tells(_ event: Event, _ life: Life) { laws.tells(event, life) }
    func withoutPlaces(_ text: String) -> String { text }
}

extension NodeSimulation: JournalWitness {
    func keeps(_ revision: DeployedRevision) { laws.keeps(revision) }
    func saves(_ record: AppRecord, after old: AppRecord?, _ life: Life) { laws.saves(record, after: old) }
    func tells(_ event: Event, _ life: Life) { laws.tells(event) }
    func withoutPlaces(_ text: String) -> String { text.replacing(target.root, with: "") }
}
