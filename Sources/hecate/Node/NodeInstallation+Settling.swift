internal import Arguments
internal import Controller
internal import Documents
internal import Delivery
internal import Journal
internal import Quadlet

extension NodeInstallation {
    /// The node this machine is.
    /// - Throws: `Failure` when it is none.
    static func required(_ invocation: Invocation) throws -> NodeInstallation {
        guard let settings = try Settings.node(invocation) else {
            throw Failure(.notFound, "this is no node: there is no gitops folder; make one with 'hecate init node'")
        }
        return NodeInstallation(settings: settings)
    }

    /// Has units brought to what the folder says now, by the agent that runs or here, and tells how that went.
    func settle(_ units: [String]) async throws -> HecateProgram.ExitCode {
        let store: Store
        if ControllerLock.wake(folder: settings.store) {
            store = try Settings.existingStore(in: settings.store)
            let number = try await store.askReconcile(units, author: Settings.author)
            _ = ControllerLock.wake(folder: settings.store)
            try await store.waitForAnswer(to: number)
        } else {
            let lock = try Settings.lock(settings.store)
            store = try Settings.ownStore(settings.store, lock)
            _ = try await Wiring(self.settings, store: store, log: Log(nil)).once(lock, asked: units)
        }
        var code = HecateProgram.ExitCode.success
        let records = try await store.records()
        for unit in units {
            guard let record = records.first(where: { $0.id.name == unit }) else {
                Terminal.print("\(unit): gone")
                continue
            }
            Terminal.print("\(unit): \(record.isReady ? "ready" : "not ready"): \(record.ready?.message ?? "")")
            for detail in record.details where !record.isReady { Terminal.print("  \(detail)") }
            if !record.isSettled { code = .failure }
        }
        return code
    }
}
