internal import Diagnostics

/// One option of a command.
package struct Option: Sendable {
    package var name: String
    /// How the value is called in help; nil for an option without one.
    package var value: String?
    package var choices: [String]
    package var help: String

    package init(_ name: String, value: String? = nil, choices: [String] = [], help: String) {
        self.name = name
        self.value = value ?? (choices.isEmpty ? nil : choices.joined(separator: "|"))
        self.choices = choices
        self.help = help
    }
}

/// One command, with its noun where it takes one: the single place that parsing, help and completion come from.
package struct CommandSyntax: Sendable {
    /// The words that select it, such as `list apps`.
    package var words: [String]
    package var summary: String
    /// Positional arguments; one in brackets may be left out, one with dots may be repeated.
    package var arguments: [String]
    package var options: [Option]
    /// What it does, in a few sentences.
    package var discussion: String
    package var example: String

    package init(
        _ words: String,
        summary: String,
        arguments: [String] = [],
        options: [Option] = [],
        discussion: String = "",
        example: String
    ) {
        self.words = words.split(separator: " ").map(String.init)
        self.summary = summary
        self.arguments = arguments
        self.options = options
        self.discussion = discussion
        self.example = example
    }

    package var name: String { words.joined(separator: " ") }
}

/// A command line that was understood.
package struct Invocation: Sendable {
    package var command: CommandSyntax
    package var options: [String: String]
    package var arguments: [String]
    package var wantsHelp: Bool

    package subscript(option: String) -> String? { options[option] }
    package func has(_ option: String) -> Bool { options[option] != nil }
}

/// A command line that was not understood, with what to type instead.
package struct UsageError: Error, Sendable, CustomStringConvertible {
    package var description: String

    package init(description: String) { self.description = description }
}

/// A program's commands.
package struct CommandLineTable: Sendable {
    package var program: String
    package var summary: String
    package var commands: [CommandSyntax]
    /// Options that every command takes.
    package var common: [Option]

    package init(program: String, summary: String, commands: [CommandSyntax], common: [Option]) {
        self.program = program
        self.summary = summary
        self.commands = commands
        self.common = common
    }

    /// Reads a command line, without the program's own name.
    package func parse(_ words: [String]) throws(UsageError) -> Invocation {
        guard let command = command(for: words) else {
            let first = words.first ?? ""
            let nouns = commands.filter { $0.words.first == first && $0.words.count > 1 }.map { $0.words[1] }
            if !nouns.isEmpty {
                let given =
                    words.dropFirst().first.map { "'\($0)' is nothing that '\(first)' knows" }
                    ?? "'\(first)' needs a noun"
                throw usage("\(given); expected \(nouns.joined(separator: ", "))", help: "")
            }
            let close =
                suggestion(for: first, among: Set(commands.compactMap(\.words.first))) ?? "see '\(program) help'"
            throw usage("unknown command '\(first)'; \(close)", help: "")
        }
        var invocation = Invocation(command: command, options: [:], arguments: [], wantsHelp: false)
        var rest = words.dropFirst(command.words.count)
        var onlyArguments = false
        while let word = rest.popFirst() {
            if onlyArguments || !word.hasPrefix("-") || word == "-" {
                invocation.arguments.append(word)
            } else if word == "--" {
                onlyArguments = true
            } else if word == "--help" || word == "-h" {
                invocation.wantsHelp = true
            } else {
                try read(word, &rest, command, &invocation)
            }
        }
        if !invocation.wantsHelp { try checkCount(invocation) }
        return invocation
    }

    /// Whether any command begins with the word.
    package func knows(_ word: String) -> Bool { commands.contains { $0.words.first == word } }

    private func command(for words: [String]) -> CommandSyntax? {
        commands.filter { words.starts(with: $0.words) }.max { $0.words.count < $1.words.count }
    }

    private func read(
        _ word: String,
        _ rest: inout ArraySlice<String>,
        _ command: CommandSyntax,
        _ invocation: inout Invocation
    ) throws(UsageError) {
        let parts = word.drop { $0 == "-" }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts.first ?? "")
        let options = command.options + common
        guard let option = options.first(where: { $0.name == name }) else {
            let close = suggestion(for: name, among: options.map(\.name)).map { "; \($0)" } ?? ""
            throw usage("unknown option '--\(name)'\(close)", help: command.name)
        }
        guard let label = option.value else {
            if parts.count > 1 { throw usage("'--\(name)' takes no value", help: command.name) }
            invocation.options[name] = ""
            return
        }
        guard let value = parts.count > 1 ? String(parts[1]) : rest.popFirst() else {
            throw usage("'--\(name)' needs a value: \(label)", help: command.name)
        }
        if !option.choices.isEmpty, !option.choices.contains(value) {
            let close = suggestion(for: value, among: option.choices) ?? "expected \(label)"
            throw usage("'--\(name)' is '\(value)'; \(close)", help: command.name)
        }
        invocation.options[name] = value
    }

    private func checkCount(_ invocation: Invocation) throws(UsageError) {
        let command = invocation.command
        let needed = command.arguments.filter { !$0.hasPrefix("[") }
        if invocation.arguments.count < needed.count {
            throw usage("'\(command.name)' needs \(needed[invocation.arguments.count])", help: command.name)
        }
        let mayRepeat = command.arguments.last?.contains("...") ?? false
        if invocation.arguments.count > command.arguments.count, !mayRepeat {
            throw usage("unexpected '\(invocation.arguments[command.arguments.count])'", help: command.name)
        }
    }

    private func usage(_ message: String, help command: String) -> UsageError {
        let hint = command.isEmpty ? "\(program) help" : "\(program) \(command) --help"
        return UsageError(description: "\(message)\n(try '\(hint)')")
    }
}
