import JSON
import Testing

@Suite struct MembersTests {
    @Test func whatIsNotThereIsNotNull() {
        let object: JSON = ["b": 1, "a": nil]
        #expect(object["a"] == .some(.null))
        #expect(object["b"] == 1)
        #expect(object["c"] == nil)
    }

    @Test func membersAreSortedWhateverTheirOrder() throws {
        let names = (0..<40).map { "name\($0 * 7 % 40)" }
        var oneByOne = JSON.Members()
        for name in names { oneByOne[name] = .string(name) }
        let atOnce = JSON.Members(names.map { (key: $0, value: .string($0)) })
        #expect(oneByOne == atOnce)
        #expect(atOnce.keys == names.sorted())
        for name in names { #expect(atOnce[name]?.string == name) }
        #expect(try JSON(parsing: JSON.object(atOnce).encoded()) == .object(atOnce))
    }

    @Test func ofOneNameTheLastCounts() throws {
        let members: [JSON.Members.Element] = [("b", 1), ("a", 1), ("b", 2), ("a", 2), ("b", 3), ("c", 1)]
        #expect(JSON.Members(members) == ["a": 2, "b": 3, "c": 1])
        #expect(try JSON(parsing: #"{"b": 1, "a": 1, "b": 2}"#) == ["a": 1, "b": 2])
        #expect(JSON.Members(members.prefix(2)) == ["a": 1, "b": 1])
    }

    @Test func membersChangeComeAndGo() {
        var members: JSON.Members = ["b": 1]
        members["a"] = 2
        members["b"] = 3
        members["c"] = nil
        #expect(members == ["a": 2, "b": 3])
        members["a"] = nil
        #expect(members == ["b": 3])
        #expect(members.merging(["b": 4, "c": ""]) == ["b": 4, "c": ""])
        #expect(members.merging(["c": ""]).compacted == ["b": 3])
        #expect(JSON.compact(["a": nil, "b": .string(""), "c": 1]) == ["c": 1])
    }

    @Test func whatIsEscapedComesBack() throws {
        let text = "a\"b\\c\n\r\t\u{1}\u{7F}é\u{2028}"
        #expect(JSON.string(text).text() == "\"a\\\"b\\\\c\\n\\r\\t\\u0001\u{7F}é\u{2028}\"")
        #expect(try JSON(parsing: JSON.string(text).encoded()).string == text)
    }
}
