import Files
import TestSupport
import Testing

@testable import Quadlet

/// What is remembered of starts, in a file that an agent may have been killed over.
@Suite struct StartedUnitsTests {
    private let scratch: Scratch
    private var file: String { "\(scratch.path)/hecate/started" }
    private let first = StartedUnits.Start(fingerprint: "f1", unitHash: "h1")
    private let second = StartedUnits.Start(fingerprint: "f2", unitHash: "h2")

    init() throws {
        scratch = try Scratch()
        try makeFolder("\(scratch.path)/hecate")
    }

    /// A start that was asked for must never be read as one that was made, wherever its line ends.
    @Test func aTornLineTellsNothing() throws {
        var units = StartedUnits(runtime: scratch.path)
        try units.note("web.service", first)
        let whole = try fileContent(file)
        try units.ask("web.service", second, invocation: "i1")
        let all = try fileContent(file)
        for length in (whole.count + 1)..<all.count {
            try replaceFile(file, with: Array(all.prefix(length)))
            var torn = StartedUnits(runtime: scratch.path)
            #expect(torn["web.service"] == first && torn.asked(of: "web.service") == nil, "after \(length) bytes")
            // What is written next is no part of it.
            try torn.note("db.service", second)
            let again = StartedUnits(runtime: scratch.path)
            #expect(again["db.service"] == second && again["web.service"] == first, "after \(length) bytes")
        }
        try replaceFile(file, with: all)
        #expect(StartedUnits(runtime: scratch.path).asked(of: "web.service")?.start == second)
    }

    /// The folder could not be written for a moment while the same agent goes on.
    @Test func whatCouldNotBeWrittenIsWrittenLater() throws {
        var units = StartedUnits(runtime: scratch.path)
        try units.note("web.service", first)
        let before = try fileContent(file)
        try removeFile(file)
        try makeFolder(file)
        #expect(throws: FileError.self) { try units.note("db.service", second) }
        try removeTree(file)
        // A part of the line came through.
        try replaceFile(file, with: before + Array("db.service f2 h".utf8))
        try units.note("db.service", second)
        let again = StartedUnits(runtime: scratch.path)
        #expect(again["db.service"] == second && again["web.service"] == first)
    }
}
