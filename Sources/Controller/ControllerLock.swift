internal import Delivery
internal import Glibc
internal import Threads

/// Makes sure that one controller works on a store, and lets other processes wake it.
///
/// The lock is the file `lock` of the store (flock(2)), which the kernel releases however the process ends; other processes
/// wake the controller through the datagram socket `wake`.
package final class ControllerLock: Sendable {
    private let lock: Int32
    private let socket: Int32
    private let path: String
    /// Yields when another process left a request.
    package let wakeups: AsyncStream<Void>

    /// Takes the lock.
    /// - Throws: `Failure` when another controller holds it.
    package init(folder: String) throws {
        lock = open("\(folder)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            throw Failure(.unavailable, "the store '\(folder)' cannot be written: \(String(cString: strerror(errno)))")
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw Failure(
                .conflict,
                "another controller already works on the store '\(folder)'; stop it, or name another --store"
            )
        }
        path = "\(folder)/wake"
        unlink(path)
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        self.socket = socket
        guard withAddress(path, { bind(socket, $0, $1) }) == 0 else {
            throw Failure(.unavailable, "the socket '\(path)' cannot be made: \(String(cString: strerror(errno)))")
        }
        let (wakeups, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.wakeups = wakeups
        startThread(named: "wake") {
            var byte: UInt8 = 0
            while recv(socket, &byte, 1, 0) >= 0 { continuation.yield() }
            continuation.finish()
        }
    }

    deinit {
        unlink(path)
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
        close(lock)
    }

    /// Wakes the controller of a store; false when none is there.
    package static func wake(folder: String) -> Bool {
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        guard withAddress("\(folder)/wake", { connect(socket, $0, $1) }) == 0 else { return false }
        return send(socket, "x", 1, 0) == 1
    }
}

private func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
        errno = ENAMETOOLONG
        return -1
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}
