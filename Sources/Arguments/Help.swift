extension CommandLineTable {
    /// The overview of all commands.
    package var overview: String {
        let width = commands.map { usage($0).count }.max() ?? 0
        var lines = [summary, "", "Usage: \(program) COMMAND [OPTIONS]", ""]
        for command in commands { lines.append("  " + padded(usage(command), width) + "  " + command.summary) }
        lines += ["", "Options of every command:"] + describe(common)
        lines += ["", "'\(program) COMMAND --help' shows a command's options and an example."]
        return lines.joined(separator: "\n")
    }

    /// One command's help.
    package func help(_ command: CommandSyntax) -> String {
        var lines = [
            command.summary, "", "Usage: \(program) \(usage(command))\(command.options.isEmpty ? "" : " [OPTIONS]")",
        ]
        if !command.discussion.isEmpty { lines += ["", command.discussion] }
        if !command.options.isEmpty { lines += ["", "Options:"] + describe(command.options) }
        if !common.isEmpty { lines += ["", "Options of every command:"] + describe(common) }
        lines += ["", "Example:", "  " + command.example.replacing("\n", with: "\n  ")]
        return lines.joined(separator: "\n")
    }

    private func usage(_ command: CommandSyntax) -> String {
        (command.words + command.arguments).joined(separator: " ")
    }

    private func describe(_ options: [Option]) -> [String] {
        let names = options.map { "--\($0.name)" + ($0.value.map { " \($0)" } ?? "") }
        let width = names.map(\.count).max() ?? 0
        return zip(names, options).map { "  " + padded($0, width) + "  " + $1.help }
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    // MARK: Completion

    /// The shells that a completion can be written for.
    package static var shells: [String] { ["bash", "zsh", "fish"] }

    /// A completion script.
    package func completion(for shell: String) -> String {
        switch shell {
        case "fish": fishCompletion
        case "zsh": "#compdef \(program)\nautoload -U +X bashcompinit && bashcompinit\n" + bashCompletion
        default: bashCompletion
        }
    }

    private var bashCompletion: String {
        var cases: [String] = []
        for first in Set(commands.compactMap(\.words.first)).sorted() {
            let family = commands.filter { $0.words.first == first }
            let nouns = family.compactMap { $0.words.count > 1 ? $0.words[1] : nil }
            let options = Set(family.flatMap { $0.options + common }.map { "--\($0.name)" }).sorted()
            cases.append("        \(first)) words=\"\((nouns + options + ["--help"]).joined(separator: " "))\" ;;")
        }
        let firsts = Set(commands.compactMap(\.words.first)).sorted().joined(separator: " ")
        return """
            _\(program)() {
                local words current="${COMP_WORDS[COMP_CWORD]}"
                if [ "$COMP_CWORD" -eq 1 ]; then
                    words="\(firsts)"
                else
                    case "${COMP_WORDS[1]}" in
            \(cases.joined(separator: "\n"))
                    esac
                fi
                COMPREPLY=($(compgen -W "$words" -f -- "$current"))
            }
            complete -F _\(program) \(program)
            """
    }

    private var fishCompletion: String {
        var lines = ["complete -c \(program) -n __fish_use_subcommand -f"]
        var described: Set<String> = []
        for command in commands {
            guard let first = command.words.first else { continue }
            if described.insert(first).inserted {
                let summary = command.words.count > 1 ? first : command.summary
                lines.append("complete -c \(program) -n __fish_use_subcommand -f -a \(first) -d '\(quoted(summary))'")
            }
            if command.words.count > 1 {
                lines.append(
                    "complete -c \(program) -n '__fish_seen_subcommand_from \(first)' -f -a \(command.words[1]) -d '\(quoted(command.summary))'"
                )
            }
            for option in command.options {
                let choices = option.choices.isEmpty ? "" : " -x -a '\(option.choices.joined(separator: " "))'"
                lines.append(
                    "complete -c \(program) -n '__fish_seen_subcommand_from \(first)' -l \(option.name)\(choices) -d '\(quoted(option.help))'"
                )
            }
        }
        return lines.joined(separator: "\n")
    }

    private func quoted(_ text: String) -> String { text.replacing("'", with: "\\'") }
}
