internal import Arguments

extension HecateProgram {
    /// Every command, in the order in which help lists them.
    static let commands: [Subcommand] = [
        RunCommand.command,
        AgentCommand.command,
        InitNodeCommand.command,
        UninstallNodeCommand.command,
        InstallCommand.command,
        RemoveCommand.command,
        PluginsCommand.command,
        StartCommand.command,
        StopCommand.command,
        RestartCommand.command,
        LogsCommand.command,
        UpdateCommand.command,
        HealthCommand.command,
        IdentityCommand.command,
        MigrateCommand.command,
        DecommissionCommand.command,
        PlanCommand.command,
        ReconcileCommand.command,
        CheckCommand.command,
        ListAppsCommand.command,
        ListSourcesCommand.command,
        ListTargetsCommand.command,
        ListEventsCommand.command,
        ReadCommand.command,
        StatusCommand.command,
        EventsCommand.command,
        SuspendCommand.command,
        ResumeCommand.command,
        ApproveCommand.command,
        ListAuditCommand.command,
        AuditVerifyCommand.command,
        NotifyCommand.command,
        ContextAddCommand.command,
        ContextListCommand.command,
        ContextUseCommand.command,
        ContextRemoveCommand.command,
        CompletionCommand.command,
        VersionCommand.command,
        HelpCommand.command,
    ]

    /// What a command line can say: parsing, `--help` and completion all come from here.
    static let table = CommandLineTable(
        program: "hecate",
        summary: "Hecate keeps Docker Swarm stacks and systemd nodes with Podman equal to a Git repository.",
        commands: commands.map(\.syntax),
        common: [
            Option("config", value: "FILE", help: "the configuration file"),
            Option("store", value: "FOLDER", help: "the store, instead of the configuration's"),
            Option(
                "server",
                value: "URL",
                help: "a controller elsewhere: https://host, or unix:/path; or HECATE_SERVER"
            ),
            Option("context", value: "NAME", help: "a controller by its name; see 'hecate context list'"),
            Option("token-file", value: "FILE", help: "the token to get in with; or HECATE_TOKEN"),
            Option("ca", value: "FILE", help: "whom to trust as the controller, in PEM"),
            Option("help", help: "show this command's help"),
        ]
    )
}
