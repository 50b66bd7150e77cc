internal import CMicrohttpd
internal import Glibc
internal import Synchronization

/// How much a client may ask of a server.
package struct ServerLimits: Sendable {
    package var connections = 4096
    /// The request line and all fields, in bytes; it is also what one connection costs.
    package var header = 16 * 1024
    package var body = 3 * 1024 * 1024
    /// The bytes of all bodies together that are held at a time; a request beyond is cut off.
    package var bodies = 64 << 20
    /// How long a request may take to arrive in full; a connection between two requests is closed after as long.
    package var arrival: Duration = .seconds(30)

    package init() {}
}

/// Serves HTTP/1.1 on one address, by libmicrohttpd.
///
/// Its thread reads requests and writes responses; what answers them runs as tasks, with the connection suspended.
package final class Listener: Sendable {
    /// What answers requests.
    package typealias Handler = @Sendable (Request) async -> Response

    /// PEM texts.
    package struct TLS: Sendable {
        package var certificate: String
        package var key: String

        package init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// What is known of the open connections.
    private struct State: Sendable {
        /// Since when each socket is waited on for a request.
        var arriving: [Int32: ContinuousClock.Instant] = [:]
        /// Requests whose answer has not gone out in full.
        var answering = 0
        /// Bytes of bodies that are held, of all requests together.
        var held = 0
        /// Requests whose handler is at work; their connections are suspended.
        var handling = 0
        var streams: [ObjectIdentifier: ByteStream] = [:]
        var isStopping = false
    }

    package let address: Address
    /// The port, when the address left it open.
    package let port: UInt16
    private let handler: Handler
    private let limits: ServerLimits
    private let state = Mutex(State())
    /// Rings when a request begins to arrive.
    private let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let daemon = Mutex<UInt>(0)

    /// - Throws: `ServerError` when the address cannot be listened on or the certificate is none.
    package init(
        _ address: Address,
        limits: ServerLimits = ServerLimits(),
        tls: TLS? = nil,
        handler: @escaping Handler
    ) throws(ServerError) {
        if let problem = hecate_server_problem() {
            let words = "the server cannot be started: \(String(cString: problem)); install libmicrohttpd12"
            throw ServerError(description: words)
        }
        let descriptor = try address.listen()
        self.address = address
        self.limits = limits
        self.handler = handler
        port = Self.port(of: descriptor)
        // With epoll, 0.9.75 waits for one more event when it was given 128 at once, and answers none meanwhile.
        var flags = MHD_USE_POLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue | MHD_USE_ITC.rawValue
        if tls != nil { flags |= MHD_USE_TLS.rawValue }
        // The daemon's callbacks find this object by its address; `stop` ends them before it goes.
        let started = hecate_server_start(
            flags,
            descriptor,
            answerRequest,
            requestCompleted,
            connectionChanged,
            Unmanaged.passUnretained(self).toOpaque(),
            UInt32(limits.connections),
            limits.header,
            UInt32(limits.arrival.components.seconds),
            tls?.certificate,
            tls?.key
        )
        guard let started else {
            close(descriptor)
            throw ServerError(
                description:
                    "the server on \(address) cannot be started\(tls == nil ? "" : "; check certificate and key")"
            )
        }
        daemon.withLock { $0 = UInt(bitPattern: started) }
    }

    deinit {
        state.withLock { $0.isStopping = true }
        halt()
    }

    private static func port(of descriptor: Int32) -> UInt16 {
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard code == 0, [AF_INET, AF_INET6].contains(Int32(address.sin6_family)) else { return 0 }
        return UInt16(bigEndian: address.sin6_port)
    }

    /// Closes connections whose request does not arrive in time, until the task is cancelled.
    package func watch() async {
        // Where nothing arrives there is nothing to wake up for.
        for await _ in arrivals {
            while !Task.isCancelled, state.withLock({ !$0.arriving.isEmpty }) {
                try? await Task.sleep(for: .seconds(1))
                let now = ContinuousClock.now
                state.withLock { state in
                    for (descriptor, since) in state.arriving where now - since > limits.arrival {
                        // Shut down and not closed: the descriptor is the daemon's, which sees the end and closes it.
                        shutdown(descriptor, Int32(SHUT_RDWR))
                    }
                }
            }
        }
    }

    /// How many requests are being answered, and how many streams are open.
    package var load: (requests: Int, streams: Int) { state.withLock { ($0.answering, $0.streams.count) } }

    /// Takes no more connections, ends the streams, lets requests finish for so long, and stops.
    package func drain(within limit: Duration) async {
        let running = OpaquePointer(bitPattern: daemon.withLock { $0 })
        if let running {
            let descriptor = hecate_server_quiesce(running)
            if descriptor >= 0 { close(descriptor) }
        }
        let streams = state.withLock { state in
            state.isStopping = true
            return Array(state.streams.values)
        }
        for stream in streams { stream.finish() }
        let deadline = ContinuousClock.now + limit
        while state.withLock({ $0.answering > 0 || !$0.streams.isEmpty }), ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(10))
        }
        // A handler that goes on for longer holds its connection suspended, and a daemon cannot be stopped under it.
        if state.withLock({ $0.handling == 0 }) { halt() }
        if case .unix(let path, _) = address { unlink(path) }
    }

    private func halt() {
        let running = daemon.withLock { address in
            defer { address = 0 }
            return OpaquePointer(bitPattern: address)
        }
        if let running { hecate_server_stop(running) }
    }

    // MARK: What the daemon calls

    fileprivate func arrives(_ descriptor: Int32) {
        state.withLock { $0.arriving[descriptor] = .now }
        arrival.yield()
    }

    /// A request is over: its answer is sent, or its client is gone.
    fileprivate func complete(_ exchange: Exchange) {
        state.withLock { state in
            if exchange.hasBegun { state.answering -= 1 }
            state.held -= exchange.request.body.count
        }
    }

    /// Makes room for more of a body; false when all of them together are too much.
    fileprivate func reserve(_ count: Int) -> Bool {
        state.withLock { state in
            guard state.held + count <= limits.bodies else { return false }
            state.held += count
            return true
        }
    }

    fileprivate func leaves(_ descriptor: Int32) { state.withLock { $0.arriving[descriptor] = nil } }

    fileprivate func begin(_ exchange: Exchange, on connection: OpaquePointer) -> MHD_Result {
        let address = UInt(bitPattern: connection)
        let isTaken = state.withLock { state in
            state.arriving[hecate_connection_descriptor(connection)] = nil
            // Nothing is begun any more: what is suspended while the daemon is stopped would end the program.
            guard !state.isStopping else { return false }
            state.answering += 1
            state.handling += 1
            return true
        }
        guard isTaken else {
            return send(Response(503, [("Connection", "close")], body: .bytes(SharedBytes([]))), on: connection)
        }
        exchange.begin()
        hecate_connection_suspend(connection)
        let handler = handler
        let request = exchange.request
        Task {
            exchange.answer(await handler(request))
            if let connection = OpaquePointer(bitPattern: address) { hecate_connection_resume(connection) }
            // Only now may the daemon be stopped.
            self.state.withLock { $0.handling -= 1 }
        }
        return MHD_Result.YES
    }

    fileprivate func send(_ response: Response, on connection: OpaquePointer) -> MHD_Result {
        let made: OpaquePointer?
        switch response.body {
        case .bytes(let bytes):
            let context = Unmanaged.passRetained(bytes).toOpaque()
            made = hecate_response_of_buffer(
                bytes.count,
                bytes.pointer,
                { if let bytes = $0 { Unmanaged<SharedBytes>.fromOpaque(bytes).release() } },
                context
            )
        case .stream(let stream):
            stream.attach(connection)
            let id = ObjectIdentifier(stream)
            let isStopping = state.withLock { state in
                state.streams[id] = stream
                return state.isStopping
            }
            if isStopping { stream.finish() }
            let context = Unmanaged.passRetained(
                StreamContext(stream: stream) { [weak self] in
                    self?.state.withLock { $0.streams[id] = nil }
                }
            ).toOpaque()
            made = hecate_response_of_callback(
                UInt64.max,
                1024,
                { context, _, buffer, capacity in
                    guard let context, let buffer else { return -1 }
                    let stream = Unmanaged<StreamContext>.fromOpaque(context).takeUnretainedValue().stream
                    return stream.read(into: buffer, capacity)
                },
                context,
                { context in
                    guard let context else { return }
                    Unmanaged<StreamContext>.fromOpaque(context).takeRetainedValue().close()
                }
            )
        }
        guard let made else { return MHD_Result.NO }
        defer { hecate_response_destroy(made) }
        for field in response.headers { _ = hecate_response_add_header(made, field.name, field.value) }
        return hecate_response_queue(connection, UInt32(response.status), made)
    }

    fileprivate func refusal(of exchange: Exchange) -> Response? {
        guard let length = exchange.request.headers["content-length"].flatMap({ Int($0) }), length > limits.body else {
            return nil
        }
        return Self.problem(413, "Content Too Large", "The body is larger than \(limits.body) bytes.")
    }

    fileprivate var bodyLimit: Int { limits.body }

    /// An error in the form of RFC 9457.
    private static func problem(_ status: Int, _ title: String, _ detail: String) -> Response {
        Response(
            status,
            type: "application/problem+json",
            #"{"type":"about:blank","title":"\#(title)","status":\#(status),"detail":"\#(detail)"}"#
        )
    }
}

