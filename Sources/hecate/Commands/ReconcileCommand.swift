internal import Documents
internal import Arguments
internal import Configuration
internal import Controller
internal import Delivery
internal import Diagnostics
internal import JSON
internal import Journal

/// `hecate reconcile`: a pass now.
enum ReconcileCommand {
    static let command = Subcommand(
        "reconcile",
        summary: "compare and repair now, ahead of everything else",
        arguments: ["[APP...]"],
        options: [
            Option("wait", help: "end when the apps have come to rest; exit 1 when one is not ready"), .format,
        ],
        discussion: """
            Asks the running controller, or does the pass itself when none runs. A revision that was rolled back
            is tried once more.
            """,
        example: "hecate reconcile web --wait"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        for name in invocation.arguments { try Settings.checkName(name) }
        if let remote = try Settings.remote(invocation) { return try await ask(remote, invocation) }
        let folder = try Settings.storeFolder(invocation)
        let names = invocation.arguments
        let store = try? Settings.existingStore(invocation)
        if let store, ControllerLock.wake(folder: folder) {
            let known = try await store.records()
            let names = try names.map { try Settings.app($0, among: known).id.description }
            let number = try await store.askReconcile(names, author: Settings.author)
            _ = ControllerLock.wake(folder: folder)
            guard invocation.has("wait") else {
                Terminal.print(
                    "asked the controller to reconcile \(names.isEmpty ? "everything" : names.joined(separator: ", "))"
                )
                return .success
            }
            try await wait(number, store, names)
            return try await report(store, names, invocation)
        }
        if let node = try Settings.node(invocation) {
            let lock = try Settings.lock(node.store)
            let own = try Settings.ownStore(node.store, lock)
            return try await once(try await Wiring(node, store: own, log: Log(nil)), lock, own, invocation)
        }
        let configuration = try Settings.configuration(invocation)
        let lock = try Settings.lock(configuration.store)
        let own = try Settings.ownStore(configuration.store, lock)
        return try await once(try await Wiring(configuration, store: own, log: Log(nil)), lock, own, invocation)
    }

    /// Does the pass here, because no controller runs.
    private static func once(
        _ wiring: Wiring,
        _ lock: ControllerLock,
        _ store: Store,
        _ invocation: Invocation
    ) async throws -> HecateProgram.ExitCode {
        let outcome = try await wiring.once(lock, asked: invocation.arguments)
        // A source that could not be read may have the very app that is not known.
        guard outcome.failures.isEmpty else {
            for failure in outcome.failures { Terminal.complain("hecate: \(failure)") }
            return .failure
        }
        return try await report(store, resolved(invocation.arguments, store), invocation)
    }

    /// The apps that names mean, once they are known.
    private static func resolved(_ names: [String], _ store: Store) async throws -> [String] {
        let known = try await store.records()
        return try names.map { try Settings.app($0, among: known).id.description }
    }

    /// The same of a controller elsewhere.
    private static func ask(_ remote: RemoteClient, _ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let known = try await remote.records()
        let ids = try invocation.arguments.map { try Settings.app($0, among: known).id }
        let waits = invocation.has("wait")
        if ids.isEmpty { try await remote.reconcile(nil, waits: waits) }
        for id in ids { try await remote.reconcile(id, waits: waits) }
        guard waits else {
            let names = ids.isEmpty ? "everything" : ids.map(\.description).joined(separator: ", ")
            Terminal.print("asked \(remote.address) to reconcile \(names)")
            return .success
        }
        return try await report(remote, ids.map(\.description), invocation)
    }

    /// Waits for the controller's answer; on a terminal it shows what is still settling.
    private static func wait(_ number: Int, _ store: Store, _ names: [String]) async throws {
        var delay = Duration.milliseconds(2)
        var shown = ""
        while try await !store.isAnswered(number) {
            try await Task.sleep(for: delay)
            delay = min(delay * 1.5, .milliseconds(100))
            guard Terminal.errorIsTerminal, delay == .milliseconds(100) else { continue }
            let settling = try await store.records().filter { record in
                (names.isEmpty || names.contains(record.id.name))
                    && record.conditions.contains { $0.kind == .reconciling }
            }
            let line = settling.prefix(3).map {
                "\($0.id.name): \($0.conditions.first { $0.kind == .reconciling }?.message ?? "")"
            }
            .joined(separator: "; ")
            if line != shown { Terminal.write("\r\u{1B}[K\(line.prefix(110))", to: 2) }
            shown = line
        }
        if !shown.isEmpty { Terminal.write("\r\u{1B}[K", to: 2) }
    }

    private static func report(
        _ store: any ControllerClient,
        _ names: [String],
        _ invocation: Invocation
    ) async throws
        -> HecateProgram.ExitCode
    {
        let records = try await store.records().filter {
            names.isEmpty || names.contains($0.id.name) || names.contains($0.id.description)
        }
        let holds = Dictionary(try await store.holds().map { ($0.app, $0) }) { _, last in last }
        let documents = JSON.array(records.map { document($0, hold: holds[$0.id]) })
        if let text = formatted(documents, as: invocation["format"]) {
            Terminal.print(text)
        } else {
            for record in records {
                Terminal.print(
                    "\(record.id.name): \(record.isReady ? "ready" : "not ready"): \(record.ready?.message ?? "")"
                )
                for detail in record.details where !record.isReady { Terminal.print("  \(detail)") }
            }
        }
        let sources = Set(records.map(\.source))
        let unread = try await store.sources().filter { source in
            source.error != nil && (names.isEmpty || sources.contains(source.name))
        }
        for source in unread { Terminal.complain("hecate: source \(source.name): \(source.error ?? "")") }
        return unread.isEmpty && records.allSatisfy { $0.isSettled || holds[$0.id] != nil } ? .success : .failure
    }
}
