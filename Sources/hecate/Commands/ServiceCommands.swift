internal import Documents
internal import Arguments
internal import Controller
internal import Delivery
internal import Diagnostics
internal import Files
internal import Glibc
internal import Journal
internal import Quadlet
internal import Subprocess
internal import Systemd

/// `hecate start`, `stop`, `restart`, `logs` and `update`: the services of a node, by name.
enum ServiceCommands {
    static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        if invocation.command.name == "logs", let remote = try Settings.remote(invocation) {
            guard let name = invocation.arguments.first, invocation.arguments.count == 1 else {
                throw UsageError(
                    description: "name one app of \(remote.address); its last lines are all that can be had"
                )
            }
            let id = try Settings.app(name, among: try await remote.records()).id
            for line in try await remote.logs(of: id) { Terminal.print(line) }
            return .success
        }
        try Settings.requireHere(invocation)
        let installation = try PluginCommands.requireNode(invocation)
        if invocation.command.name == "update" { return try await update(installation) }
        let word = invocation.arguments.first ?? "daemon"
        if invocation.command.name == "logs" {
            return try await logs(word, Array(invocation.arguments.dropFirst()), installation)
        }
        let platform = try await NodePlatform.found(layout: installation.layout, revisions: { _ in [] })
        let unit = try await find(word, platform)
        switch invocation.command.name {
        case "start":
            try await release(unit, installation)
            return try await run(.start, unit, platform)
        case "stop":
            // The agent would start it again: it is held until somebody starts it.
            try await hold(unit, invocation["reason"] ?? "stopped by hand", installation)
            return try await run(.stop, unit, platform)
        default:
            return try await run(.restart, unit, platform)
        }
    }

    /// The unit a word means; an exact name wins.
    private static func find(_ word: String, _ platform: NodePlatform) async throws -> UnitOverview {
        let units = try await platform.overview()
        if let exact = units.first(where: { $0.name == word }) { return exact }
        for service in ServiceNames.candidates(word) {
            if let unit = units.first(where: { $0.service == service }) { return unit }
        }
        let names = units.map { String($0.service.dropLast(".service".count)) }
        let hint = suggestion(for: word, among: names) ?? "see 'hecate agent --status'"
        throw Failure(.notFound, "there is no service '\(word)' on this node; \(hint)")
    }

    private static func run(
        _ method: Systemd.UnitMethod,
        _ unit: UnitOverview,
        _ platform: NodePlatform
    ) async throws -> HecateProgram.ExitCode {
        let result = try await platform.systemd.run(method, unit.service)
        if result == "done" {
            Terminal.print("\(unit.service): \(method == .stop ? "stopped" : "started")")
            return .success
        }
        Terminal.complain("\(unit.service): the job ended as '\(result)'; see 'hecate logs \(unit.name)'")
        return .failure
    }

    private static func hold(_ unit: UnitOverview, _ reason: String, _ installation: NodeInstallation) async throws {
        let store = try Settings.ownStore(installation.settings.store)
        let id = AppID(target: "node", name: unit.name)
        let words = "stopped and suspended"
        try await store.suspend(id, by: Settings.author, because: reason, at: currentTime(), word: words)
        try await tellHolds(store, id, installation)
    }

    private static func release(_ unit: UnitOverview, _ installation: NodeInstallation) async throws {
        let store = try Settings.ownStore(installation.settings.store)
        let id = AppID(target: "node", name: unit.name)
        guard try await store.resume(id, by: Settings.author, at: currentTime(), word: "started") else { return }
        try await tellHolds(store, id, installation)
    }

    /// Waits until a running agent knows of the hold, so that it does not act against what comes next.
    private static func tellHolds(_ store: Store, _ id: AppID, _ installation: NodeInstallation) async throws {
        let number = try await store.ask("holds", subject: id.description, author: Settings.author, at: currentTime())
        guard ControllerLock.wake(folder: installation.settings.store) else { return }
        for _ in 0..<100 where try await !store.isAnswered(number) { try await Task.sleep(for: .milliseconds(50)) }
    }

    /// Hands over to journalctl, which does the rest.
    private static func logs(
        _ word: String,
        _ more: [String],
        _ installation: NodeInstallation
    ) async throws -> HecateProgram.ExitCode {
        let platform = try await NodePlatform.found(layout: installation.layout, revisions: { _ in [] })
        let unit = try await find(word, platform)
        let scope = installation.layout.scope == .user ? ["--user-unit", unit.service] : ["--unit", unit.service]
        let words = ["journalctl"] + scope + (more.isEmpty ? ["--no-pager", "--lines", "100"] : more)
        var arguments = words.map { strdup($0) } + [nil]
        execvp("journalctl", &arguments)
        throw Failure(.notFound, "journalctl cannot be run: \(String(cString: strerror(errno)))")
    }

    // MARK: Updates

    /// Pulls newer images of the units that ask for it; what is not well afterwards gets its old image back.
    private static func update(_ installation: NodeInstallation) async throws -> HecateProgram.ExitCode {
        let platform = try await NodePlatform.found(layout: installation.layout, revisions: { _ in [] })
        let before = try await platform.containers()
        let file = "\(installation.root)/secrets/ghcr-auth.json"
        let authentication = fileStatus(file) == nil ? [] : ["--authfile", file]
        let result = try await platform.podman(["auto-update"] + authentication, timeout: .seconds(1800))
        if !result.outputText.isEmpty { Terminal.print(trimmedEnd(result.outputText)) }
        if result.code != 0 { Terminal.complain(trimmedEnd(result.errorText)) }
        let after = try await platform.containers()
        let changed = after.filter { new in before.contains { $0.name == new.name && $0.imageID != new.imageID } }
        var code = result.code == 0 ? HecateProgram.ExitCode.success : .failure
        for container in changed {
            guard let old = before.first(where: { $0.name == container.name }) else { continue }
            if try await platform.staysWell(container, for: installation.settings.defaults.verifyWindow) {
                Terminal.print(
                    "\(container.service): updated, \(old.imageID.prefix(12)) -> \(container.imageID.prefix(12))"
                )
            } else {
                code = .failure
                Terminal.complain(
                    "\(container.service): not well with the new image; rolling back to \(old.imageID.prefix(12))"
                )
                _ = try await platform.podman(["tag", old.imageID, old.image])
                _ = try await platform.systemd.run(.restart, container.service)
            }
        }
        if changed.isEmpty, result.code == 0 { Terminal.print("nothing to update") }
        return code
    }

    private static func trimmedEnd(_ text: String) -> String {
        var text = Substring(text)
        while text.last?.isNewline ?? false { text.removeLast() }
        return String(text)
    }
}
