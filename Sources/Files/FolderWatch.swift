internal import Glibc
internal import Synchronization
internal import Threads

/// Watches folders and everything in them for changes, by inotify(7).
package actor FolderWatch {
    private let descriptor: Int32
    private nonisolated let reader: EventReader
    private let continuation: AsyncStream<Void>.Continuation
    /// One element when something changed since the last was taken, and then nothing for a moment.
    package nonisolated let changes: AsyncStream<Void>

    /// `quiet` is how long nothing may happen before a change is told, because an editor or a copy writes many times.
    ///
    /// After ten times as long it is told all the same.
    /// - Throws: `FileError` when the system gives no more watches.
    package init(quiet: Duration) throws(FileError) {
        descriptor = inotify_init1(Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { throw FileError("inotify") }
        (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        reader = EventReader(descriptor)
        let (reader, continuation) = (reader, continuation)
        startThread(named: "inotify") {
            let pause = Int32(quiet.components.seconds * 1000 + quiet.components.attoseconds / 1_000_000_000_000_000)
            while reader.wait(-1), reader.read() {
                let limit = ContinuousClock.now + quiet * 10
                while ContinuousClock.now < limit, reader.wait(pause), reader.read() {}
                continuation.yield()
            }
            continuation.finish()
        }
    }

    /// Changes with all that happened until now in what is watched; nil while that is being taken in.
    ///
    /// What a program writes counts once it closes the file.
    package nonisolated var position: Int? { reader.position }

    /// Watches these folders; those that are not there are left out.
    ///
    /// What was watched before stays watched: the kernel forgets folders that are gone.
    /// - Throws: `FileError` when the system gives no more watches.
    package func watch(_ folders: [String]) throws(FileError) {
        let events =
            IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF
            | IN_MOVE_SELF
        for folder in folders {
            if inotify_add_watch(descriptor, folder, UInt32(events) | UInt32(IN_ONLYDIR)) < 0,
                errno != ENOENT, errno != ENOTDIR, errno != EACCES
            {
                throw FileError(folder)
            }
        }
    }
}

/// Takes events from the kernel, and counts how often there were any.
private final class EventReader: Sendable {
    private let descriptor: Int32
    private let count = Mutex(0)

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Whether there are events within so many milliseconds; -1 waits for ever.
    func wait(_ milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    func read() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        return count.withLock { count in
            count += 1
            return Glibc.read(descriptor, &buffer, buffer.count) > 0
        }
    }

    /// Nobody may see what was taken from the kernel and is not counted yet.
    var position: Int? {
        count.withLock { count in
            var waiting: Int32 = 0
            guard ioctl(descriptor, UInt(FIONREAD), &waiting) == 0, waiting == 0 else { return nil }
            return count
        }
    }
}

/// Which folder a path leads to: another one may take its place, by a link or a mount.
package struct FolderIdentity: Sendable, Equatable {
    package let path: String
    private let device: UInt
    private let number: UInt

    package init(_ path: String) {
        self.path = path
        var status = stat()
        let isThere = stat(path, &status) == 0
        (device, number) = isThere ? (UInt(status.st_dev), UInt(status.st_ino)) : (0, 0)
    }

    /// Whether there is a folder.
    package var isThere: Bool { number != 0 }
}
