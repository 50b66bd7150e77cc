internal import Arguments
internal import CSpawn
internal import Configuration
internal import Controller
internal import Delivery
internal import Journal

/// `hecate run`: the controller.
enum RunCommand {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        hecate_limit_arenas(2)
        let signals = terminations()
        let configuration = try Settings.configuration(invocation)
        let store = try Settings.ownStore(configuration.store)
        let lock = try ControllerLock(folder: configuration.store)
        let wiring = try await Wiring(configuration, store: store, log: Log(invocation["log"]))
        guard invocation.has("once") else {
            try await wiring.run(lock, until: signals)
            return .success
        }
        let outcome = try await wiring.once(lock)
        for failure in outcome.failures { Terminal.complain("hecate: \(failure)") }
        return outcome.failures.isEmpty && outcome.records.allSatisfy(\.isSettled) ? .success : .failure
    }
}
