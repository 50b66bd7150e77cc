internal import Arguments
internal import Delivery
internal import Glibc

/// `hecate logs`: what a service of this node wrote, or an app of a controller elsewhere.
enum LogsCommand {
    static let command = Subcommand(
        "logs",
        summary:
            "the log of a service of this node; what follows its name goes to journalctl; with --server, of any app",
        arguments: ["[SERVICE]", "[ARGUMENT...]"],
        discussion: NodeService.names,
        example: "hecate logs traderd -- -f"
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        if let remote = try Settings.remote(invocation) { return try await ask(remote, invocation) }
        // What begins with a dash is no service's name: it is for journalctl, and the daemon is meant.
        let names = invocation.arguments.prefix { !$0.hasPrefix("-") }.prefix(1)
        let service = try await NodeService.named(names.first, in: invocation)
        let more = Array(invocation.arguments.dropFirst(names.count))
        let words = ["journalctl"] + service.journalSelector + (more.isEmpty ? ["--no-pager", "--lines", "100"] : more)
        // journalctl does the rest in place of this program.
        var arguments = words.map { strdup($0) } + [nil]
        execvp("journalctl", &arguments)
        throw Failure(.notFound, "journalctl cannot be run: \(String(cString: strerror(errno)))")
    }

    private static func ask(_ remote: RemoteClient, _ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        guard let name = invocation.arguments.first, invocation.arguments.count == 1 else {
            throw UsageError(
                description: "name one app of \(remote.address); its last lines are all that can be had"
            )
        }
        let id = try Settings.app(name, among: try await remote.records()).id
        for line in try await remote.logs(of: id) { Terminal.print(line) }
        return .success
    }
}
