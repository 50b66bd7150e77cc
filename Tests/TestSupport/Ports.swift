import Glibc

/// A TCP port of the loopback that nobody listens on now.
///
/// It lies below the range the kernel gives to outgoing connections (32768 and up), so that no connection of another
/// test takes it before its server does.
package func freePort() -> Int {
    while true {
        let port = Int.random(in: 20_000..<30_000)
        if isFree(port) { return port }
    }
}

private func isFree(_ port: Int) -> Bool {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
