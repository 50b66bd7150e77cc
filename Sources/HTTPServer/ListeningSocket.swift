internal import CMicrohttpd
internal import Glibc

/// Why a server cannot be started.
package struct ServerError: Error, Sendable, CustomStringConvertible {
    package var description: String
}

/// Where a server is reached.
package enum Address: Sendable, Hashable, CustomStringConvertible {
    case tcp(host: String, port: UInt16)
    /// A Unix socket, with its permissions.
    case unix(path: String, mode: UInt32)

    /// Reads `127.0.0.1:8080`, `[::1]:8080`, `:8080` (loopback) or `unix:/run/hecate.sock`.
    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst("unix:".count))
            guard path.hasPrefix("/"), path.utf8.count < 108 else { return nil }
            self = .unix(path: path, mode: 0o660)
            return
        }
        if let port = UInt16(text) {
            self = .tcp(host: "127.0.0.1", port: port)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        self = .tcp(host: host.isEmpty ? "127.0.0.1" : host, port: port)
    }

    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path, _): "unix:\(path)"
        }
    }

    package var isUnix: Bool {
        if case .unix = self { true } else { false }
    }

    /// Whether only this machine reaches it.
    package var isLocal: Bool {
        switch self {
        case .tcp(let host, _): host == "localhost" || host == "::1" || host.hasPrefix("127.")
        case .unix: true
        }
    }

    /// Binds and listens.
    func listen() throws(ServerError) -> Int32 {
        switch self {
        case .tcp(let host, let port): try Self.listen(host, port)
        case .unix(let path, let mode): try Self.listen(path, mode)
        }
    }

    private static func listen(_ host: String, _ port: UInt16) throws(ServerError) -> Int32 {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, "\(port)", &hints, &list)
        guard code == 0, let first = list else {
            throw ServerError(description: "'\(host)' is no address: \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(list) }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(first.pointee.ai_family, type, 0)
        guard descriptor >= 0 else { throw failure("a socket", nil) }
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0,
            Glibc.listen(descriptor, 1024) == 0
        else { throw failure("\(host):\(port)", descriptor) }
        return descriptor
    }

    private static func listen(_ path: String, _ mode: UInt32) throws(ServerError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw failure("a socket", nil) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        // A socket that nobody answers on is left over from a controller that was killed.
        let isTaken = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) == 0 }
        }
        guard !isTaken else {
            close(descriptor)
            throw ServerError(description: "somebody else listens on '\(path)'")
        }
        var status = stat()
        if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK { unlink(path) }
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
        guard isBound, chmod(path, mode) == 0, Glibc.listen(descriptor, 1024) == 0 else {
            throw failure(path, descriptor)
        }
        return descriptor
    }

    private static func failure(_ what: String, _ descriptor: Int32?) -> ServerError {
        let reason = String(cString: strerror(errno))
        if let descriptor { close(descriptor) }
        return ServerError(description: "cannot listen on \(what): \(reason)")
    }
}

/// The address at the other end of a socket, without its port.
func clientName(_ address: UnsafePointer<sockaddr>?) -> String {
    guard let address else { return "" }
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
        return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
            var inner = pointer.pointee.sin_addr
            inet_ntop(AF_INET, &inner, &buffer, socklen_t(buffer.count))
            return text(buffer)
        }
    case AF_INET6:
        return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
            var inner = pointer.pointee.sin6_addr
            inet_ntop(AF_INET6, &inner, &buffer, socklen_t(buffer.count))
            return text(buffer)
        }
    default: return "unix"
    }
}

private func text(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
