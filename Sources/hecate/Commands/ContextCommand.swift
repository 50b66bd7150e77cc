internal import Arguments
internal import Delivery
internal import Glibc
internal import JSON

/// `hecate context`: the controllers a person works with.
enum ContextCommand {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        var contexts = try Contexts.read()
        let name = invocation.arguments.first ?? ""
        switch invocation.command.words.last {
        case "add":
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
        case "use":
            guard name == "here" || contexts.all.contains(where: { $0.name == name }) else { throw unknown(name) }
            contexts.current = name == "here" ? "" : name
            try contexts.write()
            Terminal.print(name == "here" ? "the commands look at this machine's own store" : "in use: \(name)")
        case "remove":
            guard contexts.all.contains(where: { $0.name == name }) else { throw unknown(name) }
            contexts.all.removeAll { $0.name == name }
            if contexts.current == name { contexts.current = "" }
            try contexts.write()
            Terminal.print("removed \(name)")
        default:
            let rows = contexts.all.map { context in
                [context.name == contexts.current ? "*" : "", context.name, context.server, context.tokenFile ?? ""]
            }
            Terminal.print(Terminal.table(["", "NAME", "SERVER", "TOKEN FILE"], rows))
        }
        return .success
    }

    /// A path that means the same from every folder.
    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let here = getcwd(nil, 0) else { return path }
        defer { free(here) }
        return "\(String(cString: here))/\(path)"
    }

    private static func unknown(_ name: String) -> Failure {
        Failure(.notFound, "there is no context '\(name)'; see 'hecate context list'")
    }
}
