internal import Arguments
internal import Delivery
internal import Glibc

/// `hecate context add`: gives a controller elsewhere a name.
enum ContextAddCommand {
    static let command = Subcommand(
        "context add",
        summary: "name a controller elsewhere, for every command to ask",
        arguments: ["NAME"],
        discussion:
            "The token stays in its own file, whose place is kept. The first context is in use at once.",
        example: "hecate context add prod --server https://hecate.example.org --token-file ~/.hecate-token"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        var contexts = try Contexts.read()
        let name = invocation.arguments[0]
        guard let server = invocation["server"] else {
            throw UsageError(description: "'context add' needs --server, such as https://hecate.example.org")
        }
        let context = Contexts.Context(
            name: name,
            server: server,
            tokenFile: invocation["token-file"].map(absolute),
            authority: invocation["ca"].map(absolute)
        )
        // Somebody is told now of what would not work later.
        _ = try context.client()
        contexts.all.removeAll { $0.name == name }
        contexts.all.append(context)
        if contexts.current.isEmpty { contexts.current = name }
        try contexts.write()
        Terminal.print("added \(name): \(server)\(contexts.current == name ? ", in use" : "")")
        return .success
    }

    /// A path that means the same from every folder.
    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let here = getcwd(nil, 0) else { return path }
        defer { free(here) }
        return "\(String(cString: here))/\(path)"
    }
}
