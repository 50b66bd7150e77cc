package import Subprocess
package import Systemd

/// The machine a node's platform works on: its service manager and its programs.
///
/// Files are not among it: they are real ones everywhere.
package struct Machine: Sendable {
    package var systemd: any ServiceManager
    /// Runs a program to its end.
    package var run: @Sendable (Command) async throws -> Completion

    package init(
        systemd: any ServiceManager,
        run: @escaping @Sendable (Command) async throws -> Completion
    ) {
        self.systemd = systemd
        self.run = run
    }

    /// The machine this program runs on.
    package static func own(_ scope: Systemd.Scope) -> Machine {
        Machine(systemd: Systemd(scope)) { try await Subprocess.run($0) }
    }
}