/// What belongs to a response that goes on.
private final class StreamContext: Sendable {
    let stream: ByteStream
    private let forget: @Sendable () -> Void

    init(stream: ByteStream, forget: @escaping @Sendable () -> Void) {
        self.stream = stream
        self.forget = forget
    }

    func close() {
        forget()
        stream.close()
    }
}

/// A request on its way in, and its answer on the way out.
private final class Exchange: Sendable {
    private let state: Mutex<(request: Request, response: Response?, hasBegun: Bool)>

    init(_ request: Request) { state = Mutex((request, nil, false)) }

    /// Whether a handler was given the request.
    var hasBegun: Bool { state.withLock { $0.hasBegun } }
    func begin() { state.withLock { $0.hasBegun = true } }

    var request: Request { state.withLock { $0.request } }
    var response: Response? { state.withLock { $0.response } }
    func answer(_ response: Response) { state.withLock { $0.response = response } }

    /// - Returns: How long the body is now.
    func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        state.withLock { state in
            state.request.body += bytes
            return state.request.body.count
        }
    }
}

private func values(_ connection: OpaquePointer, _ kind: MHD_ValueKind) -> [String: String] {
    var result: [String: String] = [:]
    let isHeader = kind == MHD_ValueKind.HEADER_KIND
    withUnsafeMutablePointer(to: &result) { pointer in
        _ = hecate_connection_values(
            connection,
            kind,
            { context, _, key, value in
                guard let context, let key else { return MHD_Result.YES }
                let target = context.assumingMemoryBound(to: [String: String].self)
                target.pointee[String(cString: key)] = value.map { String(cString: $0) } ?? ""
                return MHD_Result.YES
            },
            pointer
        )
    }
    guard isHeader else { return result }
    return Dictionary(result.map { ($0.key.lowercased(), $0.value) }) { _, last in last }
}

