internal import Arguments

extension HecateProgram {
    private static let format = Option("format", choices: ["text", "json", "yaml"], help: "how the answer is written")

    private static let serviceNames = """
        SERVICE is a unit's file, its service, or either without 'hecate-' and the last letter: 'trader', 'traderd' and
        'hecate-traderd' are one. Without it the daemon is meant.
        """

    private static let kubectl = Option(
        "kubectl",
        value: "PROGRAM",
        help: "how the cluster is asked; kubectl, else k3s kubectl"
    )

    /// Every command with its options: parsing, `--help` and completion all come from here.
    static let table = CommandLineTable(
        program: "hecate",
        summary: "Hecate keeps Docker Swarm stacks and systemd nodes with Podman equal to a Git repository.",
        commands: [
            Subcommand(
                "run",
                summary: "follow the repository and keep the targets equal to it",
                arguments: ["[CONFIG]"],
                options: [
                    Option("once", help: "reconcile everything once, then end; exit 1 when something is not ready"),
                    Option(
                        "log",
                        choices: ["text", "json"],
                        help: "the form of the log; text on a terminal, json elsewhere"
                    ),
                ],
                discussion: """
                    Without CONFIG the file is $HECATE_CONFIG, else ./config.yml, else /etc/hecate/config.yml; when there
                    is none, the variables HECATE_GIT_URL and so on (HIVEMIND_GIT_URL is read as well) are used.
                    """,
                example: "hecate run config.yml"
            ),
            Subcommand(
                "agent",
                summary: "keep this node's systemd and Podman equal to its gitops folder",
                options: [
                    Option("watch", help: "go on and follow every change; this is what it does when nothing is said"),
                    Option("once", help: "one pass, then end; exit 1 when something is not running as declared"),
                    Option("status", help: "show what is declared, linked and running"),
                    Option("format", choices: ["text", "json"], help: "how the status is written"),
                    Option(
                        "log",
                        choices: ["text", "json"],
                        help: "the form of the log; text on a terminal, json elsewhere"
                    ),
                ],
                discussion: """
                    The gitops folder is $HECATE_GITOPS_DIR, else ~/.hecate/gitops; its units are linked into
                    ~/.config/containers/systemd, or into /etc/containers/systemd for root. Also called hecate-reconciler.
                    """,
                example: "hecate agent --once"
            ),
            Subcommand(
                "init node",
                summary: "make this machine a node: folders, lingering, hardware, secrets, the agent's own service",
                options: [
                    Option(
                        "from",
                        value: "REPOSITORY",
                        help: "where the units of every node come from; a folder or a Git URL"
                    )
                ],
                discussion: "What is there already stays as it is; a second time there is nothing to do.",
                example: "hecate init node --from https://git.example.org/gitops.git"
            ),
            Subcommand(
                "uninstall node",
                summary: "stop and remove everything that init and the agent made; data stays",
                options: [Option("with-data", help: "remove ~/.hecate with all data as well")],
                example: "hecate uninstall node"
            ),
            Subcommand(
                "install",
                summary: "install a plug-in on this node and start it",
                arguments: ["NAME"],
                discussion: """
                    Plug-ins come from $HECATE_GITOPS_REPO (a folder or a Git repository laid out as hecate-gitops is) and
                    are listed in its plugins/registry.json, or in $HECATE_REGISTRY. Environment files that are there
                    already are kept.
                    """,
                example: "hecate install trader"
            ),
            Subcommand(
                "remove",
                summary: "remove a plug-in from this node; its data is kept",
                arguments: ["NAME"],
                example: "hecate remove trader"
            ),
            Subcommand(
                "start",
                summary: "start a service of this node, and let the agent keep it running again",
                arguments: ["[SERVICE]"],
                discussion: serviceNames,
                example: "hecate start traderd"
            ),
            Subcommand(
                "stop",
                summary: "stop a service of this node, and have the agent leave it so",
                arguments: ["[SERVICE]"],
                options: [Option("reason", value: "TEXT", help: "why; shown to everybody")],
                discussion: serviceNames,
                example: "hecate stop traderd --reason 'backup until 14:00'"
            ),
            Subcommand(
                "restart",
                summary: "restart a service of this node",
                arguments: ["[SERVICE]"],
                discussion: serviceNames,
                example: "hecate restart traderd"
            ),
            Subcommand(
                "logs",
                summary:
                    "the log of a service of this node; what follows its name goes to journalctl; with --server, of any app",
                arguments: ["[SERVICE]", "[ARGUMENT...]"],
                discussion: serviceNames,
                example: "hecate logs traderd -- -f"
            ),
            Subcommand(
                "update",
                summary:
                    "pull newer images for the units that have AutoUpdate, and roll back what is not well with them",
                discussion: "Registries are asked with ~/.hecate/secrets/ghcr-auth.json when that is there.",
                example: "hecate update"
            ),
            Subcommand(
                "health",
                summary: "what a daemon of this node says of its health; exit 1 when it is not well",
                arguments: ["[DAEMON]"],
                example: "hecate health"
            ),
            Subcommand(
                "identity",
                summary: "who this node's daemon is",
                arguments: ["[DAEMON]"],
                example: "hecate identity"
            ),
            Subcommand(
                "migrate k3s",
                summary: "show what a k3s cluster runs and what would become of it here; with --apply, move it",
                arguments: ["[APP...]"],
                options: [
                    Option(
                        "inventory",
                        value: "FILE,...",
                        help: "read what kubectl get -A -o json wrote, instead of asking the cluster"
                    ),
                    kubectl, Option("to", value: "FOLDER", help: "write the units and their files there"),
                    Option("apply", help: "move the apps, one at a time; what is not well here goes back"),
                    Option("back", help: "stop the apps here and start them in the cluster again"), format,
                ],
                discussion: """
                    Makes Quadlet files of Deployments, StatefulSets and DaemonSets with their ConfigMaps, Secrets and
                    claims, and lists what cannot be carried over. An app is moved by stopping it in the cluster, copying
                    its data (an archive stays in ~/.hecate/backups/k3s), and starting it here; the cluster's own data is
                    never changed. What is interrupted goes on where it was.
                    """,
                example: "hecate migrate k3s --apply web"
            ),
            Subcommand(
                "decommission k3s",
                summary: "take k3s off this machine, once nothing runs in it",
                options: [
                    kubectl,
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
                example: "hecate decommission k3s --dry-run"
            ),
            Subcommand(
                "plan",
                summary: "show what would change, field by field, and change nothing",
                arguments: ["[APP...]"],
                options: [
                    format, Option("color", choices: ["auto", "always", "never"], help: "whether to colour the text"),
                ],
                discussion: "Exit code 0 when there is nothing to do, 2 when there are changes, 1 on an error.",
                example: "hecate plan web --format json"
            ),
            Subcommand(
                "reconcile",
                summary: "compare and repair now, ahead of everything else",
                arguments: ["[APP...]"],
                options: [
                    Option("wait", help: "end when the apps have come to rest; exit 1 when one is not ready"), format,
                ],
                discussion: """
                    Asks the running controller, or does the pass itself when none runs. A revision that was rolled back
                    is tried once more.
                    """,
                example: "hecate reconcile web --wait"
            ),
            Subcommand(
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
                    Option("format", choices: ["text", "github", "json"], help: "how findings are written"),
                    Option("strict", help: "exit 2 when there are warnings"),
                ],
                example: "hecate check . --format github"
            ),
            Subcommand(
                "list apps",
                summary: "every app with its readiness, revision and age; on a node with its state, health and image",
                options: [
                    format, Option("available", help: "on a node, the plug-ins that could be installed as well"),
                ],
                example: "hecate list apps"
            ),
            Subcommand(
                "list sources",
                summary: "every source with its commit and last success",
                options: [format],
                example: "hecate list sources"
            ),
            Subcommand(
                "list targets",
                summary: "every target with its version and last success",
                options: [format],
                example: "hecate list targets"
            ),
            Subcommand(
                "list events",
                summary: "what happened, newest last",
                options: [format, Option("limit", value: "N", help: "how many; 50 when not given")],
                example: "hecate list events --limit 20"
            ),
            Subcommand(
                "read app",
                summary: "one app: conditions, revisions, services, tasks and its last error",
                arguments: ["NAME"],
                options: [format],
                example: "hecate read app web"
            ),
            Subcommand(
                "status",
                summary: "is everything as it should be? exit 1 when not",
                options: [format],
                example: "hecate status"
            ),
            Subcommand(
                "events",
                summary: "what happened, and with --follow what happens",
                arguments: ["[APP]"],
                options: [
                    format, Option("follow", help: "go on printing as things happen"),
                    Option("limit", value: "N", help: "how many to begin with; 50 when not given"),
                ],
                example: "hecate events web --follow"
            ),
            Subcommand(
                "suspend",
                summary: "leave an app alone until it is resumed",
                arguments: ["APP"],
                options: [Option("reason", value: "TEXT", help: "why; required, and shown to everybody")],
                example: "hecate suspend web --reason 'migration until 14:00'"
            ),
            Subcommand(
                "resume",
                summary: "take a suspended app up again",
                arguments: ["APP"],
                options: [Option("reason", value: "TEXT", help: "why; kept in the journal")],
                example: "hecate resume web"
            ),
            Subcommand(
                "approve",
                summary: "let removals go ahead that the guard stopped: apps of a source, or services of one app",
                arguments: ["NAME"],
                discussion: "NAME is a source, or an app with or without its target; a source's name goes first.",
                example: "hecate approve fleet"
            ),
            Subcommand(
                "list audit",
                summary: "who did what through the server, and who was refused",
                options: [format, Option("limit", value: "N", help: "how many; 50 when not given")],
                example: "hecate list audit --limit 20"
            ),
            Subcommand(
                "audit verify",
                summary: "whether the audit log is as it was written; exit 1 when not",
                options: [format],
                discussion:
                    "Each entry holds a digest of the one before. Note the last digest elsewhere to see a cut end.",
                example: "hecate audit verify"
            ),
            Subcommand(
                "notify",
                summary: "send a test message by each notification of the configuration; exit 1 when one was not taken",
                arguments: ["[NAME...]"],
                example: "hecate notify on-call"
            ),
            Subcommand(
                "context add",
                summary: "name a controller elsewhere, for every command to ask",
                arguments: ["NAME"],
                discussion:
                    "The token stays in its own file, whose place is kept. The first context is in use at once.",
                example: "hecate context add prod --server https://hecate.example.org --token-file ~/.hecate-token"
            ),
            Subcommand("context list", summary: "the controllers that have a name", example: "hecate context list"),
            Subcommand(
                "context use",
                summary: "ask this controller from now on; 'here' is this machine's own store",
                arguments: ["NAME"],
                example: "hecate context use prod"
            ),
            Subcommand(
                "context remove",
                summary: "forget a name",
                arguments: ["NAME"],
                example: "hecate context remove prod"
            ),
            Subcommand(
                "completion",
                summary: "print a completion script",
                arguments: ["SHELL"],
                example: "source <(hecate completion bash)"
            ),
            Subcommand("version", summary: "print the version", example: "hecate version"),
            Subcommand(
                "help",
                summary: "show this overview, or a command's help",
                arguments: ["[COMMAND...]"],
                example: "hecate help plan"
            ),
        ],
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
