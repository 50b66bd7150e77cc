internal import Arguments
internal import Configuration
internal import Delivery
internal import Diagnostics
internal import Files
internal import JSON
internal import Quadlet
internal import Repository
internal import Swarm
internal import Text

/// `hecate check`: the fleet repository alone, without any target.
enum CheckCommand {
    static let command = Subcommand(
        "check",
        summary: "check a fleet repository without any target, for its own CI",
        arguments: ["[FOLDER]"],
        options: [
            Option("stacks-file", value: "FILE", help: "the stacks file; stacks.yml when not given"),
            Option(
                "targets",
                value: "NAME,...",
                help: "the targets that stacks may name; default when not given"
            ),
            Option(
                "podman",
                value: "VERSION",
                help: "the Podman that Quadlet files are for; \(PodmanVersion.tested) when not given"
            ),
            Option("format", choices: ["text", "github", "json"], help: "how findings are written"),
            Option("strict", help: "exit 2 when there are warnings"),
        ],
        example: "hecate check . --format github",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let folder = invocation.arguments.first ?? "."
        let file = invocation["stacks-file"] ?? "stacks.yml"
        let targets = invocation["targets"]?.split(separator: ",").map(String.init) ?? ["default"]
        var found = Diagnostics()
        let hasStacks = pathExists("\(folder)/\(file)") || invocation["stacks-file"] != nil
        let hasUnits = RepositoryCheck.applies(to: folder)
        if hasUnits {
            let version = try podman(invocation)
            found.append(
                contentsOf: try await RepositoryCheck.diagnostics(
                    of: folder,
                    try FolderSnapshot(folder),
                    for: version
                ).all
            )
        }
        if hasStacks || !hasUnits {
            let shared = try shared(invocation, &found)
            let reader = FleetReader.offline(
                stacksFile: file,
                targets: targets,
                variables: shared.variables,
                bindRoot: shared.bindRoot
            )
            try await checkStacks(folder, reader, &found)
        }
        Terminal.print(report(found.all, invocation["format"]))
        if found.hasErrors { return .failure }
        return invocation.has("strict") && !found.all.isEmpty ? .changes : .success
    }

    private static func podman(_ invocation: Invocation) throws -> PodmanVersion {
        guard let text = invocation["podman"] else { return .tested }
        guard let version = PodmanVersion(text), version >= .oldest else {
            throw Failure(
                .invalid,
                "'\(text)' is no Podman with a generator; write its version, such as 4.9 or 5.4"
            )
        }
        return version
    }

    /// What the controller's configuration gives every stack; a fleet repository is checked where there is none as well.
    private static func shared(_ invocation: Invocation, _ found: inout Diagnostics) throws -> SharedSettings {
        guard let path = Settings.configurationFile(invocation) else { return SharedSettings() }
        guard let bytes = readFile(path) else {
            throw Failure(.notFound, "the configuration '\(path)' cannot be read")
        }
        do throws(Invalid) {
            return try SharedSettings(bytes, file: path)
        } catch {
            // A 'config.yml' that nobody named may be something else's.
            if Settings.namesConfiguration(invocation) { found.append(contentsOf: error.diagnostics) }
            return SharedSettings()
        }
    }

    private static func checkStacks(
        _ folder: String,
        _ reader: FleetReader,
        _ found: inout Diagnostics
    ) async throws {
        do {
            let snapshot = try FolderSnapshot(folder)
            let stacks = try await reader.stacks(at: snapshot)
            found.append(contentsOf: stacks.diagnostics)
            for stack in stacks.stacks {
                do {
                    found.append(contentsOf: try await reader.check(stack, snapshot))
                } catch let invalid as Invalid {
                    found.append(contentsOf: invalid.diagnostics.map { located($0, stack.place) })
                }
            }
        } catch let invalid as Invalid {
            found.append(contentsOf: invalid.diagnostics)
        }
    }

    private static func located(_ diagnostic: Diagnostic, _ place: Place) -> Diagnostic {
        diagnostic.place == nil
            ? Diagnostic(diagnostic.severity, at: place, diagnostic.message, cure: diagnostic.cure) : diagnostic
    }

    private static func report(_ all: [Diagnostic], _ format: String?) -> String {
        switch format {
        case "json":
            return JSON.array(
                all.map { diagnostic in
                    [
                        "severity": .string(diagnostic.severity.rawValue), "message": .string(diagnostic.message),
                        "file": diagnostic.place.map { .string($0.file) } ?? .null,
                        "line": diagnostic.place.map { .int(Int64($0.line)) } ?? .null,
                        "column": diagnostic.place.map { .int(Int64($0.column)) } ?? .null,
                        "cure": diagnostic.cure.map { .string($0) } ?? .null,
                    ]
                }
            ).text(pretty: true)
        case "github":
            // The workflow commands of GitHub Actions: annotations at the line.
            return all.map { diagnostic in
                let text = diagnostic.cure.map { "\(diagnostic.message); \($0)" } ?? diagnostic.message
                let escaped = replacingBytes(in: text) { byte in
                    switch byte {
                    case UInt8(ascii: "%"): "%25"
                    case UInt8(ascii: "\n"): "%0A"
                    case UInt8(ascii: "\r"): "%0D"
                    default: nil
                    }
                }
                let place =
                    diagnostic.place.map { "file=\($0.file),line=\(max(1, $0.line)),col=\(max(1, $0.column))" } ?? ""
                return "::\(diagnostic.severity.rawValue) \(place)::\(escaped)"
            }.joined(separator: "\n")
        default:
            let errors = all.count { $0.severity == .error }
            let warnings = all.count - errors
            let summary = errors + warnings == 0 ? "all good" : "\(errors) errors, \(warnings) warnings"
            return (all.map(\.description) + [summary]).joined(separator: "\n")
        }
    }
}
