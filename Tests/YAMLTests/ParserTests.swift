import Diagnostics
import Testing
import YAML

@Suite struct ParserTests {
    private func read(_ text: String, limits: Limits = Limits()) throws -> Node {
        try parse(Array(text.utf8), file: "f.yml", limits: limits)
    }

    private func complaint(_ text: String, limits: Limits = Limits()) -> String {
        do {
            _ = try read(text, limits: limits)
            return "no complaint"
        } catch {
            return "\(error)"
        }
    }

    @Test func valuesKnowWhereTheyStand() throws {
        let node = try read("a:\n  - b: 1\n")
        let value = node.mapping?["a"]?.sequence?.first?.mapping?["b"]
        #expect(value?.scalar?.integer == 1)
        #expect(value?.place == Place(file: "f.yml", line: 2, column: 8))
    }

    @Test func mergeKeysGiveWayToOwnKeys() throws {
        let node = try read("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz:\n  <<: [*x, {c: 4, a: 9}]\n")
        #expect(node.mapping?["y"]?.mapping?["b"]?.scalar?.text == "3")
        #expect(node.mapping?["y"]?.mapping?["a"]?.scalar?.text == "1")
        #expect(node.mapping?["z"]?.mapping?["a"]?.scalar?.text == "1")
        #expect(node.mapping?["z"]?.mapping?["c"]?.scalar?.text == "4")
    }

    @Test func whatIsNoYAMLNamesItsLine() {
        #expect(complaint("a: [1, 2\nb: 3\n").hasPrefix("f.yml:2:"))
        #expect(complaint("a: b: c\n").hasPrefix("f.yml:1:5: not valid YAML"))
        #expect(complaint("a: \u{0}\n").contains("not text at byte"))
        #expect(complaint("a: 1\n---\nb: 2\n").contains("a second document begins here"))
    }

    @Test func aKeyStandsOnce() {
        #expect(
            complaint("a: 1\nb: 2\na: 3\n") == "f.yml:3:1: key 'a' stands twice, first at line 1; remove one of them"
        )
    }

    @Test func aliasBombsAreRefused() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
                + "]\n"
        }
        #expect(complaint(text).contains("grows past 200000 values once its aliases are expanded"))
    }

    @Test func depthAndSizeAreBounded() {
        #expect(complaint(String(repeating: "[", count: 100)).contains("nested more than 64 levels deep"))
        var limits = Limits()
        limits.size = 10
        #expect(
            complaint("aaaaaaaaaaaaaaaa", limits: limits).contains(
                "the file has 16 bytes, more than the 10 that are read"
            )
        )
    }

    @Test func anUnknownAliasIsNamed() {
        #expect(complaint("a: *nope\n").contains("unknown alias '*nope'"))
    }

    @Test func scalarsReadAsTheTypesTheySpell() {
        func scalar(_ text: String) -> Scalar { Scalar(text: text, isPlain: true) }
        #expect(scalar("0440").integer == 0o440)
        #expect(scalar("0o17").integer == 15)
        #expect(scalar("0x1F").integer == 31)
        #expect(scalar("-1_000").integer == -1000)
        #expect(scalar("1.5").integer == nil)
        #expect(scalar("1.5").double == 1.5)
        #expect(scalar("nan").double == nil)
        #expect(scalar("yes").bool == true)
        #expect(scalar("~").isNull)
        #expect(!Scalar(text: "", isPlain: false).isNull)
    }

    @Test func durationsAreGos() {
        #expect(parseDuration("1h30m") == .seconds(5400))
        #expect(parseDuration("1.5s") == .milliseconds(1500))
        #expect(parseDuration("10") == nil)
        #expect(parseDuration("10x") == nil)
        #expect(parseDuration("") == nil)
    }

    @Test func randomBytesNeverCrashIt() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("{}[]&*!|>:-?,'\"#%@ \n\tab01".utf8)
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator) ?? 0
            }
            _ = try? parse(bytes, file: "random")
        }
    }
}
