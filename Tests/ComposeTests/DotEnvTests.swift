import Compose
import Diagnostics
import Testing

@Suite struct DotEnvTests {
    private func read(_ text: String, _ variables: [String: String] = [:]) throws -> [String: String] {
        try parseDotEnv(Array(text.utf8), file: "e.env", variables: variables)
    }

    @Test func plainValues() throws {
        let values = try read(
            "A=1\nB = 2\nC= 3\nexport D='x y'\n456 = ABC\nF = \nH = my string # comment\nI=a#b\n# no\n"
        )
        #expect(
            values == ["A": "1", "B": "2", "C": "3", "D": "x y", "456": "ABC", "F": "", "H": "my string", "I": "a#b"]
        )
    }

    @Test func quotes() throws {
        let values = try read(
            "A='\\n'\nB=\"\\n\"\nC='Let\\'s go!'\nD = 'one\ntwo'\nE = \"echo 'asd'\" # c\nF=\"a\\\"b\"\n"
        )
        #expect(values == ["A": "\\n", "B": "\n", "C": "Let's go!", "D": "one\ntwo", "E": "echo 'asd'", "F": "a\"b"])
    }

    @Test func values() throws {
        let values = try read("A=1\nB=${A}\nC=$B\nD=${A}_${B}\nE=${NOPE}\nF=${X:-d}\n", ["X": "env"])
        #expect(values == ["A": "1", "B": "1", "C": "1", "D": "1_1", "E": "", "F": "env"])
    }

    @Test func dollarSignsInPasswordsSurvive() throws {
        #expect(try read("P=ab$cd\nQ='$x'\nR=5$\n") == ["P": "ab$cd", "Q": "$x", "R": "5$"])
    }

    @Test func byteOrderMarksAndCarriageReturns() throws {
        #expect(try read("\u{FEFF}A=1\r\nB=2\r\n") == ["A": "1", "B": "2"])
    }

    @Test func anInheritedNameTakesItsValue() throws {
        #expect(try read("A\nB\n", ["A": "x"]) == ["A": "x"])
    }

    @Test func whatIsWrongNamesItsLine() {
        #expect(throws: Invalid.self) { try read("A=1\nB='open\n") }
        do {
            _ = try read("A=1\nB C=2\n")
        } catch {
            #expect(
                "\(error)"
                    == "e.env:2:1: the line begins with no variable's name; write NAME=value, and put a value of several lines into quotes"
            )
        }
    }
}
