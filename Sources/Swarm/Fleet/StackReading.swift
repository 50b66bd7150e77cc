internal import Delivery
internal import Synchronization

/// What reading a stack's files gave, and what it was read from.
struct StackReading: Sendable {
    /// The files, and the settings of the stack's entry.
    var inputs: Inputs
    /// The name of the Compose project, where the files give one.
    var project: String?
    var namePrefix: String?
    var desired: DesiredStack
    /// The fingerprint of what is desired, which takes longer to compute than to keep.
    var fingerprint: String
    var warnings: [String]
}

/// The stacks that were read last: one that is looked at again and again, while it is deployed or until something it waits
/// for is there, is read once.
///
/// They are few, because most stacks of a large fleet rest, and those are not read at all.
final class RecentReadings: Sendable {
    private let readings = Mutex(Recent<AppID, StackReading>(most: 16))

    subscript(id: AppID) -> StackReading? { readings.withLock { $0[id] } }

    func keep(_ reading: StackReading, of id: AppID) { readings.withLock { $0.keep(reading, for: id) } }
}