private let answerRequest: MHD_AccessHandlerCallback = {
    context,
    connection,
    path,
    method,
    _,
    body,
    bodySize,
    memory in
    guard let context, let connection, let path, let method, let bodySize, let memory else { return MHD_Result.NO }
    let listener = Unmanaged<Listener>.fromOpaque(context).takeUnretainedValue()
    guard let known = memory.pointee else {
        let exchange = Exchange(
            Request(
                method: String(cString: method),
                path: String(cString: path),
                query: values(connection, MHD_ValueKind.GET_ARGUMENT_KIND),
                headers: values(connection, MHD_ValueKind.HEADER_KIND),
                client: clientName(hecate_connection_client(connection))
            )
        )
        memory.pointee = Unmanaged.passRetained(exchange).toOpaque()
        // What is too large is not even read.
        return listener.refusal(of: exchange).map { listener.send($0, on: connection) } ?? MHD_Result.YES
    }
    let exchange = Unmanaged<Exchange>.fromOpaque(known).takeUnretainedValue()
    if bodySize.pointee > 0 {
        guard listener.reserve(bodySize.pointee) else { return MHD_Result.NO }
        let length = exchange.append(UnsafeRawBufferPointer(start: body, count: bodySize.pointee))
        bodySize.pointee = 0
        return length <= listener.bodyLimit ? MHD_Result.YES : MHD_Result.NO
    }
    guard let response = exchange.response else { return listener.begin(exchange, on: connection) }
    return listener.send(response, on: connection)
}

private let requestCompleted: MHD_RequestCompletedCallback = { context, connection, memory, _ in
    guard let context, let connection, let memory, let known = memory.pointee else { return }
    memory.pointee = nil
    let listener = Unmanaged<Listener>.fromOpaque(context).takeUnretainedValue()
    listener.complete(Unmanaged<Exchange>.fromOpaque(known).takeRetainedValue())
    listener.arrives(hecate_connection_descriptor(connection))
}

private let connectionChanged: MHD_NotifyConnectionCallback = { context, connection, _, code in
    guard let context, let connection else { return }
    let listener = Unmanaged<Listener>.fromOpaque(context).takeUnretainedValue()
    let descriptor = hecate_connection_descriptor(connection)
    if code == MHD_ConnectionNotificationCode.CONNECTION_NOTIFY_STARTED {
        listener.arrives(descriptor)
    } else {
        listener.leaves(descriptor)
    }
}
