import Testing

@testable import Swarm

/// The frames in which the Engine sends what a task wrote.
@Suite struct LogFrameTests {
    @Test func logFramesAreUnpacked() {
        let frame: [UInt8] =
            [1, 0, 0, 0, 0, 0, 0, 6] + Array("one\ntw".utf8) + [2, 0, 0, 0, 0, 0, 0, 2] + Array("o\n".utf8)
        #expect(logLines(frame) == ["one", "two"])
    }
}
