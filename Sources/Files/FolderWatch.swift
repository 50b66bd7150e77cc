internal import Glibc
internal import Threads

/// Watches folders and everything in them for changes, by inotify(7).
package actor FolderWatch {
    private let descriptor: Int32
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
        let (descriptor, continuation) = (descriptor, continuation)
        startThread(named: "inotify") {
            var buffer = [UInt8](repeating: 0, count: 64 * 1024)
            let pause = Int32(quiet.components.seconds * 1000 + quiet.components.attoseconds / 1_000_000_000_000_000)
            while read(descriptor, &buffer, buffer.count) > 0 {
                let limit = ContinuousClock.now + quiet * 10
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                while ContinuousClock.now < limit, poll(&entry, 1, pause) > 0,
                    read(descriptor, &buffer, buffer.count) > 0
                {}
                continuation.yield()
            }
            continuation.finish()
        }
    }

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
