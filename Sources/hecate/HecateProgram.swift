internal import Arguments
internal import Delivery
internal import Diagnostics
internal import Glibc

/// The program: finds the command, runs it, and turns whatever it throws into one message and an exit code.
enum HecateProgram {
    static let version = "0.1.0"

    /// How a run ends; documented in `docs/reference.md`.
    enum ExitCode: Int32 {
        case success = 0
        case failure = 1
        /// Only `plan` and `check`: there is something to do, or to warn about.
        case changes = 2
        case usage = 64
        /// It was asked to end before it was done.
        case interrupted = 130
    }

    static func run() async {
        if environmentVariable("HECATE_ASKPASS") != nil { answerGit() }
        var words = Array(CommandLine.arguments.dropFirst())
        // The name of the script that the agent took the place of.
        if CommandLine.arguments.first?.split(separator: "/").last == "hecate-reconciler" {
            words.insert("agent", at: 0)
        }
        let code = await run(words)
        exit(code.rawValue)
    }

    private static func run(_ words: [String]) async -> ExitCode {
        guard let first = words.first, !["help", "--help", "-h"].contains(first) || words.count > 1 else {
            Terminal.print(table.overview)
            return .success
        }
        do {
            if ["--version", "-v"].contains(first) {
                Terminal.print("hecate \(version)")
                return .success
            }
            if !table.knows(first), let code = try await DaemonSocket.plugin(words) { return code }
            let invocation = try table.parse(words)
            if invocation.wantsHelp {
                Terminal.print(table.help(invocation.command))
                return .success
            }
            guard let command = commands.first(where: { $0.syntax.name == invocation.command.name }) else {
                throw UsageError(description: "unknown command '\(invocation.command.name)'")
            }
            return try await command.execute(invocation)
        } catch let error as UsageError {
            Terminal.complain("hecate: \(error)")
            return .usage
        } catch let invalid as Invalid {
            for diagnostic in invalid.diagnostics { Terminal.complain("\(diagnostic)") }
            return .failure
        } catch let failure as Failure {
            Terminal.complain("hecate: \(failure)")
            for detail in failure.details { Terminal.complain("  \(detail)") }
            return .failure
        } catch {
            Terminal.complain("hecate: \(error)")
            return .failure
        }
    }

    /// Called by git as its askpass program: answers with the credentials it was started with, when it is the server
    /// they are for that asks.
    private static func answerGit() -> Never {
        let prompt = CommandLine.arguments.dropFirst().first ?? ""
        let host = environmentVariable("HECATE_GIT_HOST") ?? ""
        let asker = prompt.split(separator: "'").dropFirst().first ?? ""
        let isOurs = asker.split(separator: "/").last?.split(separator: "@").last.map { $0 == host } ?? false
        guard isOurs else { exit(1) }
        let name = prompt.hasPrefix("Username") ? "HECATE_GIT_USERNAME" : "HECATE_GIT_PASSWORD"
        Terminal.print(environmentVariable(name) ?? "")
        exit(0)
    }
}

/// A variable of the process's environment.
func environmentVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

/// All variables of the process's environment.
func environmentVariables() -> [String: String] {
    var result: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
        let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
        entry += 1
    }
    return result
}

/// The content of a file of the machine, or nil.
func readFile(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    while true {
        let chunk = [UInt8](unsafeUninitializedCapacity: 64 * 1024) { buffer, count in
            count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
        }
        if chunk.isEmpty { return bytes }
        bytes += chunk
    }
}
