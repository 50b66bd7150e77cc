import Delivery
import Diagnostics
import Testing

@testable import Swarm

@Suite struct StacksFileTests {
    private func read(_ text: String) throws -> StacksFile {
        try StacksFile(Array(text.utf8), file: "stacks.yml", targets: ["default", "other"])
    }

    @Test func hiveMindsForm() throws {
        let file = try read(
            """
            stacks:
              - name: web
                compose_file: web.yml
                env_file: web.env
                replaces: [old]
              - name: db
                compose_files: [a.yml, b.yml]
                enabled: false
            retired_stacks: [gone]
            """
        )
        #expect(file.stacks.map(\.name) == ["web"])
        #expect(file.stacks[0].composeFiles == ["web.yml"])
        #expect(file.retired.map(\.name) == ["gone", "db"])
        #expect(file.diagnostics.isEmpty)
    }

    @Test(arguments: [
        (
            "stacks: [{name: a, compose_file: a.yml, enabeld: true}]",
            "stacks.yml:1:41: unknown key 'enabeld' in stack 'a'; did you mean 'enabled'?"
        ),
        ("stacks: [{name: a}]", "stacks.yml:1:11: stack 'a' needs 'compose_file' or 'compose_files'"),
        ("stacks: [{compose_file: a.yml}]", "stacks.yml:1:10: a stack needs 'name'"),
        (
            "stacks: [{name: 'a b', compose_file: a.yml}]",
            "stacks.yml:1:17: 'a b' cannot name a stack; use letters, digits, '_' and '-', beginning with a letter or a digit"
        ),
        (
            "stacks: [{name: a, compose_file: ../a.yml}]",
            "stacks.yml:1:34: '../a.yml' lies outside the repository; name a file of the repository, from its root"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, target: othr}]",
            "stacks.yml:1:49: there is no target 'othr' in the configuration; did you mean 'other'?"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, timeout: long}]",
            "stacks.yml:1:50: 'timeout' in stack 'a' must be a duration such as '30s' or '5m', found 'long'"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, depends_on: [b]}]",
            "stacks.yml:1:11: the stack 'a' depends on 'b', which is not in this file"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, ignore_differences: [web.replics]}]",
            "stacks.yml:1:62: 'replics' is no field that can be ignored; did you mean 'replicas'?"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml}, {name: a, compose_file: b.yml}]",
            "stacks.yml:1:43: the stack 'a' stands twice, first at line 1; rename or remove one of them"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, depends_on: [b]}, {name: b, compose_file: a.yml, depends_on: [a]}]",
            "stacks.yml:1:11: stacks depend on each other: a -> b -> a; remove one 'depends_on'"
        ),
        ("stacks: [web]", "stacks.yml:1:10: a stack must be a mapping, found 'web'"),
    ])
    func wrongEntries(sample: (text: String, message: String)) throws {
        let found = try read(sample.text).diagnostics.map(\.description)
        #expect(found.contains(sample.message), "\(found)")
    }

    @Test func wrongEntriesAreKeptApartAndTheOthersGoOn() throws {
        let file = try read("stacks: [{name: a, compose_file: a.yml, x: 1}, {name: b, compose_file: b.yml}]")
        #expect(file.stacks.map(\.name) == ["b"])
        #expect(file.unreadable[AppID(target: "default", name: "a")] != nil)
    }

    @Test(arguments: ["stacks: 5", "- a", "stacks: []\nstaks: 1", "a: ["])
    func aFileThatCannotBeReadAsAWholeIsRefused(text: String) {
        #expect(throws: Invalid.self) { try read(text) }
    }
}
