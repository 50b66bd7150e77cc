import JSON
import Testing

@testable import Swarm

/// Lists of which only the items that changed are read again.
@Suite struct ListReadingTests {
    private static let texts = [
        "[]", "[]\n", "[{}]", #"[{"ID":"a","Labels":{"k":"],}\"[{"}}]"#, #"[{"ID":"a"},{"ID":"b","List":[1,[2],{}]}]"#,
        #"[ {"ID":"a"} , {"ID":"b"} ]"#, #"["\\","\\\"",null,true,-1.5]"#, #"[{"ID":"b"},{"ID":"a"},{"ID":"b"}]"#,
    ]

    @Test func aListReadsAsItDoesWhole() throws {
        for text in Self.texts {
            let bytes = Array(text.utf8)
            let whole = try JSON(parsing: bytes)
            #expect(ListReading(bytes, after: nil)?.value == whole, "\(text)")
            for other in Self.texts {
                let last = ListReading(Array(other.utf8), after: nil)
                #expect(ListReading(bytes, after: last)?.value == whole, "\(text) after \(other)")
            }
        }
    }

    @Test(arguments: [
        "", "{}", #"{"a":[1]}"#, "[", "[1", "[1}", "[1,]", "[,1]", "[1 2]", "[1]]", "[1],[2]", #"["a]"#, #"["a\"]"#,
        "[{]}",
    ])
    func whatIsNoListOrNoJSONIsNotRead(text: String) { #expect(ListReading(Array(text.utf8), after: nil) == nil) }

    @Test func anItemIsKnownByAllOfItsBytes() throws {
        let first = ListReading(Array(#"[{"ID":"a","V":1},{"ID":"b","V":1}]"#.utf8), after: nil)
        let second = ListReading(Array(#"[{"ID":"b","V":1},{"ID":"a","V":2}]"#.utf8), after: first)
        #expect(second?.value.array?.map { $0["V"]?.int } == [1, 2])
    }
}
