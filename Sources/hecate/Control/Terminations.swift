internal import Glibc
internal import Synchronization
internal import Threads

/// Where the signal handler writes; a handler may do little more than that.
private let signalPipe = Atomic<Int32>(-1)

/// The signals that ask the program to end, as a stream.
func terminations() -> AsyncStream<Int32> {
    AsyncStream { continuation in
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return continuation.finish() }
        let readEnd = ends[0]
        signalPipe.store(ends[1], ordering: .releasing)
        for number in [SIGTERM, SIGINT] {
            signal(number) { number in
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(signalPipe.load(ordering: .acquiring), &byte, 1)
            }
        }
        startThread(named: "signals") {
            var byte: UInt8 = 0
            while read(readEnd, &byte, 1) == 1 { continuation.yield(Int32(byte)) }
        }
    }
}
