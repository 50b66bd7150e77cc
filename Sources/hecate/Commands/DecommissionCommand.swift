internal import Arguments

/// `hecate decommission k3s`: takes an empty k3s off this machine.
enum DecommissionCommand {
    static let command = Subcommand(
        "decommission k3s",
        summary: "take k3s off this machine, once nothing runs in it",
        options: [
            .kubectl,
            Option(
                "data-dir",
                value: "FOLDER",
                help: "where k3s keeps its data; /var/lib/rancher/k3s when not given"
            ),
            Option("dry-run", help: "check, and say what would be done"),
        ],
        discussion: """
            Refuses while pods run or replicas are wanted, while an app that was moved is not well here, and on a
            server that other machines still belong to. Backs everything up to ~/.hecate/backups/k3s first.
            """,
        example: "hecate decommission k3s --dry-run",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        var decommission = try Decommission(
            installation: try NodeInstallation.required(invocation),
            cluster: Cluster(invocation["kubectl"]),
            dataFolder: invocation["data-dir"] ?? "/var/lib/rancher/k3s",
            isRehearsal: invocation.has("dry-run")
        )
        try await decommission.execute()
        return .success
    }
}
