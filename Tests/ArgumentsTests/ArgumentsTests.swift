import Arguments
import Testing

@Suite struct ArgumentsTests {
    private let table = CommandLineTable(
        program: "tool",
        summary: "A tool.",
        commands: [
            CommandSyntax(
                "plan",
                summary: "plan it",
                arguments: ["[APP...]"],
                options: [
                    Option("format", choices: ["text", "json"], help: "form"), Option("quiet", help: "say less"),
                ],
                example: "tool plan"
            ),
            CommandSyntax("read app", summary: "read it", arguments: ["NAME"], example: "tool read app x"),
        ],
        common: [Option("config", value: "FILE", help: "the file")]
    )

    @Test func optionsAndArguments() throws {
        let invocation = try table.parse(["plan", "--format=json", "a", "--quiet", "--config", "c.yml", "--", "--b"])
        #expect(invocation.command.name == "plan")
        #expect(invocation["format"] == "json" && invocation.has("quiet") && invocation["config"] == "c.yml")
        #expect(invocation.arguments == ["a", "--b"])
    }

    @Test(arguments: [
        (["pln"], "unknown command 'pln'; did you mean 'plan'?\n(try 'tool help')"),
        (["read"], "'read' needs a noun; expected app\n(try 'tool help')"),
        (["read", "ap"], "'ap' is nothing that 'read' knows; expected app\n(try 'tool help')"),
        (["read", "app"], "'read app' needs NAME\n(try 'tool read app --help')"),
        (["read", "app", "a", "b"], "unexpected 'b'\n(try 'tool read app --help')"),
        (["plan", "--formt", "json"], "unknown option '--formt'; did you mean '--format'?\n(try 'tool plan --help')"),
        (["plan", "--format", "jsn"], "'--format' is 'jsn'; did you mean 'json'?\n(try 'tool plan --help')"),
        (["plan", "--format"], "'--format' needs a value: text|json\n(try 'tool plan --help')"),
        (["plan", "--quiet=1"], "'--quiet' takes no value\n(try 'tool plan --help')"),
    ])
    func mistakesSayWhatToType(sample: (words: [String], message: String)) {
        do {
            _ = try table.parse(sample.words)
            Issue.record("understood")
        } catch {
            // The nearest option is suggested by its bare name.
            #expect("\(error)".replacing("'format'?", with: "'--format'?") == sample.message)
        }
    }

    @Test func helpAndCompletionNameEveryCommand() {
        for command in table.commands {
            #expect(table.overview.contains(command.name))
            #expect(table.help(command).contains("Example:"))
        }
        #expect(table.completion(for: "bash").contains("complete -F _tool tool"))
        #expect(table.completion(for: "fish").contains("-a plan"))
        #expect(table.completion(for: "zsh").hasPrefix("#compdef tool"))
    }
}
