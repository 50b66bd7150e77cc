internal import Arguments
internal import CSpawn
internal import Configuration
internal import Controller
internal import Delivery
internal import HTTP
internal import Journal
internal import Repository
internal import Swarm

/// `hecate run`: the controller.
enum RunCommand {
    static let command = Subcommand(
        "run",
        summary: "follow the repository and keep the targets equal to it",
        arguments: ["[CONFIG]"],
        options: [
            Option(
                "once",
                help: "one pass, then end; exit 1 when something is not ready; what was rejected stays so"
            ),
            Option(
                "log",
                choices: ["text", "json"],
                help: "the form of the log; text on a terminal, json elsewhere"
            ),
        ],
        discussion: """
            Without CONFIG the file is $HECATE_CONFIG, else ./config.yml, else /etc/hecate/config.yml; when there
            is none, the variables HECATE_GIT_URL and so on (HIVEMIND_GIT_URL is read as well) are used.
            """,
        example: "hecate run config.yml",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        hecate_limit_arenas(2)
        let signals = terminations()
        let configuration = try Settings.configuration(invocation)
        let lock = try Settings.lock(configuration.store)
        // The forge takes longer to answer than the store takes to open, and so does an Engine.
        let (repositories, engines) = (try Parts.sources(configuration), try Parts.engines(configuration))
        for repository in repositories { await repository.begin() }
        // No thread can be started while libraries are loaded (glibc), and none is needed to open a store.
        Client.getReady()
        let wiring: Wiring
        do {
            let (store, log) = (try Settings.ownStore(configuration.store, lock), Log(invocation["log"]))
            for engine in engines { await engine.begin() }
            wiring = try await Wiring(
                configuration,
                repositories: repositories,
                engines: engines,
                store: store,
                log: log
            )
        } catch {
            for repository in repositories { await repository.rest() }
            throw error
        }
        guard invocation.has("once") else {
            try await wiring.run(lock, until: signals)
            return .success
        }
        guard let outcome = try await untilAsked(by: signals, { try await wiring.once(lock) }) else {
            return .interrupted
        }
        for failure in outcome.failures { Terminal.complain("hecate: \(failure)") }
        return outcome.failures.isEmpty && outcome.records.allSatisfy(\.isSettled) ? .success : .failure
    }
}
