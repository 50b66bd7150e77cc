internal import Arguments
internal import Delivery
internal import Files
internal import HTTP
internal import JSON
internal import Text

/// The sockets on which the daemons of a node answer.
enum DaemonSocket {
    /// What the daemon that a command line names answers at a path.
    static func ask(_ path: String, _ invocation: Invocation) async throws -> JSON {
        let installation = try NodeInstallation.required(invocation)
        let daemon = invocation.arguments.first ?? "daemon"
        return try await ask(socket(daemon, installation), path, of: daemon)
    }

    /// Answers `hecate PLUGIN [COMMAND ARGUMENT...]` when there is such a plug-in; nil when there is none.
    static func plugin(_ words: [String]) async throws -> HecateProgram.ExitCode? {
        guard let name = words.first, !name.hasPrefix("-"), !name.contains("/"),
            let settings = try? AgentSettings.found()
        else { return nil }
        let installation = NodeInstallation(settings: settings)
        let path = "\(installation.root)/hecate-\(name)d/sockets/api.sock"
        guard fileStatus(path) != nil else { return nil }
        let command = words.dropFirst()
        let route =
            command.isEmpty || Array(command) == ["health"]
            ? "/health" : "/api/" + command.map(percentEncoded).joined(separator: "/")
        Terminal.print(try await ask(path, route, of: name).text(pretty: true))
        return .success
    }

    private static func socket(_ daemon: String, _ installation: NodeInstallation) throws -> String {
        let names = daemon.hasPrefix("hecate-") ? [daemon] : ["hecate-\(daemon)", "hecate-\(daemon)d"]
        let paths = names.map { "\(installation.root)/\($0)/sockets/api.sock" }
        guard let path = paths.first(where: { fileStatus($0) != nil }) else {
            throw Failure(
                .notFound,
                "'\(daemon)' has no socket at \(paths[0]); is it running? see 'hecate agent --status'"
            )
        }
        return path
    }

    private static func ask(_ socket: String, _ path: String, of daemon: String) async throws -> JSON {
        let client = Client(endpoint: Endpoint(base: "http://localhost", socket: socket), width: 1)
        do {
            let response = try await client.send(Request("GET", path, timeout: .seconds(10)))
            guard response.status < 400 else {
                throw Failure(.refused, "'\(daemon)' answers \(path) with HTTP \(response.status)")
            }
            guard !response.body.isEmpty else { throw Failure(.refused, "'\(daemon)' answers \(path) with nothing") }
            return (try? JSON(parsing: response.body)) ?? .string(String(decoding: response.body, as: UTF8.self))
        } catch let error as TransportError {
            throw Failure(.unavailable, "'\(daemon)' does not answer on \(socket): \(error)")
        }
    }
}
