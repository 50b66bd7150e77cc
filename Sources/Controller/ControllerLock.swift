internal import Delivery
internal import Glibc
internal import Journal
internal import Synchronization

/// Makes sure that one controller works on a store, and lets other processes wake it.
///
/// The lock is the file `lock` of the store (flock(2)), which the kernel releases however the process ends; other processes
/// wake the controller through the datagram socket `wake`.
package final class ControllerLock: Sendable {
    private struct Held {
        var lock: Int32
        var socket: WakeSocket
    }

    private let folder: String
    private let held: Mutex<Held>
    /// Yields when another process left a request.
    package let wakeups: AsyncStream<Void>
    private let wakeup: AsyncStream<Void>.Continuation

    /// Takes the lock.
    /// - Throws: `Failure` when another controller holds it.
    package init(folder: String) throws {
        self.folder = folder
        (wakeups, wakeup) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let lock: Int32
        do throws(LockError) {
            lock = try Self.take(folder)
        } catch {
            throw error.isTaken
                ? Failure(
                    .conflict,
                    "another controller already works on the store '\(folder)'; stop it, or name another --store"
                ) : error.failure(folder)
        }
        do {
            let socket = try WakeSocket(path: "\(folder)/wake") { [wakeup] in wakeup.yield() }
            held = Mutex(Held(lock: lock, socket: socket))
        } catch {
            close(lock)
            throw error
        }
    }

    deinit {
        held.withLock { held in
            held.socket.end()
            close(held.lock)
        }
        wakeup.finish()
    }

    /// Makes sure that the lock is still where others look for it, and takes it again when its file is gone.
    ///
    /// - Throws: `Failure` with the reason `conflict` when another controller holds it by now, with the reason `unavailable`
    ///   when it cannot be made.
    package func hold() throws {
        try held.withLock { held in
            if FileIdentity("\(folder)/lock") != FileIdentity(descriptor: held.lock) {
                let lock = try retake(from: held.lock)
                close(held.lock)
                held.lock = lock
            }
            // Whoever wants to wake the controller may have to wait a second for that; nothing else depends on it.
            guard !held.socket.isInPlace,
                let socket = try? WakeSocket(path: "\(folder)/wake", { [wakeup] in wakeup.yield() })
            else { return }
            held.socket.end()
            held.socket = socket
        }
    }

    private func retake(from old: Int32) throws -> Int32 {
        do throws(LockError) {
            if let lock = try? Self.take(folder) { return lock }
            // What looks like another file may be the same one, mounted anew: then it is our own lock that is in the way.
            flock(old, LOCK_UN)
            return try Self.take(folder)
        } catch {
            guard error.isTaken else {
                // Until it can be taken, the old one keeps out whoever finds the old file.
                flock(old, LOCK_EX | LOCK_NB)
                throw error.failure(folder)
            }
            throw Failure(
                .conflict,
                "the store '\(folder)' was deleted, moved or replaced while it was open, and another controller works on it "
                    + "now; nothing in it was changed: stop one of the two, or name another --store"
            )
        }
    }

    /// Locks the file that is at the path.
    private static func take(_ folder: String) throws(LockError) -> Int32 {
        let path = "\(folder)/lock"
        for _ in 0..<10 {
            let lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard lock >= 0 else { throw LockError(number: errno) }
            guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
                let number = errno
                close(lock)
                throw LockError(number: number)
            }
            // Somebody may have deleted it since it was opened; then it keeps nobody out.
            if FileIdentity(path) == FileIdentity(descriptor: lock) { return lock }
            close(lock)
        }
        throw LockError(number: ENOENT)
    }

    /// Wakes the controller of a store; false when none is there.
    package static func wake(folder: String) -> Bool {
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        guard withAddress("\(folder)/wake", { connect(socket, $0, $1) }) == 0 else { return false }
        return send(socket, "x", 1, 0) == 1
    }
}

/// Why a lock was not taken, as the system says it.
private struct LockError: Error {
    var number: Int32

    var isTaken: Bool { number == EWOULDBLOCK }

    func failure(_ folder: String) -> Failure {
        Failure(.unavailable, "the store '\(folder)' cannot be written: \(String(cString: strerror(number)))")
    }
}
