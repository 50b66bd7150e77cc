import Delivery
import Glibc
import Journal
import Synchronization
import TestSupport

/// A wall clock that stands still until it is moved.
final class TestClock: Sendable {
    private let seconds = Mutex(1_800_000_000.0)

    func now() -> Timestamp { Timestamp(seconds.withLock { $0 }) }
    func advance(_ amount: Double) { seconds.withLock { $0 += amount } }
}

func testEvent(_ message: String, subject: String = "t/web") -> Event {
    Event(time: Timestamp(1), severity: .info, reason: .deployed, subject: subject, commit: "c", message: message)
}

/// The next thing that befell a store.
func nextIncident(_ store: Store) async -> StoreIncident? {
    for await incident in store.incidents { return incident }
    return nil
}

/// The names in a folder.
func fileNames(_ folder: String) async throws -> [String] {
    try await shell(["ls", folder]).split(separator: "\n").map(String.init)
}

func fileMode(_ path: String) -> UInt32? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o777 : nil
}
