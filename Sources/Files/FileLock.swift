internal import Glibc
internal import Synchronization

/// An advisory lock on a file (flock(2)), which the kernel gives back however the process ends.
package final class FileLock: Sendable {
    package let path: String
    private let descriptor = Mutex<Int32>(-1)

    package init(_ path: String) { self.path = path }

    deinit { release() }

    package var isHeld: Bool { descriptor.withLock { $0 >= 0 } }

    /// Takes the lock when it is free, and never waits.
    /// - Returns: Whether it is held now.
    /// - Throws: `FileError` when the file cannot be made.
    package func acquire() throws(FileError) -> Bool {
        guard !isHeld else { return true }
        let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0 else { throw FileError(path) }
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            close(opened)
            return false
        }
        descriptor.withLock { $0 = opened }
        return true
    }

    /// Gives the lock back.
    package func release() {
        let held = descriptor.withLock { value in
            defer { value = -1 }
            return value
        }
        if held >= 0 { close(held) }
    }

    /// Says in the file who holds it, for whoever finds it held.
    package func describe(_ holder: String) {
        descriptor.withLock { descriptor in
            guard descriptor >= 0, ftruncate(descriptor, 0) == 0 else { return }
            let bytes = Array(holder.utf8)
            _ = pwrite(descriptor, bytes, bytes.count, 0)
        }
    }
}
