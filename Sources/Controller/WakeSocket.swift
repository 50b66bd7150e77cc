internal import Delivery
internal import Glibc
internal import Journal
internal import Synchronization
internal import Threads

/// The datagram socket by which other processes wake a controller: whatever comes is a call.
final class WakeSocket: Sendable {
    private let path: String
    private let identity: FileIdentity?
    private let socket: Int32
    private let isEnded = Mutex(false)

    /// Takes the path from whatever is there, and listens until `end`.
    /// - Throws: `Failure` when the socket cannot be made.
    init(path: String, _ woken: @escaping @Sendable () -> Void) throws {
        self.path = path
        unlink(path)
        socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard withAddress(path, { [socket] in bind(socket, $0, $1) }) == 0 else {
            let reason = String(cString: strerror(errno))
            close(socket)
            throw Failure(.unavailable, "the socket '\(path)' cannot be made: \(reason)")
        }
        identity = FileIdentity(path)
        startThread(named: "wake") {
            var byte: UInt8 = 0
            while recv(self.socket, &byte, 1, 0) >= 0, !self.isEnded.withLock({ $0 }) { woken() }
            // Nobody else may close it: its number would be another file's while it is waited for here.
            close(self.socket)
        }
    }

    /// Whether others still find it at its path.
    var isInPlace: Bool { identity != nil && FileIdentity(path) == identity }

    /// Ends the listening and removes what is at the path, unless it is somebody else's by now.
    func end() {
        if isInPlace { unlink(path) }
        // Together: the thread closes the socket as soon as it knows.
        isEnded.withLock { isEnded in
            shutdown(socket, Int32(SHUT_RDWR))
            isEnded = true
        }
    }
}

/// Calls with the address of a socket at a path.
func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
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
