internal import Arguments
internal import Delivery
internal import Files
internal import HTTP
internal import JSON

/// `hecate health`, `hecate identity` and `hecate PLUGIN COMMAND`: what the daemons of a node answer on their sockets.
enum DaemonCommands {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let installation = try PluginCommands.requireNode(invocation)
        let daemon = invocation.arguments.first ?? "daemon"
        let answer = try await ask(socket(daemon, installation), "/\(invocation.command.name)", of: daemon)
        Terminal.print(answer.text(pretty: true))
        guard invocation.command.name == "health" else { return .success }
        let isWell = ["ok", "healthy"].contains(answer["status"]?.string ?? "") && answer["ready"]?.bool != false
        return isWell ? .success : .failure
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
            ? "/health" : "/api/" + command.map(encoded).joined(separator: "/")
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

    /// A word as one part of a URL's path (RFC 3986, section 2.3).
    private static func encoded(_ word: String) -> String {
        word.utf8.map { byte in
            let isPlain =
                byte < 128 && (Character(UnicodeScalar(byte)).isLetter || Character(UnicodeScalar(byte)).isNumber)
            if isPlain || "-._~".utf8.contains(byte) { return String(UnicodeScalar(byte)) }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.count == 1 ? "0" : "") + digits
        }
        .joined()
    }
}
