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
        #expect(file.retired.map(\.name) == ["db", "gone"])
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
            "stacks.yml:1:54: the stack 'a' depends on 'b', which is not in this file; declare it, or remove it from 'depends_on'"
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
        ("stacks:\n  -\n", "stacks.yml:2:4: a stack needs 'name'"),
        ("stacks: [{name: [a], compose_file: a.yml}]", "stacks.yml:1:17: 'name' in a stack must be text, found a list"),
        (
            "stacks: [{name: a, compose_file: a.yml, replaces: [~]}]",
            "stacks.yml:1:52: 'replaces' holds names of stacks, found nothing; write a name, or remove the item"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, replaces: ['']}]",
            "stacks.yml:1:52: 'replaces' holds names of stacks, found nothing; write a name, or remove the item"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, depends_on: [{b: c}]}]",
            "stacks.yml:1:54: 'depends_on' holds names of stacks, found a mapping; write a name, or remove the item"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, depends_on: [_b]}]",
            "stacks.yml:1:54: '_b' in 'depends_on' cannot name a stack; use letters, digits, '_' and '-', beginning with a letter or a digit"
        ),
        (
            "stacks: []\nretired_stacks:\n  - old\n  -\n",
            "stacks.yml:4:4: 'retired_stacks' holds names of stacks, found nothing; write a name, or remove the item"
        ),
        (
            "retired_stacks: [a/b]",
            "stacks.yml:1:18: there is no target 'a' in the configuration; expected one of 'default', 'other'"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml}]\nretired_stacks: [a]",
            "stacks.yml:2:18: the stack 'a' is retired here and declared at stacks.yml:1:11; "
                + "remove it from 'retired_stacks' to keep it, or its entry to remove it"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, replaces: [b]}, {name: b, compose_file: b.yml}]",
            "stacks.yml:1:52: the stack 'a' replaces 'b', which is declared at stacks.yml:1:58; "
                + "remove the entry of 'b', or the name from 'replaces'"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, replaces: [a]}]",
            "stacks.yml:1:52: the stack 'a' replaces 'a', which is declared at stacks.yml:1:11; "
                + "remove the entry of 'a', or the name from 'replaces'"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, depends_on: [otherr/b]}]",
            "stacks.yml:1:54: there is no target 'otherr' in the configuration; did you mean 'other'?"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, depends_on: [b]}, {name: b, enabled: false}]",
            "stacks.yml:1:54: the stack 'a' depends on 'b', which is disabled; enable 'b', or remove it from 'depends_on'"
        ),
        (
            "stacks: [{name: a, compose_file: a.yml, depends_on: [b]}]\nretired_stacks: [b]",
            "stacks.yml:1:54: the stack 'a' depends on 'b', which is retired; remove it from 'depends_on'"
        ),
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

    /// Law: what cannot be read in full removes nothing, and nobody is blamed who is not named.
    @Test(arguments: [
        "stacks:\n  - {name: b, compose_file: b.yml}\n  -\n",
        "stacks: [{name: b, compose_file: b.yml}, {compose_file: x}]",
        "stacks: [{name: b, compose_file: b.yml}, {name: '', compose_file: x}]",
        "stacks: [{name: b, compose_file: b.yml}, {name: 'a b', compose_file: x}]",
        "stacks: [{name: b, compose_file: b.yml}, {name: [a], compose_file: x, enabled: false}]",
        "stacks: [{name: b, compose_file: b.yml}, {name: -a, enabled: false}]",
        "stacks: [{name: b, compose_file: b.yml}, web]",
        "stacks: [{name: b, compose_file: b.yml}, {name: a, compose_file: x, target: othr}]",
        "stacks: [{name: b, compose_file: b.yml}]\nretired_stacks: [[a]]",
        "stacks: [{name: b, compose_file: b.yml}]\nretired_stacks: ['']",
        "stacks: [{name: b, compose_file: b.yml}]\nretired_stacks: ['a b']",
    ])
    func anEntryThatIsAboutNobodyKnowsWhomMakesTheFilePartial(text: String) throws {
        let file = try read(text)
        #expect(file.isPartial)
        #expect(!file.unattributed.isEmpty && file.diagnostics.contains(file.unattributed[0]))
        #expect(file.stacks.map(\.name) == ["b"])
        #expect(file.unreadable.isEmpty && file.retired.isEmpty)
    }

    @Test func anEntryThatNamesItsAppLeavesTheFileWhole() throws {
        let file = try read("stacks: [{name: a, compose_file: a.yml, replaces: [~]}, {name: b, compose_file: b.yml}]")
        #expect(!file.isPartial)
        #expect(file.unreadable.keys.map(\.name) == ["a"])
    }

    @Test func aStackThatIsDeclaredAndRetiredIsLeftAsItIs() throws {
        let file = try read("stacks: [{name: a, compose_file: a.yml}]\nretired_stacks: [a, b]")
        #expect(file.stacks.isEmpty)
        #expect(file.unreadable.keys.map(\.name) == ["a"])
        #expect(file.retired.map(\.name) == ["b"])
        // The same name on another target is another stack.
        let other = try read("stacks: [{name: a, compose_file: a.yml, target: other}]\nretired_stacks: [a]")
        #expect(other.stacks.count == 1 && other.retired == [AppID(target: "default", name: "a")])
        #expect(try read("retired_stacks: other/a").retired == [AppID(target: "other", name: "a")])
    }

    @Test func aDisabledStackThatIsReplacedIsOnlyWarnedOf() throws {
        let file = try read(
            "stacks: [{name: a, compose_file: a.yml, replaces: [b]}, {name: b, compose_file: b.yml, enabled: false}]"
        )
        #expect(file.stacks.map(\.name) == ["a"])
        #expect(file.diagnostics.map(\.severity) == [.warning])
    }

    @Test func dependenciesAreFoundAcrossTargets() throws {
        let file = try read(
            """
            stacks:
              - {name: db, compose_file: a.yml, target: other}
              - {name: cache, compose_file: a.yml, target: other}
              - {name: cache, compose_file: a.yml}
              - {name: a, compose_file: a.yml, depends_on: [db, cache]}
              - {name: b, compose_file: a.yml, depends_on: [other/cache]}
            """
        )
        #expect(file.diagnostics.isEmpty)
        let dependencies = Dictionary(file.stacks.map { ($0.name, $0.dependsOn) }) { first, _ in first }
        #expect(
            dependencies["a"] == [AppID(target: "other", name: "db"), AppID(target: "default", name: "cache")]
        )
        #expect(dependencies["b"] == [AppID(target: "other", name: "cache")])
    }

    @Test func aDependencyThatMeansTwoStacksIsRefused() throws {
        let file = try StacksFile(
            Array(
                """
                stacks:
                  - {name: db, compose_file: a.yml, target: one}
                  - {name: db, compose_file: a.yml, target: two}
                  - {name: a, compose_file: a.yml, depends_on: [db]}
                """.utf8
            ),
            file: "stacks.yml",
            targets: ["default", "one", "two"]
        )
        #expect(
            file.diagnostics.map(\.description) == [
                "stacks.yml:4:49: the stack 'a' depends on 'db', which is declared on 'one' and 'two'; "
                    + "write which one: 'one/db' or 'two/db'"
            ]
        )
        #expect(file.stacks.map(\.name) == ["db", "db"])
    }

    @Test func stacksOfTwoTargetsDoNotDependOnEachOther() throws {
        let file = try read(
            """
            stacks:
              - {name: a, compose_file: a.yml, depends_on: [other/b]}
              - {name: b, compose_file: a.yml, target: other, depends_on: [default/a]}
            """
        )
        #expect(
            file.diagnostics.first?.description
                == "stacks.yml:2:6: stacks depend on each other: default/a -> other/b -> default/a; remove one 'depends_on'"
        )
        #expect(file.stacks.isEmpty && file.unreadable.count == 2)
    }

    /// It is there, and is waited for until it can be read.
    @Test func aDependencyThatCannotBeReadIsNoFaultOfItsDependant() throws {
        let file = try read("stacks: [{name: a, compose_file: a.yml, depends_on: [b]}, {name: b, x: 1}]")
        #expect(file.stacks.map(\.name) == ["a"])
        #expect(file.stacks.first?.dependsOn == [AppID(target: "default", name: "b")])
    }

    @Test(arguments: [
        ("a", true), ("A-1_b", true), ("7", true), (String(repeating: "a", count: 63), true), ("", false),
        ("-a", false),
        ("_a", false), ("a b", false), ("a.b", false), ("a/b", false), ("ä", false), ("e\u{301}", false),
        ("a\n", false),
        (String(repeating: "a", count: 64), false),
    ])
    func namesOfStacks(sample: (text: String, isName: Bool)) {
        #expect(isStackName(sample.text) == sample.isName)
    }

    @Test(arguments: ["stacks: 5", "- a", "retired_stacks: {a: b}", "stacks: []\nstaks: 1", "a: ["])
    func aFileThatCannotBeReadAsAWholeIsRefused(text: String) {
        #expect(throws: Invalid.self) { try read(text) }
    }
}
