internal import CCurl
import Synchronization
import Threads

/// Where a server listens and how it is trusted.
package struct Endpoint: Sendable, Hashable {
    /// The scheme, host and port of requests, such as `http://localhost`.
    package var base: String
    /// A Unix socket to connect to instead of the host in `base`.
    package var socket: String?
    /// PEM files of a trust of one's own.
    package var tls: TLS?

    /// Whom to trust, and for mutual TLS who asks.
    package struct TLS: Sendable, Hashable {
        package var authority: String
        package var certificate: String?
        package var key: String?

        package init(authority: String, certificate: String? = nil, key: String? = nil) {
            self.authority = authority
            self.certificate = certificate
            self.key = key
        }
    }

    package init(base: String, socket: String? = nil, tls: TLS? = nil) {
        self.base = base
        self.socket = socket
        self.tls = tls
    }
}

/// One HTTP request.
package struct Request: Sendable {
    package var method: String
    /// Path and query, already percent-encoded.
    package var path: String
    package var headers: [String: String]
    package var body: [UInt8]?
    /// How long the whole exchange may take; nil for a stream without end.
    package var timeout: Duration?
    /// The headers of the answer that are wanted, in lower case.
    package var wanted: [String]

    package init(
        _ method: String,
        _ path: String,
        headers: [String: String] = [:],
        body: [UInt8]? = nil,
        timeout: Duration? = .seconds(30),
        wanted: [String] = []
    ) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.wanted = wanted
    }
}

/// A complete answer.
package struct Response: Sendable {
    package var status: Int
    package var body: [UInt8]
    /// How long the server asks to be left alone (RFC 9110, section 10.2.3), when it says so.
    package var retryAfter: Duration?
    /// Of the headers that were wanted, those that came.
    package var headers: [String: String]

    package init(status: Int, body: [UInt8], retryAfter: Duration? = nil, headers: [String: String] = [:]) {
        self.status = status
        self.body = body
        self.retryAfter = retryAfter
        self.headers = headers
    }
}

/// A request that got no answer: nobody listens, the name is unknown, the deadline passed.
package struct TransportError: Error, Sendable, CustomStringConvertible {
    package var description: String
    /// What a stream was refused with.
    package var status: Int?

    package init(description: String, status: Int? = nil) {
        self.description = description
        self.status = status
    }
}

/// An HTTP client for one endpoint, on libcurl.
///
/// Connections are kept and reused.
package final class Client: Transport {
    private let endpoint: Endpoint
    private let pool: ThreadPool
    private let idle = Mutex<[Handle]>([])
    /// The most bytes an answer may have; a larger one is refused.
    private let bodyLimit: Int

    /// `width`: How many requests may be under way at once.
    package init(endpoint: Endpoint, width: Int = 8, bodyLimit: Int = 256 * 1024 * 1024) {
        self.endpoint = endpoint
        self.bodyLimit = bodyLimit
        pool = ThreadPool(width: width)
    }

    /// Has libcurl loaded, which takes milliseconds, before there is anything to send.
    package static func getReady() { startThread(named: "libcurl") { _ = hecate_curl_problem() } }

    /// Sends one request and reads its whole answer.
    /// - Throws: `TransportError` when there is no answer.
    package func send(_ request: Request) async throws -> Response {
        try await pool.run { [self] in
            let handle = try idle.withLock { $0.popLast() } ?? Handle()
            let exchange = Exchange(limit: bodyLimit, wanted: request.wanted)
            do {
                let status = try handle.perform(request, at: endpoint, exchange: exchange)
                let wait = handle.retryAfter
                idle.withLock { $0.append(handle) }
                return Response(status: status, body: exchange.body, retryAfter: wait, headers: exchange.headers)
            } catch {
                throw error  // The handle is dropped with its connection: its state is unknown.
            }
        }
    }

    /// Sends one request and delivers its answer piece by piece for as long as the server sends.
    ///
    /// The first element is delivered when the server has answered with a status below 400.
    package func stream(_ request: Request) -> AsyncThrowingStream<[UInt8], any Error> {
        let endpoint = endpoint
        return AsyncThrowingStream { continuation in
            let exchange = Exchange(limit: 64 * 1024) { continuation.yield($0) }
            continuation.onTermination = { _ in exchange.cancel() }
            startThread(named: "stream") {
                do {
                    let status = try Handle().perform(request, at: endpoint, exchange: exchange)
                    guard status < 400 else {
                        throw TransportError(description: "the server answered \(status)", status: status)
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
        }
    }
}

/// What one exchange receives; libcurl's callbacks reach it through a pointer.
private final class Exchange: Sendable {
    private struct State {
        var body: [UInt8] = []
        var headers: [String: String] = [:]
        var tooLarge = false
        var cancelled = false
    }
    private let state = Mutex(State())
    private let limit: Int
    private let wanted: [String]
    private let deliver: (@Sendable ([UInt8]) -> Void)?

    init(limit: Int, wanted: [String] = [], deliver: (@Sendable ([UInt8]) -> Void)? = nil) {
        self.limit = limit
        self.wanted = wanted
        self.deliver = deliver
    }

    var body: [UInt8] { state.withLock { $0.body } }
    var headers: [String: String] { state.withLock { $0.headers } }
    var wantsHeaders: Bool { !wanted.isEmpty }
    var isCancelled: Bool { state.withLock { $0.cancelled } }
    var isStream: Bool { deliver != nil }
    var isTooLarge: Bool { state.withLock { $0.tooLarge } }
    func cancel() { state.withLock { $0.cancelled = true } }

    /// Takes in one line of the answer's head (RFC 9112, section 5).
    func receive(line: UnsafeRawBufferPointer) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return }
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        guard wanted.contains(name) else { return }
        func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 }
        let value = line[(colon + 1)...].drop(while: isSpace).reversed().drop(while: isSpace).reversed()
        state.withLock { $0.headers[name] = String(decoding: value, as: UTF8.self) }
    }

    func receive(_ data: UnsafeRawBufferPointer) -> Bool {
        if let deliver {
            deliver(Array(data))
            return !isCancelled
        }
        return state.withLock { state in
            state.tooLarge = state.body.count + data.count > limit
            if !state.tooLarge { state.body.append(contentsOf: data) }
            return !state.tooLarge
        }
    }
}

