package import Subprocess

/// The programs that are run on it: Podman, its generator, and the journal's reader.
extension SimulatedNode {
    /// Runs a program at once; how long that takes is left to whoever asks.
    package func run(_ command: Command) -> Completion {
        let name = command.executable.split(separator: "/").last.map(String.init) ?? ""
        switch name {
        case "quadlet": return quadlet(command)
        case "podman": return podman(command.arguments)
        case "journalctl": return journal(command.arguments)
        default: return Self.answer(error: "\(name): not found", code: 127)
        }
    }

    /// What systemd wrote of a stop job; nothing else is kept.
    private func journal(_ words: [String]) -> Completion {
        let run = words.first { $0.contains("INVOCATION_ID=") }?.split(separator: "=").last.map(String.init)
        let isAsked = words.contains("JOB_TYPE=stop")
        return Self.answer(isAsked && run.map(stopped.contains) ?? false ? "Stopped.\n" : "")
    }

    private func quadlet(_ command: Command) -> Completion {
        let folder = command.environment["QUADLET_UNIT_DIRS"] ?? folders.quadlet
        let model = QuadletModel(folder: folder, home: folders.home)
        let name = "quadlet-generator[1]: "
        let text = model.complaints.enumerated().map { $0 == 0 ? name + $1 : $1 }.joined(separator: "\n")
        return Self.answer(error: text, code: model.complaints.isEmpty ? 0 : 1)
    }

    private func podman(_ words: [String]) -> Completion {
        switch words.prefix(2) {
        case ["--version"]: return Self.answer("podman version 5.4.2\n")
        case ["ps", "-q"]: return Self.answer(containers.values.map { "\($0.identifier)\n" }.sorted().joined())
        case ["container", "inspect"]:
            let name = words.last ?? ""
            let found = containers[name] ?? containers.values.first { $0.identifier == name }
            guard let found else {
                return Self.answer(error: "Error: no such container \"\(name)\"\n", code: 125)
            }
            return Self.answer(found.health(at: now) + "\n")
        case ["network", "rm"]:
            let name = words.last ?? ""
            let isUsed = containers.values.contains { $0.definition.uses.contains("network \(name)") }
            guard made.contains("network \(name)") else {
                return Self.answer(error: "Error: unable to find network with name or ID \(name)\n", code: 1)
            }
            guard !isUsed else { return Self.answer(error: "Error: network is being used\n", code: 2) }
            made.remove("network \(name)")
            return Self.answer("\(name)\n")
        default: return Self.answer(error: "Error: unknown command\n", code: 125)
        }
    }

    private static func answer(_ output: String = "", error: String = "", code: Int = 0) -> Completion {
        Completion(code: code, output: Array(output.utf8), error: Array(error.utf8))
    }

    /// The value of a variable of a service's container; nil when none runs.
    package func variable(_ name: String, of service: String) -> String? {
        guard let container = containers.values.first(where: { $0.service == service }) else { return nil }
        return container.environment.last { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    /// The image of a service's container; nil when none runs.
    package func image(of service: String) -> String? {
        containers.values.first { $0.service == service }?.definition.image
    }
}