/// One libcurl easy handle.
///
/// Used by one thread at a time: the client lends it out.
private final class Handle: Sendable {
    // SAFETY: the handle is only touched between being taken from and put back into the client's locked list.
    private nonisolated(unsafe) let handle: UnsafeMutableRawPointer

    init() throws {
        if let problem = hecate_curl_problem() {
            throw TransportError(description: "\(String(cString: problem)); install libcurl4")
        }
        guard let handle = hecate_curl_init() else { throw TransportError(description: "libcurl is out of memory") }
        self.handle = handle
    }

    deinit { hecate_curl_cleanup(handle) }

    func perform(_ request: Request, at endpoint: Endpoint, exchange: Exchange) throws -> Int {
        hecate_curl_reset(handle)
        set(CURLOPT_URL, endpoint.base + request.path)
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_CONNECTTIMEOUT_MS, 10_000)
        set(CURLOPT_BUFFERSIZE, 64 * 1024)
        // A stream may be silent for hours; the kernel notices when the other side is gone for good.
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_TCP_KEEPIDLE, 30)
        set(CURLOPT_TCP_KEEPINTVL, 10)
        if let socket = endpoint.socket { set(CURLOPT_UNIX_SOCKET_PATH, socket) }
        if let timeout = request.timeout { set(CURLOPT_TIMEOUT_MS, max(1, timeout.milliseconds)) }
        // What comes with a refusal is no part of a stream.
        if exchange.isStream { set(CURLOPT_FAILONERROR, 1) }
        if let tls = endpoint.tls {
            set(CURLOPT_CAINFO, tls.authority)
            if let certificate = tls.certificate { set(CURLOPT_SSLCERT, certificate) }
            if let key = tls.key { set(CURLOPT_SSLKEY, key) }
        }
        set(CURLOPT_CUSTOMREQUEST, request.method)
        if request.method == "HEAD" { set(CURLOPT_NOBODY, 1) }

        var headers: UnsafeMutablePointer<curl_slist>?
        defer { hecate_curl_free(headers) }
        for (name, value) in request.headers { headers = hecate_curl_append(headers, "\(name): \(value)") }
        headers = hecate_curl_append(headers, "Expect:")
        _ = hecate_curl_set_list(handle, CURLOPT_HTTPHEADER, headers)

        let context = Unmanaged.passUnretained(exchange).toOpaque()
        _ = hecate_curl_set_pointer(handle, CURLOPT_WRITEDATA, context)
        _ = hecate_curl_set_write(handle, CURLOPT_WRITEFUNCTION) { data, size, count, context in
            guard let data, let context else { return 0 }
            let exchange = Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
            let bytes = UnsafeRawBufferPointer(start: data, count: size * count)
            return exchange.receive(bytes) ? bytes.count : 0
        }
        if exchange.wantsHeaders {
            _ = hecate_curl_set_pointer(handle, CURLOPT_HEADERDATA, context)
            _ = hecate_curl_set_write(handle, CURLOPT_HEADERFUNCTION) { data, size, count, context in
                guard let data, let context else { return 0 }
                let line = UnsafeRawBufferPointer(start: data, count: size * count)
                Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue().receive(line: line)
                return line.count
            }
        }
        _ = hecate_curl_set_pointer(handle, CURLOPT_XFERINFODATA, context)
        _ = hecate_curl_set_progress(handle) { context, _, _, _, _ in
            guard let context else { return 1 }
            return Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue().isCancelled ? 1 : 0
        }
        set(CURLOPT_NOPROGRESS, 0)

        let result = withExtendedLifetime(exchange) {
            let body = request.body ?? []
            return body.withUnsafeBytes { buffer in
                if request.body != nil {
                    set(CURLOPT_POSTFIELDSIZE, buffer.count)
                    let empty = UnsafeMutableRawPointer(mutating: buffer.baseAddress)
                    _ = hecate_curl_set_pointer(handle, CURLOPT_POSTFIELDS, empty)
                }
                return hecate_curl_perform(handle)
            }
        }
        guard result == CURLE_OK || result == CURLE_HTTP_RETURNED_ERROR else {
            if exchange.isTooLarge { throw TransportError(description: "the answer is larger than is read") }
            throw TransportError(description: String(cString: hecate_curl_explain(result)).lowercased())
        }
        var status = 0
        _ = hecate_curl_status(handle, &status)
        return status
    }

    /// What the last answer said of when to come back.
    var retryAfter: Duration? {
        let seconds = hecate_curl_retry_after(handle)
        return seconds > 0 ? .seconds(seconds) : nil
    }

    private func set(_ option: CURLoption, _ value: Int) { _ = hecate_curl_set_long(handle, option, value) }
    private func set(_ option: CURLoption, _ value: String) { _ = hecate_curl_set_string(handle, option, value) }
}

extension Duration {
    fileprivate var milliseconds: Int {
        Int(components.seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000)
    }
}
